//! ElevenLabs: text to speech, streamed as raw audio (`wire/media.md` §6).
//!
//! The relay reads a caller's body, has it rendered here before anything is reserved, sends it, and relays
//! the bytes through a meter (`media/audio`). An error status becomes a fault here. There is no response to
//! translate: the answer is audio, and its headers say what it cost us.

mod errors;
mod request;
mod voices;

pub use errors::fault;
pub use request::{CHARACTERS_MAX, SpeechCall, Stability, render};
pub use voices::{InvalidVoice, VoiceId, Voices};

/// The header that carries our key.
pub const KEY_HEADER: &str = "xi-api-key";
/// The header of an answer that says what it cost us, in credits.
pub const COST_HEADER: &str = "character-cost";
/// The header of an answer that names it in the provider's own log.
pub const REQUEST_ID_HEADER: &str = "request-id";

/// The credits in [`COST_HEADER`]; `None` where they are not told. Only for the log and for margins: a credit
/// has no price of its own, so customers pay by characters and seconds.
pub fn character_cost(header: &str) -> Option<u64> {
    header.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_is_not_told_is_not_zero() {
        assert_eq!(character_cost(" 403 "), Some(403));
        assert_eq!(character_cost("0"), Some(0));
        for header in ["", "-1", "1.5", "many"] {
            assert_eq!(character_cost(header), None, "{header}");
        }
    }
}
