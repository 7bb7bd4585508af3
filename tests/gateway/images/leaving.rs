//! Callers who leave while their images are made: what they pay, by provider, and that the place is free for the next.

use std::time::Duration;

use lmhaven_simulator::{Charge, Ending};
use serde_json::json;

use super::{MODELS, assert_nothing_charged, draw, generate, script};
use crate::harness::{Haven, Workspace, charge_of, charges_of, within};

/// The key that each model's provider is asked with.
const KEYS: [(&str, &str); 4] = [
    ("seedream-5", "upstream-ark"),
    ("novelai-v4", "upstream-novelai"),
    ("pixai-v4", "upstream-pixai"),
    ("nano-banana-pro", "upstream-gemini"),
];

fn key_of(model: &str) -> &'static str {
    KEYS.iter().find(|(known, _)| *known == model).unwrap().1
}

/// Asks, and hangs up after so long.
async fn leave_after(haven: &Haven, workspace: &Workspace, model: &str, patience: Duration) {
    let request = haven.request(&workspace.key, "POST", "/v1/images/generations");
    assert!(request.json(&draw(model, 1, "url")).timeout(patience).send().await.is_err(), "{model}");
}

/// What the upstream charged for a model.
fn upstream_charges(haven: &Haven, model: &str) -> Vec<Charge> {
    haven.control.charges().into_iter().filter(|charge| charge.key == key_of(model)).collect()
}

#[actix_web::test]
async fn a_caller_who_leaves_late_pays_for_what_is_made_and_no_link_is_kept() {
    let haven = Haven::start().await;
    script(&haven, json!({"media": {"generate_ms": 3_000}}));
    let leave = async |model: &str, price: i128| {
        let workspace = haven.workspace("1").await;
        leave_after(&haven, &workspace, model, Duration::from_millis(1_500)).await;
        haven.settled_balance(&workspace).await;
        assert_eq!(charge_of(&haven.last_settle(&workspace).await), price, "{model}");
        assert_eq!(charges_of(&haven.ledger(&workspace).await).len(), 1, "{model}");
        assert_eq!(upstream_charges(&haven, model).len(), 1, "{model}");
    };
    futures_util::future::join_all(MODELS.map(|(model, _, price)| leave(model, price))).await;
    haven.control.wait_until(|stats| stats.open == 0).await;
    let kept = haven.folder.path().join("store").join("images");
    let files = std::fs::read_dir(kept).map_or(0, Iterator::count);
    assert_eq!(files, 0, "nobody could open them");
    // Every place is free again.
    haven.control.clear_script();
    let workspace = haven.workspace("1").await;
    for (model, ..) in MODELS {
        generate(&haven, &workspace, &draw(model, 1, "b64_json")).await.ok();
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_caller_who_leaves_at_once_pays_nothing_whoever_was_asked() {
    let haven = Haven::start().await;
    script(&haven, json!({"media": {"generate_ms": 2_000}}));
    let leave = async |model: &str| {
        let workspace = haven.workspace("1").await;
        leave_after(&haven, &workspace, model, Duration::from_millis(300)).await;
        assert_nothing_charged(&haven, &workspace).await;
        assert!(upstream_charges(&haven, model).len() <= 1, "{model}");
    };
    futures_util::future::join_all(MODELS.map(|(model, ..)| leave(model))).await;
    haven.control.wait_until(|stats| stats.open == 0).await;
    haven.control.clear_script();
    let workspace = haven.workspace("1").await;
    for (model, ..) in MODELS {
        generate(&haven, &workspace, &draw(model, 1, "b64_json")).await.ok();
    }
    haven.finish().await;
}

#[actix_web::test]
async fn the_next_in_line_is_served_after_whoever_left_and_never_turned_away_upstream() {
    let haven = Haven::start().await;
    // Once at once, which is free, and once late, which is not.
    for (patience, price) in [(Duration::from_millis(300), 0), (Duration::from_millis(1_500), 622_223)] {
        haven.control.reset();
        script(&haven, json!({"times": 1, "media": {"generate_ms": 3_000}}));
        let (leaver, next) = (haven.workspace("1").await, haven.workspace("1").await);
        let leaving = leave_after(&haven, &leaver, "novelai-v4", patience);
        let following = async {
            within("the first to be asked for", haven.control.wait_until(|stats| stats.calls > 0)).await;
            generate(&haven, &next, &draw("novelai-v4", 1, "b64_json")).await.ok()
        };
        let ((), reply) = futures_util::future::join(leaving, following).await;
        assert_eq!(reply.cost(), 622_223);
        let endings: Vec<Option<Ending>> = haven.control.calls().into_iter().map(|call| call.ending).collect();
        // The account makes one image at a time, whoever waits for it.
        assert_eq!(endings, [Some(Ending::Complete); 2], "after {patience:?}");
        assert_eq!(upstream_charges(&haven, "novelai-v4").len(), 2);
        haven.settled_balance(&leaver).await;
        assert_eq!(charges_of(&haven.ledger(&leaver).await).iter().sum::<i128>(), price, "after {patience:?}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn whoever_leaves_the_line_is_not_asked_for_and_pays_nothing() {
    let haven = Haven::start().await;
    let (first, second) = (haven.workspace("1").await, haven.workspace("1").await);
    script(&haven, json!({"media": {"generate_ms": 2_500}}));
    let body = draw("novelai-v4", 1, "b64_json");
    let leaving = async {
        within("the first to be asked for", haven.control.wait_until(|stats| stats.calls > 0)).await;
        // Late, but in line: nothing was asked for.
        leave_after(&haven, &second, "novelai-v4", Duration::from_millis(1_300)).await;
    };
    let (reply, ()) = futures_util::future::join(generate(&haven, &first, &body), leaving).await;
    assert_eq!(reply.ok().cost(), 622_223);
    assert_nothing_charged(&haven, &second).await;
    assert_eq!(haven.control.calls().len(), 1);
    haven.finish().await;
}
