//! What is sold: the roster by our names, with what the relay needs of each model.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Model;

/// Every model that is configured, in the order of the configuration.
#[derive(Debug)]
pub struct Catalogue {
    models: Vec<Arc<Model>>,
    by_id: HashMap<Arc<str>, Arc<Model>>,
}

impl Catalogue {
    /// The catalogue of these models.
    pub fn new(models: &[Model]) -> Self {
        let models: Vec<_> = models.iter().cloned().map(Arc::new).collect();
        let by_id = models.iter().map(|model| (model.id.clone(), model.clone())).collect();
        Self { models, by_id }
    }

    /// The model with this id.
    pub fn find(&self, id: &str) -> Option<&Arc<Model>> {
        self.by_id.get(id)
    }

    /// All models, in order.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }
}
