//! The bucket of requests: capacity and refill are the limit, to the millisecond.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lmhaven_simulator::Rule;
use serde_json::{Value, json};

use super::{number, remaining};
use crate::harness::{Haven, ask};

#[actix_web::test]
async fn of_seven_hundred_at_once_six_hundred_and_the_refill_are_admitted() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let body = ask("gpt-sim", "One of many");
    let began = Instant::now();
    let replies = join_all((0..700).map(|_| haven.chat(&workspace.key, &body))).await;
    let refill = usize::try_from(began.elapsed().as_millis() / 100).unwrap();
    let (admitted, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!((600..=600 + refill).contains(&admitted.len()), "{} with a refill of {refill}", admitted.len());
    assert_eq!(u64::try_from(admitted.len()).unwrap(), haven.control.stats().calls);
    for reply in refused {
        assert_eq!(reply.refusal(), (429, "rate_limit_exceeded"));
        assert_eq!(reply.header("retry-after"), "1");
        assert!((1..=100).contains(&number(&reply, "retry-after-ms")), "one request comes back every 100 ms");
        assert_eq!(number(&reply, "x-ratelimit-remaining-requests"), 0);
    }
    haven.finish().await;
}

#[actix_web::test]
async fn the_wait_that_a_refusal_names_is_exact() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "1")]).await;
    let workspace = haven.workspace("1.00").await;
    let body = ask("gpt-sim", "One a minute");
    let before_first = Instant::now();
    haven.chat(&workspace.key, &body).await.ok();
    let after_first = Instant::now();
    let refused = haven.chat(&workspace.key, &body).await;
    let after_refusal = Instant::now();
    assert_eq!(refused.refusal(), (429, "rate_limit_exceeded"));
    let minute = Duration::from_mins(1);
    let wait = Duration::from_millis(number(&refused, "retry-after-ms").into());
    let least = minute.checked_sub(after_refusal - before_first).unwrap();
    assert!(wait >= least, "{wait:?} is too short: a lone caller would be refused again before {least:?}");
    assert!(wait <= minute, "{wait:?} is longer than a request takes to come back");
    assert!(after_first > before_first);
    assert_eq!(u64::from(number(&refused, "retry-after")), wait.as_millis().div_ceil(1_000) as u64);
    haven.finish().await;
}

#[actix_web::test]
async fn a_lone_caller_that_waits_as_told_is_admitted() {
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "60")]).await;
    let workspace = haven.workspace("1.00").await;
    let body = ask("gpt-sim", "One a second");
    let refused = loop {
        let reply = haven.chat(&workspace.key, &body).await;
        if reply.status != 200 {
            break reply;
        }
    };
    let wait = Duration::from_millis(number(&refused, "retry-after-ms").into());
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    // This is the wait that was asked for, not one that hopes for something.
    tokio::time::sleep(wait).await;
    haven.chat(&workspace.key, &body).await.ok();
    haven.finish().await;
}

#[actix_web::test]
async fn a_limit_is_raised_lowered_and_returned_to_the_tier_at_once() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let limit = |value: Value| json!({ "requests_per_minute": value });
    let shown = |changed: &Value| changed["limits"]["requests_per_minute"].clone();
    for _ in 0..5 {
        haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    }
    let before = remaining(&haven, &workspace).await.0;
    assert!((595..600).contains(&before), "{before}");
    let changed = haven.change(&workspace.id, &limit(100_000.into())).await;
    assert_eq!(shown(&changed), 100_000);
    let raised = remaining(&haven, &workspace).await.0;
    // The difference came at once; more than that is refill, 1,667 a second now.
    assert!((before + 99_400..=100_000).contains(&raised), "{before} became {raised}");
    haven.change(&workspace.id, &limit(2.into())).await;
    assert_eq!(remaining(&haven, &workspace).await.0, 2);
    for expected in [200, 200, 429] {
        assert_eq!(haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.status, expected);
    }
    let changed = haven.change(&workspace.id, &limit(Value::Null)).await;
    assert_eq!(shown(&changed), 600);
    let returned = remaining(&haven, &workspace).await.0;
    assert!((598..=600).contains(&returned), "{returned}");
    haven.finish().await;
}

#[actix_web::test]
async fn the_prepaid_balance_decides_the_tier_at_its_last_credit() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("499.99").await;
    let limits = |workspace: &Value| {
        let limits = &workspace["limits"];
        (limits["requests_per_minute"].as_u64().unwrap(), limits["concurrent_streams"].as_u64().unwrap())
    };
    let path = format!("/workspaces/{}", workspace.id);
    assert_eq!(limits(&haven.admin_get(&path).await), (600, 100));
    haven.credit(&workspace.id, "0.01", "the last cent").await;
    assert_eq!(limits(&haven.admin_get(&path).await), (3_000, 500));
    assert!(remaining(&haven, &workspace).await.0 > 2_990);
    haven.chat(&workspace.key, &ask("gpt-sim", "Spend a little")).await.ok();
    assert_eq!(limits(&haven.admin_get(&path).await), (3_000, 500), "spending does not take the tier away");
    haven.finish().await;
}

#[actix_web::test]
async fn only_what_was_admitted_takes_from_the_bucket() {
    // One request comes back a minute: within this test none does.
    let haven = Haven::start_with(&[("LIMITS__REQUESTS_PER_MINUTE", "1")]).await;
    let workspace = haven.workspace("0.001").await;
    haven.change(&workspace.id, &json!({ "requests_per_minute": 5 })).await;
    let scoped = haven.key(&workspace.id, &json!({ "name": "scoped", "models": ["claude-haiku-4-5"] })).await;
    let (good, huge) = (ask("gpt-sim", "Hello"), ask("claude-opus-4-7", &"word ".repeat(10_000)));
    for _ in 0..3 {
        for path in ["/v1/balance", "/v1/models", "/v1/models/gpt-sim", "/v1/usage"] {
            haven.get(&workspace.key, path).await.ok();
        }
        assert_eq!(haven.chat(&workspace.key, &json!({ "model": "gpt-sim" })).await.status, 400);
        assert_eq!(haven.chat(&workspace.key, &huge).await.status, 402);
        assert_eq!(haven.chat(scoped["secret"].as_str().unwrap(), &good).await.status, 403);
        assert_eq!(haven.chat(&workspace.key, &ask("gpt-none", "Hello")).await.status, 404);
        assert_eq!(haven.get(&workspace.key, "/v1/nothing").await.status, 404);
    }
    assert_eq!(remaining(&haven, &workspace).await.0, 5);
    haven.control.script(Rule::new().status(500).times(2));
    assert_eq!(haven.chat(&workspace.key, &good).await.status, 500);
    assert_eq!(remaining(&haven, &workspace).await.0, 4, "it was admitted, whatever became of it");
    let count = haven.post(&workspace.key, "/v1/messages/count_tokens", &good).await.ok();
    assert_eq!(number(&count, "x-ratelimit-remaining-requests"), 3, "counting is free of charge, not of requests");
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(haven.chat(&workspace.key, &good).await.status, expected);
    }
    haven.finish().await;
}
