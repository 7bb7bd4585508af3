//! Ids of tool calls as Anthropic takes them.
//!
//! It wants letters, digits, `_` and `-`, and each id once in a conversation. Other providers use dots,
//! colons and spaces, and count from zero in every turn. An id that does not fit is replaced by a digest
//! of itself: the same in every request of a conversation, for the call and for its result.

use std::collections::{BTreeMap, BTreeSet};

/// The longest id that we send on as it is.
const ID_BYTES_MAX: usize = 128;

/// Whether Anthropic takes the id.
pub(crate) fn fits(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The id itself where it fits, else its digest.
pub(crate) fn fitting(id: &str) -> String {
    if fits(id) { id.to_owned() } else { digest(id, 0) }
}

fn digest(id: &str, repetition: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(&repetition.to_be_bytes());
    let hex = hasher.finalize().to_hex();
    format!("toolu_{}", hex.get(..24).unwrap_or_default())
}

/// The ids of one conversation, taken in its order.
#[derive(Debug, Default)]
pub(crate) struct ToolIds {
    taken: BTreeSet<String>,
    current: BTreeMap<String, String>,
}

impl ToolIds {
    /// The id for a call; an id that was used before gets a new one.
    pub(crate) fn for_call(&mut self, id: &str) -> String {
        let mut repetition = 0;
        let mut candidate = fitting(id);
        while self.taken.contains(&candidate) {
            repetition += 1;
            candidate = digest(id, repetition);
        }
        self.taken.insert(candidate.clone());
        self.current.insert(id.to_owned(), candidate.clone());
        candidate
    }

    /// The id for the result of the last call that had this id.
    pub(crate) fn for_result(&self, id: &str) -> String {
        self.current.get(id).cloned().unwrap_or_else(|| fitting(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_ids_stay_and_others_become_the_same_digest_every_time() {
        let mut ids = ToolIds::default();
        assert_eq!(ids.for_call("call_1-x"), "call_1-x");
        let foreign = ids.for_call("functions.get:0");
        assert_eq!(foreign, fitting("functions.get:0"));
        assert!(fits(&foreign));
        assert_ne!(foreign, ids.for_call("functions.get:1"));
        assert_eq!(ids.for_result("functions.get:0"), foreign);
    }

    #[test]
    fn an_id_that_comes_again_gets_another_one_and_so_does_its_result() {
        let mut ids = ToolIds::default();
        let first = ids.for_call("call_0");
        assert_eq!(ids.for_result("call_0"), first);
        let second = ids.for_call("call_0");
        assert_ne!(first, second);
        assert_eq!(ids.for_result("call_0"), second);
    }

    proptest! {
        #[test]
        fn ids_of_a_conversation_are_distinct_and_fit(ids in proptest::collection::vec(".{0,12}|[ab]|toolu_[0-9a-f]{2}", 1..20)) {
            let mut tool_ids = ToolIds::default();
            let made: Vec<String> = ids.iter().map(|id| tool_ids.for_call(id)).collect();
            prop_assert!(made.iter().all(|id| fits(id)));
            prop_assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
        }
    }
}
