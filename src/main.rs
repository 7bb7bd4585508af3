//! The `lmhaven` command: parse, and hand what was asked for to its part.

use std::process::ExitCode;

use clap::Parser;
use lmhaven::cli::args::{Cli, ConfigArgs, DemoArgs, LedgerCommand, SimulateArgs};
use lmhaven::cli::{self, Runner};
use lmhaven::serve;

/// Requests come in bursts, as commits let them go, and their larger pieces leave glibc's fast paths: 7 of 53 µs a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The parts that run for long or open the store.
struct Parts;

impl Runner for Parts {
    fn serve(&self, args: &ConfigArgs) -> ExitCode {
        match cli::load_for_serving(args.config.as_deref()) {
            Ok(config) => serve::serve(config),
            Err(code) => code,
        }
    }

    fn demo(&self, args: &DemoArgs) -> ExitCode {
        serve::demo(args)
    }

    fn simulate(&self, args: &SimulateArgs) -> ExitCode {
        serve::simulate(args)
    }

    fn ledger(&self, command: &LedgerCommand) -> ExitCode {
        serve::ledger(command)
    }
}

fn main() -> ExitCode {
    // Touched once, a huge page counts whole: 53 instead of 35 KiB for a held stream, for no time that could be measured. The
    // allocator is built not to ask for them; some kernels give them unasked. One that knows no such setting has none.
    rustix::thread::disable_transparent_huge_pages(true).ok();
    cli::run(Cli::parse(), &Parts)
}
