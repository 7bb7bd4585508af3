//! What a request brings, checked: its caller who or which operator is signed in, and its body.

pub mod body;
pub mod caller;
pub mod head;
pub mod operator;
pub mod session;
