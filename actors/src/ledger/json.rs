//! The JSON of an entry, as the public face has it: for ledger listings, credits, exports.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::domain::entry::{Entry, EntryKind, Posting};
use crate::domain::ids::{EntryId, KeyId, RequestId};
use crate::domain::money::NanoUsd;
use crate::domain::time::UnixMillis;
use crate::domain::usage::Usage;

/// An entry as people and programs see it. What an entry lacks is `null`, so that every entry has every field.
#[derive(Debug, Serialize)]
pub struct EntryView<'a> {
    /// Its id.
    pub id: EntryId,
    /// Its number in the workspace.
    pub seq: u64,
    /// What it does.
    pub kind: EntryKind,
    /// When it was decided.
    pub at: Rfc3339,
    /// The request it belongs to.
    pub request_id: Option<RequestId>,
    /// The key that asked.
    pub key_id: Option<KeyId>,
    /// The model that was asked for.
    pub model: Option<&'a str>,
    /// What was added, set aside, given back or charged.
    #[serde(rename = "amount_usd")]
    pub amount: NanoUsd,
    /// Its lines.
    pub postings: Vec<Posting>,
    /// What was used, on a charge.
    pub usage: Option<Usage>,
    /// The price-book version.
    pub price_version: Option<u32>,
    /// Why, on an operator's entry.
    pub reason: Option<&'a str>,
}

impl<'a> From<&'a Entry> for EntryView<'a> {
    fn from(entry: &'a Entry) -> Self {
        let detail = entry.request.as_ref();
        Self {
            id: entry.id(),
            seq: entry.seq,
            kind: entry.kind,
            at: Rfc3339(entry.at),
            request_id: detail.map(|detail| detail.request),
            key_id: detail.map(|detail| detail.key),
            model: detail.map(|detail| &*detail.model),
            amount: entry.amount(),
            postings: entry.postings.iter().collect(),
            usage: entry.usage,
            price_version: detail.map(|detail| detail.price_version),
            reason: entry.reason.as_deref(),
        }
    }
}

/// A time written as RFC 3339 in UTC, such as `2026-11-22T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub UnixMillis);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Clocks do not reach the end of jiff's range, the year 9999; what does is shown as that.
        let time =
            Timestamp::from_millisecond(self.0.0).unwrap_or(if self.0.0 < 0 { Timestamp::MIN } else { Timestamp::MAX });
        fmt::Display::fmt(&time, f)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Record, samples};

    #[test]
    fn entries_look_as_the_public_face_says() {
        let views: Vec<_> = samples::one_of_each()
            .iter()
            .filter_map(|record| match record {
                Record::Entry(entry) => Some(serde_json::to_value(EntryView::from(entry)).unwrap()),
                Record::Progress { .. } | Record::Fact(_) => None,
            })
            .collect();
        insta::assert_json_snapshot!(views);
    }

    #[test]
    fn times_are_utc_with_the_fraction_they_have() {
        assert_eq!(Rfc3339(samples::NOON).to_string(), "2026-11-22T12:00:00Z");
        assert_eq!(Rfc3339(samples::NOON.plus_millis(5)).to_string(), "2026-11-22T12:00:00.005Z");
    }
}
