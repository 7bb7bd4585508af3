//! The `lmhaven` command.

fn main() {}
