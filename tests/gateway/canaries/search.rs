//! Canaries, and the search for them in bytes, in every form in which they could have been written down.
//!
//! A canary is two random pieces of letters and digits around characters that every encoding changes. Each piece is
//! looked for alone, so that a text cut in two is still found; and as it has only letters and digits, its plain form
//! is also what JSON and percent-encoding make of it where they change no more than they must.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Letters and digits of a piece.
const PIECE: usize = 16;
/// No form is shorter, so that this many bytes of each are its key.
const KEY: usize = 8;
/// Bytes shown on both sides of what was found.
const AROUND: usize = 120;

/// A text that must not be written down.
#[derive(Clone, Debug)]
pub(super) struct Canary {
    /// What it stands for.
    pub(super) name: &'static str,
    /// What is looked for.
    pieces: Vec<String>,
}

impl Canary {
    /// A new one, unlike any other.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, pieces: vec![random_piece(), random_piece()] }
    }

    /// A secret that the gateway made: the part of it that belongs to nothing else.
    pub(super) fn of(name: &'static str, secret: &str) -> Self {
        Self { name, pieces: secret.as_bytes().chunks_exact(PIECE).map(|piece| text(piece.to_vec())).collect() }
    }

    /// As a person writes: with a quote, a letter beyond ASCII, a slash and a line end.
    pub(super) fn text(&self) -> String {
        self.pieces.join("\"ü/ \n")
    }

    /// Letters and digits only, for headers and keys.
    pub(super) fn word(&self) -> String {
        self.pieces.concat()
    }

    /// One piece in every form.
    pub(super) fn forms(&self) -> Vec<(&'static str, String)> {
        self.pieces.first().map(|piece| forms(piece)).unwrap_or_default()
    }
}

fn random_piece() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; PIECE];
    getrandom::fill(&mut random).unwrap();
    text(random.map(|byte| LETTERS[usize::from(byte % 32)]).to_vec())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Every form of a piece, named.
fn forms(piece: &str) -> Vec<(&'static str, String)> {
    let each = |form: &dyn Fn(&mut String, u8)| {
        piece.bytes().fold(String::new(), |mut text, byte| {
            form(&mut text, byte);
            text
        })
    };
    let decimals = |between: &str| piece.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(between);
    let mut forms = vec![
        ("plain", piece.to_owned()),
        ("upper case", piece.to_uppercase()),
        ("hex", each(&|text, byte| write!(text, "{byte:02x}").unwrap())),
        ("HEX", each(&|text, byte| write!(text, "{byte:02X}").unwrap())),
        ("percent", each(&|text, byte| write!(text, "%{byte:02x}").unwrap())),
        ("PERCENT", each(&|text, byte| write!(text, "%{byte:02X}").unwrap())),
        ("JSON", each(&|text, byte| write!(text, "\\u{byte:04x}").unwrap())),
        ("JSON, upper case", each(&|text, byte| write!(text, "\\u{byte:04X}").unwrap())),
        ("JSON in JSON", each(&|text, byte| write!(text, "\\\\u{byte:04x}").unwrap())),
        // What `Debug` makes of bytes, in a log line or an error.
        ("list of numbers", decimals(", ")),
        ("JSON array of numbers", decimals(",")),
    ];
    for (at, name) in ["base 64", "base 64 at 1", "base 64 at 2"].into_iter().enumerate() {
        for alphabet in [STANDARD, URL_SAFE] {
            forms.push((name, aligned(piece, at, &alphabet)));
        }
    }
    forms
}

/// What of a piece's base 64 does not depend on what stands around it, `at` bytes after a multiple of three.
fn aligned(piece: &str, at: usize, alphabet: &base64::alphabet::Alphabet) -> String {
    let mut bytes = vec![0; at];
    bytes.extend_from_slice(piece.as_bytes());
    let encoded = GeneralPurpose::new(alphabet, NO_PAD).encode(&bytes);
    encoded[(at * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
}

/// All forms of all canaries, by their first bytes.
pub(super) struct Search {
    /// Whether any form begins with these two bytes: most bytes are passed over by this alone.
    begins: Vec<bool>,
    needles: HashMap<[u8; KEY], Vec<(String, Vec<u8>)>>,
}

impl Search {
    pub(super) fn of<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let mut search = Self { begins: vec![false; 1 << 16], needles: HashMap::new() };
        for canary in canaries {
            assert!(!canary.pieces.is_empty(), "{} is too short to look for", canary.name);
            for (form, needle) in canary.pieces.iter().flat_map(|piece| forms(piece)) {
                let needle = needle.into_bytes();
                let key: [u8; KEY] = needle[..KEY].try_into().unwrap();
                search.begins[usize::from(u16::from_be_bytes([key[0], key[1]]))] = true;
                search.needles.entry(key).or_default().push((format!("{} ({form})", canary.name), needle));
            }
        }
        search
    }

    /// What was found, each with its surroundings.
    pub(super) fn find(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, key) in bytes.windows(KEY).enumerate() {
            if !self.begins[usize::from(u16::from_be_bytes([key[0], key[1]]))] {
                continue;
            }
            for (name, needle) in self.needles.get(key).into_iter().flatten() {
                if bytes[at..].starts_with(needle) {
                    let around = &bytes[at.saturating_sub(AROUND)..bytes.len().min(at + needle.len() + AROUND)];
                    found.push(format!("{name} in {place}: …{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        found
    }
}

#[test]
fn every_form_is_found_wherever_it_stands_and_nothing_else_is() {
    let (canary, other) = (Canary::new("canary"), Canary::new("other"));
    let search = Search::of([&canary]);
    for (form, needle) in canary.forms() {
        let found = search.find("here", format!("before {needle} after").as_bytes());
        assert!(found.iter().any(|found| found.starts_with("canary (")), "{form}: {found:?}");
    }
    for (form, needle) in other.forms() {
        assert_eq!(search.find("here", needle.as_bytes()), [""; 0], "{form}");
    }
    // In base 64 as others make it, with anything before and after.
    for before in ["", "x", "xy", "xyz"] {
        for engine in [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE] {
            let encoded = engine.encode(format!("{before}{}?>", canary.text()));
            assert!(search.find("here", encoded.as_bytes()).len() >= 2, "{before:?}: {encoded}");
        }
    }
    // As JSON and `Debug` write it.
    for written in [serde_json::to_string(&canary.text()).unwrap(), format!("{:?}", canary.text().as_bytes())] {
        assert_eq!(search.find("here", written.as_bytes()).len(), 2, "both pieces: {written}");
    }
}
