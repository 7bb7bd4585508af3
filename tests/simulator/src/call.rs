//! What is remembered of each call, and the counters over all of them.

use crate::dialect::Protocol;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::SystemTime};

/// Tokens in disjoint buckets, except that `thinking` is part of `output`. Each protocol writes them in its own way.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Input that was neither read from a cache nor written to one.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to the five-minute cache (Anthropic).
    pub cache_write_5m: u64,
    /// Input written to the one-hour cache (Anthropic).
    pub cache_write_1h: u64,
    /// Output, thinking included.
    pub output: u64,
    /// The part of the output that was thinking.
    pub thinking: u64,
}

impl Usage {
    /// All input buckets together.
    pub fn input_total(&self) -> u64 {
        [self.cache_read, self.cache_write_5m, self.cache_write_1h].iter().fold(self.input, |a, b| a.saturating_add(*b))
    }

    /// Adds another call's usage.
    pub(crate) fn add(&mut self, other: &Usage) {
        let Usage { input, cache_read, cache_write_5m, cache_write_1h, output, thinking } = other;
        self.input = self.input.saturating_add(*input);
        self.cache_read = self.cache_read.saturating_add(*cache_read);
        self.cache_write_5m = self.cache_write_5m.saturating_add(*cache_write_5m);
        self.cache_write_1h = self.cache_write_1h.saturating_add(*cache_write_1h);
        self.output = self.output.saturating_add(*output);
        self.thinking = self.thinking.saturating_add(*thinking);
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The whole answer was handed to the connection.
    Complete,
    /// The provider refused it: by its own checks or by the script.
    Refused,
    /// The script broke it off.
    Cut,
    /// The client hung up first.
    HungUp,
}

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// Counts from one, in order of arrival.
    pub id: u64,
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The model asked for, if the request named one.
    pub model: Option<String>,
    /// The API key used, if there was one.
    pub key: Option<String>,
    /// All headers in the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `null` when it was no JSON.
    pub body: Value,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// When it arrived.
    pub started: SystemTime,
    /// The status answered, once there is one.
    pub status: Option<u16>,
    /// Events handed to the connection; an answer that is not streamed is one.
    pub events: u64,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
    /// What the provider charges for it; of a broken answer only what was sent.
    pub usage: Option<Usage>,
}

impl Call {
    /// The value of a request header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Counters since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Calls received.
    pub calls: u64,
    /// Calls received and not ended.
    pub open: u64,
    /// Calls for a stream not ended, whether or not its first byte was sent.
    pub open_streams: u64,
    /// The most that `open` has been.
    pub open_peak: u64,
    /// The most that `open_streams` has been.
    pub open_streams_peak: u64,
    /// Calls answered in full.
    pub complete: u64,
    /// Calls refused.
    pub refused: u64,
    /// Calls that the script broke off.
    pub cut: u64,
    /// Calls whose client hung up first.
    pub hang_ups: u64,
    /// Events handed to connections.
    pub events: u64,
    /// Everything charged.
    pub charged: Usage,
    /// Calls by model.
    pub by_model: BTreeMap<String, u64>,
    /// Calls by API key.
    pub by_key: BTreeMap<String, u64>,
    /// Responses by status.
    pub by_status: BTreeMap<u16, u64>,
}
