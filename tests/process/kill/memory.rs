//! What readers saw, and the books recomputed from the ledger: shared with nothing of the gateway but its JSON.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{Process, Workspace, charge_of, nano, usd, within};

/// `gpt-sim` at ratio 10, in nano-dollars per token.
const PRICES: [(&str, i128); 3] = [("input", 100), ("output", 200), ("cache_read", 10)];
/// How often a reader looks. There is more to do than to read.
const READ_EVERY: Duration = Duration::from_millis(5);

/// What anyone ever saw of a workspace.
#[derive(Default)]
pub(super) struct Memory {
    /// Entries, in the bytes that they came in, by their number.
    entries: BTreeMap<u64, Box<RawValue>>,
    /// Requests and cost of each key.
    usage: BTreeMap<String, (u64, i128)>,
}

/// A workspace's ledger, added up.
#[derive(Default)]
pub(super) struct Books {
    /// How many entries.
    pub(super) entries: usize,
    /// What came in.
    pub(super) credits: i128,
    /// What each request was charged, and by which kind of entry.
    pub(super) charges: BTreeMap<String, (i128, &'static str)>,
    holds: BTreeMap<String, i128>,
    closed: BTreeMap<String, &'static str>,
}

/// Reads ledger and usage until the process is gone.
pub(super) async fn watch(process: &Process, workspace: &Workspace, memory: &RefCell<Memory>) {
    let entries = async {
        let mut tick = tokio::time::interval(READ_EVERY);
        let mut seen = memory.borrow().entries.keys().next_back().copied().unwrap_or_default();
        loop {
            tick.tick().await;
            let Ok(page) = process.ledger_page(workspace, seen).await else { return };
            for (seq, raw) in page {
                assert_eq!(seq, seen + 1, "entries are shown without gaps");
                seen = seq;
                memory.borrow_mut().entries.insert(seq, raw);
            }
        }
    };
    let usage = async {
        let mut tick = tokio::time::interval(READ_EVERY);
        loop {
            tick.tick().await;
            let Ok(rows) = read_usage(process, workspace).await else { return };
            memory.borrow_mut().note_usage(rows);
        }
    };
    tokio::join!(entries, usage);
}

/// Requests and cost of each key, as a key asks for them. Fails with the connection.
pub(super) async fn read_usage(
    process: &Process,
    workspace: &Workspace,
) -> reqwest::Result<BTreeMap<String, (u64, i128)>> {
    let request = process.get(&workspace.keys[0], "/v1/usage?group_by=key");
    let usage: Value = serde_json::from_str(&request.send().await?.error_for_status()?.text().await?).unwrap();
    let row = |row: &Value| {
        let cost = nano(row["cost_usd"].as_str().unwrap());
        (row["key_id"].as_str().unwrap().to_owned(), (row["requests"].as_u64().unwrap(), cost))
    };
    Ok(usage["data"].as_array().unwrap().iter().map(row).collect())
}

impl Memory {
    /// How many entries of a kind there are.
    pub(super) fn count(&self, kind: &str) -> usize {
        let kind = format!(r#""kind":"{kind}""#);
        self.entries.values().filter(|raw| raw.get().contains(&kind)).count()
    }

    fn note_usage(&mut self, rows: BTreeMap<String, (u64, i128)>) {
        for (key, (requests, cost)) in &self.usage {
            let (now, costs) = rows.get(key).copied().unwrap_or_default();
            assert!(now >= *requests && costs >= *cost, "{key} had {requests} for {}, now {now}", usd(*cost));
        }
        self.usage = rows;
    }

    /// Whether this usage tells of every charge in the ledger. Fails the test where it tells of less than before.
    pub(super) fn is_all_usage(&mut self, rows: BTreeMap<String, (u64, i128)>) -> bool {
        self.note_usage(rows);
        let charged: i128 = self.entries.values().map(|raw| charge_of(&serde_json::from_str(raw.get()).unwrap())).sum();
        self.usage.values().map(|(_, cost)| cost).sum::<i128>() == charged
    }

    /// Reads the whole ledger, compares it with what was seen, remembers it, and adds it up.
    pub(super) async fn compare(&mut self, process: &Process, workspace: &Workspace) -> Books {
        let mut ledger = BTreeMap::new();
        loop {
            let after = ledger.keys().next_back().copied().unwrap_or_default();
            let page = within("the ledger", process.ledger_page(workspace, after)).await.unwrap();
            if page.is_empty() {
                break;
            }
            ledger.extend(page);
        }
        for (seq, seen) in &self.entries {
            let now = ledger.get(seq).map(|raw| raw.get());
            assert_eq!(now, Some(seen.get()), "an entry that was seen has changed");
        }
        let mut books = Books::default();
        for (seq, raw) in (1..).zip(ledger.values()) {
            let entry: Value = serde_json::from_str(raw.get()).unwrap();
            assert_eq!(entry["seq"], seq, "{entry}");
            books.post(&entry);
        }
        assert_eq!(books.holds.len(), books.closed.len(), "every hold is closed");
        self.entries = ledger;
        books
    }
}

impl Books {
    fn post(&mut self, entry: &Value) {
        self.entries += 1;
        let charge = charge_of(entry);
        let kind = entry["kind"].as_str().unwrap();
        if kind == "credit" {
            self.credits += nano(entry["amount_usd"].as_str().unwrap());
            assert_eq!(charge, 0, "{entry}");
            return;
        }
        let request = entry["request_id"].as_str().unwrap().to_owned();
        let held = nano(entry["amount_usd"].as_str().unwrap());
        let kind = match kind {
            "hold" => {
                assert_eq!(self.holds.insert(request, held), None, "held twice: {entry}");
                return;
            }
            "extend" => {
                assert!(!self.closed.contains_key(&request), "extended when it was closed: {entry}");
                *self.holds.get_mut(&request).unwrap() += held;
                return;
            }
            "settle" => "settle",
            "recover" => "recover",
            "release" => "release",
            other => panic!("{other} does not belong here: {entry}"),
        };
        let held = self.holds.get(&request).copied().unwrap_or_else(|| panic!("it has no hold: {entry}"));
        assert_eq!(self.closed.insert(request.clone(), kind), None, "closed twice: {entry}");
        if kind == "release" {
            assert_eq!(charge, 0, "{entry}");
            return;
        }
        let price = |(bucket, price): &(&str, i128)| i128::from(entry["usage"][bucket].as_u64().unwrap_or(0)) * price;
        assert_eq!(charge, PRICES.iter().map(price).sum::<i128>(), "{entry}");
        assert!(kind == "settle" || charge <= held, "more than was held: {entry}");
        self.charges.insert(request, (charge, kind));
        assert!(self.charged() <= self.credits, "below zero after {entry}");
    }

    /// All charges.
    pub(super) fn charged(&self) -> i128 {
        self.charges.values().map(|(charge, _)| charge).sum()
    }

    /// Which of these holds of a workspace are closed, and not by a `settle`: their requests are gone.
    pub(super) fn closed_after(&self, open: &BTreeSet<(String, String)>, workspace: &str) -> Vec<(String, String)> {
        let own = open.iter().filter(|(id, _)| id == workspace);
        let closed = |request: &str| matches!(self.closed.get(request), Some(&("recover" | "release")));
        own.filter(|(_, request)| closed(request)).cloned().collect()
    }
}
