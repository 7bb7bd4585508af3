//! A closed request as its row in the log says it: what it used, by which formula and prices it was charged, and which rule
//! applied. Metadata only: nothing of what was asked or answered is anywhere.

use std::collections::HashMap;
use std::sync::Arc;

use lmhaven_actors::domain::entry::{Entry, EntryKind, RequestDetail};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::{ChargeLine, PriceBook};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::usage::{Bucket, Usage};

use super::format;
use crate::times;

/// One request of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// `req_…`.
    pub id: String,
    /// The number of its closing entry: where the next page begins.
    pub seq: u64,
    /// When it ended.
    pub at: UnixMillis,
    /// From its admission to its end.
    pub took: String,
    /// The name of its key.
    pub key_name: String,
    /// The id of its key.
    pub key: KeyId,
    /// The model.
    pub model: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used, in words.
    pub used: String,
    /// Some quantity was estimated.
    pub estimated: bool,
    /// What it cost.
    pub charge: NanoUsd,
    /// How that came about; `None` where nothing was used.
    pub formula: Option<Formula>,
    /// Which rule of billing applied.
    pub rule: &'static str,
    /// The version of the price book that it paid.
    pub price_version: u32,
}

impl RequestRow {
    /// When it ended, to the second.
    pub fn ended(&self) -> String {
        format::second(self.at)
    }

    /// The same for programs.
    pub fn ended_rfc3339(&self) -> String {
        times::rfc3339(self.at)
    }

    /// What it cost, to the last digit.
    pub fn cost(&self) -> String {
        format::exact_usd(self.charge)
    }
}

/// How a request ended, as the log and its filter name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was charged.
    Charged,
    /// It ended without a charge.
    Free,
    /// Nothing closed its hold in time.
    Expired,
    /// A restart closed it.
    Recovered,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Charged, Self::Free, Self::Expired, Self::Recovered];

    const fn of(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Release => Self::Free,
            EntryKind::Expire => Self::Expired,
            EntryKind::Recover => Self::Recovered,
            _ => Self::Charged,
        }
    }

    /// The kind of entry that closes a request so.
    pub const fn kind(self) -> EntryKind {
        match self {
            Self::Charged => EntryKind::Settle,
            Self::Free => EntryKind::Release,
            Self::Expired => EntryKind::Expire,
            Self::Recovered => EntryKind::Recover,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charged => "charged",
            Self::Free => "not charged",
            Self::Expired => "expired",
            Self::Recovered => "recovered",
        }
    }

    /// The one with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Its class in the stylesheet.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Charged => "ok",
            Self::Free => "",
            Self::Expired | Self::Recovered => "warn",
        }
    }
}

/// The formula of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// Its lines: quantity × list price.
    pub lines: Vec<FormulaLine>,
    /// What their sum is divided by.
    pub ratio: String,
    /// What it comes to, rounded up to the nano-dollar.
    pub amount: String,
    /// It comes to more than was charged: the rest was not the customer's to pay.
    pub exceeds: bool,
}

/// One line of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormulaLine {
    /// Such as `1,234 input tokens`.
    pub quantity: String,
    /// Such as `$5.00 per million`.
    pub list: String,
    /// It is part of the sum.
    pub counts: bool,
}

/// What rows are written with: names of keys, versions of the price book.
pub struct Known {
    /// Names by key.
    pub key_names: HashMap<KeyId, String>,
    /// Every version.
    pub books: Vec<Arc<PriceBook>>,
}

impl Known {
    /// The name of a key, or its id where it has none.
    pub fn key_name(&self, key: KeyId) -> String {
        self.key_names.get(&key).cloned().unwrap_or_else(|| key.to_string())
    }

    /// The row of an entry that closed a request; `None` for any other entry.
    pub fn row(&self, entry: &Entry) -> Option<RequestRow> {
        let detail = entry.request.as_ref()?;
        let outcome = entry.kind.closes_hold().then(|| Outcome::of(entry.kind))?;
        let usage = entry.usage.unwrap_or_default();
        // An id carries the millisecond in which it was made.
        let began = i64::try_from(detail.request.bits() >> 80).unwrap_or(entry.at.0);
        Some(RequestRow {
            id: detail.request.to_string(),
            seq: entry.seq,
            at: entry.at,
            took: took(entry.at.0.saturating_sub(began)),
            key_name: self.key_name(detail.key),
            key: detail.key,
            model: detail.model.clone(),
            outcome,
            used: used(&usage),
            estimated: usage.estimated,
            charge: entry.charge(),
            formula: self.formula(detail, &usage, entry.charge()),
            rule: rule(entry.kind, &usage, entry.charge()),
            price_version: detail.price_version,
        })
    }

    fn formula(&self, detail: &RequestDetail, usage: &Usage, charge: NanoUsd) -> Option<Formula> {
        let book = self.books.iter().find(|book| book.version == detail.price_version)?;
        let row = book.rows.get(&*detail.model)?;
        let lines = row.explain(usage).ok().filter(|lines| !lines.is_empty())?;
        let amount = row.charge(usage).ok()?;
        Some(Formula {
            lines: lines.iter().map(FormulaLine::of).collect(),
            ratio: row.ratio.to_string(),
            amount: format::exact_usd(amount),
            exceeds: amount > charge,
        })
    }
}

impl FormulaLine {
    fn of(line: &ChargeLine) -> Self {
        let per = match line.per {
            1 => "each",
            1_000 => "per 1,000",
            60_000_000 => "per minute",
            _ => "per million",
        };
        Self {
            quantity: quantity(line.bucket, line.quantity),
            list: format!("{} {per}", format::exact_usd(line.list)),
            counts: line.counts,
        }
    }
}

/// So much of something, in words.
pub fn quantity(bucket: Bucket, quantity: u64) -> String {
    if bucket == Bucket::AudioMicroseconds {
        return format!("{}.{:03} s of audio", quantity / 1_000_000, quantity % 1_000_000 / 1_000);
    }
    let what = match bucket {
        Bucket::Input => "input tokens",
        Bucket::Output => "output tokens",
        Bucket::CacheRead => "tokens read from the cache",
        Bucket::CacheWrite5m => "tokens cached for 5 minutes",
        Bucket::CacheWrite1h => "tokens cached for an hour",
        Bucket::AudioInput => "audio tokens",
        Bucket::Image1K => "images of 1K",
        Bucket::Image1K5 => "images of 1.5K",
        Bucket::Image2K => "images of 2K",
        Bucket::Image3K => "images of 3K",
        Bucket::Image4K => "images of 4K",
        Bucket::AudioMicroseconds => "microseconds",
        Bucket::Characters => "characters",
    };
    format!("{} {what}", format::thousands(quantity))
}

/// A usage in words: `1,234 input tokens, 56 output tokens`.
pub fn used(usage: &Usage) -> String {
    let parts: Vec<_> = usage.iter().map(|(bucket, of)| quantity(bucket, of)).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn took(millis: i64) -> String {
    let millis = millis.max(0);
    if millis < 10_000 {
        format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
    } else {
        format!("{} s", millis / 1000)
    }
}

fn rule(kind: EntryKind, usage: &Usage, charge: NanoUsd) -> &'static str {
    match kind {
        EntryKind::Release => "Nothing was delivered, so nothing was charged.",
        EntryKind::Expire => "Its time ran out before it ended, so nothing was charged.",
        EntryKind::Recover if charge == NanoUsd::ZERO => "A restart ended it; nothing was charged.",
        EntryKind::Recover => "A restart ended it; charged is what had been delivered, at most what was reserved.",
        _ if charge == NanoUsd::ZERO => "Nothing was used that costs anything.",
        _ if usage.estimated => {
            "The provider did not report every count: a quarter of the bytes, rounded up, stands for it."
        }
        _ => "As the provider reported it.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lmhaven_actors::domain::entry::{AccountName, Postings, RequestStep, TxId};
    use lmhaven_actors::domain::ids::{RequestId, WorkspaceId};

    use super::*;

    fn known() -> Known {
        let row = serde_json::json!({ "ratio": 28, "list": { "text": { "input": "5.00", "output": "25.00" } } });
        let rows = BTreeMap::from([("opus".into(), serde_json::from_value(row).unwrap())]);
        let book = PriceBook { version: 3, effective_at: UnixMillis(0), rows };
        Known { key_names: HashMap::from([(KeyId::from_bits(7), "laptop".to_owned())]), books: vec![Arc::new(book)] }
    }

    fn closed(kind: EntryKind, charge: i64, usage: Usage) -> Entry {
        let request = RequestId::from_parts(UnixMillis(5_000), [1; 10]);
        let mut postings = Postings::default();
        postings.push(AccountName::Held, NanoUsd::from_nano(-charge)).unwrap();
        postings.push(AccountName::Revenue, NanoUsd::from_nano(charge)).unwrap();
        Entry {
            workspace: WorkspaceId::from_bits(1),
            seq: 9,
            txid: TxId::Request(request, RequestStep::Close),
            kind,
            at: UnixMillis(6_230),
            postings,
            request: Some(RequestDetail {
                request,
                key: KeyId::from_bits(7),
                model: "opus".into(),
                price_version: 3,
                streamed: false,
                expires_at: UnixMillis(0),
            }),
            usage: Some(usage),
            reason: None,
        }
    }

    #[test]
    fn a_row_says_how_its_charge_came_about() {
        let usage = Usage::default().with(Bucket::Input, 1_000).with(Bucket::Output, 20);
        let row = known().row(&closed(EntryKind::Settle, 196_429, usage)).unwrap();
        assert_eq!((row.took.as_str(), row.key_name.as_str(), row.seq), ("1.23 s", "laptop", 9));
        assert_eq!(row.used, "1,000 input tokens, 20 output tokens");
        let formula = row.formula.unwrap();
        assert_eq!((formula.ratio.as_str(), formula.amount.as_str(), formula.exceeds), ("28", "$0.000196429", false));
        assert_eq!(formula.lines[0].quantity, "1,000 input tokens");
        assert_eq!(formula.lines[1].list, "$25.00 per million");
        assert_eq!(row.rule, "As the provider reported it.");
    }

    #[test]
    fn what_exceeds_the_charge_is_said_and_what_is_free_has_no_formula() {
        let usage = Usage::default().with(Bucket::Input, 1_000);
        let short = known().row(&closed(EntryKind::Settle, 5, usage)).unwrap();
        assert!(short.formula.unwrap().exceeds);
        let free = known().row(&closed(EntryKind::Release, 0, Usage::default())).unwrap();
        assert_eq!((free.formula, free.outcome, free.used.as_str()), (None, Outcome::Free, "nothing"));
        let mut hold = closed(EntryKind::Hold, 0, usage);
        hold.kind = EntryKind::Hold;
        assert_eq!(known().row(&hold), None);
    }
}
