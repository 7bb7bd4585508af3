//! The limits shown are the limits applied: the bucket of requests, the slots of streams, the order of refusals.
//!
//! `requests` is about the bucket, `streams` about the slots, `refusals` about what is refused, in which order and
//! with which headers.

mod refusals;
mod requests;
mod streams;

use crate::harness::{Haven, Reply, Workspace};

/// What is left in the bucket, and of the slots, as a GET shows it without taking anything.
async fn remaining(haven: &Haven, workspace: &Workspace) -> (u32, u32) {
    let reply = haven.get(&workspace.key, "/v1/balance").await.ok();
    (number(&reply, "x-ratelimit-remaining-requests"), number(&reply, "x-ratelimit-remaining-streams"))
}

fn number(reply: &Reply, header: &str) -> u32 {
    reply.header(header).parse().unwrap_or_else(|_| panic!("{header}: {:?}", reply.header(header)))
}
