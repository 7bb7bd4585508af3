//! A speech request as ElevenLabs takes it: voice and encoding in the path, the rest in the body.

use serde::Serialize;

use super::voices::Voices;
use crate::adapters::fault::BodyError;
use crate::media::speech::{AudioFormat, SpeechRequest};

/// The longest input of `eleven_v3`, held against every model: the roster has no other.
pub const CHARACTERS_MAX: u64 = 5_000;
/// Models whose stability has three steps begin with this.
const V3: &str = "eleven_v3";

/// What is sent: `POST` below the provider's host.
#[derive(Clone, PartialEq, Eq)]
pub struct SpeechCall {
    /// Path and query.
    pub path: String,
    /// JSON.
    pub body: Vec<u8>,
    /// The characters that the provider bills: what is held for, and the floor of the charge.
    pub characters: u64,
}

impl std::fmt::Debug for SpeechCall {
    /// Without the body: it is the customer's text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, body: _, characters } = self;
        f.debug_struct("SpeechCall").field("path", path).field("characters", characters).finish_non_exhaustive()
    }
}

/// The three steps of `eleven_v3`; anything between them is a 400 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// 0.0: lively.
    Creative,
    /// 0.5: what is sent where the caller says nothing, since a voice's stored value may be none of the three.
    Natural,
    /// 1.0: steady.
    Robust,
}

impl Stability {
    /// The step next to a value from 0 to 1; halfway is the steadier one.
    pub fn nearest(value: f64) -> Self {
        match value {
            value if value < 0.25 => Self::Creative,
            value if value < 0.75 => Self::Natural,
            _ => Self::Robust,
        }
    }

    /// The value that is sent.
    pub const fn value(self) -> f64 {
        match self {
            Self::Creative => 0.0,
            Self::Natural => 0.5,
            Self::Robust => 1.0,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
    model_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_settings: Option<VoiceSettings>,
}

#[derive(Serialize)]
struct VoiceSettings {
    stability: f64,
}

/// The call for a request, or why no such call can be made. Nothing is reserved before this succeeds.
///
/// # Errors
/// [`BodyError`] for a voice that is not in the table (`voice`) and for an input that is too long (`input`).
pub fn render(request: &SpeechRequest, upstream_model: &str, voices: &Voices) -> Result<SpeechCall, BodyError> {
    let voice = voices.find(&request.voice).ok_or_else(|| {
        let names: Vec<_> = voices.iter().map(|(name, _)| name).collect();
        BodyError::invalid("voice", format!("there is no such voice; there are {}", names.join(", ")))
    })?;
    let characters = request.characters();
    if characters > CHARACTERS_MAX {
        let message = format!("the input has {characters} characters, at most {CHARACTERS_MAX} are taken");
        return Err(BodyError::invalid("input", message));
    }
    let stability = if upstream_model.starts_with(V3) {
        Some(request.stability.map_or(Stability::Natural, Stability::nearest).value())
    } else {
        request.stability
    };
    let body = Body {
        text: &request.input,
        model_id: upstream_model,
        voice_settings: stability.map(|stability| VoiceSettings { stability }),
    };
    let body = serde_json::to_vec(&body).map_err(|_| BodyError::invalid("input", "the input cannot be sent"))?;
    let (voice, format) = (voice.as_str(), output_format(request.format));
    let path = format!("/v1/text-to-speech/{voice}/stream?output_format={format}");
    Ok(SpeechCall { path, body, characters })
}

/// What every paid plan has and what OpenAI's clients expect: PCM and WAV of 24 kHz.
const fn output_format(format: AudioFormat) -> &'static str {
    match format {
        AudioFormat::Mp3 => "mp3_44100_128",
        AudioFormat::Opus => "opus_48000_64",
        AudioFormat::Wav => "wav_24000",
        AudioFormat::Pcm => "pcm_24000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn request(format: AudioFormat, stability: Option<f64>) -> SpeechRequest {
        let input = "[whispers] \"Grüß Gott\", 你好.\n".to_owned();
        SpeechRequest { model: "elevenlabs-v3".to_owned(), input, voice: "alloy".to_owned(), format, stability }
    }

    #[test]
    fn calls_look_as_the_provider_has_them() {
        let mut calls = String::new();
        for (model, format, stability) in [
            ("eleven_v3", AudioFormat::Mp3, None),
            ("eleven_v3", AudioFormat::Opus, Some(0.2)),
            ("eleven_v3", AudioFormat::Wav, Some(0.74)),
            ("eleven_v3", AudioFormat::Pcm, Some(0.75)),
            ("eleven_multilingual_v2", AudioFormat::Mp3, Some(0.74)),
            ("eleven_multilingual_v2", AudioFormat::Mp3, None),
        ] {
            let call = render(&request(format, stability), model, &Voices::default()).unwrap();
            let body = String::from_utf8(call.body).unwrap();
            writeln!(calls, "POST {}\n{body}\n{} characters\n", call.path, call.characters).unwrap();
        }
        insta::assert_snapshot!(calls);
    }

    #[test]
    fn a_voice_that_is_not_served_is_refused_with_those_that_are() {
        let asked = SpeechRequest { voice: "Rachel".to_owned(), ..request(AudioFormat::Mp3, None) };
        let error = render(&asked, "eleven_v3", &Voices::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("voice"));
        assert!(error.message.contains("alloy, ash, ballad"), "{error}");
        assert!(!error.message.contains("Rachel"), "the caller's content is not repeated");
    }

    #[test]
    fn the_longest_input_is_counted_in_characters() {
        let of = |count| SpeechRequest { input: "好".repeat(count), ..request(AudioFormat::Mp3, None) };
        assert_eq!(render(&of(5_000), "eleven_v3", &Voices::default()).unwrap().characters, 5_000);
        let error = render(&of(5_001), "eleven_v3", &Voices::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("input"));
    }
}
