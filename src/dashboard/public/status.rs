//! `/status`: how often each model answered in the last day, counted from customers' own requests. No probe is sent.

use actix_web::HttpResponse;
use askama::Template;

use super::WorkerData;
use crate::dashboard::page;
use crate::telemetry::passive::{self, Counts, SLOT_SECONDS, SLOTS};

/// Below this many of a thousand, a model is said to have trouble.
const GOOD_PER_THOUSAND: u64 = 990;
/// Below this many, most of what it is asked fails.
const BAD_PER_THOUSAND: u64 = 500;
/// Fewer requests than this in the last hour say little.
const ENOUGH_REQUESTS: u64 = 5;

#[derive(Template)]
#[template(path = "public/status.html")]
struct Status {
    here: &'static str,
    models: Vec<ModelStatus>,
    draining: bool,
}

/// One model's line.
struct ModelStatus {
    id: String,
    name: String,
    state: State,
    hour: String,
    day: String,
    bars: Vec<Bar>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Operational,
    Degraded,
    Failing,
    Unknown,
    Unavailable,
}

impl State {
    const fn words(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Unknown => "no recent requests",
            Self::Unavailable => "not available",
        }
    }

    const fn tone(self) -> &'static str {
        match self {
            Self::Operational => "ok",
            Self::Degraded => "warn",
            Self::Failing => "danger",
            Self::Unknown | Self::Unavailable => "",
        }
    }
}

/// One half hour in the strip.
struct Bar {
    x: usize,
    class: &'static str,
}

/// The status page.
pub async fn status(worker: WorkerData) -> HttpResponse {
    let models = worker.gateway.catalogue.models().iter().map(|model| {
        let slots = passive::last_day(&model.id);
        ModelStatus::new(model.id.to_string(), model.display_name.to_string(), model.available, &slots)
    });
    page::public(&Status { here: "/status", models: models.collect(), draining: worker.gateway.is_draining() })
}

impl ModelStatus {
    fn new(id: String, name: String, available: bool, slots: &[Counts]) -> Self {
        let sum = |slots: &[Counts]| {
            slots.iter().fold(Counts::default(), |sum, slot| Counts {
                answered: sum.answered + slot.answered,
                failed: sum.failed + slot.failed,
            })
        };
        let recent = usize::try_from(3600 / SLOT_SECONDS).unwrap_or(1);
        let hour = sum(slots.get(slots.len().saturating_sub(recent)..).unwrap_or_default());
        let state = match hour.answered_per_thousand() {
            _ if !available => State::Unavailable,
            Some(_) if hour.answered + hour.failed < ENOUGH_REQUESTS && hour.answered > 0 => State::Operational,
            None => State::Unknown,
            Some(rate) if rate >= GOOD_PER_THOUSAND => State::Operational,
            Some(rate) if rate >= BAD_PER_THOUSAND => State::Degraded,
            Some(_) => State::Failing,
        };
        let first = SLOTS.saturating_sub(slots.len());
        let empty = std::iter::repeat_n(Counts::default(), first);
        let bars = empty.chain(slots.iter().copied()).enumerate();
        let bars = bars.map(|(place, slot)| Bar { x: place * 6, class: class(slot) }).collect();
        Self { id, name, state, hour: percent(hour), day: percent(sum(slots)), bars }
    }
}

fn class(slot: Counts) -> &'static str {
    match slot.answered_per_thousand() {
        None => "none",
        Some(rate) if rate >= GOOD_PER_THOUSAND => "good",
        Some(rate) if rate >= BAD_PER_THOUSAND => "some",
        Some(_) => "bad",
    }
}

/// `99.9%`, without the number of requests: that is the business of whoever made them.
fn percent(counts: Counts) -> String {
    counts.answered_per_thousand().map_or_else(|| "–".to_owned(), |rate| format!("{}.{}%", rate / 10, rate % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(answered: u64, failed: u64) -> ModelStatus {
        ModelStatus::new("m".into(), "M".into(), true, &[Counts { answered, failed }])
    }

    #[test]
    fn a_model_is_as_good_as_its_last_hour() {
        let state = |answered, failed| status(answered, failed).state.words();
        assert_eq!(state(0, 0), "no recent requests");
        assert_eq!(state(1000, 5), "operational");
        assert_eq!(state(98, 2), "degraded");
        assert_eq!(state(1, 9), "failing");
        assert_eq!(state(2, 1), "operational", "one failure of three says little");
        assert_eq!(state(0, 1), "failing", "but nothing else is known");
    }

    #[test]
    fn the_strip_is_a_day_and_ends_now() {
        let status = status(3, 0);
        assert_eq!((status.bars.len(), status.bars[0].class, status.bars[SLOTS - 1].class), (SLOTS, "none", "good"));
        assert_eq!((status.hour.as_str(), status.day.as_str()), ("100.0%", "100.0%"));
    }
}
