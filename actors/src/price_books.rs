//! Every version of the price book, and which one is in force.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::price::PriceBook;
use crate::domain::time::UnixMillis;

/// The versions, the oldest first.
#[derive(Debug, Default)]
pub struct PriceBooks {
    versions: RwLock<Vec<Arc<PriceBook>>>,
}

impl PriceBooks {
    /// Adds a version. Of two with the same moment the later version holds.
    pub fn add(&self, book: PriceBook) {
        self.versions.write().push(Arc::new(book));
    }

    /// The version in force at `now`: the one with the latest moment that has come.
    pub fn in_force(&self, now: UnixMillis) -> Option<Arc<PriceBook>> {
        let versions = self.versions.read();
        versions
            .iter()
            .filter(|book| book.effective_at <= now)
            .max_by_key(|book| (book.effective_at, book.version))
            .cloned()
    }

    /// Every version, the oldest first.
    pub fn all(&self) -> Vec<Arc<PriceBook>> {
        self.versions.read().clone()
    }

    /// The newest version, whether or not its moment has come.
    pub fn newest(&self) -> Option<Arc<PriceBook>> {
        self.versions.read().last().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(version: u32, effective_at: i64) -> PriceBook {
        PriceBook { version, effective_at: UnixMillis(effective_at), rows: std::collections::BTreeMap::new() }
    }

    #[test]
    fn a_version_holds_from_its_moment_on() {
        let books = PriceBooks::default();
        assert!(books.in_force(UnixMillis(5)).is_none());
        for (version, at) in [(1, 0), (2, 100), (3, 50), (4, 100)] {
            books.add(book(version, at));
        }
        let version_at = |at| books.in_force(UnixMillis(at)).map(|book| book.version);
        assert_eq!([0, 49, 50, 99, 100, 900].map(version_at), [1, 1, 3, 3, 4, 4].map(Some));
    }
}
