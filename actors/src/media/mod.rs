//! Our own image and speech jobs: what was asked for, and what came back.
//!
//! Pure, like `chat`: routes and adapters meet here. Money stands in `domain`, protocols in `adapters`.

pub mod audio;
pub mod speech;
