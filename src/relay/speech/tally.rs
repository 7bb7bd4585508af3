//! What a request for speech leaves in the metrics, also where its body is dropped before its end.
//!
//! A caller who leaves in the middle is mostly noticed by the connection, which drops the body and everything in it:
//! the lease then charges what was noted last, and this counts the same.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use lmhaven_actors::domain::account::Charge;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::PriceRow;

use super::{Admitted, hung_up};
use crate::config::Model;
use crate::telemetry::{self, End, Route, Timing};

/// Counts one request, once.
pub(super) struct Tally {
    model: Arc<Model>,
    row: PriceRow,
    timing: Rc<Timing>,
    noted: Cell<Option<Charge>>,
    is_open: bool,
}

impl Tally {
    pub(super) fn new(admitted: &Admitted) -> Self {
        let Admitted { model, row, timing, .. } = admitted;
        Self { model: model.clone(), row: row.clone(), timing: timing.clone(), noted: Cell::new(None), is_open: true }
    }

    /// Sets what a drop charges from here on.
    pub(super) fn note(&self, charge: Charge) {
        self.noted.set(Some(charge));
    }

    /// Counts what was charged.
    pub(super) fn charged(&self, charge: &Charge, charged: NanoUsd) {
        let list_cost = self.row.list_cost(&charge.usage).unwrap_or_default();
        telemetry::charged(&self.model, &self.timing, &charge.usage, charged, list_cost);
    }

    /// Counts the end.
    pub(super) fn ended(mut self, end: End<'_>) {
        self.is_open = false;
        telemetry::request_ended(Route::Speech, &self.model, &self.timing, end);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        if let Some(charge) = self.noted.get() {
            self.charged(&charge, charge.amount);
        }
        telemetry::request_ended(Route::Speech, &self.model, &self.timing, End::Failed(&hung_up()));
    }
}
