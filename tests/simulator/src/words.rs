//! Text: what the models say, how it is cut into pieces, and how many tokens it counts as.
//!
//! A token is four characters, rounded up. That is no tokenizer, but it is the same number everywhere, and a test can
//! compute it by hand.

use crate::chance::Rng;

const OPENINGS: &[&str] = &[
    "Here is what I found, déjà vu included.",
    "Of course — let us look at it step by step.",
    "Good question! 🤔",
    "簡単に言うと, it depends.",
    "Voilà, a short answer:",
];

const BODIES: &[&str] = &[
    "The café on the corner opens at eight, and the naïve approach works until nine.",
    "漢字 and emoji such as 🦀 and 👩‍🚀 take several bytes each, so a cut in the wrong place would show.",
    "Every number in this answer was made up, with great care.",
    "Smörgåsbord, jalapeño and crème brûlée are on the menu today.",
    "東京 is a few hours ahead, and Zürich a few behind.",
    "A list would say: first \"measure\", then \\ cut, then\tcheck.\nAnd a new line follows.",
    "The sum of the parts is, for once, exactly the whole: ∑ = 1.",
];

const CLOSINGS: &[&str] = &[
    "Let me know if you need more. 🙂",
    "That is all — à bientôt!",
    "以上です。",
    "Ask again, and I will say the same.",
];

const THOUGHTS: &[&str] = &[
    "The user wants a short answer, so a few sentences será enough.",
    "Let me weigh the options: 甲 or 乙. Neither is wrong.",
    "I should check the numbers before I answer… they look fine. ✅",
];

/// Tokens of a text: characters over four, rounded up.
pub(crate) fn token_count(text: &str) -> u64 {
    size(text.chars().count()).div_ceil(4)
}

/// A few sentences with letters of one to four bytes.
pub(crate) fn prose(rng: &mut Rng) -> String {
    let mut sentences = vec![rng.pick(OPENINGS).copied().unwrap_or_default()];
    for _ in 0..=rng.below(3) {
        sentences.push(rng.pick(BODIES).copied().unwrap_or_default());
    }
    sentences.push(rng.pick(CLOSINGS).copied().unwrap_or_default());
    sentences.join(" ")
}

/// A thought or two.
pub(crate) fn thought(rng: &mut Rng) -> String {
    let first = rng.pick(THOUGHTS).copied().unwrap_or_default();
    let second = rng.pick(THOUGHTS).copied().unwrap_or_default();
    if first == second { first.to_owned() } else { format!("{first}\n{second}") }
}

/// Prose of exactly `tokens` tokens.
pub(crate) fn prose_of(rng: &mut Rng, tokens: u64) -> String {
    let wanted = usize::try_from(tokens.saturating_mul(4)).unwrap_or(usize::MAX);
    let mut text = String::new();
    let mut count = 0;
    while count < wanted {
        let more = prose(rng) + " ";
        count += more.chars().count();
        text.push_str(&more);
    }
    first_chars(&text, wanted).to_owned()
}

/// The first `count` characters.
pub(crate) fn first_chars(text: &str, count: usize) -> &str {
    match text.char_indices().nth(count) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

/// Cuts a text into `count` pieces of equal length, or into pieces of 3 to 14 characters when no count is asked for.
pub(crate) fn pieces(text: &str, count: Option<usize>, rng: &mut Rng) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let even = count.map(|count| letters.len().div_ceil(count.max(1)).max(1));
    let mut cut = Vec::new();
    let mut rest = letters.as_slice();
    while !rest.is_empty() {
        let length = even.unwrap_or_else(|| usize::try_from(3 + rng.below(12)).unwrap_or(3)).min(rest.len());
        let (piece, after) = rest.split_at(length);
        cut.push(piece.iter().collect());
        rest = after;
    }
    cut
}

/// A length as the number type of token counts.
pub(crate) fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        let mut rng = Rng::new(1);
        let text = prose(&mut rng);
        assert_eq!(pieces(&text, None, &mut rng).concat(), text);
        assert_eq!(pieces("abcdefgh", Some(4), &mut rng), ["ab", "cd", "ef", "gh"]);
        assert!(pieces("", Some(4), &mut rng).is_empty());
    }

    #[test]
    fn prose_has_the_tokens_asked_for() {
        for tokens in [0, 1, 7, 500] {
            assert_eq!(token_count(&prose_of(&mut Rng::new(tokens), tokens)), tokens);
        }
        assert_eq!(token_count("漢字漢字漢"), 2);
    }
}
