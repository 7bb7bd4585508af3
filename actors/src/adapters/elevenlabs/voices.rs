//! Voices by the names that callers use.
//!
//! The provider knows opaque ids and no names, and some voices of its library cost more than others. So only
//! voices of a table can be asked for: OpenAI's names by default, and what the configuration adds. A caller
//! may write a name or one of the table's ids; anything else is refused before it costs anything.

use std::collections::BTreeMap;
use std::fmt;

/// OpenAI's voices, as the premade voice that stands in for each. `litellm` has the same pairs for alloy, ash,
/// coral, onyx, sage and verse; the others are chosen by likeness.
const BUILT_IN: [(&str, &str); 13] = [
    ("alloy", "21m00Tcm4TlvDq8ikWAM"),   // Rachel
    ("ash", "AZnzlk1XvdvUeBnXmlld"),     // Domi
    ("ballad", "JBFqnCBsd6RMkjVDRZzb"),  // George
    ("cedar", "nPczCjzI2devNBz1zQrb"),   // Brian
    ("coral", "9BWtsMINqrJLrRacOk9x"),   // Aria
    ("echo", "iP95p4xoKVk53GoZ742B"),    // Chris
    ("fable", "onwK4e9ZLuTAKqWW03F9"),   // Daniel
    ("marin", "cgSgspJ2msm6clMCkdW9"),   // Jessica
    ("nova", "EXAVITQu4vr4xnSDxMaL"),    // Sarah
    ("onyx", "29vD33N1CtxCmqQRPOHJ"),    // Drew
    ("sage", "CwhRBWXzGAHq8TQ4Fs17"),    // Roger
    ("shimmer", "FGY2WhTYpPnrIDTdsKH5"), // Laura
    ("verse", "CYw3kZ02Hs0563khs1Fj"),   // Dave
];
/// Ids have 20 characters today.
const ID_LEN_MAX: usize = 64;
const NAME_LEN_MAX: usize = 64;

/// The provider's id of a voice: letters, digits, `-` and `_`, so that it can stand in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceId(String);

/// A row of the table that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVoice {
    /// The name is empty, too long, or has other characters.
    #[error("the name of a voice is up to {NAME_LEN_MAX} letters, digits, `-`, `_` and `.`")]
    Name,
    /// The id is empty, too long, or has other characters.
    #[error("the id of a voice is up to {ID_LEN_MAX} letters, digits, `-` and `_`")]
    Id,
}

impl VoiceId {
    /// The id as the provider writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The voices that can be asked for, by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Voices(BTreeMap<String, VoiceId>);

impl Default for Voices {
    /// The built-in table.
    fn default() -> Self {
        Self(BUILT_IN.into_iter().map(|(name, id)| (name.to_owned(), VoiceId(id.to_owned()))).collect())
    }
}

impl fmt::Debug for Voices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Voices {
    /// Adds a voice, or gives a name of the table another one.
    ///
    /// # Errors
    /// [`InvalidVoice`]; the table is as it was then.
    pub fn insert(&mut self, name: &str, id: &str) -> Result<(), InvalidVoice> {
        let made_of = |text: &str, more: &[u8], length_max: usize| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            !text.is_empty() && text.len() <= length_max && text.bytes().all(allowed)
        };
        if !made_of(name, b"-_.", NAME_LEN_MAX) {
            return Err(InvalidVoice::Name);
        }
        if !made_of(id, b"-_", ID_LEN_MAX) {
            return Err(InvalidVoice::Id);
        }
        self.0.insert(name.to_owned(), VoiceId(id.to_owned()));
        Ok(())
    }

    /// The voice with this name, or with this id. `None` is a voice that is not served.
    pub fn find(&self, voice: &str) -> Option<&VoiceId> {
        self.0.get(voice).or_else(|| self.0.values().find(|id| id.as_str() == voice))
    }

    /// Every name with its id, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, id)| (name.as_str(), id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_found_by_name_and_by_id_and_nothing_else_is() {
        let mut voices = Voices::default();
        voices.insert("narrator", "abcDEF123_-x").unwrap();
        voices.insert("alloy", "anotherAlloy").unwrap();
        let id = |voice| voices.find(voice).map(VoiceId::as_str);
        assert_eq!(id("narrator"), Some("abcDEF123_-x"));
        assert_eq!(id("abcDEF123_-x"), Some("abcDEF123_-x"));
        assert_eq!(id("alloy"), Some("anotherAlloy"));
        assert_eq!(id("21m00Tcm4TlvDq8ikWAM"), None, "the row was given another voice");
        for other in ["", "Alloy", "../x", "EXAVITQu4vr4xnSDxMa"] {
            assert_eq!(id(other), None, "{other}");
        }
    }

    #[test]
    fn the_built_in_rows_are_rows_that_can_be() {
        let mut voices = Voices(BTreeMap::new());
        for (name, id) in BUILT_IN {
            voices.insert(name, id).unwrap();
        }
        assert_eq!(voices, Voices::default());
        assert!(voices.iter().all(|(_, id)| id.len() == 20));
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        let mut voices = Voices::default();
        for id in ["", "a/b", "a?b", "a b", "%2e", "ü", &"x".repeat(65)] {
            assert_eq!(voices.insert("x", id), Err(InvalidVoice::Id), "{id}");
        }
        for name in ["", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(voices.insert(name, "id"), Err(InvalidVoice::Name), "{name}");
        }
        assert_eq!(voices, Voices::default());
    }
}
