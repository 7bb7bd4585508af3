//! What the media providers charge: a ledger of their own, balances, and how many calls of a key are running.
//!
//! A charge is written when a provider accepts a generation, before the caller learns of it; so a test can say "the
//! upstream charged once" of a reply that was lost. Text is not in here: its calls tell their own usage.

use crate::{control::Control, dialect::Protocol};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

/// Charges remembered; the limit keeps a load test from filling the memory.
const CHARGES_KEPT_MAX: usize = 100_000;

/// What `NovelAI` grants a key whose balance was never set.
const ANLAS_GRANTED: u64 = 10_000;

/// What a charge counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Ark: pictures that succeeded.
    Image,
    /// `NovelAI`: Anlas.
    Anlas,
    /// `PixAI` and `ElevenLabs`: credits.
    Credit,
    /// Gemini: tokens of the prompt, of the thoughts and of the picture together.
    Token,
}

/// One accepted generation and its price to whoever called.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Charge {
    /// Counts from one, in the order of acceptance.
    pub id: u64,
    /// The [`crate::Call::id`] that was charged.
    pub call: u64,
    /// The protocol.
    pub protocol: Protocol,
    /// The API key that pays.
    pub key: String,
    /// The model that did it, in the provider's own spelling.
    pub model: String,
    /// What was made, for reading: `2 images 2048x2048`, `31 characters as mp3_44100_128`.
    pub what: String,
    /// How much, in the provider's own unit.
    pub units: u64,
    /// That unit.
    pub unit: Unit,
    /// About what the units cost at list prices, in nano-dollars (list prices of November 2026).
    pub nano_usd: u64,
    /// How many pictures were made.
    pub images: u64,
    /// Their width and height in pixels.
    pub pixels: Option<(u32, u32)>,
    /// Whether the pictures carry a visible mark.
    pub watermarked: bool,
    /// How long the sound is that was made, in microseconds: what a decoder finds in the whole answer.
    pub audio_micros: Option<u64>,
    /// The request id or task id that the provider told, or would have told.
    pub reference: String,
    /// When it was accepted.
    pub at: SystemTime,
}

/// A charge before it is accepted.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) model: String,
    pub(crate) what: String,
    pub(crate) units: u64,
    pub(crate) unit: Unit,
    pub(crate) nano_usd: u64,
    pub(crate) images: u64,
    pub(crate) pixels: Option<(u32, u32)>,
    pub(crate) watermarked: bool,
    pub(crate) audio_micros: Option<u64>,
    pub(crate) reference: String,
}

/// How many units a key has left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// The protocol: the same key may be used with several.
    pub protocol: Protocol,
    /// The API key.
    pub key: String,
    /// Units of the protocol's [`Unit`].
    pub units: u64,
}

/// The key has less than a call costs; so much is left.
#[derive(Debug)]
pub(crate) struct Broke(pub(crate) u64);

/// All charges, balances and running calls.
#[derive(Default)]
pub(crate) struct Books {
    charges: VecDeque<Charge>,
    next_id: u64,
    balances: BTreeMap<(Protocol, String), u64>,
    running: BTreeMap<(Protocol, String), u64>,
}

impl Books {
    /// Forgets charges and balances. What runs, runs on.
    pub(crate) fn reset(&mut self) {
        let running = std::mem::take(&mut self.running);
        *self = Self { running, ..Self::default() };
    }

    fn balance(&self, protocol: Protocol, key: &str) -> Option<u64> {
        let granted = (protocol == Protocol::NovelAi).then_some(ANLAS_GRANTED);
        self.balances.get(&(protocol, key.to_owned())).copied().or(granted)
    }

    fn charge(&mut self, protocol: Protocol, key: &str, call: u64, draft: Draft) -> Result<Charge, Broke> {
        if let Some(left) = self.balance(protocol, key) {
            let rest = left.checked_sub(draft.units).ok_or(Broke(left))?;
            self.balances.insert((protocol, key.to_owned()), rest);
        }
        let Draft { model, what, units, unit, nano_usd, images, pixels, watermarked, audio_micros, reference } = draft;
        self.next_id += 1;
        let charge = Charge {
            id: self.next_id,
            call,
            protocol,
            key: key.to_owned(),
            model,
            what,
            units,
            unit,
            nano_usd,
            images,
            pixels,
            watermarked,
            audio_micros,
            reference,
            at: SystemTime::now(),
        };
        if self.charges.len() >= CHARGES_KEPT_MAX {
            self.charges.pop_front();
        }
        self.charges.push_back(charge.clone());
        Ok(charge)
    }
}

// --- For tests ----------------------------------------------------------------------------------------------------

impl Control {
    /// What was charged for pictures and sounds, oldest first: the last hundred thousand.
    pub fn charges(&self) -> Vec<Charge> {
        self.with_books(|books| books.charges.iter().cloned().collect())
    }

    /// Waits for a charge that satisfies a condition, and answers it. Put a timeout around it.
    pub async fn wait_for_charge(&self, mut condition: impl FnMut(&Charge) -> bool) -> Charge {
        self.wait_for_books(|books| books.charges.iter().find(|charge| condition(charge)).cloned()).await
    }

    /// Gives a key so many units of the protocol; it is refused for money when a call costs more than is left. A key
    /// without a balance is never refused, except that `NovelAI` begins with ten thousand Anlas.
    pub fn set_balance(&self, protocol: Protocol, key: &str, units: u64) {
        self.with_books(|books| books.balances.insert((protocol, key.to_owned()), units));
    }

    /// What a key has left; `None` when it has no balance and so no limit.
    pub fn balance(&self, protocol: Protocol, key: &str) -> Option<u64> {
        self.with_books(|books| books.balance(protocol, key))
    }

    /// All balances that were set or charged.
    pub fn balances(&self) -> Vec<Balance> {
        let of = |((protocol, key), units): (&(Protocol, String), &u64)| Balance {
            protocol: *protocol,
            key: key.clone(),
            units: *units,
        };
        self.with_books(|books| books.balances.iter().map(of).collect())
    }
}

// --- For the protocols --------------------------------------------------------------------------------------------

impl Control {
    pub(crate) fn charge(&self, protocol: Protocol, key: &str, call: u64, draft: Draft) -> Result<Charge, Broke> {
        self.with_books(|books| books.charge(protocol, key, call, draft))
    }

    /// Lets a call run beside fewer than `most` others of its key. Both answers tell how many then run.
    pub(crate) fn enter(&self, protocol: Protocol, key: &str, most: u64) -> Result<(Permit, u64), u64> {
        let place = (protocol, key.to_owned());
        let entered = self.with_books(|books| {
            let running = books.running.entry(place.clone()).or_default();
            if *running >= most {
                return Err(*running);
            }
            *running += 1;
            Ok(*running)
        });
        entered.map(|running| (Permit { control: self.clone(), place }, running))
    }
}

/// A running call's place among those of its key.
pub(crate) struct Permit {
    control: Control,
    place: (Protocol, String),
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.control.with_books(|books| {
            if let Some(running) = books.running.get_mut(&self.place) {
                *running = running.saturating_sub(1);
            }
        });
    }
}
