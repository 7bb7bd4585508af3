//! LMHaven.

pub mod config;
