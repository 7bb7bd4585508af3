//! Counts as providers write them, and estimates for what a provider did not count.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// ⌈bytes ÷ 4⌉ tokens: the estimate of INTERFACE §3 for counts that were not reported.
pub const fn estimated_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// For the field of a usage object: `None` where it cannot be read. The answer is worth more than its counts, and
/// counts that nobody can read were not reported; they are never taken as zero.
///
/// # Errors
/// The value is no JSON at all.
pub fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_was_not_reported() {
        #[derive(Debug, serde::Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "readable")]
            usage: Option<Vec<u64>>,
        }
        let read = |json: &str| serde_json::from_str::<Answer>(json).map(|answer| answer.usage);
        assert_eq!(read(r#"{"usage":[1,2]}"#).unwrap(), Some(vec![1, 2]));
        for silent in ["{}", r#"{"usage":null}"#, r#"{"usage":["x"]}"#, r#"{"usage":{"a":-1}}"#] {
            assert_eq!(read(silent).unwrap(), None, "{silent}");
        }
        assert!(read(r#"{"usage":[1}"#).is_err(), "what is no JSON is malformed");
    }

    #[test]
    fn estimates_round_up() {
        assert_eq!([0, 1, 4, 5].map(estimated_tokens), [0, 1, 1, 2]);
    }
}
