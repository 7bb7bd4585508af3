//! What can be typed: commands, options, their help and examples. Nothing here does anything.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::operator::args::{CreditArgs, KeyArgs, ModelArgs, OperatorArgs, PriceArgs, ProviderArgs, WorkspaceArgs};

/// A prepaid, multi-modal LLM API gateway.
#[derive(Debug, Parser)]
#[command(
    name = "lmhaven",
    version,
    after_help = "Start here:\n  lmhaven demo\n\nExit codes: 0 done, 1 failed, 2 usage, 78 configuration."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try everything on this machine: a gateway, a simulated provider, a workspace with money, and a key
    Demo(DemoArgs),
    /// Run the gateway
    #[command(after_help = "Examples:\n  lmhaven serve\n  lmhaven serve -c /etc/lmhaven.toml\n  \
                            LMHAVEN__SERVER__LISTEN=0.0.0.0:8080 lmhaven serve")]
    Serve(ConfigArgs),
    /// Validate the configuration and print the effective one, secrets hidden
    #[command(after_help = "Examples:\n  lmhaven check\n  lmhaven check -c /etc/lmhaven.toml")]
    Check(ConfigArgs),
    /// Run the provider simulator alone, every upstream protocol on one port
    Simulate(SimulateArgs),
    /// List, create, show and change workspaces
    Workspace(WorkspaceArgs),
    /// List, create and revoke a workspace's keys
    Key(KeyArgs),
    /// Give a workspace money, or take it back
    Credit(CreditArgs),
    /// List and publish versions of the price book
    Price(PriceArgs),
    /// List the models and what they cost now
    Model(ModelArgs),
    /// List providers, and switch their accounts on and off
    Provider(ProviderArgs),
    /// Make operators, who sign in to the operators' pages
    Admin(OperatorArgs),
    /// Read the ledger of a gateway that is not running
    Ledger(LedgerArgs),
    /// Print the completion script for a shell
    #[command(after_help = "Example:\n  lmhaven completions bash > /etc/bash_completion.d/lmhaven")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Options of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lmhaven demo\n  lmhaven demo --port 9000 --data-dir ./demo-data")]
pub struct DemoArgs {
    /// The public port, on loopback; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Where to keep the ledger; a temporary folder unless given
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Options of `serve` and `check`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file; without it `lmhaven.toml` of this folder, if there is one
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Speaks Anthropic, Gemini (text and pictures), OpenAI, Ark (Seedream), NovelAI, PixAI and ElevenLabs.\n\
                  POST /__script takes rules that change or break answers; GET /__calls and /__charges tell what came\n\
                  and what was charged.\n\nExample:\n  lmhaven simulate --listen 127.0.0.1:9100 --seed 7"
)]
pub struct SimulateArgs {
    /// Address and port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    pub listen: SocketAddr,
    /// The same seed gives the same answers and latencies
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Options of `ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// What to do with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Recompute every balance and every hold from the first entry; exits 1 and names the first bad entry
    #[command(after_help = "Example:\n  lmhaven ledger verify --data-dir lmhaven-data")]
    Verify(DataDirArgs),
    /// Print every entry in order, one JSON object per line
    #[command(after_help = "Example:\n  lmhaven ledger export --data-dir lmhaven-data > ledger.jsonl")]
    Export(DataDirArgs),
    /// Print the position of the last entry
    Head(DataDirArgs),
}

/// Where a ledger lies.
#[derive(Debug, Args)]
pub struct DataDirArgs {
    /// The folder of the store: `store.path` of the configuration
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_parser_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_there_is_a_usage_error() {
        for line in
            ["lmhaven", "lmhaven backup", "lmhaven receipt verify x", "lmhaven ledger verify", "lmhaven key list"]
        {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_interface() {
        let Command::Demo(demo) = Cli::try_parse_from(["lmhaven", "demo"]).unwrap().command else { panic!() };
        assert_eq!((demo.port, demo.data_dir), (8080, None));
        let Command::Simulate(simulate) = Cli::try_parse_from(["lmhaven", "simulate"]).unwrap().command else {
            panic!()
        };
        assert_eq!(simulate.listen.to_string(), "127.0.0.1:9100");
    }

    /// The lines of `command` and of everything below it.
    fn lines_below(command: &clap::Command, line: &[String], lines: &mut Vec<Vec<String>>) {
        lines.push(line.to_vec());
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            lines_below(child, &[line, &[child.get_name().to_owned()]].concat(), lines);
        }
    }

    #[test]
    fn the_help_is_as_it_was_looked_at() {
        let mut lines = Vec::new();
        lines_below(&Cli::command(), &["lmhaven".to_owned()], &mut lines);
        let help = |line: &Vec<String>| {
            let help = Cli::try_parse_from(line.iter().map(String::as_str).chain(["--help"])).unwrap_err();
            format!("$ {} --help\n{help}", line.join(" "))
        };
        insta::assert_snapshot!(lines.iter().map(help).collect::<Vec<_>>().join("\n"));
    }
}
