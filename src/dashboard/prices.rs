//! Price rows as people read them: what is counted, what it costs by list, and what it costs here.

use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::price::{ListPrice, PriceBook, PriceRow, Ratio};

use super::format;

/// Digits behind the point of our price: prices are shown to the micro-dollar, charges count nano-dollars.
const NANO_PER_SHOWN: i128 = 1_000;

/// One price of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLine {
    /// What is counted, such as `input, per million tokens`.
    pub what: String,
    /// The same where the unit stands above, such as `input`.
    pub short: String,
    /// The provider's public list price.
    pub list: String,
    /// The list price divided by the ratio, rounded up to the micro-dollar.
    pub ours: String,
    /// The list price as an amount.
    pub amount: NanoUsd,
}

/// A row of the price book with what was there before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceView {
    /// Which version of the price book it is of.
    pub version: u32,
    /// The day from which it holds.
    pub since: String,
    /// The list price is divided by this.
    pub ratio: String,
    /// What all prices are per, such as `per million tokens`; empty where they differ.
    pub unit: &'static str,
    /// Every price.
    pub lines: Vec<PriceLine>,
    /// The row that was in force before this one, where it was another.
    pub before: Option<Box<PriceView>>,
    /// A row that has been published and is not yet in force.
    pub next: Option<Box<PriceView>>,
}

impl PriceView {
    /// What the same thing cost here before, or a dash.
    pub fn ours_before(&self, what: &str) -> &str {
        let before = self.before.iter().flat_map(|before| &before.lines).find(|line| line.what == what);
        before.map_or("–", |line| &line.ours)
    }
}

/// A model's prices out of all versions, the oldest first, where `in_force` is the number of the one in force.
pub fn view(model: &str, books: &[std::sync::Arc<PriceBook>], in_force: u32) -> Option<PriceView> {
    let mut dated: Vec<_> = books.iter().filter_map(|book| Some((book, book.rows.get(model)?))).collect();
    dated.sort_by_key(|(book, _)| (book.effective_at, book.version));
    // A version that leaves a model as it was is no event of that model.
    let mut changes: Vec<(&PriceBook, &PriceRow)> = Vec::new();
    let mut now = None;
    for (book, row) in dated {
        if changes.last().is_none_or(|(_, last)| *last != row) {
            changes.push((book, row));
        }
        if book.version == in_force {
            now = Some(changes.len() - 1);
        }
    }
    let now = now?;
    let at = |place: usize| changes.get(place).map(|(book, row)| one(book, row));
    let mut shown = at(now)?;
    shown.before = now.checked_sub(1).and_then(at).map(Box::new);
    shown.next = at(now + 1).map(Box::new);
    Some(shown)
}

fn one(book: &PriceBook, row: &PriceRow) -> PriceView {
    PriceView {
        version: book.version,
        since: format::day(book.effective_at),
        ratio: row.ratio.to_string(),
        unit: unit(&row.list),
        lines: lines(row),
        before: None,
        next: None,
    }
}

const fn unit(list: &ListPrice) -> &'static str {
    match list {
        ListPrice::Text(_) => "per million tokens",
        ListPrice::Image(_) => "per image",
        ListPrice::Voice(_) => "",
    }
}

/// Every price of a row, in the order in which people compare them.
pub fn lines(row: &PriceRow) -> Vec<PriceLine> {
    let unit = unit(&row.list);
    let line = |short: String, list: NanoUsd| PriceLine {
        what: if unit.is_empty() { short.clone() } else { format!("{short}, {unit}") },
        short,
        list: format::exact_usd(list),
        ours: format::exact_usd(divided(list, row.ratio)),
        amount: list,
    };
    match &row.list {
        ListPrice::Text(text) => {
            let short = [
                ("input", Some(text.input)),
                ("output", Some(text.output)),
                ("read from the cache", text.cache_read),
                ("written to the cache for 5 minutes", text.cache_write_5m),
                ("written to the cache for an hour", text.cache_write_1h),
                ("audio in the prompt", text.audio_input),
            ];
            let short = short.into_iter().filter_map(|(what, price)| Some((what.to_owned(), price?)));
            let long = text.long_context.iter().flat_map(|long| {
                let over = format::thousands(long.over);
                let prices = [
                    ("input", Some(long.input)),
                    ("output", Some(long.output)),
                    ("read from the cache", long.cache_read),
                ];
                let named = move |(what, price): (&str, Option<NanoUsd>)| {
                    Some((format!("{what}, prompt over {over} tokens"), price?))
                };
                prices.into_iter().filter_map(named)
            });
            short.chain(long).map(|(what, price)| line(what, price)).collect()
        }
        ListPrice::Image(image) => image.tiers().map(|(tier, price)| line(tier.to_string(), price)).collect(),
        ListPrice::Voice(voice) => vec![
            line("per minute of audio".to_owned(), voice.per_minute),
            line("per 1,000 characters, at least".to_owned(), voice.per_1k_characters),
        ],
    }
}

/// The list price divided by the ratio, rounded up to what is shown.
fn divided(list: NanoUsd, ratio: Ratio) -> NanoUsd {
    let unit = i128::from(ratio.thousandths()) * NANO_PER_SHOWN;
    let shown = (i128::from(list.nano()) * 1000 + unit - 1).div_euclid(unit) * NANO_PER_SHOWN;
    NanoUsd::from_nano(i64::try_from(shown).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use lmhaven_actors::domain::time::UnixMillis;

    use super::*;

    fn book(version: u32, day: i64, ratio: u32, input: &str) -> Arc<PriceBook> {
        let row = serde_json::json!({ "ratio": ratio, "list": { "text": { "input": input, "output": "25.00" } } });
        let rows = BTreeMap::from([("opus".into(), serde_json::from_value(row).unwrap())]);
        Arc::new(PriceBook { version, effective_at: UnixMillis(day * 86_400_000), rows })
    }

    #[test]
    fn our_price_is_rounded_up_where_it_does_not_divide() {
        let view = view("opus", &[book(1, 0, 28, "5.00")], 1).unwrap();
        let line = &view.lines[0];
        assert_eq!((line.list.as_str(), line.ours.as_str()), ("$5.00", "$0.178572"));
        assert_eq!(view.lines[1].ours, "$0.892858");
        assert_eq!((view.before, view.next), (None, None));
    }

    #[test]
    fn versions_that_change_nothing_are_not_the_price_before() {
        let books = [book(1, 0, 28, "6.00"), book(2, 7, 28, "5.00"), book(3, 14, 28, "5.00"), book(4, 21, 30, "5.00")];
        let view = view("opus", &books, 3).unwrap();
        assert_eq!((view.version, view.since.as_str()), (2, "1970-01-08"), "in force since version 2");
        assert_eq!((view.ours_before("input, per million tokens"), view.ours_before("other")), ("$0.214286", "–"));
        let before = view.before.unwrap();
        assert_eq!((before.version, before.lines[0].list.as_str()), (1, "$6.00"));
        assert_eq!(view.next.unwrap().ratio, "30");
        assert!(super::view("sonnet", &books, 3).is_none());
    }
}
