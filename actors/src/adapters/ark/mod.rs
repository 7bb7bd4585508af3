//! Seedream on Volcengine Ark and `BytePlus` `ModelArk`.
//!
//! One JSON call makes one image and answers with a link to a file, which is fetched at once: unlike an image
//! inside the answer, a file that breaks off on the way can be fetched again without paying for a second one.
//! `n` images are that many calls, because the provider's own sequences are only a permission. Facts:
//! `wire/media.md` §2.
//!
//! | what | file |
//! |---|---|
//! | sizes and tiers, the plan of a request | `size` |
//! | the call | `request` |
//! | its answer, then the file | `machine` |
//! | its errors | `errors` |

mod errors;
mod machine;
mod request;
mod size;

pub use machine::Machine;
pub use size::plan;

/// Whose files are fetched: object storage of both clouds.
const HOSTS: &[&str] = &["volces.com", "bytepluses.com"];
