//! Resolution tiers of images: what an image is priced by.
//!
//! A closed set, so that a tier that is misspelt in a price row is refused when the row is read and not when
//! a customer's image has no price. Which tier a size falls into differs by model and is the adapters'.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::usage::Bucket;

/// A resolution tier, by the name that price rows give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ImageTier {
    /// About 1024 pixels a side.
    #[serde(rename = "1K")]
    K1,
    /// About 1536 pixels on the longer side.
    #[serde(rename = "1.5K")]
    K1Half,
    /// About 2048 pixels a side.
    #[serde(rename = "2K")]
    K2,
    /// About 3072 pixels a side.
    #[serde(rename = "3K")]
    K3,
    /// About 4096 pixels a side.
    #[serde(rename = "4K")]
    K4,
}

impl ImageTier {
    /// All of them, the smallest first.
    pub const ALL: [Self; 5] = [Self::K1, Self::K1Half, Self::K2, Self::K3, Self::K4];

    /// Its name in price rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::K1 => "1K",
            Self::K1Half => "1.5K",
            Self::K2 => "2K",
            Self::K3 => "3K",
            Self::K4 => "4K",
        }
    }

    /// The tier with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// Where images of this tier are counted.
    pub const fn bucket(self) -> Bucket {
        match self {
            Self::K1 => Bucket::Image1K,
            Self::K1Half => Bucket::Image1K5,
            Self::K2 => Bucket::Image2K,
            Self::K3 => Bucket::Image3K,
            Self::K4 => Bucket::Image4K,
        }
    }
}

impl fmt::Display for ImageTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_one_name_and_a_bucket_of_its_own() {
        let mut buckets = std::collections::BTreeSet::new();
        for tier in ImageTier::ALL {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
            assert_eq!(ImageTier::by_name(tier.name()), Some(tier));
            assert!(buckets.insert(tier.bucket()), "{tier} shares its bucket");
        }
        assert_eq!(ImageTier::by_name("2k"), None, "names are exact, or two rows could mean the same");
    }
}
