//! Our own image and speech jobs, and the words in which adapters of media providers speak to the relay.
//!
//! `image` is what is asked for and how it is split into generations, `picture` the bytes that came back,
//! `call` one step of a generation, `fault` why one failed. Pure values: adapters turn providers' dialects
//! into these and back, the relay sends, waits, stores and charges. `speech` is what is to be spoken, `audio`
//! how long what was spoken lasts.

pub mod audio;
mod call;
mod fault;
mod image;
mod picture;
pub mod speech;

pub use call::{Answer, Auth, Call, Charge, Lost, Method, News, Place, Setting, Step};
pub use fault::{MediaFault, Retry};
pub use image::{Canvas, Delivery, ImageJob, ImagePlan, ImageRequest, Ladder, Pixels, ResponseFormat, Size};
pub use picture::{Image, ImageFormat};
