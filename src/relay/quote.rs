//! What a request can cost at most, before it is admitted: pure arithmetic over a summary and a price row.
//!
//! The bound is true, not likely: bytes bound tokens, media counts at the models' maximum per piece, and
//! an output limit is always sent upstream. What is not used comes back at settlement.

use lmhaven_actors::chat::{CacheTtl, InputBound, Summary};
use lmhaven_actors::domain::account::Charge;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::{PriceError, PriceRow};
use lmhaven_actors::domain::usage::{Bucket, Usage};

/// Tokens of framing around each message; no chat template we know needs more than eight.
const TOKENS_PER_MESSAGE: u64 = 16;
/// The prompt that providers add where tools are given: below 1,000 for every model of the roster.
const TOKENS_FOR_TOOLS: u64 = 1_000;
/// The most an image counts: Claude's largest is 4,784 tokens, Gemini's 2,240.
const TOKENS_PER_IMAGE: u64 = 5_000;
/// The most a page counts, as text and as image together.
const TOKENS_PER_PAGE: u64 = 8_000;
/// The most a second of sound counts: Gemini's 32.
const TOKENS_PER_AUDIO_SECOND: u64 = 32;
/// Output that a request must at least be able to pay for, besides its thinking budget.
const OUTPUT_TOKENS_LEAST: u32 = 16;
/// What a plain answer may be where the caller set no limit.
const PLAIN_OUTPUT_TOKENS: u32 = 32_000;
/// Output that a stream holds money for at a time: a few seconds of a fast model.
const SLICE_TOKENS: u32 = 1_024;

/// The price of one request, fixed at its admission.
#[derive(Clone, Debug)]
pub struct Quote {
    row: PriceRow,
    /// The price-book version it came from.
    pub price_version: u32,
    prompt: Usage,
    context_window: u64,
    /// The output limit that is sent upstream unless money lowers it.
    pub output_limit: u32,
    /// The least output it has to be able to pay for.
    output_least: u32,
    streamed: bool,
}

/// What a request asks its workspace for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The least with which it can run.
    pub least: NanoUsd,
    /// What it would hold.
    pub wanted: NanoUsd,
}

impl Quote {
    /// The quote of a request at a price.
    ///
    /// No prompt is larger than the model's context window: beyond it the provider refuses.
    pub fn new(summary: &Summary, row: PriceRow, price_version: u32, model: ModelBounds) -> Self {
        let model_output_max = model.output_tokens_max;
        let chosen = match summary.output_limit {
            Some(limit) => limit.get().min(model_output_max),
            None if summary.stream => model_output_max,
            None => model_output_max.min(PLAIN_OUTPUT_TOKENS),
        };
        let output_least = OUTPUT_TOKENS_LEAST.saturating_add(summary.thinking_budget).min(chosen);
        Self {
            row,
            price_version,
            prompt: prompt_bound(&summary.input, u64::from(model.context_window)),
            context_window: u64::from(model.context_window),
            output_limit: chosen,
            output_least,
            streamed: summary.stream,
        }
    }

    /// Counts what a translation added to the body: schemas that are written out grow, and every byte of
    /// the prompt may be a token.
    pub fn cover_growth(&mut self, bytes: u64) {
        let bucket =
            [Bucket::CacheWrite1h, Bucket::CacheWrite5m].into_iter().find(|bucket| self.prompt.get(*bucket) > 0);
        let bucket = bucket.unwrap_or(Bucket::Input);
        self.prompt.set(bucket, self.prompt.get(bucket).saturating_add(bytes).min(self.context_window));
    }

    /// What to ask the workspace for: a plain answer its worst case, a stream its first slice.
    ///
    /// # Errors
    /// The row has no price per token, or the bound is beyond the range of money.
    pub fn ask(&self) -> Result<Ask, PriceError> {
        if self.streamed {
            let slice = self.output_least.max(SLICE_TOKENS).min(self.output_limit);
            let first = self.worst(slice)?;
            return Ok(Ask { least: first, wanted: first });
        }
        Ok(Ask { least: self.worst(self.output_least)?, wanted: self.worst(self.output_limit)? })
    }

    /// The largest output limit whose worst case `held` covers: what is sent upstream for a plain answer.
    pub fn affordable_output(&self, held: NanoUsd) -> u32 {
        let covered = |limit: u32| self.worst(limit).is_ok_and(|worst| worst <= held);
        if self.streamed || covered(self.output_limit) {
            return self.output_limit;
        }
        let (mut low, mut high) = (self.output_least, self.output_limit);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if covered(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    /// What everything up to `output` tokens may cost.
    ///
    /// # Errors
    /// As [`Quote::ask`].
    pub fn worst(&self, output: u32) -> Result<NanoUsd, PriceError> {
        self.row.charge(&self.prompt.with(Bucket::Output, u64::from(output)))
    }

    /// What a whole stream may cost.
    pub fn worst_in_all(&self) -> NanoUsd {
        self.worst(self.output_limit).unwrap_or(NanoUsd::MAX)
    }

    /// What one more slice of a stream costs.
    pub fn slice(&self) -> NanoUsd {
        let tokens = Usage::default().with(Bucket::Output, u64::from(SLICE_TOKENS));
        self.row.charge(&tokens).unwrap_or(NanoUsd::MAX)
    }

    /// The charge for what was used. A price that cannot be computed is the worst case, never zero.
    pub fn charge(&self, usage: Usage) -> Charge {
        let amount = self.row.charge(&usage).unwrap_or_else(|error| {
            tracing::error!(%error, "a charge could not be computed; charging the worst case");
            self.worst_in_all()
        });
        Charge { usage, amount }
    }

    /// What the same usage costs at list price: what the provider bills us, for the margin.
    pub fn list_cost(&self, usage: &Usage) -> NanoUsd {
        self.row.list_cost(usage).unwrap_or_default()
    }
}

/// What a model can read and write at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelBounds {
    /// Tokens of a prompt.
    pub context_window: u32,
    /// Tokens of an answer.
    pub output_tokens_max: u32,
}

/// The prompt at its largest, in the bucket where it is dearest.
fn prompt_bound(input: &InputBound, context_window: u64) -> Usage {
    let tokens = input
        .text_bytes
        .saturating_add(input.messages.saturating_mul(TOKENS_PER_MESSAGE))
        .saturating_add(if input.tools { TOKENS_FOR_TOOLS } else { 0 })
        .saturating_add(input.images.saturating_mul(TOKENS_PER_IMAGE))
        .saturating_add(input.document_pages.saturating_mul(TOKENS_PER_PAGE))
        .min(context_window);
    let bucket = match input.cache_write {
        None => Bucket::Input,
        Some(CacheTtl::FiveMinutes) => Bucket::CacheWrite5m,
        Some(CacheTtl::OneHour) => Bucket::CacheWrite1h,
    };
    Usage::default()
        .with(bucket, tokens)
        .with(Bucket::AudioInput, input.audio_seconds.saturating_mul(TOKENS_PER_AUDIO_SECOND).min(context_window))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use lmhaven_actors::domain::price::{ListPrice, TextPrice};
    use proptest::prelude::*;

    use super::*;

    const MODEL: ModelBounds = ModelBounds { context_window: 1_000_000, output_tokens_max: 128_000 };

    fn row() -> PriceRow {
        let usd = |text: &str| text.parse::<NanoUsd>().unwrap();
        PriceRow {
            ratio: "28".parse().unwrap(),
            list: ListPrice::Text(TextPrice {
                input: usd("5"),
                output: usd("25"),
                cache_read: Some(usd("0.5")),
                cache_write_5m: Some(usd("6.25")),
                cache_write_1h: Some(usd("10")),
                audio_input: None,
                long_context: None,
            }),
        }
    }

    fn summary(stream: bool, limit: Option<u32>) -> Summary {
        Summary {
            model: "claude-opus-4-7".to_owned(),
            stream,
            include_usage: false,
            output_limit: limit.and_then(NonZeroU32::new),
            thinking_budget: 0,
            input: InputBound { text_bytes: 1_000, messages: 1, ..InputBound::default() },
            prompt_bytes: 1_000,
        }
    }

    #[test]
    fn a_plain_answer_holds_its_worst_case_and_a_stream_a_slice() {
        let plain = Quote::new(&summary(false, Some(4_000)), row(), 1, MODEL);
        // (1016 × 5 + 4000 × 25) ÷ 28 micro-dollars
        assert_eq!(plain.ask().unwrap().wanted, NanoUsd::from_nano(3_752_858));
        let stream = Quote::new(&summary(true, Some(4_000)), row(), 1, MODEL).ask().unwrap();
        assert_eq!(stream.least, stream.wanted);
        assert!(stream.wanted < plain.ask().unwrap().wanted);
    }

    #[test]
    fn what_a_translation_adds_is_held_too() {
        let mut quote = Quote::new(&summary(false, Some(16)), row(), 1, MODEL);
        let before = quote.ask().unwrap().least;
        quote.cover_growth(28_000);
        assert_eq!(quote.ask().unwrap().least.nano() - before.nano(), 5_000_000, "28,000 × 5 ÷ 28 micro-dollars");
    }

    #[test]
    fn a_limit_that_the_caller_left_out_is_chosen() {
        let limit = |stream, asked| Quote::new(&summary(stream, asked), row(), 1, MODEL).output_limit;
        assert_eq!((limit(true, None), limit(false, None)), (128_000, 32_000));
        assert_eq!(limit(false, Some(1_000_000)), 128_000, "no model writes more than it can");
    }

    #[test]
    fn a_prompt_that_writes_the_cache_is_held_at_the_dearest_write_price() {
        let mut asked = summary(false, Some(16));
        let plain = Quote::new(&asked, row(), 1, MODEL).ask().unwrap().wanted;
        asked.input.cache_write = Some(CacheTtl::OneHour);
        assert!(Quote::new(&asked, row(), 1, MODEL).ask().unwrap().wanted > plain);
    }

    #[test]
    fn no_prompt_is_held_for_more_than_the_model_reads() {
        let mut asked = summary(false, Some(16));
        asked.input.document_pages = 1_000;
        let small = ModelBounds { context_window: 200_000, ..MODEL };
        let least = Quote::new(&asked, row(), 1, small).ask().unwrap().least;
        // (200000 × 5 + 16 × 25) ÷ 28 micro-dollars
        assert_eq!(least, NanoUsd::from_nano(35_728_572));
    }

    proptest! {
        #[test]
        fn what_money_affords_is_covered_and_one_token_more_is_not(limit in 16_u32..100_000, part in 0_u32..1000) {
            let quote = Quote::new(&summary(false, Some(limit)), row(), 1, MODEL);
            let Ask { least, wanted } = quote.ask().unwrap();
            let between = least.nano() + (wanted.nano() - least.nano()) * i64::from(part) / 1000;
            let held = NanoUsd::from_nano(between);
            let affordable = quote.affordable_output(held);
            prop_assert!(affordable >= 16 && affordable <= limit);
            prop_assert!(quote.worst(affordable).unwrap() <= held);
            prop_assert!(affordable == limit || quote.worst(affordable + 1).unwrap() > held);
        }
    }
}
