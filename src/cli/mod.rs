//! The command line: what can be typed (`args`), who does it (`dispatch`), and how answers are printed.
//!
//! `main` parses and dispatches. Gateway, simulator and ledger are not called from here; `main` hands them in
//! as a [`Runner`]. Exit codes: 0 done, 1 failed, 2 usage, 78 configuration.

pub mod args;
mod dispatch;
pub mod operator;
pub mod output;
mod table;

pub use dispatch::{Runner, load_for_serving, refuse_configuration, run};
