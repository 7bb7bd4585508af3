//! The `lmhaven` command.

use std::process::ExitCode;

use clap::Parser;
use lmhaven::cli::args::{Cli, ConfigArgs, DemoArgs, LedgerCommand, SimulateArgs};
use lmhaven::cli::{self, Runner, output};

/// The parts that run for long or open the store.
struct Parts;

impl Runner for Parts {
    fn serve(&self, args: &ConfigArgs) -> ExitCode {
        match cli::load_for_serving(args.config.as_deref()) {
            Ok(_) => missing("serve"),
            Err(code) => code,
        }
    }

    fn demo(&self, _: &DemoArgs) -> ExitCode {
        missing("demo")
    }

    fn simulate(&self, _: &SimulateArgs) -> ExitCode {
        missing("simulate")
    }

    fn ledger(&self, _: &LedgerCommand) -> ExitCode {
        missing("ledger")
    }
}

fn missing(command: &str) -> ExitCode {
    output::print_problem(&format!("this build has no `{command}`"));
    ExitCode::from(output::FAILED)
}

fn main() -> ExitCode {
    cli::run(Cli::parse(), &Parts)
}
