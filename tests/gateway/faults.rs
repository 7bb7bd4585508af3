//! Providers that fail, in every way the simulator knows: what the caller is told, how often the provider was asked,
//! and what it cost.
//!
//! Each test is a table over all ways through the gateway: both dialects of callers, the three protocols of providers,
//! plain and streamed. `statuses` are error statuses, `before` is whatever goes wrong before an answer has begun or
//! inside a plain one, `streams` what goes wrong after the first event, `counts` is usage that is missing or cannot be
//! read, `accounts` is who else is asked. What is expected stands in INTERFACE §3.

mod accounts;
mod before;
mod counts;
mod statuses;
mod streams;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use lmhaven_simulator::{Call, Rule};
use serde_json::{Value, json};

use crate::harness::{Event, Haven, Reply, Sse, Workspace, charges_of, usd, within};

/// What every case begins with, in nano-dollars.
const CREDIT: i128 = 1_000_000_000;

/// Whom the caller thinks to speak to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    Openai,
    Anthropic,
}

/// One provider of each protocol, as the harness configures them.
#[derive(Clone, Copy, Debug)]
struct Upstream {
    provider: &'static str,
    model: &'static str,
    /// What the provider calls the model.
    theirs: &'static str,
    /// Frames of a stream before its first text.
    head: u64,
    /// Its counts of the prompt come before the end of a stream.
    counts_early: bool,
    /// List prices of a token in nano-dollars.
    input: i128,
    output: i128,
    ratio: i128,
}

const ANTHROPIC: Upstream = Upstream {
    provider: "anthropic",
    model: "claude-haiku-4-5",
    theirs: "claude-haiku-4-5",
    // `message_start`, `content_block_start`, `ping`.
    head: 3,
    counts_early: true,
    input: 1_000,
    output: 5_000,
    ratio: 50,
};

const GEMINI: Upstream = Upstream {
    provider: "gemini",
    model: "gemini-3-1-pro",
    theirs: "gemini-3.1-pro-preview",
    head: 0,
    counts_early: true,
    input: 2_000,
    output: 12_000,
    ratio: 36,
};

const OPENAI: Upstream = Upstream {
    provider: "sim",
    model: "gpt-sim",
    theirs: "gpt-sim",
    // The role.
    head: 1,
    counts_early: false,
    input: 1_000,
    output: 2_000,
    ratio: 10,
};

impl Upstream {
    /// What so many tokens cost, rounded up once.
    fn charge(&self, input: i128, output: i128) -> i128 {
        (input * self.input + output * self.output + self.ratio - 1) / self.ratio
    }
}

/// One way through the gateway.
#[derive(Clone, Copy, Debug)]
struct Way {
    client: Client,
    upstream: Upstream,
    streamed: bool,
}

/// The ways to one provider.
fn ways(upstream: Upstream) -> [Way; 4] {
    [(Client::Openai, false), (Client::Openai, true), (Client::Anthropic, false), (Client::Anthropic, true)]
        .map(|(client, streamed)| Way { client, upstream, streamed })
}

/// What the caller got.
enum Told {
    /// One answer with a status.
    Whole(Reply),
    /// A stream, read to its end.
    Stream { request: String, events: Vec<Event>, broken: bool },
}

/// One request and all that is known of it once it is settled.
struct Case {
    what: String,
    way: Way,
    prompt: String,
    told: Told,
    /// The calls that the provider received for it.
    calls: Vec<Call>,
    /// What it was charged, and the usage that was charged for.
    charged: i128,
    usage: Value,
}

/// Sends one request, in a workspace of its own, that meets this rule.
async fn meet(haven: &Haven, way: Way, what: &str, rule: Rule) -> Case {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let prompt = format!("This is case {:06}.", NUMBER.fetch_add(1, Ordering::Relaxed));
    haven.control.script(rule.marker(&prompt));
    let workspace = haven.workspace(&usd(CREDIT)).await;
    let told = tell(haven, way, &workspace, &prompt).await;
    let settled = haven.settled_balance(&workspace).await;
    let entries = haven.ledger(&workspace).await;
    let charges = charges_of(&entries);
    let what = format!("{what}, {:?} over {}, streamed: {}", way.client, way.upstream.provider, way.streamed);
    assert!(charges.len() <= 1, "{what}: charged more than once: {charges:?}");
    let charged = charges.iter().sum();
    assert_eq!(settled.balance, CREDIT - charged, "{what}");
    let usage = entries.into_iter().rfind(|entry| entry["kind"] == "settle").map(|mut entry| entry["usage"].take());
    let calls = calls_of(haven, &prompt);
    for call in &calls {
        assert_eq!(call.model.as_deref(), Some(way.upstream.theirs), "{what}: never another model");
        assert_eq!(call.streamed, way.streamed, "{what}");
    }
    Case { what, way, prompt, told, calls, charged, usage: usage.unwrap_or_default() }
}

/// The calls whose prompt this is.
fn calls_of(haven: &Haven, prompt: &str) -> Vec<Call> {
    haven.control.calls().into_iter().filter(|call| call.body.to_string().contains(prompt)).collect()
}

async fn tell(haven: &Haven, way: Way, workspace: &Workspace, prompt: &str) -> Told {
    let mut body = json!({
        "model": way.upstream.model, "max_tokens": 1_000, "stream": way.streamed,
        "messages": [{ "role": "user", "content": prompt }],
    });
    let request = match way.client {
        Client::Openai => {
            if way.streamed {
                body["stream_options"] = json!({ "include_usage": true });
            }
            haven.request(&workspace.key, "POST", "/v1/chat/completions").json(&body)
        }
        Client::Anthropic => haven.messages_request(&workspace.key, &body),
    };
    let response = within("an answer", request.send()).await.unwrap();
    if response.status() != 200 || !way.streamed {
        return Told::Whole(Reply::of(response).await);
    }
    let mut stream = Sse::of(response).await;
    let request = stream.headers["x-request-id"].to_str().unwrap().to_owned();
    let events = stream.rest().await;
    Told::Stream { request, events, broken: stream.is_broken() }
}

/// What the envelope of an error must say.
#[derive(Clone, Debug)]
struct Expected {
    status: u16,
    /// The status on `/v1/messages`.
    on_messages: u16,
    code: &'static str,
    kind: &'static str,
    /// `Retry-After` and `retry-after-ms`, where there are any.
    wait: Option<(u64, u64)>,
    /// `x-should-retry`, where it must say something. It never says `true`.
    should_retry: Option<&'static str>,
    /// How often the provider is asked.
    calls: RangeInclusive<usize>,
}

impl Expected {
    const fn new(status: u16, code: &'static str, kind: &'static str, calls: usize) -> Self {
        // Once our own retry has failed, three retries of an SDK would make six calls of one.
        let should_retry = if calls == 2 { Some("false") } else { None };
        Self { status, on_messages: status, code, kind, wait: None, should_retry, calls: calls..=calls }
    }

    /// A broken or malformed answer.
    const fn broken(calls: usize) -> Self {
        Self::new(502, "upstream_error", "api_error", calls)
    }

    /// Silence, which is never answered with a second question.
    const fn silence() -> Self {
        Self::new(504, "upstream_timeout", "timeout_error", 1)
    }

    const fn waiting(self, seconds: u64, millis: u64, should_retry: Option<&'static str>) -> Self {
        Self { wait: Some((seconds, millis)), should_retry, ..self }
    }

    const fn overloaded(calls: usize) -> Self {
        Self { on_messages: 529, ..Self::new(503, "overloaded", "overloaded_error", calls) }
    }

    const fn status_for(&self, client: Client) -> u16 {
        match client {
            Client::Openai => self.status,
            Client::Anthropic => self.on_messages,
        }
    }
}

impl Case {
    /// The caller was refused with this error, asked nobody too often, and paid nothing.
    #[track_caller]
    fn is_refused(&self, expected: &Expected) {
        let what = &self.what;
        let Told::Whole(reply) = &self.told else { panic!("{what}: a stream where a status was due") };
        assert_eq!(reply.status, expected.status_for(self.way.client), "{what}: {}", reply.text);
        assert_eq!(reply.code(), expected.code, "{what}: {}", reply.text);
        assert_eq!(reply.body["error"]["type"], expected.kind, "{what}: {}", reply.text);
        let (seconds, millis) =
            expected.wait.map_or_else(Default::default, |(seconds, millis)| (seconds.to_string(), millis.to_string()));
        assert_eq!(reply.header("retry-after"), seconds, "{what}: Retry-After");
        assert_eq!(reply.header("retry-after-ms"), millis, "{what}: retry-after-ms");
        let should_retry = reply.header("x-should-retry");
        match expected.should_retry {
            Some(told) => assert_eq!(should_retry, told, "{what}: x-should-retry"),
            None if expected.wait.is_some() => assert_eq!(should_retry, "", "{what}: x-should-retry beside a wait"),
            None => assert_ne!(should_retry, "true", "{what}: x-should-retry"),
        }
        assert!(!reply.headers.contains_key("lmhaven-cost-usd"), "{what}: a cost for nothing");
        assert_eq!(reply.header("lmhaven-model"), self.way.upstream.model, "{what}");
        self.was_asked(&expected.calls);
        assert_eq!(self.charged, 0, "{what}: nothing was delivered: {}", self.usage);
    }

    #[track_caller]
    fn was_asked(&self, times: &RangeInclusive<usize>) {
        assert!(times.contains(&self.calls.len()), "{}: {} calls, not {times:?}", self.what, self.calls.len());
    }

    /// The text that reached the caller.
    fn text(&self) -> String {
        match &self.told {
            Told::Whole(reply) => match self.way.client {
                Client::Openai => {
                    reply.body["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
                }
                Client::Anthropic => reply.body["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
            },
            Told::Stream { events, .. } => events.iter().map(|event| text_of(self.way.client, event)).collect(),
        }
    }
}

fn text_of(client: Client, event: &Event) -> String {
    let json = event.json();
    let text = match client {
        Client::Openai => &json["choices"][0]["delta"]["content"],
        Client::Anthropic => &json["delta"]["text"],
    };
    text.as_str().unwrap_or_default().to_owned()
}

/// Gemini always thinks; without a text, its thoughts are not among the events.
fn thoughtless(upstream: Upstream) -> Option<String> {
    (upstream.provider == "gemini").then(String::new)
}

/// An estimate: a quarter of the bytes, rounded up.
fn estimated(text: &str) -> i128 {
    i128::try_from(text.len().div_ceil(4)).unwrap()
}

/// The provider's accounts as new: nothing cools down, nothing is open.
async fn heal(haven: &Haven, provider: &str) {
    haven.admin_ok("POST", &format!("/providers/{provider}/accounts/0/enable"), &Value::Null).await;
}
