//! Who makes a model's images: the provider that is asked, and the adapter that speaks to it.

use lmhaven_actors::adapters::image::ImageAdapter;
use lmhaven_actors::provider::ProviderHandle;

use crate::config::Model;
use crate::relay::Worker;

/// The first of the model's providers that is in use and makes images.
pub(super) fn provider<'a>(worker: &'a Worker, model: &Model) -> Option<(&'a ProviderHandle, ImageAdapter)> {
    model.providers.iter().find_map(|id| {
        let provider = worker.providers.get(id)?;
        let configured = worker.gateway.config.providers.iter().find(|known| known.id == *id)?;
        Some((provider.as_ref(), ImageAdapter::by_kind(configured.kind.name())?))
    })
}
