//! `kill -9` under load, twenty times on one store: nothing that was shown is lost, nothing is charged twice, no hold stays.
//!
//! `load` is the callers, who talk until the process is gone; `memory` is what readers of the ledger and of the usage saw
//! meanwhile, and the books that every restart must agree with.

mod load;
mod memory;

use std::cell::RefCell;
use std::collections::BTreeSet;

use futures_util::future::{join, join_all};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::{Process, Site, Workspace, nano, ok, until, usd, within};
use load::{Answer, Random, script, talk};
use memory::Memory;

const ROUNDS: u64 = 20;
/// One of the workspaces runs out of money again and again.
const CREDITS_USD: [&str; 3] = ["5.00", "5.00", "0.002"];
const MORE_USD: &str = "0.002";
/// Callers of each workspace who talk without a pause.
const TALKERS: usize = 3;

/// A workspace, what was seen of it, and what is owed to it.
struct Account {
    workspace: Workspace,
    memory: RefCell<Memory>,
    credits: i128,
}

#[actix_web::test]
async fn twenty_kills_under_load_lose_nothing_and_charge_nothing_twice() {
    let site = Site::new("10s").await;
    script(&site.control);
    let mut random = Random(20);
    let mut process = site.start().await;
    let mut accounts = Vec::new();
    for credits in CREDITS_USD {
        let workspace = process.workspace(credits).await;
        accounts.push(Account { workspace, memory: RefCell::default(), credits: nano(credits) });
    }
    let (mut recovered, mut certain) = (0, 0);
    for round in 0..ROUNDS {
        let answers_before_kill = 2 + random.below(40);
        let answers = load_and_kill(&process, &accounts, round, answers_before_kill, &mut random).await;
        process.killed().await;
        let left = site.verified().await;
        let left_open = open_holds(&left);
        recovered += left_open.len();
        if round % 4 == 3 && !left_open.is_empty() {
            // And once more while it closes what the first kill left open.
            let process = site.launch();
            process.logged("closed holds that were left open").await;
            process.signal(Signal::KILL);
            process.killed().await;
        }
        process = site.start().await;
        certain += audit(&process, &mut accounts, &answers, &left).await;
        for account in &mut accounts {
            // The credit of this round may have been made or not; asked for again it is there once.
            ok(process.credit(&account.workspace.id, MORE_USD, &format!("round {round}"))).await;
            account.credits += nano(MORE_USD);
        }
        let silent = site.control.wait_until(|stats| stats.open == 0);
        within("the provider to see that its callers are gone", silent).await;
    }
    assert!(recovered > ROUNDS as usize && certain > ROUNDS as usize, "{recovered} recovered, {certain} certain");
    let kinds = |kind: &str| accounts.iter().map(|account| account.memory.borrow().count(kind)).sum::<usize>();
    assert!(kinds("recover") > 0 && kinds("release") > 0 && kinds("extend") > 0, "the kills met every kind of hold");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    assert_eq!(open_holds(&site.verified().await), BTreeSet::new());
    site.finish().await;
}

/// Puts load on a process, and kills it after so many answers. Tells what each caller was answered, in order.
async fn load_and_kill(
    process: &Process,
    accounts: &[Account],
    round: u64,
    answers_before_kill: u64,
    random: &mut Random,
) -> Vec<Vec<Answer>> {
    let answered = watch::Sender::new(0_u64);
    let talkers = accounts.iter().enumerate().flat_map(|(number, account)| {
        let seeds: Vec<u64> = (0..TALKERS).map(|_| random.below(u64::MAX)).collect();
        let answered = &answered;
        seeds.into_iter().map(move |seed| talk(process, number, &account.workspace, Random(seed), answered))
    });
    let talkers = join_all(talkers);
    let others = join_all(accounts.iter().map(async |account| {
        let credit = process.credit(&account.workspace.id, MORE_USD, &format!("round {round}"));
        let _ = tokio::join!(
            load::wait(process, &account.workspace),
            memory::watch(process, &account.workspace, &account.memory),
            credit.send(),
        );
    }));
    let kill = async {
        let mut answered = answered.subscribe();
        answered.wait_for(|count| *count >= answers_before_kill).await.unwrap();
        process.signal(Signal::KILL);
    };
    let ((answers, _), ()) = within("everyone to see the end", join(join(talkers, others), kill)).await;
    answers
}

/// The requests whose holds are open, by workspace.
fn open_holds(report: &Value) -> BTreeSet<(String, String)> {
    let text = |hold: &Value, field: &str| hold[field].as_str().unwrap().to_owned();
    let holds = report["open_holds"].as_array().unwrap();
    holds.iter().map(|hold| (text(hold, "workspace_id"), text(hold, "request_id"))).collect()
}

/// After a restart, with no request running. Tells how many answers had to be in the ledger.
async fn audit(process: &Process, accounts: &mut [Account], answers: &[Vec<Answer>], left: &Value) -> usize {
    let left_open = open_holds(left);
    let mut entries_in_all = 0;
    let mut certain = 0;
    for (number, account) in accounts.iter_mut().enumerate() {
        let balance = process.balance(&account.workspace).await;
        assert_eq!(balance.reserved, 0, "reserved with no request running");
        let books = account.memory.get_mut().compare(process, &account.workspace).await;
        entries_in_all += books.entries;
        let made = account.credits + if books.credits > account.credits { nano(MORE_USD) } else { 0 };
        assert_eq!(usd(books.credits), usd(made), "every credit once");
        assert_eq!(usd(balance.balance), usd(books.credits - books.charged()), "credits less charges");
        let closed: BTreeSet<_> = books.closed_after(&left_open, &account.workspace.id).into_iter().collect();
        let expected: BTreeSet<_> = left_open.iter().filter(|(id, _)| *id == account.workspace.id).cloned().collect();
        assert_eq!(closed, expected, "the restart closed what the kill left open");
        for caller in answers {
            // The journal keeps its order, and no answer leaves before its hold is durable: so whoever got another answer
            // afterwards knows that the charge of the one before is durable too. Of the last one nobody knows.
            let last = caller.len().saturating_sub(1);
            for (place, answer) in caller.iter().enumerate().filter(|(_, answer)| answer.workspace == number) {
                match books.charges.get(&answer.request) {
                    Some((charged, "settle")) => assert_eq!(usd(*charged), usd(answer.cost), "{}", answer.request),
                    other => assert_eq!(place, last, "{} costs {}, not {other:?}", answer.request, usd(answer.cost)),
                }
                certain += usize::from(place < last);
            }
        }
    }
    let before = left["entries"].as_u64().unwrap() as usize;
    assert_eq!(entries_in_all, before + left_open.len(), "a restart writes what closes the holds, and nothing else");
    // Usage is what the ledger says, and not less than anyone saw.
    for account in accounts {
        until("the usage to be what the ledger says", || async {
            let rows = memory::read_usage(process, &account.workspace).await.unwrap();
            account.memory.borrow_mut().is_all_usage(rows).then_some(())
        })
        .await;
    }
    certain
}
