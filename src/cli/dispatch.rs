//! From a parsed command to the part that does it, and to an exit code.
//!
//! `check`, `completions` and the operator's verbs are done here. What needs the gateway, the simulator or the
//! store is done by the [`Runner`] that `main` hands in, so that this module knows none of them.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Cli, Command, ConfigArgs, DemoArgs, LedgerCommand, SimulateArgs};
use super::operator::args::TOKEN_VARIABLE;
use super::operator::{Failure, Operation};
use super::output::{FAILED, USAGE, print_problem, print_result};
use crate::config::{Config, ConfigErrors, EXIT_CODE, Environment, ProcessEnvironment};

/// The commands that are done elsewhere.
pub trait Runner {
    /// Runs the gateway until it has drained.
    fn serve(&self, args: &ConfigArgs) -> ExitCode;
    /// Runs gateway and simulator on loopback until Ctrl-C.
    fn demo(&self, args: &DemoArgs) -> ExitCode;
    /// Runs the simulator until Ctrl-C.
    fn simulate(&self, args: &SimulateArgs) -> ExitCode;
    /// Reads a ledger offline.
    fn ledger(&self, command: &LedgerCommand) -> ExitCode;
}

/// Does what was typed.
pub fn run(cli: Cli, runner: &impl Runner) -> ExitCode {
    match cli.command {
        Command::Serve(args) => runner.serve(&args),
        Command::Demo(args) => runner.demo(&args),
        Command::Simulate(args) => runner.simulate(&args),
        Command::Ledger(args) => runner.ledger(&args.command),
        Command::Check(args) => match check(args.config.as_deref(), &ProcessEnvironment) {
            Ok(effective) => print_result(&effective),
            Err(errors) => refuse_configuration(&errors),
        },
        Command::Completions { shell } => print_result(&completions(shell)),
        Command::Workspace(args) => operate(&args.into()),
        Command::Key(args) => operate(&args.into()),
        Command::Credit(args) => operate(&args.into()),
        Command::Price(args) => operate(&args.into()),
        Command::Model(args) => operate(&args.into()),
        Command::Provider(args) => operate(&args.into()),
        Command::Admin(args) => operate(&args.into()),
    }
}

/// The configuration for `serve`, which needs an admin token; or the exit code, with the errors printed.
///
/// # Errors
/// Exit code 78 for a bad configuration.
pub fn load_for_serving(path: Option<&Path>) -> Result<Config, ExitCode> {
    let config = Config::load(path, &ProcessEnvironment).map_err(|errors| refuse_configuration(&errors))?;
    config.require_admin_token().map_err(|errors| refuse_configuration(&errors))?;
    Ok(config)
}

/// Prints what is wrong with a configuration, one line each.
pub fn refuse_configuration(errors: &ConfigErrors) -> ExitCode {
    print_problem(&errors.to_string());
    ExitCode::from(EXIT_CODE)
}

fn check(path: Option<&Path>, environment: &dyn Environment) -> Result<String, ConfigErrors> {
    Config::load(path, environment).map(|config| config.effective_toml())
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lmhaven", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn operate(operation: &Operation) -> ExitCode {
    let token = ProcessEnvironment.variable(TOKEN_VARIABLE);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_problem(&format!("cannot start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(operation.run(token.as_deref())) {
        Ok(text) => print_result(&text),
        Err(failure) => {
            print_problem(&failure.to_string());
            ExitCode::from(exit_code(&failure))
        }
    }
}

fn exit_code(failure: &Failure) -> u8 {
    if failure.is_usage() { USAGE } else { FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FixedEnvironment;

    #[test]
    fn check_prints_the_effective_configuration_or_every_error() {
        let environment = FixedEnvironment::default()
            .with_file("good.toml", "[server]\nlisten = '0.0.0.0:80'\nadmin_token = 'canary'\n")
            .with_file("bad.toml", "[server]\nlisten = 'x'\n[store]\nkind = 'x'\n");
        let effective = check(Some(Path::new("good.toml")), &environment).unwrap();
        assert!(effective.contains("listen = \"0.0.0.0:80\"") && !effective.contains("canary"), "{effective}");
        assert_eq!(check(Some(Path::new("bad.toml")), &environment).unwrap_err().0.len(), 2);
    }

    #[test]
    fn every_shell_gets_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            assert!(completions(shell).contains("workspace"), "{shell}");
        }
    }
}
