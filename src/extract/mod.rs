//! What a request brings, checked: its caller or who is signed in, and its body.

pub mod body;
pub mod caller;
pub mod head;
pub mod session;
