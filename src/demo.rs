//! `lmhaven demo`: everything on loopback with nothing installed: a conversation, a picture and a spoken sentence, each
//! paid for.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use lmhaven_actors::domain::people::Email;
use lmhaven_actors::domain::secret::KEY_PREFIX;
use lmhaven_simulator::Simulator;
use lmhaven_simulator::stripe::FakeStripe;
use serde_json::{Value, json};

use crate::accounts::{self, MakeError};
use crate::cli::args::DemoArgs;
use crate::cli::output;
use crate::config::{Config, ConfigErrors, FixedEnvironment};
use crate::server::{Server, StartError};

/// Who owns the workspace, and signs in.
const OWNER: &str = "owner@demo.localhost";
/// Who runs the gateway.
const OPERATOR: &str = "operator@demo.localhost";
/// Keys of the fake of Stripe: no real ones.
const STRIPE_KEY: &str = "sk_test_demo";
const STRIPE_SECRET: &str = "whsec_demo";
/// What the demonstration asks.
const QUESTION: &str = "In two sentences: what does a prepaid gateway do for me?";
/// Which model answers.
const MODEL: &str = "claude-haiku-4-5";
/// Which model draws, and what.
const PICTURE: (&str, &str) = ("seedream-5", "a lighthouse at dusk");
/// Which model speaks, and what.
const SENTENCE: (&str, &str) = ("elevenlabs-v3", "Your balance can be trusted, down to the last nano-dollar.");
/// The file of what was spoken, in the folder of the data.
const SENTENCE_FILE: &str = "sentence.mp3";

/// The demonstration failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The simulator, or the folder for the data.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The gateway.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration that the demonstration makes.
    #[error("{0}")]
    Config(ConfigErrors),
    /// A call to the gateway.
    #[error(transparent)]
    Call(#[from] reqwest::Error),
    /// The gateway answered with an error, or not as documented.
    #[error("the gateway answered {0}")]
    Answer(String),
    /// The owner.
    #[error(transparent)]
    Owner(#[from] MakeError),
    /// The last records did not reach the disk.
    #[error(transparent)]
    Lost(#[from] lmhaven_actors::journal::JournalLost),
}

/// Starts simulator and gateway, makes one streamed conversation, prints how to go on, serves until a signal.
///
/// # Errors
/// [`DemoError`].
pub async fn run(args: &DemoArgs) -> Result<(), DemoError> {
    let signals = crate::serve::Signals::listen()?;
    let options = lmhaven_simulator::Options {
        listen: loopback(0),
        latency: lmhaven_simulator::Latency::REALISTIC,
        ..lmhaven_simulator::Options::default()
    };
    let simulator = Simulator::start(options).await?;
    let (folder, temporary) = match &args.data_dir {
        Some(folder) => (folder.clone(), false),
        None => (temporary_folder(), true),
    };
    let stripe = FakeStripe::start(loopback(0), STRIPE_KEY, STRIPE_SECRET).await?;
    let secret = lmhaven_actors::system::fresh::secret();
    let admin_token = secret.expose().replace(KEY_PREFIX, "admin-");
    let text = configuration(args.port, &simulator.url(), &stripe.url(), &folder, &admin_token);
    let config = Config::parse(Some(("demo", &text)), &FixedEnvironment::default()).map_err(DemoError::Config)?;
    let server = Server::start(config).await?;
    stripe.desk().send_webhooks_to(&format!("http://{}/webhooks/stripe", server.public_address));
    let demonstration = Demonstration {
        base: format!("http://{}", server.public_address),
        admin: format!("http://{}/admin/v1", server.admin_address),
        operators: format!("http://{}/operator", server.admin_address),
        admin_token,
        client: reqwest::Client::builder().no_proxy().build()?,
    };
    let key = demonstration.prepare().await?;
    let password = lmhaven_actors::system::fresh::secret().expose().replace(KEY_PREFIX, "");
    let gateway = &server.gateway;
    let owner: Email = OWNER.parse().map_err(|_| DemoError::Answer("an address that is none".to_owned()))?;
    accounts::make_confirmed(&gateway.core, &gateway.accounts, owner, password.clone()).await?;
    let operator: Email = OPERATOR.parse().map_err(|_| DemoError::Answer("an address that is none".to_owned()))?;
    accounts::make_operator(&gateway.core, &gateway.accounts, operator, password.clone()).await?;
    output::print_result(&demonstration.converse(&key).await?);
    output::print_result(&demonstration.draw(&key).await?);
    output::print_result(&demonstration.speak(&key, &folder.join(SENTENCE_FILE)).await?);
    output::print_result(&demonstration.how_to_go_on(&key, &password, &folder));
    signals.received().await;
    server.stop().await?;
    simulator.stop().await;
    stripe.stop().await;
    if temporary {
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(())
}

struct Demonstration {
    base: String,
    admin: String,
    operators: String,
    admin_token: String,
    client: reqwest::Client,
}

impl Demonstration {
    /// A verified owner, a workspace with $25.00 and a key.
    async fn prepare(&self) -> Result<String, DemoError> {
        let workspace = json!({ "name": "Demo", "owner_email": OWNER, "email_verified": true });
        let workspace = self.post("/workspaces", &workspace).await?;
        let id = text(&workspace, "id")?;
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let credit = json!({
            "amount_usd": "25.00", "reason": "welcome to the demonstration", "idempotency_key": format!("demo-{stamp}"),
        });
        self.post(&format!("/workspaces/{id}/credits"), &credit).await?;
        let key = self.post(&format!("/workspaces/{id}/keys"), &json!({ "name": "demo" })).await?;
        text(&key, "secret")
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        let request = self.client.post(format!("{}{path}", self.admin)).bearer_auth(&self.admin_token).json(body);
        let response = request.send().await?;
        let status = response.status();
        let answer = response.text().await?;
        if !status.is_success() {
            return Err(DemoError::Answer(format!("{status}: {answer}")));
        }
        serde_json::from_str(&answer).map_err(|_| DemoError::Answer(answer))
    }

    /// One streamed conversation through the gateway, as an OpenAI client makes it.
    async fn converse(&self, key: &str) -> Result<String, DemoError> {
        let body = json!({
            "model": MODEL,
            "stream": true,
            "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": QUESTION }],
        });
        let request = self.client.post(format!("{}/v1/chat/completions", self.base)).bearer_auth(key).json(&body);
        let response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(DemoError::Answer(format!("{status}: {}", response.text().await?)));
        }
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        let (answer, cost) = read_stream(&String::from_utf8_lossy(&bytes));
        let balance = self.balance(key).await?;
        Ok(format!("{QUESTION}\n\n{MODEL}: {answer}\n\ncost ${cost}, balance ${balance}\n"))
    }

    /// One image, as a link that opens.
    async fn draw(&self, key: &str) -> Result<String, DemoError> {
        let (model, prompt) = PICTURE;
        let response = self.create(key, "/v1/images/generations", &json!({ "model": model, "prompt": prompt })).await?;
        let cost = header(&response, "lmhaven-cost-usd");
        let answer: Value = response.json().await?;
        let url = answer.pointer("/data/0/url").and_then(Value::as_str);
        let url = url.ok_or_else(|| DemoError::Answer("without a link".to_owned()))?;
        let balance = self.balance(key).await?;
        Ok(format!("{model} draws {prompt}: {url}\ncost ${cost}, balance ${balance}\n"))
    }

    /// One spoken sentence, saved to a file.
    async fn speak(&self, key: &str, file: &Path) -> Result<String, DemoError> {
        let (model, sentence) = SENTENCE;
        let before = self.balance(key).await?;
        let body = json!({ "model": model, "voice": "alloy", "input": sentence });
        let audio = self.create(key, "/v1/audio/speech", &body).await?.bytes().await?;
        std::fs::write(file, &audio)?;
        let balance = self.balance(key).await?;
        Ok(format!(
            "{model} says \"{sentence}\": {} ({} bytes)\nbalance ${before} before, ${balance} after\n",
            file.display(),
            audio.len()
        ))
    }

    async fn create(&self, key: &str, path: &str, body: &Value) -> Result<reqwest::Response, DemoError> {
        let response = self.client.post(format!("{}{path}", self.base)).bearer_auth(key).json(body).send().await?;
        let status = response.status();
        if status.is_success() {
            Ok(response)
        } else {
            Err(DemoError::Answer(format!("{status}: {}", response.text().await?)))
        }
    }

    async fn balance(&self, key: &str) -> Result<String, DemoError> {
        let balance = self.client.get(format!("{}/v1/balance", self.base)).bearer_auth(key).send().await?;
        text(&balance.json().await?, "balance_usd")
    }

    fn how_to_go_on(&self, key: &str, password: &str, folder: &Path) -> String {
        let Self { base, admin, operators, admin_token, .. } = self;
        let mut out = String::new();
        let _ = write!(
            out,
            "base URL (OpenAI SDKs)     {base}/v1
base URL (Anthropic SDKs)  {base}
key                        {key}
dashboard                  {base}/app/sign-in
sign in as                 {OWNER}
password                   {password}
operators' pages           {operators}
sign in there as           {OPERATOR} (the same password)
admin API                  {admin}
admin token                {admin_token}
data                       {}

curl {base}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
  -d '{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'

# Python, pip install openai
from openai import OpenAI
client = OpenAI(base_url=\"{base}/v1\", api_key=\"{key}\")
print(client.chat.completions.create(model=\"gemini-3-flash\", messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}]).choices[0].message.content)

# Python, pip install anthropic
from anthropic import Anthropic
client = Anthropic(base_url=\"{base}\", api_key=\"{key}\")
print(client.messages.create(model=\"claude-sonnet-4-6\", max_tokens=200, messages=[{{\"role\": \"user\", \"content\": \"Hello\"}}]).content[0].text)

The answers come from a simulator of the providers, and cards are paid at one of Stripe. Ctrl-C ends it.
",
            folder.display(),
        );
        out
    }
}

/// The text of a streamed answer and what it cost.
fn read_stream(stream: &str) -> (String, String) {
    let (mut answer, mut cost) = (String::new(), "?".to_owned());
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { continue };
        if let Some(text) = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str) {
            answer.push_str(text);
        }
        if let Some(text) = chunk.pointer("/usage/cost_usd").and_then(Value::as_str) {
            text.clone_into(&mut cost);
        }
    }
    (answer, cost)
}

fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("?").to_owned()
}

fn text(value: &Value, field: &str) -> Result<String, DemoError> {
    let text = value.get(field).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| DemoError::Answer(format!("without {field}")))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn temporary_folder() -> PathBuf {
    let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos();
    std::env::temp_dir().join(format!("lmhaven-demo-{}-{stamp}", std::process::id()))
}

/// The configuration of the demonstration: every provider is the simulator.
fn configuration(port: u16, simulator: &str, stripe: &str, folder: &Path, admin_token: &str) -> String {
    let folder = toml::Value::String(folder.display().to_string());
    let provider = |kind: &str| {
        format!(
            "[[providers]]\nid = \"{kind}\"\nkind = \"{kind}\"\nbase_url = \"{simulator}\"\napi_keys = [\"simulated\"]\n"
        )
    };
    let providers: String =
        ["anthropic", "gemini", "ark", "novelai", "pixai", "elevenlabs"].into_iter().map(provider).collect();
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
admin_listen = "127.0.0.1:0"
drain_timeout = "10s"
admin_token = "{admin_token}"
[store]
path = {folder}
[payments]
stripe_secret_key = "{STRIPE_KEY}"
stripe_webhook_secrets = ["{STRIPE_SECRET}"]
stripe_base_url = "{stripe}"
livemode = false
[webhooks]
allow_loopback = true
{providers}"#
    )
}
