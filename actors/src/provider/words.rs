//! A provider's words without the key of the account that was asked.
//!
//! Adapters take out what looks like a key. Providers that are reached through proxies have keys of any look, so the
//! one that was sent is taken out by what it is. Called where a failure becomes an answer, never for a good one.

use std::borrow::Cow;

/// What stands in place of the key.
const REMOVED: &str = "[removed]";
/// A shorter key or part of one may be a word like any other.
const PART_LEN_MIN: usize = 8;

/// The words without the key: whole, in the parts that are left where something else took out the others, and cut
/// short at the end of words that were too long.
pub(super) fn without<'a>(words: &'a str, key: &str) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(words);
    let take_out = |clean: &mut Cow<'_, str>, part: &str| {
        if part.len() >= PART_LEN_MIN && clean.contains(part) {
            *clean = Cow::Owned(clean.replace(part, REMOVED));
        }
    };
    take_out(&mut clean, key);
    let cut = (PART_LEN_MIN..key.len()).rev().filter_map(|len| key.get(..len)).find(|start| clean.ends_with(start));
    if let Some(kept) = cut.and_then(|start| clean.strip_suffix(start)) {
        clean = Cow::Owned(format!("{kept}{REMOVED}"));
    }
    for part in key.split(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_')) {
        take_out(&mut clean, part);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_out_whole_in_parts_and_cut_short() {
        const KEY: &str = "up-0123456789.abcdefghijkl";
        for (words, clean) in [
            ("the key up-0123456789.abcdefghijkl is bad", "the key [removed] is bad"),
            ("up-0123456789.abcdefghijklup-0123456789.abcdefghijkl", "[removed][removed]"),
            ("the key [hidden].abcdefghijkl is bad", "the key [hidden].[removed] is bad"),
            ("a long message about up-0123456789.abc", "a long message about [removed]"),
            ("a long message about up-01234", "a long message about [removed]"),
            ("up to 0123 words, ü", "up to 0123 words, ü"),
            ("", ""),
        ] {
            assert_eq!(without(words, KEY), clean, "{words}");
        }
        assert_eq!(without("the key is k", "k"), "the key is k");
    }
}
