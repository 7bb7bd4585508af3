//! The media protocols over real connections, with decoders by other hands.

mod ark;
mod elevenlabs;
mod gemini_image;
mod novelai;
mod pixai;
mod shared;
