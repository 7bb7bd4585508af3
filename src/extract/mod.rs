//! What a request brings, checked: its caller and its body.

pub mod body;
pub mod caller;
