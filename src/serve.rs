//! What `main` runs for long: `serve`, `demo`, `simulate`; and the offline look at a ledger.

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::ledger::{Ledger, export, verify};
use lmhaven_simulator::Simulator;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::args::{DemoArgs, LedgerCommand, SimulateArgs};
use crate::cli::output;
use crate::config::Config;
use crate::server::Server;
use crate::{demo, telemetry};

/// `lmhaven serve`.
pub fn serve(config: Config) -> ExitCode {
    telemetry::install_logs();
    raise_open_files();
    block_on(async move {
        let signals = Signals::listen()?;
        for warning in &config.warnings {
            tracing::warn!(key = %warning.key, reason = %warning.reason, "configuration");
        }
        let server = Server::start(config).await?;
        tracing::info!(public = %server.public_address, admin = %server.admin_address, "listening");
        if let Some(link) = server.gateway.accounts.begin_set_up(&server.gateway.core).await? {
            // The one line that holds a secret: without it nobody could ever sign in, for no default password exists.
            tracing::warn!(link = %link.url, "there is no operator yet: this link sets one up, once, within 30 minutes");
        }
        signals.received().await;
        server.stop().await?;
        Ok(())
    })
}

/// `lmhaven demo`.
pub fn demo(args: &DemoArgs) -> ExitCode {
    if std::env::var_os("RUST_LOG").is_some() {
        telemetry::install_logs();
    }
    raise_open_files();
    block_on(async { Ok(demo::run(args).await?) })
}

/// `lmhaven simulate`.
pub fn simulate(args: &SimulateArgs) -> ExitCode {
    let options =
        lmhaven_simulator::Options { listen: args.listen, seed: args.seed, ..lmhaven_simulator::Options::default() };
    block_on(async move {
        let signals = Signals::listen()?;
        let simulator = Simulator::start(options).await?;
        output::print_result(&format!("simulating every provider on {}", simulator.url()));
        signals.received().await;
        simulator.stop().await;
        Ok(())
    })
}

/// `lmhaven ledger verify | export | head`.
pub fn ledger(command: &LedgerCommand) -> ExitCode {
    let outcome = match command {
        LedgerCommand::Verify(args) => check(&args.data_dir),
        LedgerCommand::Export(args) => print_all(&args.data_dir),
        LedgerCommand::Head(args) => head(&args.data_dir),
    };
    outcome.unwrap_or_else(|error| {
        output::print_problem(&error.to_string());
        ExitCode::from(output::FAILED)
    })
}

type Failure = Box<dyn std::error::Error>;

fn check(folder: &Path) -> Result<ExitCode, Failure> {
    let report = verify::verify(&SledLedger::open_for_reading(folder)?)?;
    output::print_result(&serde_json::to_string_pretty(&report)?);
    if let Some(bad) = &report.first_bad {
        let id = bad.id.map_or_else(|| "an entry".to_owned(), |id| id.to_string());
        output::print_problem(&format!("the ledger is wrong from {id} on: {}", bad.reason));
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(output::FAILED) })
}

fn print_all(folder: &Path) -> Result<ExitCode, Failure> {
    let ledger = SledLedger::open_for_reading(folder)?;
    export::export(&ledger, &mut std::io::BufWriter::new(std::io::stdout().lock()))?;
    Ok(ExitCode::SUCCESS)
}

fn head(folder: &Path) -> Result<ExitCode, Failure> {
    let head = SledLedger::open_for_reading(folder)?.head();
    Ok(output::print_result(&json!({ "records": head.0 }).to_string()))
}

/// Runs on actix's system; a failure is printed and becomes exit code 1.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    match actix_web::rt::System::new().block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_problem(&error.to_string());
            ExitCode::from(output::FAILED)
        }
    }
}

/// SIGTERM and SIGINT. From [`Signals::listen`] on they do not end the process any more, so that one that comes while it
/// starts is obeyed in order once it has started.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from here on.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first of them, which may have come before.
    pub async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Every connection takes two descriptors, and the usual soft limit is 1,024.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
