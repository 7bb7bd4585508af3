//! Who is asked next: another account of the provider, another provider of the model where one is configured, never
//! another model. And who is not asked for a while.

use lmhaven_simulator::{Rule, Status};
use serde_json::{Value, json};

use super::{ANTHROPIC, Expected, GEMINI, OPENAI, Upstream, calls_of, meet, ways};
use crate::harness::{Haven, Workspace, ask, until};

/// A gateway whose providers have two accounts each: `one` and `two`.
async fn with_two_accounts() -> Haven {
    let settings = ["ANTHROPIC", "GEMINI", "SIM"].map(|provider| format!("PROVIDERS__{provider}__API_KEYS"));
    Haven::start_with(&settings.each_ref().map(|name| (name.as_str(), "one,two"))).await
}

/// The accounts that calls used, in order.
fn keys(calls: &[lmhaven_simulator::Call]) -> Vec<&str> {
    calls.iter().map(|call| call.key.as_deref().unwrap_or_default()).collect()
}

async fn heal_both(haven: &Haven, provider: &str) {
    for account in 0..2 {
        haven.admin_ok("POST", &format!("/providers/{provider}/accounts/{account}/enable"), &Value::Null).await;
    }
}

fn limited(upstream: Upstream, seconds: &str) -> Rule {
    let retry_delay = (upstream.provider == "gemini").then(|| format!("{seconds}s"));
    let retry_after = (upstream.provider != "gemini").then(|| seconds.to_owned());
    Rule { status: Some(Status { code: 429, retry_after, retry_delay, ..Status::default() }), ..Rule::new() }
}

async fn state(haven: &Haven, provider: &str, account: usize) -> String {
    let shown = haven.admin_get("/providers").await;
    let own = shown["data"].as_array().unwrap().iter().find(|own| own["id"] == provider).unwrap();
    own["accounts"][account]["state"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn the_second_account_answers_where_the_first_cannot() {
    let haven = with_two_accounts().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for code in [429, 500, 502, 503, 529] {
            for way in ways(upstream) {
                let case =
                    meet(&haven, way, &format!("{code} of one account"), Rule::new().status(code).key("one")).await;
                assert_eq!(keys(&case.calls), ["one", "two"], "{}", case.what);
                assert!(!case.text().is_empty() && case.charged > 0, "{}", case.what);
                heal_both(&haven, upstream.provider).await;
            }
        }
    }
    haven.finish().await;
}

/// The request, the key, the model: nothing that a 4xx blames is better at another account of ours.
#[actix_web::test]
async fn a_4xx_is_not_taken_to_the_second_account() {
    let haven = with_two_accounts().await;
    let unavailable = Expected::new(503, "upstream_unavailable", "api_error", 1);
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for (code, expected) in [
            (400, &Expected::new(400, "invalid_request", "invalid_request_error", 1)),
            (401, &unavailable),
            (402, &unavailable),
            (403, &unavailable),
            (404, &unavailable),
        ] {
            for way in ways(upstream) {
                let rule = Rule::new().status(code);
                meet(&haven, way, &format!("{code} beside another account"), rule).await.is_refused(expected);
                heal_both(&haven, upstream.provider).await;
            }
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn two_failures_are_the_callers_whatever_accounts_are_left() {
    let settings = ["ANTHROPIC", "GEMINI", "SIM"].map(|provider| format!("PROVIDERS__{provider}__API_KEYS"));
    let haven = Haven::start_with(&settings.each_ref().map(|name| (name.as_str(), "one,two,three,four"))).await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        for way in ways(upstream) {
            let limited = Expected::new(429, "upstream_rate_limited", "rate_limit_error", 2).waiting(7, 7_000, None);
            for (rule, expected) in [
                (Rule::new().status(500), Expected::new(500, "upstream_error", "api_error", 2)),
                (self::limited(upstream, "7"), limited),
            ] {
                meet(&haven, way, "two failures of four accounts", rule).await.is_refused(&expected);
                for account in 0..4 {
                    let path = format!("/providers/{}/accounts/{account}/enable", upstream.provider);
                    haven.admin_ok("POST", &path, &Value::Null).await;
                }
            }
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_account_that_asked_for_patience_is_left_alone_until_then() {
    let haven = with_two_accounts().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        let [way, ..] = ways(upstream);
        let first = meet(&haven, way, "one account limited", limited(upstream, "50").key("one")).await;
        assert_eq!(keys(&first.calls), ["one", "two"], "{}", first.what);
        assert_eq!(state(&haven, upstream.provider, 0).await, "cooling");
        for way in ways(upstream) {
            let next = meet(&haven, way, "while it cools", Rule::new()).await;
            assert_eq!(keys(&next.calls), ["two"], "{}", next.what);
        }
        // Now nobody is left, and the one who is back soonest says when.
        let second = meet(&haven, way, "the other one limited", limited(upstream, "3000").key("two")).await;
        assert_eq!(keys(&second.calls), ["two"], "{}", second.what);
        nobody_is_asked_while_all_cool(&haven, upstream).await;
        heal_both(&haven, upstream.provider).await;
        assert_eq!(state(&haven, upstream.provider, 0).await, "healthy");
        let again = meet(&haven, way, "switched on again", Rule::new()).await;
        assert_eq!(keys(&again.calls), ["one"], "{}", again.what);
    }
    haven.finish().await;
}

async fn nobody_is_asked_while_all_cool(haven: &Haven, upstream: Upstream) {
    let workspace = haven.workspace("1.00").await;
    for (streamed, prompt) in [(false, "Nobody is there."), (true, "Nobody is there at all.")] {
        let mut body = ask(upstream.model, prompt);
        body["stream"] = streamed.into();
        let reply = haven.chat(&workspace.key, &body).await;
        assert_eq!(reply.refusal(), (429, "upstream_rate_limited"), "{}", reply.text);
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=50).contains(&wait), "{wait} s, of the fifty that the first asked for");
        assert_eq!(calls_of(haven, prompt).len(), 0, "{}", upstream.provider);
    }
}

#[actix_web::test]
async fn a_sole_account_that_cools_is_not_asked_either() {
    let haven = Haven::start().await;
    for upstream in [ANTHROPIC, GEMINI, OPENAI] {
        let [way, ..] = ways(upstream);
        let expected = Expected::new(429, "upstream_rate_limited", "rate_limit_error", 1).waiting(40, 40_000, None);
        meet(&haven, way, "limited", limited(upstream, "40")).await.is_refused(&expected);
        nobody_is_asked_while_all_cool(&haven, upstream).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_account_that_keeps_failing_is_passed_over_but_for_probes() {
    let haven = with_two_accounts().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().status(500).key("one"));
    until("the breaker to open", || async {
        haven.chat(&workspace.key, &ask("gpt-sim", "Fail at one")).await.ok();
        (state(&haven, "sim", 0).await == "open").then_some(())
    })
    .await;
    let begun = std::time::Instant::now();
    let asked = || haven.control.stats().by_key.get("one").copied().unwrap_or_default();
    let before = asked();
    for _ in 0..20 {
        haven.chat(&workspace.key, &ask("gpt-sim", "Go to two")).await.ok();
    }
    // One probe a second, and the one that may be due at once.
    let probes = asked() - before;
    assert!(probes <= 1 + begun.elapsed().as_secs(), "{probes} probes in {:?}", begun.elapsed());
    // A probe that succeeds closes it.
    haven.control.clear_script();
    until("the breaker to close", || async {
        haven.chat(&workspace.key, &ask("gpt-sim", "Come back")).await.ok();
        (state(&haven, "sim", 0).await == "healthy").then_some(())
    })
    .await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_sole_account_is_asked_however_often_it_failed() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().status(500));
    until("the breaker to open", || async {
        assert_eq!(haven.chat(&workspace.key, &ask("gpt-sim", "Fail")).await.refusal(), (500, "upstream_error"));
        (state(&haven, "sim", 0).await == "open").then_some(())
    })
    .await;
    haven.control.clear_script();
    haven.chat(&workspace.key, &ask("gpt-sim", "Nobody else could answer")).await.ok();
    haven.finish().await;
}

// --- Another provider ---------------------------------------------------------------------------------------------

/// A model at two providers of one protocol, and one at providers of two.
fn more(simulator: &str) -> String {
    let model = |id: &str, providers: &str, upstream: &str| {
        format!(
            r#"
[[models]]
id = "{id}"
modality = "text"
provider = {providers}
upstream_model = "{upstream}"
ratio = 10
context_window = 128000
max_output_tokens = 16384
list_price = {{ input = "1.00", output = "2.00" }}
"#
        )
    };
    format!(
        r#"
[[providers]]
id = "backup"
kind = "openai"
base_url = "{simulator}/v1"
api_keys = ["upstream-backup"]
first_byte_timeout = "2s"
answer_timeout = "2s"
"#
    ) + &model("twice", r#"["sim", "backup"]"#, "gpt-sim")
        + &model("either", r#"["anthropic", "backup"]"#, "claude-haiku-4-5")
        + &model("impatient", r#"["backup", "sim"]"#, "gpt-sim")
}

/// One request, plain or streamed; answers the accounts that were asked.
async fn asked_for(
    haven: &Haven,
    workspace: &Workspace,
    model: &str,
    prompt: &str,
    streamed: bool,
) -> (u16, Vec<String>) {
    let mut body = ask(model, prompt);
    body["stream"] = streamed.into();
    let reply = haven.chat(&workspace.key, &body).await;
    let calls = calls_of(haven, prompt);
    let models: Vec<_> = calls.iter().map(|call| call.model.clone()).collect();
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]), "never another model: {models:?}");
    assert_eq!(reply.header("lmhaven-model"), model);
    (reply.status, keys(&calls).into_iter().map(str::to_owned).collect())
}

#[actix_web::test]
async fn the_second_provider_answers_where_the_first_cannot() {
    let haven = Haven::start_with_more(more, &[]).await;
    let workspace = haven.workspace("1.00").await;
    let mut number = 0;
    for (model, first) in [("twice", "upstream-sim"), ("either", "upstream-anthropic")] {
        let provider = first.trim_start_matches("upstream-");
        for code in [429, 500, 502, 503, 529] {
            for streamed in [false, true] {
                number += 1;
                let prompt = format!("Ask the second provider, {number:03}.");
                haven.control.script(Rule::new().status(code).key(first).marker(&prompt));
                let (status, asked) = asked_for(&haven, &workspace, model, &prompt, streamed).await;
                assert_eq!(status, 200, "{code} of {first}");
                assert_eq!(asked, [first, "upstream-backup"], "{code} of {first}");
                super::heal(&haven, provider).await;
            }
        }
        haven.admin_ok("POST", &format!("/providers/{provider}/accounts/0/disable"), &Value::Null).await;
        let (status, asked) = asked_for(&haven, &workspace, model, &format!("{model} without its first"), false).await;
        assert_eq!((status, asked), (200, vec!["upstream-backup".to_owned()]));
        super::heal(&haven, provider).await;
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_provider_that_the_model_does_not_name_is_never_asked() {
    let haven = Haven::start_with_more(more, &[]).await;
    let workspace = haven.workspace("1.00").await;
    haven.control.script(Rule::new().status(500).key("upstream-sim"));
    let (status, asked) = asked_for(&haven, &workspace, "gpt-sim", "Only at sim", false).await;
    assert_eq!((status, asked), (500, vec!["upstream-sim".to_owned(); 2]));
    haven.admin_ok("POST", "/providers/sim/accounts/0/disable", &Value::Null).await;
    let (status, asked) = asked_for(&haven, &workspace, "gpt-sim", "Still only at sim", false).await;
    assert_eq!((status, asked), (503, vec![]));
    haven.finish().await;
}

#[actix_web::test]
async fn silence_is_not_taken_to_the_second_provider_and_two_are_enough() {
    let haven = Haven::start_with_more(more, &[]).await;
    let workspace = haven.workspace("1.00").await;
    let hang = lmhaven_simulator::Fault::HangBeforeHeaders { ms: None };
    haven.control.script(Rule::new().fault(hang).key("upstream-backup").marker("in silence"));
    haven.control.script(Rule::new().status(503).marker("by both"));
    for streamed in [false, true] {
        let prompt = format!("Wait in silence, streamed: {streamed}");
        let (status, asked) = asked_for(&haven, &workspace, "impatient", &prompt, streamed).await;
        assert_eq!((status, asked), (504, vec!["upstream-backup".to_owned()]));
        let prompt = format!("Be refused by both, streamed: {streamed}");
        let (status, asked) = asked_for(&haven, &workspace, "twice", &prompt, streamed).await;
        assert_eq!((status, json!(asked)), (503, json!(["upstream-sim", "upstream-backup"])));
    }
    haven.finish().await;
}
