//! Two price books next to each other: per model and thing counted, what it cost and what it would cost.

use std::collections::{BTreeMap, BTreeSet};

use lmhaven_actors::domain::price::PriceRow;

use crate::dashboard::prices::{self, PriceLine};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    /// One line for each price of a model that differs in anything, in the order of models.
    pub(super) lines: Vec<DiffLine>,
    /// Models whose rows are the same.
    pub(super) unchanged: Vec<String>,
    /// Models that have no row any more.
    pub(super) gone: Vec<String>,
}

/// One price before and after. A dash stands where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiffLine {
    pub(super) model: String,
    /// What is counted.
    pub(super) what: String,
    pub(super) list: [String; 2],
    pub(super) ratio: [String; 2],
    pub(super) ours: [String; 2],
    /// How our price moves: `+3.7 %`, `0 %`, `new` or `gone`.
    pub(super) change: String,
    /// Customers pay more.
    pub(super) dearer: bool,
}

impl DiffLine {
    /// Its cells that have a before and an after, in the order of columns.
    pub(super) const fn pairs(&self) -> [&[String; 2]; 3] {
        [&self.list, &self.ratio, &self.ours]
    }

    /// Whether a pair of its cells differs.
    pub(super) fn differs(pair: &[String; 2]) -> bool {
        let [before, after] = pair;
        before != after
    }
}

/// Compares all rows of two books.
pub(super) fn compare(before: &BTreeMap<String, PriceRow>, after: &BTreeMap<String, PriceRow>) -> Diff {
    let mut diff = Diff::default();
    for (model, row) in after {
        match before.get(model) {
            Some(known) if known == row => diff.unchanged.push(model.clone()),
            known => diff.lines.extend(lines(model, known, row)),
        }
    }
    diff.gone = before.keys().filter(|model| !after.contains_key(*model)).cloned().collect();
    diff
}

fn lines(model: &str, before: Option<&PriceRow>, after: &PriceRow) -> Vec<DiffLine> {
    let olds = before.map(prices::lines).unwrap_or_default();
    let news = prices::lines(after);
    let mut seen = BTreeSet::new();
    let names = news.iter().chain(&olds).map(|line| line.what.as_str()).filter(|what| seen.insert(*what));
    let find = |lines: &[PriceLine], what: &str| lines.iter().find(|line| line.what == what).cloned();
    let dash = || "–".to_owned();
    let ratio = |row: Option<&PriceRow>| row.map_or_else(dash, |row| row.ratio.to_string());
    names
        .map(|what| {
            let (old, new) = (find(&olds, what), find(&news, what));
            let list = [&old, &new].map(|line| line.as_ref().map_or_else(dash, |line| line.list.clone()));
            let ours = [&old, &new].map(|line| line.as_ref().map_or_else(dash, |line| line.ours.clone()));
            let thousandths = match (before, &old, &new) {
                (Some(before), Some(old), Some(new)) => moved(before, old, after, new),
                _ => None,
            };
            let change = match (&old, &new, thousandths) {
                (_, _, Some(thousandths)) => percent(thousandths),
                (None, Some(_), None) => "new".to_owned(),
                (Some(_), None, None) => "gone".to_owned(),
                // From nothing there is no percentage.
                _ => "from zero".to_owned(),
            };
            DiffLine {
                model: model.to_owned(),
                what: what.to_owned(),
                list,
                ratio: [ratio(before), ratio(Some(after))],
                ours,
                change,
                dearer: thousandths.is_some_and(|thousandths| thousandths > 0),
            }
        })
        .collect()
}

/// By how many thousandths our price moves: exactly, not by the rounded prices that are shown.
fn moved(before: &PriceRow, old: &PriceLine, after: &PriceRow, new: &PriceLine) -> Option<i128> {
    let was = i128::from(old.amount.nano()).checked_mul(after.ratio.thousandths().into())?;
    let is = i128::from(new.amount.nano()).checked_mul(before.ratio.thousandths().into())?;
    if was == is {
        return Some(0);
    }
    if was == 0 {
        return None;
    }
    let scaled = (is - was).checked_mul(2_000)?;
    // Half a thousandth goes up: floor of twice the value plus one, halved.
    let rounded = (scaled + was).div_euclid(2 * was);
    // A move that rounds to nothing is one all the same.
    Some(if rounded == 0 { (is - was).signum() } else { rounded })
}

fn percent(thousandths: i128) -> String {
    if thousandths == 0 {
        return "0 %".to_owned();
    }
    let sign = if thousandths < 0 { "−" } else { "+" };
    let size = thousandths.unsigned_abs();
    format!("{sign}{}.{} %", size / 10, size % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn book(rows: &[(&str, serde_json::Value)]) -> BTreeMap<String, PriceRow> {
        rows.iter().map(|(id, row)| ((*id).to_owned(), serde_json::from_value(row.clone()).unwrap())).collect()
    }

    fn text(ratio: f64, input: &str, cache: Option<&str>) -> serde_json::Value {
        let mut list = json!({ "input": input, "output": "25.00" });
        list.as_object_mut().unwrap().extend(cache.map(|cache| ("cache_read".to_owned(), json!(cache))));
        json!({ "ratio": ratio, "list": { "text": list } })
    }

    #[test]
    fn every_price_of_a_changed_model_is_compared_and_the_others_are_named() {
        let before = book(&[("a", text(28.0, "5.00", Some("0.50"))), ("b", text(30.0, "1.00", None))]);
        let after = book(&[("a", text(27.0, "5.00", None)), ("b", text(30.0, "1.00", None))]);
        let diff = compare(&before, &after);
        assert_eq!((diff.unchanged, diff.gone.len()), (vec!["b".to_owned()], 0));
        let shown: Vec<_> = diff.lines.iter().map(|line| (line.what.as_str(), line.change.as_str())).collect();
        let expected = [
            ("input, per million tokens", "+3.7 %"),
            ("output, per million tokens", "+3.7 %"),
            ("read from the cache, per million tokens", "gone"),
        ];
        assert_eq!(shown, expected);
        let first = &diff.lines[0];
        assert_eq!((first.ratio[0].as_str(), first.ratio[1].as_str(), first.dearer), ("28", "27", true));
        assert_eq!(first.ours, ["$0.178572", "$0.185186"]);
        assert!(!DiffLine::differs(&first.list) && DiffLine::differs(&first.ours));
    }

    #[test]
    fn models_come_and_go_and_small_moves_are_no_standstill() {
        let before = book(&[("a", text(28.0, "5.00", None)), ("b", text(30.0, "0", None))]);
        let after = book(&[("b", text(30.0, "1.00", None)), ("c", text(30.0, "1.00", None))]);
        let diff = compare(&before, &after);
        assert_eq!(diff.gone, ["a"]);
        let change = |model: &str| diff.lines.iter().find(|line| line.model == model).unwrap().change.clone();
        assert_eq!((change("b"), change("c")), ("from zero".to_owned(), "new".to_owned()));
        let before = book(&[("a", text(28.0, "5.00", None))]);
        let after = book(&[("a", text(28.0, "5.0001", None))]);
        assert_eq!(compare(&before, &after).lines[0].change, "+0.1 %");
        let after = book(&[("a", text(56.0, "5.00", None))]);
        assert_eq!(compare(&before, &after).lines[0].change, "−50.0 %");
    }
}
