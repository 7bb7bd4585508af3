//! A letter: what every mail is made of, and its two renderings.
//!
//! One pair of templates renders all kinds, so that HTML and text always say the same. Everything is data here and
//! escaped there.

use askama::Template;

/// The longest text of a customer's in a mail, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject: one line.
    pub subject: String,
    /// What mail programs show behind the subject.
    pub preheader: String,
    /// Paragraphs.
    pub paragraphs: Vec<String>,
    /// Facts, as label and value.
    pub rows: Vec<(&'static str, String)>,
    /// The one thing to do, as label and address.
    pub button: Option<(&'static str, String)>,
    /// A last, quiet paragraph.
    pub closing: String,
    /// Where the mail comes from: the gateway's public address.
    pub home: String,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    letter: &'a Letter,
}

impl Letter {
    /// As HTML.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn html(&self) -> Result<String, askama::Error> {
        Html { letter: self }.render()
    }

    /// As plain text.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn text(&self) -> Result<String, askama::Error> {
        Text { letter: self }.render()
    }
}

/// A text of somebody else's on one line: without line breaks or other controls, and not long.
pub(super) fn one_line(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|letter| if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter })
        .collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if clean.chars().count() <= TEXT_CHARS_MAX {
        return clean;
    }
    clean.chars().take(TEXT_CHARS_MAX).chain(['…']).collect()
}
