//! Everything in LMHaven that decides or remembers.
//!
//! `domain`, `chat`, `media` and `adapters` are pure; `ledger` alone knows the store; the actors around them only
//! receive, call, hand facts to the journal and reply. HTTP as customers see it lives in the `lmhaven` crate.

pub mod adapters;
pub mod chat;
pub mod clock;
pub mod directory;
pub mod domain;
pub mod fresh;
pub mod journal;
pub mod keyring;
pub mod ledger;
pub mod media;
pub mod office;
pub mod price_books;
pub mod provider;
pub mod reports;
pub mod system;
pub mod workspace;
