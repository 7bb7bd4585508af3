//! LMHaven.

pub mod cli;
pub mod config;
