//! Who makes a model's images or speech: its providers in the configured order, and which of them is asked next.
//!
//! `image` and `speech` ask; both make at most one second attempt (INTERFACE §3, promise 6), and whether there is one
//! is theirs to say. Here stands only where it goes: to another account of the same provider, else to the next provider
//! of the same model, else to the same account once more. Never to another model.

use std::rc::Rc;

use lmhaven_actors::provider::{Attempt, NoAccount, ProviderHandle, Seat};

use super::Worker;
use crate::config::{Model, Provider};

/// A provider that serves the model, and what it takes to ask it.
pub struct Maker<T> {
    /// Its actor on this thread.
    pub provider: Rc<ProviderHandle>,
    /// How it is spoken to.
    pub how: T,
}

/// The providers of one model, at least one.
pub struct Makers<T> {
    first: Maker<T>,
    rest: Vec<Maker<T>>,
}

/// Where the next attempt goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    place: usize,
    /// The account that failed.
    except: Option<usize>,
}

impl<T> Makers<T> {
    /// The model's providers that are in use and of which `how` knows how to ask them; `None` where there is none.
    pub fn of(worker: &Worker, model: &Model, mut how: impl FnMut(&Provider) -> Option<T>) -> Option<Self> {
        let maker = |id| {
            let provider = worker.providers.get(id)?.clone();
            let configured = worker.gateway.config.providers.iter().find(|known| known.id == *id)?;
            Some(Maker { provider, how: how(configured)? })
        };
        let mut makers = model.providers.iter().filter_map(maker);
        Some(Self { first: makers.next()?, rest: makers.collect() })
    }

    /// The one that is asked first.
    pub const fn first(&self) -> &Maker<T> {
        &self.first
    }

    /// Whether callers wait in line at one of them, because its accounts make few things at a time.
    pub fn have_lines(&self) -> bool {
        self.from(0).any(|(_, maker)| maker.provider.pool().spec().queue_max_per_account > 0)
    }

    fn from(&self, place: usize) -> impl Iterator<Item = (usize, &Maker<T>)> {
        std::iter::once(&self.first).chain(&self.rest).enumerate().skip(place)
    }

    /// Takes a place at the first provider from `turn` on that has one. A provider that has none was not asked, so
    /// passing it over is no attempt; `turn` then is where the place was found.
    ///
    /// # Errors
    /// Why the first of them has no place.
    pub async fn seat(
        &self,
        turn: &mut Turn,
        take: impl AsyncFn(&ProviderHandle, Attempt) -> Result<Seat, NoAccount>,
    ) -> Result<(&Maker<T>, Seat), NoAccount> {
        let mut refusal = None;
        for (place, maker) in self.from(turn.place) {
            let except = turn.except.filter(|_| place == turn.place);
            match take(&maker.provider, Attempt { except }).await {
                Ok(seat) => {
                    *turn = Turn { place, except };
                    return Ok((maker, seat));
                }
                Err(none) => refusal = refusal.or(Some(none)),
            }
        }
        Err(refusal.unwrap_or(NoAccount::Disabled))
    }

    /// Where an attempt goes after the one at `turn` failed on `account`, where anybody else could take it now.
    pub fn other(&self, turn: Turn, account: usize) -> Option<Turn> {
        self.from(turn.place).find_map(|(place, maker)| {
            let pool = maker.provider.pool();
            let is_same = place == turn.place;
            let is_free = if is_same { pool.has_other(account) } else { pool.has_free() };
            is_free.then_some(Turn { place, except: is_same.then_some(account) })
        })
    }
}

impl Turn {
    /// The same provider once more, whichever account.
    #[must_use]
    pub const fn again(self) -> Self {
        Self { place: self.place, except: None }
    }
}
