//! Pages for anybody: the front page, models and prices, status, documentation. None of them knows who asks.

mod api;
mod docs;
mod front;
mod missing;
mod models;
mod status;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::web;

use super::prices::{self, PriceView};
use crate::config::Model;
use crate::relay::Worker;

pub use api::{PATTERN as API_FILES, api, file as api_file};
pub use docs::{docs, llms};
pub use front::front;
pub use missing::missing;
pub use models::models;
pub use status::status;

type WorkerData = web::Data<Rc<Worker>>;

/// A model as pages list it.
pub struct ModelView {
    /// By our name.
    pub id: Arc<str>,
    /// For people.
    pub name: Arc<str>,
    /// `text`, `image` or `voice`.
    pub modality: &'static str,
    /// Some provider of it is configured.
    pub available: bool,
    /// The most tokens of prompt and answer; empty unless text.
    pub context: String,
    /// What it costs.
    pub price: Option<PriceView>,
}

/// Every model with its prices, in the order of the configuration.
pub fn catalogue(worker: &Worker) -> Vec<ModelView> {
    let core = &worker.gateway.core;
    let books = core.prices.all();
    let in_force = core.prices.in_force(core.clock.now().wall).map_or(0, |book| book.version);
    let view = |model: &Arc<Model>| ModelView {
        id: model.id.clone(),
        name: model.display_name.clone(),
        modality: model.modality.name(),
        available: model.available,
        context: if model.context_window == 0 {
            String::new()
        } else {
            super::format::thousands(model.context_window.into())
        },
        price: prices::view(&model.id, &books, in_force),
    };
    worker.gateway.catalogue.models().iter().map(view).collect()
}
