//! What a request used, in buckets that do not overlap.
//!
//! Providers count in their own ways: some include cached tokens in the input, some leave thinking out
//! of the output. Adapters turn their counts into these disjoint buckets once, and everything after
//! (prices, entries, reports) only adds them up.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One kind of thing that is counted and priced. The order is the order of storage: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Bucket {
    /// Prompt tokens that no other bucket holds.
    Input = 0,
    /// Generated tokens, thinking included.
    Output = 1,
    /// Prompt tokens read from the provider's cache.
    CacheRead = 2,
    /// Prompt tokens written to the cache for five minutes.
    CacheWrite5m = 3,
    /// Prompt tokens written to the cache for an hour.
    CacheWrite1h = 4,
    /// Prompt tokens of audio, where they have a price of their own.
    AudioInput = 5,
    /// Images of the tier 1K.
    Image1K = 6,
    /// Images of the tier 1.5K.
    Image1K5 = 7,
    /// Images of the tier 2K.
    Image2K = 8,
    /// Images of the tier 3K.
    Image3K = 9,
    /// Images of the tier 4K.
    Image4K = 10,
    /// Microseconds of speech delivered.
    AudioMicroseconds = 11,
    /// Characters that were spoken: the Unicode scalar values of the input.
    Characters = 12,
}

impl Bucket {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// All of them, in order of storage.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::AudioInput,
        Self::Image1K,
        Self::Image1K5,
        Self::Image2K,
        Self::Image3K,
        Self::Image4K,
        Self::AudioMicroseconds,
        Self::Characters,
    ];

    /// Those that count tokens: what text models use.
    pub const TOKENS: [Self; 6] =
        [Self::Input, Self::Output, Self::CacheRead, Self::CacheWrite5m, Self::CacheWrite1h, Self::AudioInput];

    /// It counts tokens of a prompt.
    pub const fn is_prompt(self) -> bool {
        match self {
            Self::Input | Self::CacheRead | Self::CacheWrite5m | Self::CacheWrite1h | Self::AudioInput => true,
            Self::Output
            | Self::Image1K
            | Self::Image1K5
            | Self::Image2K
            | Self::Image3K
            | Self::Image4K
            | Self::AudioMicroseconds
            | Self::Characters => false,
        }
    }

    /// Its name in JSON, in price rows and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::AudioInput => "audio_input",
            Self::Image1K => "image_1k",
            Self::Image1K5 => "image_1_5k",
            Self::Image2K => "image_2k",
            Self::Image3K => "image_3k",
            Self::Image4K => "image_4k",
            Self::AudioMicroseconds => "audio_microseconds",
            Self::Characters => "characters",
        }
    }

    /// The bucket with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.name() == name)
    }
}

/// Quantities by bucket. Zero and absent are the same thing: nothing of it was used.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    quantities: [u64; Bucket::COUNT],
    /// Tokens of [`Bucket::Output`] that were thinking: shown, never priced again.
    pub reasoning: u64,
    /// A quantity here was estimated from bytes, since the provider reported none.
    pub estimated: bool,
}

impl fmt::Debug for Usage {
    /// By the names of the buckets, and only what was used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quantities: _, reasoning, estimated } = self;
        let mut usage = f.debug_struct("Usage");
        for (bucket, quantity) in self.iter() {
            usage.field(bucket.name(), &quantity);
        }
        usage.field("reasoning", reasoning).field("estimated", estimated).finish()
    }
}

impl Usage {
    /// The quantity in `bucket`.
    pub const fn get(&self, bucket: Bucket) -> u64 {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum with COUNT variants")]
        self.quantities[bucket as usize]
    }

    /// Sets the quantity in `bucket`.
    pub const fn set(&mut self, bucket: Bucket, quantity: u64) {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum with COUNT variants")]
        {
            self.quantities[bucket as usize] = quantity;
        }
    }

    /// The same usage with `quantity` in `bucket`.
    #[must_use]
    pub const fn with(mut self, bucket: Bucket, quantity: u64) -> Self {
        self.set(bucket, quantity);
        self
    }

    /// The two reports of one request as one: right whether a provider reports cumulatively or in parts.
    ///
    /// A prompt is counted as a whole: where the other report covers as much of it, its split is taken, since
    /// tokens that turn out to be cached must not stay in another bucket as well. Of everything else the larger.
    #[must_use]
    pub fn merged_max(mut self, other: &Self) -> Self {
        let theirs_is_whole = other.prompt() >= self.prompt();
        for bucket in Bucket::ALL {
            let (mine, theirs) = (self.get(bucket), other.get(bucket));
            match bucket.is_prompt() {
                true if theirs_is_whole => self.set(bucket, theirs),
                true => {}
                false => self.set(bucket, mine.max(theirs)),
            }
        }
        self.reasoning = self.reasoning.max(other.reasoning);
        self.estimated |= other.estimated;
        self
    }

    /// The sum per bucket, for reports; saturates instead of wrapping.
    #[must_use]
    pub fn saturating_add(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.quantities.iter_mut().zip(other.quantities) {
            *mine = mine.saturating_add(theirs);
        }
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.estimated |= other.estimated;
        self
    }

    /// The tokens of the whole prompt.
    pub fn prompt(&self) -> u64 {
        Bucket::ALL
            .into_iter()
            .filter(|bucket| bucket.is_prompt())
            .fold(0_u64, |sum, bucket| sum.saturating_add(self.get(bucket)))
    }

    /// Nothing was used.
    pub fn is_zero(&self) -> bool {
        self.quantities.iter().all(|quantity| *quantity == 0)
    }

    /// Buckets that hold something.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        Bucket::ALL.into_iter().map(|bucket| (bucket, self.get(bucket))).filter(|(_, quantity)| *quantity > 0)
    }
}

impl Serialize for Usage {
    /// `{"input": 12, "output": 3}`, with `"estimated": true` only where it holds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (bucket, quantity) in self.iter() {
            map.serialize_entry(bucket.name(), &quantity)?;
        }
        if self.reasoning > 0 {
            map.serialize_entry("reasoning", &self.reasoning)?;
        }
        if self.estimated {
            map.serialize_entry("estimated", &true)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Usage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Quantity(u64),
            Flag(bool),
        }
        let fields = std::collections::BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut usage = Self::default();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("estimated", Value::Flag(flag)) => usage.estimated = flag,
                ("reasoning", Value::Quantity(quantity)) => usage.reasoning = quantity,
                (name, Value::Quantity(quantity)) => {
                    let bucket = Bucket::by_name(name)
                        .ok_or_else(|| serde::de::Error::custom(format!("unknown usage bucket {name}")))?;
                    usage.set(bucket, quantity);
                }
                (name, Value::Flag(_)) => {
                    return Err(serde::de::Error::custom(format!("usage bucket {name} is not a number")));
                }
            }
        }
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_used_is_written() {
        let mut usage = Usage::default().with(Bucket::Input, 12).with(Bucket::CacheRead, 3);
        usage.estimated = true;
        let text = serde_json::to_string(&usage).unwrap();
        assert_eq!(text, r#"{"input":12,"cache_read":3,"estimated":true}"#);
        assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), usage);
        assert!(serde_json::from_str::<Usage>(r#"{"inptu":1}"#).is_err(), "a misspelt bucket is not zero");
    }

    #[test]
    fn reports_in_parts_and_cumulative_reports_merge_alike() {
        let start = Usage::default().with(Bucket::Input, 9).with(Bucket::Output, 1);
        let end = Usage::default().with(Bucket::Output, 40);
        assert_eq!(start.merged_max(&end).get(Bucket::Output), 40);
        assert_eq!(start.merged_max(&end).prompt(), 9);
    }

    #[test]
    fn media_are_no_prompt() {
        let usage = Usage::default().with(Bucket::Image2K, 2).with(Bucket::Characters, 7).with(Bucket::Input, 5);
        assert_eq!(usage.prompt(), 5);
        let more = Usage::default().with(Bucket::AudioMicroseconds, 9).with(Bucket::Image2K, 1);
        let merged = more.merged_max(&usage);
        assert_eq!(merged, usage.with(Bucket::AudioMicroseconds, 9));
    }

    #[test]
    fn tokens_that_turn_out_to_be_cached_are_counted_once() {
        let first = Usage::default().with(Bucket::Input, 100).with(Bucket::Output, 1);
        let last = Usage::default().with(Bucket::Input, 60).with(Bucket::CacheRead, 40).with(Bucket::Output, 9);
        assert_eq!(first.merged_max(&last), last);
        assert_eq!(first.merged_max(&last).prompt(), 100);
    }
}
