//! What outlives a process: a folder with configuration and store, and the provider.
//!
//! Tests make a [`Site`] and start any number of processes on it, one after the other. `process` is a running child,
//! `calls` is how tests speak HTTP to it. No test sleeps: what takes time is awaited with [`within`] or looked for with
//! [`until`], both with a deadline.

mod calls;
#[allow(dead_code, reason = "written for the gateway's tests, which use all of it")]
#[path = "../../gateway/harness/money.rs"]
mod money;
mod process;
#[allow(dead_code, reason = "written for the gateway's tests, which use all of it")]
#[path = "../../gateway/harness/sse.rs"]
mod sse;

use std::future::Future;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use lmhaven_simulator::{Control, Options, Simulator};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use calls::{Workspace, ask, ok, streamed};
pub(crate) use money::{Balance, charge_of, nano, usd};
pub(crate) use process::Process;
pub(crate) use sse::Sse;

/// What the admin API asks for.
pub(crate) const ADMIN_TOKEN: &str = "admin-token-of-the-tests";
/// How long anything may take before its test fails. The machines of tests are slow and shared.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

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

/// `lmhaven`, still to be given its arguments. Nothing of the environment of the tests reaches its configuration.
pub(crate) fn lmhaven() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmhaven"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LMHAVEN")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG");
    command
}

/// Where processes run.
pub(crate) struct Site {
    /// The provider's script and memory.
    pub(crate) control: Control,
    folder: TempDir,
    simulator: Simulator,
}

impl Site {
    /// A provider, and a configuration that asks it.
    pub(crate) async fn new(drain_timeout: &str) -> Self {
        Self::with_more(drain_timeout, |_| String::new()).await
    }

    /// The same with more in the configuration, made from the simulator's address.
    pub(crate) async fn with_more(drain_timeout: &str, more: impl FnOnce(&str) -> String) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let site = Self { control: simulator.control(), folder, simulator };
        let (url, store) = (site.simulator.url(), site.store().display().to_string());
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://lmhaven.test"
admin_listen = "127.0.0.1:0"
drain_timeout = "{drain_timeout}"
admin_token = "{ADMIN_TOKEN}"

[store]
path = "{store}"
min_free = "1 MiB"

[limits]
requests_per_minute = 1000000
concurrent_streams = 1000

[[providers]]
id = "sim"
kind = "openai"
base_url = "{url}/v1"
api_keys = ["upstream-sim"]
first_byte_timeout = "600s"
answer_timeout = "600s"
idle_timeout = "600s"

[[models]]
id = "gpt-sim"
modality = "text"
provider = "sim"
upstream_model = "gpt-sim"
ratio = 10
context_window = 128000
max_output_tokens = 16384
list_price = {{ input = "1.00", output = "2.00", cache_read = "0.10" }}
"#
        );
        std::fs::write(site.configuration(), text + &more(&url)).unwrap();
        site
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("lmhaven.toml")
    }

    /// The folder of the store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// A process that serves and is being waited for no further than that it runs.
    pub(crate) fn launch(&self) -> Process {
        Process::launch(lmhaven().arg("serve").arg("-c").arg(self.configuration()))
    }

    /// A process that listens.
    pub(crate) async fn start(&self) -> Process {
        let mut process = self.launch();
        process.listening().await;
        process
    }

    /// The same in this environment.
    pub(crate) async fn start_with(&self, environment: &[(&str, &str)]) -> Process {
        let mut command = lmhaven();
        command.arg("serve").arg("-c").arg(self.configuration()).envs(environment.iter().copied());
        let mut process = Process::launch(&mut command);
        process.listening().await;
        process
    }

    /// `lmhaven ledger verify`: how it ended, and its report. No process may run.
    pub(crate) async fn verify(&self) -> (Output, Value) {
        let mut command = lmhaven();
        command.args(["ledger", "verify", "--data-dir"]).arg(self.store());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = within("the verification", output).await.unwrap().unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output, report)
    }

    /// The verification of a store that must be sound.
    pub(crate) async fn verified(&self) -> Value {
        let (output, report) = self.verify().await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(report["first_bad"], Value::Null);
        report
    }

    /// Stops the provider. No process may run.
    pub(crate) async fn finish(self) {
        within("the provider's last call to end", self.control.wait_until(|stats| stats.open == 0)).await;
        within("the simulator to stop", self.simulator.stop()).await;
    }
}
