//! A provider as the configuration describes it.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::chat::Dialect;

/// A provider as the configuration describes it.
#[derive(Clone, Debug)]
pub struct ProviderSpec {
    /// Its id in the configuration.
    pub id: Arc<str>,
    /// What it speaks where it serves text.
    pub dialect: Option<Dialect>,
    /// Where an account's key goes.
    pub key_header: KeyHeader,
    /// Scheme and host, and `/v1` for the OpenAI dialect; no slash at the end.
    pub base_url: String,
    /// One per account.
    pub api_keys: Vec<SecretString>,
    /// Requests at once, per account.
    pub max_in_flight: u32,
    /// Requests that may wait in line for each account that can serve, where all are at their cap; 0 answers them at
    /// once that it is busy.
    pub queue_max_per_account: u32,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// A stream: until its first event.
    pub first_byte_timeout: Duration,
    /// An answer that is not streamed: until it is complete.
    pub answer_timeout: Duration,
    /// Silence between two events of a stream.
    pub idle_timeout: Duration,
}

/// In which header an account's key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer …`.
    Bearer,
    /// `x-api-key`.
    XApiKey,
    /// `x-goog-api-key`.
    XGoogApiKey,
    /// `xi-api-key`.
    XiApiKey,
}
