//! `PixAI`: a task is created, asked after until it ends, and its files are fetched.
//!
//! A task is paid for when it is created. A create whose answer is lost is therefore never sent again, and
//! every later step goes to the same account, since no other sees the task. Facts: `wire/media.md` §4.
//!
//! | what | file |
//! |---|---|
//! | ratios and tiers, the plan of a request | `size` |
//! | the calls | `request` |
//! | the task as it is answered | `wire` |
//! | create, ask, fetch | `machine` |
//! | its errors | `errors` |

mod errors;
mod machine;
mod request;
mod size;
mod wire;

pub use machine::Machine;
pub use size::plan;

/// Whose files are fetched: the provider's own domain, with its content network below it.
const HOSTS: &[&str] = &["pixai.art"];
