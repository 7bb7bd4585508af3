//! A gateway with the simulator upstream and callers of every kind: well served, streamed, refused, and failed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use lmhaven::config::{Config, FixedEnvironment};
use lmhaven::server::Server;
use lmhaven_simulator::{Fault, Options, Rule, Simulator};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Must appear in no metric.
pub(crate) const CANARY: &str = "canary-8f31c2";
/// What is said aloud in every round.
pub(crate) const SPOKEN: &str = "A sentence for the ear, canary-8f31c2.";
const ADMIN_TOKEN: &str = "admin-token-of-the-metrics-test-0123456789";
/// A little load: as much as a busy machine can keep up with, and far below every limit.
const ROUND_EVERY: Duration = Duration::from_millis(200);
/// So soon that what was asked for is on the gateway.
const LEFT_AFTER: Duration = Duration::from_millis(300);
const CALLER_PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Gateway {
    pub(crate) server: Server,
    simulator: Simulator,
    client: reqwest::Client,
    _folder: TempDir,
}

/// What callers need, shared by those who run side by side.
#[derive(Clone)]
pub(crate) struct Callers {
    client: reqwest::Client,
    base: String,
    rich: String,
    poor: String,
    stop: Rc<Cell<bool>>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let folder = TempDir::new().unwrap();
        let text = configuration(&simulator.url(), folder.path());
        let config = Config::parse(Some(("metrics", &text)), &FixedEnvironment::default()).unwrap();
        let server = Server::start(config).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(CALLER_PATIENCE).build().unwrap();
        script(&simulator);
        Self { server, simulator, client, _folder: folder }
    }

    /// What Prometheus scrapes.
    pub(crate) async fn scrape(&self) -> String {
        let url = format!("http://{}/metrics", self.server.admin_address);
        self.client.get(url).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// A workspace with money, one without, and a key of each.
    pub(crate) async fn callers(&self) -> Callers {
        let rich = self.workspace("rich").await;
        let credit = json!({ "amount_usd": "50.00", "reason": "test", "idempotency_key": "rich-1" });
        self.admin(&format!("/workspaces/{rich}/credits"), &credit).await;
        let poor = self.workspace("poor").await;
        Callers {
            client: self.client.clone(),
            base: format!("http://{}", self.server.public_address),
            rich: self.key(&rich).await,
            poor: self.key(&poor).await,
            stop: Rc::default(),
        }
    }

    async fn workspace(&self, name: &str) -> String {
        let body = json!({ "name": name, "owner_email": format!("{name}@example.com"), "email_verified": true });
        self.admin("/workspaces", &body).await["id"].as_str().unwrap().to_owned()
    }

    async fn key(&self, workspace: &str) -> String {
        let key = self.admin(&format!("/workspaces/{workspace}/keys"), &json!({ "name": CANARY })).await;
        key["secret"].as_str().unwrap().to_owned()
    }

    async fn admin(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}/admin/v1{path}", self.server.admin_address);
        let response = self.client.post(url).bearer_auth(ADMIN_TOKEN).json(body).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await.unwrap();
        self.simulator.stop().await;
    }
}

/// One account of two is limited for ever; what carries a marker fails, breaks or stalls.
fn script(simulator: &Simulator) {
    let control = simulator.control();
    control.script(Rule::new().key("limited").status(429).retry_after("1"));
    control.script(Rule::new().marker("FAILING").status(500));
    control.script(Rule::new().marker("BREAKING").fault(Fault::Cut { after: 3 }));
    let slow = json!({ "marker": "SLOW", "gap_ms": 100, "media": { "generate_ms": 20_000 } });
    control.script(serde_json::from_value(slow).unwrap());
    let long = json!({ "marker": "LONG", "gap_ms": 100, "elevenlabs": { "chunk_bytes": 2_000, "audio_ms": 60_000 } });
    control.script(serde_json::from_value(long).unwrap());
    control.script(Rule::new().marker("STALLING").fault(Fault::Stall { after: 4, ms: None }));
}

fn configuration(simulator: &str, folder: &std::path::Path) -> String {
    let folder = toml::Value::String(folder.join("store").display().to_string());
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
public_url = "http://127.0.0.1"
admin_listen = "127.0.0.1:0"
drain_timeout = "1s"
admin_token = "{ADMIN_TOKEN}"
[store]
path = {folder}
min_free = "1 MiB"
[limits]
requests_per_minute = 60000
[[providers]]
id = "anthropic"
kind = "anthropic"
base_url = "{simulator}"
api_keys = ["simulated"]
[[providers]]
id = "gemini"
kind = "gemini"
base_url = "{simulator}"
api_keys = ["limited", "simulated"]
[[providers]]
id = "ark"
kind = "ark"
base_url = "{simulator}"
api_keys = ["simulated"]
[[providers]]
id = "elevenlabs"
kind = "elevenlabs"
base_url = "{simulator}"
api_keys = ["simulated"]
"#
    )
}

impl Callers {
    /// A round of every kind of request, checked.
    pub(crate) async fn round(&self) {
        let well = format!("How are you? {CANARY}");
        self.expect(StatusCode::OK, &self.rich, "chat/completions", &openai("claude-haiku-4-5", &well, false)).await;
        self.expect(StatusCode::OK, &self.rich, "chat/completions", &openai("gemini-3-flash", &well, true)).await;
        self.expect(StatusCode::OK, &self.rich, "messages", &anthropic("claude-sonnet-4-6", &well, false)).await;
        self.expect(StatusCode::OK, &self.rich, "messages", &anthropic("claude-haiku-4-5", &well, true)).await;
        let failing = openai("claude-haiku-4-5", "FAILING", false);
        self.expect(StatusCode::INTERNAL_SERVER_ERROR, &self.rich, "chat/completions", &failing).await;
        let breaking = openai("claude-haiku-4-5", "BREAKING", true);
        self.call(&self.rich, "chat/completions", &breaking).await;
        self.expect(StatusCode::UNAUTHORIZED, "sk-lmh-unknown", "messages", &failing).await;
        self.expect(StatusCode::PAYMENT_REQUIRED, &self.poor, "chat/completions", &failing).await;
        let unknown = openai(&format!("model-{CANARY}"), "?", false);
        self.expect(StatusCode::NOT_FOUND, &self.rich, "chat/completions", &unknown).await;
        self.expect(StatusCode::BAD_REQUEST, &self.rich, "messages", &json!({ "model": 7 })).await;
        self.media().await;
    }

    /// Images and speech: served, refused for want of money, and failed.
    async fn media(&self) {
        let (images, speech) = ("images/generations", "audio/speech");
        self.expect(StatusCode::OK, &self.rich, images, &image(CANARY, 2)).await;
        self.expect(StatusCode::PAYMENT_REQUIRED, &self.poor, images, &image(CANARY, 1)).await;
        self.expect(StatusCode::INTERNAL_SERVER_ERROR, &self.rich, images, &image("FAILING", 1)).await;
        self.expect(StatusCode::OK, &self.rich, speech, &spoken(SPOKEN)).await;
        self.expect(StatusCode::PAYMENT_REQUIRED, &self.poor, speech, &spoken(SPOKEN)).await;
        self.expect(StatusCode::INTERNAL_SERVER_ERROR, &self.rich, speech, &spoken("FAILING")).await;
    }

    /// Leaves an image that is being made, at once, and a speech after its first bytes.
    pub(crate) async fn leave(&self) {
        let url = format!("{}/v1/images/generations", self.base);
        let waiting = self.client.post(url).bearer_auth(&self.rich).json(&image("SLOW", 1));
        assert!(waiting.timeout(LEFT_AFTER).send().await.is_err_and(|error| error.is_timeout()));
        let mut speech = self.send(&self.rich, "audio/speech", &spoken("LONG")).await;
        assert_eq!(speech.status(), StatusCode::OK);
        speech.chunk().await.unwrap().unwrap();
    }

    /// Rounds at a steady pace until [`Callers::stop`].
    pub(crate) async fn go_on(self) {
        let mut pace = tokio::time::interval(ROUND_EVERY);
        while !self.stop.get() {
            pace.tick().await;
            self.round().await;
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.set(true);
    }

    /// A stream whose provider falls silent after its first events. It stays open until it is dropped.
    pub(crate) async fn stalled(&self) -> reqwest::Response {
        let mut response = self.send(&self.rich, "messages", &anthropic("claude-haiku-4-5", "STALLING", true)).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.chunk().await.unwrap().unwrap();
        response
    }

    async fn expect(&self, status: StatusCode, key: &str, path: &str, body: &Value) {
        let (got, text) = self.call(key, path, body).await;
        assert_eq!(got, status, "{path} {body}: {text}");
    }

    /// A broken answer ends without text.
    async fn call(&self, key: &str, path: &str, body: &Value) -> (StatusCode, String) {
        let response = self.send(key, path, body).await;
        (response.status(), response.text().await.unwrap_or_default())
    }

    async fn send(&self, key: &str, path: &str, body: &Value) -> reqwest::Response {
        let url = format!("{}/v1/{path}", self.base);
        self.client.post(url).bearer_auth(key).json(body).send().await.unwrap()
    }
}

fn openai(model: &str, text: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": text }] })
}

fn image(prompt: &str, count: u32) -> Value {
    json!({ "model": "seedream-5", "prompt": prompt, "n": count })
}

fn spoken(input: &str) -> Value {
    json!({ "model": "elevenlabs-v3", "voice": "alloy", "input": input })
}

fn anthropic(model: &str, text: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "max_tokens": 200, "messages": [{ "role": "user", "content": text }] })
}
