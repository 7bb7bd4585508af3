//! Money: never below zero at any concurrency, charged once, and exact to the nano-dollar.
//!
//! `concurrency` is about many requests at once, `charges` about what one costs, `endings` about requests that end
//! otherwise than with a whole answer, `credits` about money that comes in and goes back.

mod charges;
mod concurrency;
mod credits;
mod endings;
