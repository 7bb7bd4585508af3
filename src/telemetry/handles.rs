//! Handles of metrics, kept per thread and found by address, so that counting costs no look-up by label.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use lmhaven_actors::domain::image_tier::ImageTier;
use lmhaven_actors::domain::usage::Bucket;
use metrics::{Counter, Gauge, Histogram};

use super::fractions::{self, FractionCounter};
use super::names::NONE;
use super::timing::{Route, Timing};
use super::{money, passive};
use crate::config::{Modality, Model};

/// Where a request belongs: route, model and provider. Models and provider ids live as long as the gateway,
/// and a handle's labels keep them alive, so the address of the text stands for it.
pub(super) type Place = (Route, *const u8, *const u8);

/// Handles of one thread.
#[derive(Default)]
pub(super) struct Handles {
    pub(super) served: HashMap<Place, Served>,
    pub(super) failed: HashMap<(Place, &'static str), (Counter, Histogram)>,
    pub(super) charged: HashMap<(*const u8, *const u8), Charged>,
    pub(super) attempts: HashMap<(*const u8, &'static str), Counter>,
    pub(super) streams: HashMap<*const u8, Gauge>,
    pub(super) passive: HashMap<*const u8, passive::SharedRing>,
}

pub(super) struct Served {
    pub(super) ended: Counter,
    pub(super) duration: Histogram,
    pub(super) first_event: Histogram,
    pub(super) per_token: Histogram,
    pub(super) overhead: Histogram,
}

pub(super) struct Charged {
    pub(super) quantities: Vec<(Bucket, Counter)>,
    pub(super) audio_seconds: Option<FractionCounter>,
    pub(super) usd: FractionCounter,
    pub(super) cost_usd: FractionCounter,
}

impl Charged {
    /// Counters of what the model makes, and of no other thing: an image model has no tokens at 0.
    pub(super) fn new(model: &Model, provider: &Arc<str>) -> Self {
        let (usd, cost_usd) = money::sold(&model.id, provider);
        let (id, provider) = (&model.id, provider);
        let mut audio_seconds = None;
        let quantities = match model.modality {
            Modality::Text => Bucket::TOKENS
                .map(|bucket| {
                    let counter = metrics::counter!("lmhaven_tokens_total", "model" => id.clone(),
                        "provider" => provider.clone(), "type" => bucket.name());
                    (bucket, counter)
                })
                .into(),
            Modality::Image => ImageTier::ALL
                .map(|tier| {
                    let counter = metrics::counter!("lmhaven_images_total", "model" => id.clone(),
                        "provider" => provider.clone(), "tier" => tier.name());
                    (tier.bucket(), counter)
                })
                .into(),
            Modality::Voice => {
                let sold = (id.clone(), provider.clone());
                audio_seconds = Some(fractions::counter("lmhaven_audio_seconds_total", Some(sold)));
                let counter = metrics::counter!("lmhaven_characters_total", "model" => id.clone(),
                    "provider" => provider.clone());
                vec![(Bucket::Characters, counter)]
            }
        };
        Self { quantities, audio_seconds, usd, cost_usd }
    }
}

thread_local! {
    pub(super) static HANDLES: RefCell<Handles> = RefCell::default();
}

pub(super) fn place(route: Route, model: &Model, provider: Option<&Arc<str>>) -> Place {
    (route, model.id.as_ptr(), provider.map_or(std::ptr::null(), |provider| provider.as_ptr()))
}

/// One text for all, since handles are found by its address.
pub(super) static NOBODY: LazyLock<Arc<str>> = LazyLock::new(|| NONE.into());

pub(super) fn name(provider: Option<&Arc<str>>) -> Arc<str> {
    provider.unwrap_or(&NOBODY).clone()
}

impl Served {
    pub(super) fn new(route: Route, model: &Arc<str>, provider: Option<&Arc<str>>) -> Self {
        let (operation, route, provider) = (route.operation(), route.label(), name(provider));
        macro_rules! gen_ai {
            ($name:literal) => {
                metrics::histogram!($name, "gen_ai_operation_name" => operation,
                    "gen_ai_provider_name" => provider.clone(), "gen_ai_request_model" => model.clone())
            };
        }
        Self {
            ended: requests(route, model.clone(), provider.clone(), "ok"),
            duration: gen_ai!("gen_ai_server_request_duration_seconds"),
            first_event: gen_ai!("gen_ai_server_time_to_first_token_seconds"),
            per_token: gen_ai!("gen_ai_server_time_per_output_token_seconds"),
            overhead: metrics::histogram!("lmhaven_gateway_overhead_seconds", "route" => route),
        }
    }
}

impl Handles {
    pub(super) fn served(&mut self, route: Route, model: &Arc<Model>, timing: &Timing) -> &Served {
        let provider = timing.provider.borrow();
        let place = place(route, model, provider.as_ref());
        self.served.entry(place).or_insert_with(|| Served::new(route, &model.id, provider.as_ref()))
    }

    pub(super) fn charged(&mut self, model: &Model, provider: &Arc<str>) -> &Charged {
        let place = (model.id.as_ptr(), provider.as_ptr());
        self.charged.entry(place).or_insert_with(|| Charged::new(model, provider))
    }

    pub(super) fn streams(&mut self, provider: &Arc<str>) -> &Gauge {
        self.streams
            .entry(provider.as_ptr())
            .or_insert_with(|| metrics::gauge!("lmhaven_streams_open", "provider" => provider.clone()))
    }
}

pub(super) fn requests(route: &'static str, model: Arc<str>, provider: Arc<str>, code: &'static str) -> Counter {
    metrics::counter!("lmhaven_requests_total", "route" => route, "model" => model, "provider" => provider, "code" => code)
}
