//! What a Claude model takes, told by its name (`wire/anthropic.md` §7).

use crate::adapters::Target;

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a model")]
pub(crate) struct Abilities {
    /// Temperature and its like; newer models refuse any but the default.
    pub(crate) sampling: bool,
    /// Thinking by effort. Without it, thinking takes a budget.
    pub(crate) adaptive: bool,
    /// Thinking by budget.
    pub(crate) budget: bool,
    /// The effort between high and max.
    pub(crate) xhigh: bool,
    /// A last turn of the assistant that the answer continues.
    pub(crate) prefill: bool,
    /// Thoughts are left out of the answer unless they are asked for.
    pub(crate) hides_thoughts: bool,
}

/// From 4.7 on. Also for a name that tells no version: it is likely a newer one.
const NEWEST: Abilities =
    Abilities { sampling: false, adaptive: true, budget: false, xhigh: true, prefill: false, hides_thoughts: true };
/// 4.6.
const MIDDLE: Abilities =
    Abilities { sampling: true, adaptive: true, budget: true, xhigh: false, prefill: false, hides_thoughts: false };
/// Before 4.6.
const OLDER: Abilities =
    Abilities { sampling: true, adaptive: false, budget: true, xhigh: false, prefill: true, hides_thoughts: false };

impl Abilities {
    /// Of the model that is asked; our name may be any, and then the provider's decides.
    pub(crate) fn of(target: &Target<'_>) -> Self {
        match version(target.model).or_else(|| version(target.upstream_model)) {
            Some(version) if version < (4, 6) => OLDER,
            Some((4, 6)) => MIDDLE,
            Some(_) | None => NEWEST,
        }
    }
}

/// Major and minor version in names such as `claude-opus-4-7`, `claude-haiku-4-5-20251001` and
/// `claude-3-5-sonnet-20241022`.
fn version(name: &str) -> Option<(u16, u16)> {
    let words: Vec<&str> = name.split(['-', '.', ':', '@', '/']).collect();
    let claude = words.iter().position(|word| *word == "claude")?;
    let mut numbers = words
        .get(claude + 1..)?
        .iter()
        .skip_while(|word| word.parse::<u16>().is_err())
        .map_while(|word| word.parse::<u16>().ok())
        .filter(|number| *number < 1_000);
    let major = numbers.next()?;
    Some((major, numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_versions() {
        for (name, expected) in [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-haiku-4-5-20251001", Some((4, 5))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("anthropic.claude-sonnet-4.6-v1:0", Some((4, 6))),
            ("claude-opus-5-5", Some((5, 5))),
            ("claude-mystery", None),
            ("our-best", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn our_own_name_may_be_any() {
        let target =
            |model, upstream_model| Target { model, upstream_model, output_limit: 1, end_user: None, cache_key: None };
        assert_eq!(Abilities::of(&target("best", "claude-haiku-4-5")), OLDER);
        assert_eq!(Abilities::of(&target("claude-sonnet-4-6", "x")), MIDDLE);
        assert_eq!(Abilities::of(&target("claude-opus-4-7", "claude-haiku-4-5")), NEWEST);
        assert_eq!(Abilities::of(&target("best", "also-best")), NEWEST);
    }
}
