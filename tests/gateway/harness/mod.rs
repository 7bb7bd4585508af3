//! A gateway with the simulator upstream, for one test: started on free ports, called, stopped, audited.
//!
//! Tests build a [`Haven`], talk to it, and end with [`Haven::finish`], which fails them for anything left behind.
//! `calls` is how tests speak HTTP, `sse` how they read streams, `money` how they count. No test sleeps: what takes
//! time is awaited with [`within`] or looked for with [`until`], both with a deadline.

mod audit;
mod calls;
mod money;
mod sse;
mod stage;

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use lmhaven::config::{Config, FixedEnvironment};
use lmhaven::server::Server;
use lmhaven_actors::clock::Clock;
use lmhaven_simulator::{Control, Options, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use audit::copy_folder;
pub(crate) use calls::{Reply, ask};
pub(crate) use money::{Balance, charge_of, charges_of, nano, usd};
pub(crate) use sse::{Event, Sse};
pub(crate) use stage::Stage;

/// What the admin API asks for.
pub(crate) const ADMIN_TOKEN: &str = "admin-token-of-the-tests";
/// How long anything may take before its test fails. The machines of tests are slow and shared.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A running gateway and its upstream.
pub(crate) struct Haven {
    /// The public port, without a path.
    pub(crate) base: String,
    /// The admin port, without a path.
    pub(crate) admin_base: String,
    /// The simulator's script and memory.
    pub(crate) control: Control,
    /// The client of all helpers.
    pub(crate) client: reqwest::Client,
    /// The gateway, for what HTTP does not show.
    pub(crate) server: Server,
    /// Where the ledger is.
    pub(crate) folder: TempDir,
    simulator: Simulator,
    workspaces: RefCell<Vec<Workspace>>,
}

/// A workspace with a key.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Its id.
    pub(crate) id: String,
    /// The secret of its first key.
    pub(crate) key: String,
    /// The id of that key.
    pub(crate) key_id: String,
}

/// Waits for something, and fails the test at the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let awaited = tokio::time::timeout(DEADLINE, future).await;
    awaited.unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}

/// Looks again and again until there is something, and fails the test at the deadline.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let looked = async {
        loop {
            tick.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    within(what, looked).await
}

// --- Start --------------------------------------------------------------------------------------------------------

impl Haven {
    /// The usual gateway.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A gateway with other settings, each named as in `LMHAVEN__…`: `("LIMITS__REQUESTS_PER_MINUTE", "5")`.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_from("", settings, Clock::system()).await
    }

    /// The same with more in the configuration's file, made from the simulator's address.
    pub(crate) async fn start_with_more(more: impl FnOnce(&str) -> String, settings: &[(&str, &str)]) -> Self {
        Self::start_by(more, settings, Clock::system()).await
    }

    /// A gateway with more in its file, other settings, and a clock.
    pub(crate) async fn start_from(more: &str, settings: &[(&str, &str)], clock: Clock) -> Self {
        Self::start_by(|_| more.to_owned(), settings, clock).await
    }

    async fn start_by(more: impl FnOnce(&str) -> String, settings: &[(&str, &str)], clock: Clock) -> Self {
        raise_open_files();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store").display().to_string();
        let text = configuration(&simulator.url(), &store) + more(&simulator.url()).as_str();
        let environment = settings.iter().fold(FixedEnvironment::default(), |environment, (name, value)| {
            environment.with_variable(&format!("LMHAVEN__{name}"), value)
        });
        let config = Config::parse(Some(("gateway tests", &text)), &environment)
            .unwrap_or_else(|errors| panic!("the configuration of the tests is wrong: {errors}"));
        let server = Server::start_with(config, clock).await.unwrap();
        Self {
            base: format!("http://{}", server.public_address),
            admin_base: format!("http://{}", server.admin_address),
            control: simulator.control(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            server,
            folder,
            simulator,
            workspaces: RefCell::default(),
        }
    }

    /// A verified workspace with this much money and a key. `"0"` gives none.
    pub(crate) async fn workspace(&self, credit_usd: &str) -> Workspace {
        let body = json!({ "name": "Tests", "owner_email": "owner@example.com", "email_verified": true });
        let created = self.admin_ok("POST", "/workspaces", &body).await;
        let id = created["id"].as_str().unwrap().to_owned();
        if nano(credit_usd) != 0 {
            self.credit(&id, credit_usd, "first").await;
        }
        let key = self.key(&id, &json!({ "name": "tests" })).await;
        let (key, key_id) = (key["secret"].as_str().unwrap().to_owned(), key["id"].as_str().unwrap().to_owned());
        let workspace = Workspace { id, key, key_id };
        self.workspaces.borrow_mut().push(workspace.clone());
        workspace
    }

    /// Gives credit; answers the ledger entry.
    pub(crate) async fn credit(&self, workspace: &str, amount_usd: &str, idempotency_key: &str) -> Value {
        let body = json!({ "amount_usd": amount_usd, "reason": "tests", "idempotency_key": idempotency_key });
        self.admin_ok("POST", &format!("/workspaces/{workspace}/credits"), &body).await
    }

    /// Makes another key; answers it with its secret.
    pub(crate) async fn key(&self, workspace: &str, body: &Value) -> Value {
        self.admin_ok("POST", &format!("/workspaces/{workspace}/keys"), body).await
    }

    /// Changes a workspace; answers it.
    pub(crate) async fn change(&self, workspace: &str, body: &Value) -> Value {
        self.admin_ok("PATCH", &format!("/workspaces/{workspace}"), body).await
    }
}

/// One test may hold more than a thousand connections on each side of the gateway.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Every kind of provider, the whole roster, and one model of an OpenAI-compatible provider.
fn configuration(simulator: &str, store: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://lmhaven.test"
admin_listen = "127.0.0.1:0"
drain_timeout = "20s"
admin_token = "{ADMIN_TOKEN}"

[store]
path = "{store}"
min_free = "1 MiB"

[[providers]]
id = "anthropic"
kind = "anthropic"
base_url = "{simulator}"
api_keys = ["upstream-anthropic"]
first_byte_timeout = "20s"
answer_timeout = "30s"
idle_timeout = "20s"

[[providers]]
id = "gemini"
kind = "gemini"
base_url = "{simulator}"
api_keys = ["upstream-gemini"]
first_byte_timeout = "20s"
answer_timeout = "30s"
idle_timeout = "20s"

[[providers]]
id = "sim"
kind = "openai"
base_url = "{simulator}/v1"
api_keys = ["upstream-sim"]
first_byte_timeout = "20s"
answer_timeout = "30s"
idle_timeout = "20s"

[[providers]]
id = "ark"
kind = "ark"
base_url = "{simulator}"
api_keys = ["upstream-ark"]
answer_timeout = "30s"

[[providers]]
id = "novelai"
kind = "novelai"
base_url = "{simulator}"
api_keys = ["upstream-novelai"]
answer_timeout = "30s"

[[providers]]
id = "pixai"
kind = "pixai"
base_url = "{simulator}"
api_keys = ["upstream-pixai"]
answer_timeout = "60s"

[[providers]]
id = "elevenlabs"
kind = "elevenlabs"
base_url = "{simulator}"
api_keys = ["upstream-elevenlabs"]
first_byte_timeout = "20s"
idle_timeout = "5s"
{MODELS}"#
    )
}

const MODELS: &str = r#"
[[models]]
id = "claude-opus-4-7"
modality = "text"
provider = "anthropic"
upstream_model = "claude-opus-4-7"
ratio = 28
list_price = { input = "5.00", output = "25.00", cache_read = "0.50", cache_write_5m = "6.25", cache_write_1h = "10.00" }

[[models]]
id = "claude-sonnet-4-6"
modality = "text"
provider = "anthropic"
upstream_model = "claude-sonnet-4-6"
ratio = 32
list_price = { input = "3.00", output = "15.00", cache_read = "0.30", cache_write_5m = "3.75", cache_write_1h = "6.00" }

[[models]]
id = "claude-haiku-4-5"
modality = "text"
provider = "anthropic"
upstream_model = "claude-haiku-4-5"
ratio = 50
list_price = { input = "1.00", output = "5.00", cache_read = "0.10", cache_write_5m = "1.25", cache_write_1h = "2.00" }

[[models]]
id = "gemini-3-1-pro"
modality = "text"
provider = "gemini"
upstream_model = "gemini-3.1-pro-preview"
ratio = 36
list_price = { input = "2.00", output = "12.00", cache_read = "0.20", long_context_over = 200000, long_context_input = "4.00", long_context_output = "18.00", long_context_cache_read = "0.40" }

[[models]]
id = "gemini-3-flash"
modality = "text"
provider = "gemini"
upstream_model = "gemini-3-flash-preview"
ratio = 55
list_price = { input = "0.50", output = "3.00", cache_read = "0.05", audio_input = "1.00" }

[[models]]
id = "gpt-sim"
modality = "text"
provider = "sim"
upstream_model = "gpt-sim"
ratio = 10
context_window = 128000
max_output_tokens = 16384
list_price = { input = "1.00", output = "2.00", cache_read = "0.10" }

[[models]]
id = "nano-banana-pro"
modality = "image"
provider = "gemini"
upstream_model = "gemini-3-pro-image"
ratio = 38
list_price = { 1K = "0.134", 2K = "0.134", 4K = "0.24" }

[[models]]
id = "seedream-5"
modality = "image"
provider = "ark"
upstream_model = "seedream-5-0-260128"
ratio = 40
list_price = { 2K = "0.035", 3K = "0.035" }

[[models]]
id = "novelai-v4"
modality = "image"
provider = "novelai"
upstream_model = "nai-diffusion-4-full"
ratio = 45
list_price = { 1K = "0.028", "1.5K" = "0.042" }

[[models]]
id = "pixai-v4"
modality = "image"
provider = "pixai"
upstream_model = "1983308862240288769"
ratio = 60
list_price = { 1K = "0.107", "1.5K" = "0.107" }

[[models]]
id = "elevenlabs-v3"
modality = "voice"
provider = "elevenlabs"
upstream_model = "eleven_v3"
ratio = 22
list_price = { per_minute = "0.08", per_1k_characters = "0.08" }
"#;
