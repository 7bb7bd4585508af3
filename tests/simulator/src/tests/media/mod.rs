//! The media protocols over real connections, with decoders by other hands.

mod ark;
mod novelai;
mod shared;
