//! Tool calls and their results in a conversation: every call answered in the next turn, every result
//! asked for in the turn before.
//!
//! Clients trim history and so cut pairs apart, which providers refuse with a message about our own
//! request. Both directions of translation check it first and name the id.

use std::collections::BTreeSet;

use crate::adapters::fault::BodyError;
use crate::chat::{Part, Role, Turn};

/// Refuses a conversation in which a call or a result stands alone.
pub(crate) fn check_pairs(turns: &[Turn]) -> Result<(), BodyError> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for turn in turns {
        let mut calls = BTreeSet::new();
        for part in &turn.parts {
            match part {
                Part::ToolCall { id, .. } if turn.role == Role::Assistant && !calls.insert(id.as_str()) => {
                    return Err(refused(id, "is made twice in one turn"));
                }
                Part::ToolResult { call_id, .. } if turn.role != Role::User || !open.remove(call_id.as_str()) => {
                    return Err(refused(call_id, "has a result but was not called in the turn before"));
                }
                _ => {}
            }
        }
        if let Some(id) = open.first() {
            return Err(refused(id, "has no result in the next turn"));
        }
        open = calls;
    }
    match open.first() {
        Some(id) => Err(refused(id, "has no result in the next turn")),
        None => Ok(()),
    }
}

/// Ids are the caller's own and short; a long one is cut so that a message stays a message.
fn refused(id: &str, what: &str) -> BodyError {
    let shown: String = id.chars().take(80).collect();
    BodyError::invalid("messages", format!("tool call {shown} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> Part {
        let arguments = serde_json::json!({});
        Part::ToolCall { id: id.into(), name: "f".into(), arguments, signature: None, cache: None }
    }

    fn result(id: &str) -> Part {
        Part::ToolResult { call_id: id.into(), parts: Vec::new(), is_error: false, cache: None }
    }

    fn message(turns: &[(Role, Vec<Part>)]) -> String {
        let turns: Vec<Turn> = turns.iter().map(|(role, parts)| Turn { role: *role, parts: parts.clone() }).collect();
        check_pairs(&turns).map_or_else(|error| error.message, |()| "fine".to_owned())
    }

    #[test]
    fn pairs_are_fine_also_where_an_id_is_used_again_later() {
        let round = [(Role::Assistant, vec![call("a"), call("b")]), (Role::User, vec![result("b"), result("a")])];
        assert_eq!(message(&[round.clone(), round].concat()), "fine");
    }

    #[test]
    fn what_stands_alone_is_named() {
        use Role::{Assistant, User};
        assert_eq!(message(&[(Assistant, vec![call("a")])]), "tool call a has no result in the next turn");
        let (one, two) = ((Assistant, vec![call("a"), call("b")]), (User, vec![result("a")]));
        assert_eq!(message(&[one, two]), "tool call b has no result in the next turn");
        let orphan = "tool call z has a result but was not called in the turn before";
        assert_eq!(message(&[(User, vec![result("z")])]), orphan);
        let late = [(Assistant, vec![call("z")]), (User, vec![result("z")]), (User, vec![result("z")])];
        assert_eq!(message(&late), orphan);
        assert_eq!(message(&[(Assistant, vec![call("a"), call("a")])]), "tool call a is made twice in one turn");
    }
}
