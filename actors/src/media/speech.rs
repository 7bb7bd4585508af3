//! What a caller asked to be spoken, and the formats that it can be spoken in.
//!
//! Read from the body by `adapters/openai/request/speech.rs`, turned into a provider's request by its adapter.
//! A format carries its content type: it is what was asked for, never what the provider calls it, since
//! providers label audio wrongly.

/// The encoding of the audio that is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// MPEG layer III: what clients get that name no format.
    #[default]
    Mp3,
    /// Opus in Ogg.
    Opus,
    /// RIFF with PCM.
    Wav,
    /// Samples alone: 24 kHz, 16 bits, little-endian, one channel, as OpenAI has it.
    Pcm,
}

impl AudioFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mp3, Self::Opus, Self::Wav, Self::Pcm];

    /// Its name in `response_format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }

    /// The format with this name; `None` for those that are not served (aac, flac) and for others.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/ogg",
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }
}

/// A request for speech.
#[derive(Clone, PartialEq)]
pub struct SpeechRequest {
    /// The model, as the caller wrote it.
    pub model: String,
    /// What is spoken: at least one character. How many at most is the model's, and its adapter's to check.
    pub input: String,
    /// A name of the provider's voice table or an id in it.
    pub voice: String,
    /// The encoding of the answer.
    pub format: AudioFormat,
    /// How steady the voice is, from 0 to 1, where the caller said so: an extension of ours.
    pub stability: Option<f64>,
}

impl std::fmt::Debug for SpeechRequest {
    /// Without the text: what customers have spoken does not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, input: _, voice: _, format, stability } = self;
        let characters = self.characters();
        f.debug_struct("SpeechRequest")
            .field("model", model)
            .field("characters", &characters)
            .field("format", format)
            .field("stability", stability)
            .finish_non_exhaustive()
    }
}

impl SpeechRequest {
    /// The characters of the input as they are billed: Unicode scalar values, tags and spaces included.
    pub fn characters(&self) -> u64 {
        u64::try_from(self.input.chars().count()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_labelled_as_what_it_is() {
        let labels = AudioFormat::ALL.map(|format| (format.name(), format.content_type()));
        let expected = [("mp3", "audio/mpeg"), ("opus", "audio/ogg"), ("wav", "audio/wav"), ("pcm", "audio/pcm")];
        assert_eq!(labels, expected);
        assert!(["aac", "flac", "MP3", ""].into_iter().all(|name| AudioFormat::by_name(name).is_none()));
    }

    #[test]
    fn characters_are_scalar_values_and_the_text_is_never_printed() {
        let request = SpeechRequest {
            model: "elevenlabs-v3".to_owned(),
            input: "[sighs] 你好 👋🏽".to_owned(),
            voice: "alloy".to_owned(),
            format: AudioFormat::Mp3,
            stability: None,
        };
        assert_eq!(request.characters(), 13);
        let printed = format!("{request:?}");
        assert!(!printed.contains("sighs") && printed.contains("characters: 13"), "{printed}");
    }
}
