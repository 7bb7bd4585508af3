//! The body of a caller of `POST /v1/audio/speech`, as OpenAI has it.
//!
//! What a provider of ours cannot do is refused by name rather than ignored, since the caller would pay for
//! audio that is not what was asked for. Whether a voice exists and how long the input may be is the
//! provider's and checked by its adapter. Keys that we do not know are passed over, as in a chat body.

use serde::de::Deserialize;
use serde_json::value::RawValue;

use super::object::object;
use super::{parse, position};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::Text;
use crate::media::speech::{AudioFormat, SpeechRequest};

/// What OpenAI serves and no provider of ours does.
const FORMATS_NOT_SERVED: [&str; 2] = ["aac", "flac"];

object! {
    /// The top level.
    struct SpeechFields<'a> {
        "model" => model: Text<'a>,
        "input" => input: Text<'a>,
        "voice" => voice: &'a RawValue,
        "response_format" => response_format: Text<'a>,
        "speed" => speed: f64,
        "instructions" => instructions: Text<'a>,
        "stream_format" => stream_format: Text<'a>,
        "voice_settings" => voice_settings: VoiceSettings<'a>,
    }
}

object! {
    /// A voice that is not named but identified.
    struct VoiceFields<'a> {
        "id" => id: Text<'a>,
    }
}

object! {
    /// An extension of ours, as ElevenLabs has it.
    struct VoiceSettings<'a> {
        "stability" => stability: f64,
        "similarity_boost" => similarity_boost: &'a RawValue,
        "style" => style: &'a RawValue,
        "use_speaker_boost" => use_speaker_boost: &'a RawValue,
        "speed" => speed: &'a RawValue,
    }
}

/// Reads and checks a body.
///
/// # Errors
/// [`BodyError`] names the field: what is not JSON or has a key twice, what is missing or cannot be, and
/// what is not served: other formats, a speed other than 1, instructions, events.
pub fn read_speech(bytes: &[u8]) -> Result<SpeechRequest, BodyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BodyError::invalid_json("the body is not UTF-8"))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = SpeechFields::deserialize(&mut deserializer);
    let fields = read.and_then(|fields| deserializer.end().map(|()| fields));
    let fields = fields.map_err(|error| position::refusal(text, "", &error))?;
    let required = |name: &'static str, value: Option<&Text<'_>>| {
        let value = value.map(Text::as_str).filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| BodyError::invalid(name, format!("{name} is required")))
    };
    let model = required("model", fields.model.as_ref())?;
    let input = required("input", fields.input.as_ref())?;
    let voice = read_voice(fields.voice)?;
    refuse_unserved(&fields)?;
    let format = read_format(fields.response_format.as_ref())?;
    let stability = fields.voice_settings.map(|settings| read_stability(&settings)).transpose()?.flatten();
    Ok(SpeechRequest { model, input, voice, format, stability })
}

/// A name, or an object with an `id`.
fn read_voice(voice: Option<&RawValue>) -> Result<String, BodyError> {
    let missing = || BodyError::invalid("voice", "voice is required");
    let raw = voice.ok_or_else(missing)?.get();
    let name = if raw.starts_with('{') {
        parse::<VoiceFields<'_>>(raw, "voice")?.id.ok_or_else(missing)?
    } else if raw.starts_with('"') {
        parse::<Text<'_>>(raw, "voice")?
    } else {
        return Err(BodyError::invalid("voice", "expected a string or an object with an id"));
    };
    if name.as_str().is_empty() { Err(missing()) } else { Ok(name.0.into_owned()) }
}

fn read_format(name: Option<&Text<'_>>) -> Result<AudioFormat, BodyError> {
    let Some(name) = name.map(Text::as_str) else { return Ok(AudioFormat::default()) };
    AudioFormat::by_name(name).ok_or_else(|| {
        let served = AudioFormat::ALL.map(AudioFormat::name).join(", ");
        if FORMATS_NOT_SERVED.contains(&name) {
            BodyError::unsupported("response_format", format!("{name} is not served, only {served}"))
        } else {
            BodyError::invalid("response_format", format!("expected one of {served}"))
        }
    })
}

fn refuse_unserved(fields: &SpeechFields<'_>) -> Result<(), BodyError> {
    #[expect(clippy::float_cmp, reason = "1 is the one speed that is spoken")]
    if fields.speed.is_some_and(|speed| speed != 1.0) {
        return Err(BodyError::unsupported("speed", "no model here changes its speed; leave it out or at 1"));
    }
    if fields.instructions.as_ref().is_some_and(|text| !text.as_str().is_empty()) {
        let message = "no model here takes instructions; tags such as [whispers] in the input are spoken as they say";
        return Err(BodyError::unsupported("instructions", message));
    }
    match fields.stream_format.as_ref().map(Text::as_str) {
        None | Some("audio") => Ok(()),
        Some("sse") => Err(BodyError::unsupported("stream_format", "events are not served; audio streams as it is")),
        Some(_) => Err(BodyError::invalid("stream_format", "expected audio")),
    }
}

fn read_stability(settings: &VoiceSettings<'_>) -> Result<Option<f64>, BodyError> {
    let unserved = [
        ("similarity_boost", settings.similarity_boost),
        ("style", settings.style),
        ("use_speaker_boost", settings.use_speaker_boost),
        ("speed", settings.speed),
    ];
    if let Some((name, _)) = unserved.iter().find(|(_, value)| value.is_some()) {
        return Err(BodyError::unsupported(format!("voice_settings.{name}"), "only stability is served"));
    }
    match settings.stability {
        Some(stability) if !(0.0..=1.0).contains(&stability) => {
            Err(BodyError::invalid("voice_settings.stability", "expected a number from 0 to 1"))
        }
        stability => Ok(stability),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::fault::BodyErrorCode;
    use proptest::prelude::*;

    /// A body with these fields beside the required ones.
    fn body(more: &str) -> String {
        format!(r#"{{"model":"elevenlabs-v3","input":"Hello","voice":"alloy"{more}}}"#)
    }

    fn refused(json: &str) -> (BodyErrorCode, Option<String>) {
        let error = read_speech(json.as_bytes()).unwrap_err();
        (error.code, error.param)
    }

    #[test]
    fn what_a_client_sends_is_read() {
        let plain = read_speech(body("").as_bytes()).unwrap();
        let expected = SpeechRequest {
            model: "elevenlabs-v3".to_owned(),
            input: "Hello".to_owned(),
            voice: "alloy".to_owned(),
            format: AudioFormat::Mp3,
            stability: None,
        };
        assert_eq!(plain, expected);
        let all = r#" { "voice": {"id":"voice_1","x":1}, "input":"\u00e9 \ud83d\ude42", "speed":1.0, "response_format":"opus",
            "instructions":null, "stream_format":"audio", "user":"u", "model":"m", "voice_settings":{"stability":0.3} } "#;
        let all = read_speech(all.as_bytes()).unwrap();
        assert_eq!((&*all.voice, &*all.input, all.format), ("voice_1", "é 🙂", AudioFormat::Opus));
        assert_eq!(all.stability, Some(0.3));
        for format in AudioFormat::ALL {
            let named = body(&format!(r#","response_format":"{}""#, format.name()));
            assert_eq!(read_speech(named.as_bytes()).unwrap().format, format);
        }
        assert_eq!(read_speech(body(r#","speed":1,"instructions":"""#).as_bytes()).unwrap(), plain);
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        use BodyErrorCode::{InvalidRequest, UnsupportedParameter};
        for (more, code, param) in [
            (r#","response_format":"aac""#, UnsupportedParameter, "response_format"),
            (r#","response_format":"flac""#, UnsupportedParameter, "response_format"),
            (r#","response_format":"midi""#, InvalidRequest, "response_format"),
            (r#","response_format":7"#, InvalidRequest, "response_format"),
            (r#","speed":1.25"#, UnsupportedParameter, "speed"),
            (r#","speed":"fast""#, InvalidRequest, "speed"),
            (r#","instructions":"whisper""#, UnsupportedParameter, "instructions"),
            (r#","stream_format":"sse""#, UnsupportedParameter, "stream_format"),
            (r#","stream_format":"x""#, InvalidRequest, "stream_format"),
            (r#","voice_settings":{"style":0.2}"#, UnsupportedParameter, "voice_settings.style"),
            (r#","voice_settings":{"stability":1.5}"#, InvalidRequest, "voice_settings.stability"),
        ] {
            assert_eq!(refused(&body(more)), (code, Some(param.to_owned())), "{more}");
        }
    }

    #[test]
    fn what_is_missing_or_cannot_be_is_named() {
        for (json, param) in [
            (r#"{"input":"x","voice":"alloy"}"#, "model"),
            (r#"{"model":"","input":"x","voice":"alloy"}"#, "model"),
            (r#"{"model":"m","input":"","voice":"alloy"}"#, "input"),
            (r#"{"model":"m","input":["x"],"voice":"alloy"}"#, "input"),
            (r#"{"model":"m","input":"x"}"#, "voice"),
            (r#"{"model":"m","input":"x","voice":""}"#, "voice"),
            (r#"{"model":"m","input":"x","voice":7}"#, "voice"),
            (r#"{"model":"m","input":"x","voice":{}}"#, "voice"),
            (r#"{"model":"m","input":"x","voice":{"id":7}}"#, "voice.id"),
        ] {
            assert_eq!(refused(json), (BodyErrorCode::InvalidRequest, Some(param.to_owned())), "{json}");
        }
    }

    #[test]
    fn a_key_twice_is_refused_and_so_is_what_is_no_json() {
        for json in [
            body(r#","voice":"ash""#),
            body(r#","user":1,"user":2"#),
            body(r#","m\u006fdel":"n""#),
            r#"{"model":"m","input":"x","voice":{"id":"a","id":"b"}}"#.to_owned(),
            body("") + "x",
            r#"{"model":"m","#.to_owned(),
        ] {
            assert_eq!(refused(&json).0, BodyErrorCode::InvalidJson, "{json}");
        }
        assert_eq!(read_speech(b"\xff").unwrap_err().code, BodyErrorCode::InvalidJson);
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_it_is(input in ".{1,60}", voice in ".{1,20}") {
            let json = serde_json::json!({ "model": "m", "input": &input, "voice": &voice }).to_string();
            let request = read_speech(json.as_bytes()).unwrap();
            prop_assert_eq!((request.input, request.voice), (input, voice));
        }

        #[test]
        fn any_bytes_are_a_request_or_an_error(bytes: Vec<u8>) {
            let _ = read_speech(&bytes);
        }
    }
}
