//! `NovelAI` Diffusion V4.
//!
//! One call makes a handful of images and answers with a ZIP of PNG files. An account makes one generation at
//! a time, so several images of one request go in one call where their area allows. The files carry the
//! prompt, the seed and the maker's name; none of that is served. Facts: `wire/media.md` §3.
//!
//! | what | file |
//! |---|---|
//! | sizes and tiers, the plan of a request | `size` |
//! | the call | `request` |
//! | its answer | `machine`, `archive`, `png` |
//! | its errors | `errors` |

mod archive;
mod errors;
mod machine;
mod png;
mod request;
mod size;

pub use machine::Machine;
pub use size::plan;
