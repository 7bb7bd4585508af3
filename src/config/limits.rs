//! `[limits]`: what a workspace may do at once, by default and by tier, and what protects the process.

use std::num::NonZeroU32;

use lmhaven_actors::domain::limits::{LimitPolicy, Limits as WorkspaceLimits, Tier};
use lmhaven_actors::domain::money::NanoUsd;
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};

/// Beyond this the bucket's arithmetic would leave 64 bits.
const REQUESTS_PER_MINUTE_MAX: u32 = 100_000_000;
const CONCURRENT_STREAMS_MAX: u32 = 10_000_000;
/// `serde_json` stops at 128 by itself, with a message that names no limit of ours.
const JSON_DEPTH_MAX: u32 = 127;
const COUNT_MAX: u32 = 100_000_000;
const BODY_BYTES_MAX: u64 = 1 << 30;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The default and the tiers.
    pub policy: LimitPolicy,
    /// What protects the process.
    pub edge: Edge,
}

/// `[limits.edge]`; `None` is off, written 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Open connections from one address. Loopback is never limited.
    pub connections_per_address: Option<NonZeroU32>,
    /// Refused keys from one address in a minute. Loopback is never limited.
    pub failed_authentications_per_minute: Option<NonZeroU32>,
    /// Bytes of request bodies in memory at once, over all requests.
    pub body_bytes_in_flight: Option<usize>,
    /// Bytes of one request body.
    pub body_bytes_max: usize,
    /// How deep arrays and objects of a body may nest.
    pub json_depth_max: u32,
    /// Tools in one request.
    pub tools_max: u32,
    /// Messages in one request.
    pub messages_max: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawLimits {
    requests_per_minute: Option<Value>,
    concurrent_streams: Option<Value>,
    tiers: Option<Value>,
    edge: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTier {
    min_balance: Option<Value>,
    requests_per_minute: Option<Value>,
    concurrent_streams: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawEdge {
    connections_per_address: Option<Value>,
    failed_authentications_per_minute: Option<Value>,
    body_bytes_in_flight: Option<Value>,
    body_bytes_max: Option<Value>,
    json_depth_max: Option<Value>,
    tools_max: Option<Value>,
    messages_max: Option<Value>,
}

/// Reads the section; `None` where something in it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Value) -> Option<Limits> {
    let RawLimits { requests_per_minute, concurrent_streams, tiers, edge } = reader.section("limits", value)?;
    let default = read_workspace_limits(reader, "limits", requests_per_minute, concurrent_streams);
    let entries = reader.entries("limits.tiers", tiers);
    let tiers: Vec<Option<Tier>> =
        entries.into_iter().enumerate().map(|(place, entry)| read_tier(reader, place, entry)).collect();
    refuse_unsorted(reader, &tiers);
    let edge = edge.and_then(|edge| read_edge(reader, edge));
    let policy = LimitPolicy { default: default?, tiers: tiers.into_iter().collect::<Option<_>>()? };
    Some(Limits { policy, edge: edge? })
}

fn read_tier(reader: &mut Reader<'_>, place: usize, entry: Value) -> Option<Tier> {
    let section = format!("limits.tiers[{place}]");
    let RawTier { min_balance, requests_per_minute, concurrent_streams } = reader.section(&section, entry)?;
    let min_balance = reader.required(&section, "min_balance", min_balance, |given| match given.price()? {
        NanoUsd::ZERO => Err("cannot be zero: that is the default above the tiers".to_owned()),
        amount => Ok(amount),
    });
    let limits = read_workspace_limits(reader, &section, requests_per_minute, concurrent_streams);
    Some(Tier { min_balance: min_balance?, limits: limits? })
}

fn read_workspace_limits(
    reader: &mut Reader<'_>,
    section: &str,
    requests: Option<Value>,
    streams: Option<Value>,
) -> Option<WorkspaceLimits> {
    let requests =
        reader.required(section, "requests_per_minute", requests, |given| given.positive(REQUESTS_PER_MINUTE_MAX));
    let streams =
        reader.required(section, "concurrent_streams", streams, |given| given.positive(CONCURRENT_STREAMS_MAX));
    Some(WorkspaceLimits { requests_per_minute: requests?, concurrent_streams: streams? })
}

/// The highest tier is found by walking down, so the list has to climb.
fn refuse_unsorted(reader: &mut Reader<'_>, tiers: &[Option<Tier>]) {
    for (place, pair) in tiers.windows(2).enumerate() {
        if let [Some(lower), Some(higher)] = pair
            && lower.min_balance >= higher.min_balance
        {
            let key = format!("limits.tiers[{}].min_balance", place + 1);
            reader.refuse(key, "tiers go from the lowest min_balance to the highest, each once");
        }
    }
}

fn read_edge(reader: &mut Reader<'_>, value: Value) -> Option<Edge> {
    const SECTION: &str = "limits.edge";
    let RawEdge {
        connections_per_address,
        failed_authentications_per_minute,
        body_bytes_in_flight,
        body_bytes_max,
        json_depth_max,
        tools_max,
        messages_max,
    } = reader.section(SECTION, value)?;
    let or_off = |given: &Given| given.positive_or_off(COUNT_MAX);
    let connections = reader.required(SECTION, "connections_per_address", connections_per_address, or_off);
    let failed =
        reader.required(SECTION, "failed_authentications_per_minute", failed_authentications_per_minute, or_off);
    let in_flight = reader.required(SECTION, "body_bytes_in_flight", body_bytes_in_flight, |given| {
        usize::try_from(given.size()?).map_err(|_| "is more than this machine can address".to_owned())
    });
    let body_max = reader.required(SECTION, "body_bytes_max", body_bytes_max, |given| {
        let bytes = Some(given.size()?).filter(|bytes| (1..=BODY_BYTES_MAX).contains(bytes));
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| "expected a size from 1 B to 1 GiB".to_owned())
    });
    let depth =
        reader.required(SECTION, "json_depth_max", json_depth_max, |given| given.whole_within(1, JSON_DEPTH_MAX));
    let tools = reader.required(SECTION, "tools_max", tools_max, |given| given.whole_within(1, COUNT_MAX));
    let messages = reader.required(SECTION, "messages_max", messages_max, |given| given.whole_within(1, COUNT_MAX));
    let edge = Edge {
        connections_per_address: connections?,
        failed_authentications_per_minute: failed?,
        body_bytes_in_flight: Some(in_flight?).filter(|bytes| *bytes > 0),
        body_bytes_max: body_max?,
        json_depth_max: depth?,
        tools_max: tools?,
        messages_max: messages?,
    };
    if edge.body_bytes_in_flight.is_some_and(|bytes| bytes < edge.body_bytes_max) {
        reader.refuse("limits.edge.body_bytes_in_flight", "cannot be less than body_bytes_max, unless 0 for off");
        return None;
    }
    Some(edge)
}
