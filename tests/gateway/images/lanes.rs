//! The line before accounts that make one image at a time.

use lmhaven_simulator::Protocol;
use serde_json::{Value, json};

use super::{draw, generate, script};
use crate::harness::Haven;

#[actix_web::test]
async fn one_lane_is_shared_fairly_and_a_full_line_says_how_long() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1").await;
    script(&haven, json!({"media": {"generate_ms": 400}}));
    let body = draw("novelai-v4", 1, "b64_json");
    // One runs, four wait, and the sixth is told when to come back.
    let replies = futures_util::future::join_all((0..6).map(|_| generate(&haven, &workspace, &body))).await;
    let (good, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((good.len(), refused.len()), (5, 1));
    assert_eq!(refused[0].refusal(), (429, "upstream_rate_limited"));
    // Nobody has finished, so it is the first guess of how long one takes.
    assert_eq!((refused[0].header("retry-after"), refused[0].header("retry-after-ms")), ("10", "10000"));
    assert_eq!(haven.control.charges().len(), 5, "the account was never asked for two at once");
    assert_eq!(haven.control.calls().len(), 5, "and never turned anybody away");
    haven.finish().await;
}

/// A provider whose two accounts are `one` and `two`.
fn pair(simulator: &str) -> String {
    format!(
        r#"
[[providers]]
id = "pair"
kind = "novelai"
base_url = "{simulator}"
api_keys = ["one", "two"]
answer_timeout = "30s"

[[models]]
id = "pair"
modality = "image"
provider = "pair"
upstream_model = "nai-diffusion-4-full"
ratio = 1
list_price = {{ 1K = "0.01", "1.5K" = "0.01" }}
"#
    )
}

#[actix_web::test]
async fn an_account_that_cannot_serve_is_no_lane_and_a_second_caller_waits_for_the_other() {
    let haven = Haven::start_with_more(pair, &[]).await;
    let workspace = haven.workspace("1").await;
    let body = draw("pair", 1, "b64_json");
    let draw_two = async || {
        haven.control.reset();
        script(&haven, json!({ "media": { "generate_ms": 300 } }));
        let replies = futures_util::future::join_all((0..2).map(|_| generate(&haven, &workspace, &body))).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        let mut keys: Vec<String> = haven.control.charges().into_iter().map(|charge| charge.key).collect();
        keys.sort_unstable();
        assert_eq!(haven.control.calls().len(), keys.len(), "nobody was turned away upstream");
        (statuses, keys)
    };
    let account = |n: usize, what: &str| format!("/providers/pair/accounts/{n}/{what}");
    assert_eq!(draw_two().await, (vec![200, 200], vec!["one".to_owned(), "two".to_owned()]), "two lanes");

    haven.admin_ok("POST", &account(0, "disable"), &Value::Null).await;
    assert_eq!(draw_two().await, (vec![200, 200], vec!["two".to_owned(); 2]), "one is switched off");
    haven.admin_ok("POST", &account(0, "enable"), &Value::Null).await;

    // The first asks for a minute's rest; the second attempt goes to the other.
    haven.control.reset();
    script(&haven, json!({ "key": "one", "times": 1, "status": { "code": 429, "retry_after": "60" } }));
    generate(&haven, &workspace, &body).await.ok();
    assert_eq!(draw_two().await, (vec![200, 200], vec!["two".to_owned(); 2]), "one cools down");
    haven.admin_ok("POST", &account(0, "enable"), &Value::Null).await;

    // And one without credit stands aside.
    haven.control.set_balance(Protocol::NovelAi, "one", 0);
    let found_out = generate(&haven, &workspace, &body).await;
    assert_eq!(found_out.refusal(), (503, "upstream_unavailable"));
    assert_eq!(draw_two().await, (vec![200, 200], vec!["two".to_owned(); 2]), "one stands aside");
    haven.finish().await;
}
