//! What an answer costs: list price ÷ ratio, every bucket at its own price, rounded up once.
//!
//! The expected charges are computed here, from the prices as they are published, with whole fractions.

use lmhaven_simulator::{AnswerChange, Rule, Usage};
use serde_json::{Value, json};

use crate::harness::{Haven, Workspace, ask, charge_of, charges_of, nano, usd};

/// Σ(quantity × price per million) ÷ (a million × ratio) in nano-dollars, rounded up once.
fn exact(ratio: i128, lines: &[(u64, &str)]) -> i128 {
    let sum: i128 = lines.iter().map(|(quantity, price)| i128::from(*quantity) * nano(price)).sum();
    let unit = 1_000_000 * ratio;
    sum / unit + i128::from(sum % unit != 0)
}

/// Asks plain and streamed, in both dialects, and checks that each costs this.
async fn costs(haven: &Haven, workspace: &Workspace, model: &str, expected: i128) {
    let mut body = ask(model, "What do you cost?");
    body["max_tokens"] = 4_000.into();
    for dialect in ["chat", "messages"] {
        let reply = match dialect {
            "chat" => haven.chat(&workspace.key, &body).await.ok(),
            _ => haven.messages(&workspace.key, &body).await.ok(),
        };
        assert_eq!(usd(reply.cost()), usd(expected), "{model}, {dialect}");
        assert_eq!(reply.header("lmhaven-model"), model);
        assert_eq!(nano(reply.header("lmhaven-balance-usd")), haven.settled_balance(workspace).await.balance);
    }
    let chat = haven.chat_stream(&workspace.key, &body).await.rest().await;
    let usage = chat.iter().rev().find_map(|event| event.json().get("usage").filter(|usage| !usage.is_null()).cloned());
    assert_eq!(nano(usage.unwrap()["cost_usd"].as_str().unwrap()), expected, "{model}, streamed chat");
    let messages = haven.messages_stream(&workspace.key, &body).await.rest().await;
    let usage = messages.iter().rev().find_map(|event| event.json().get("usage").cloned());
    assert_eq!(nano(usage.unwrap()["cost_usd"].as_str().unwrap()), expected, "{model}, streamed messages");
    let charges = charges_of(&haven.ledger(workspace).await);
    assert_eq!(charges[charges.len() - 4..], [expected; 4], "{model}, in the ledger");
}

#[actix_web::test]
async fn every_bucket_of_every_claude_costs_its_list_price_over_the_ratio() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let used = Usage {
        input: 1_003,
        cache_read: 20_011,
        cache_write_5m: 307,
        cache_write_1h: 109,
        output: 511,
        thinking: 101,
    };
    haven.control.script(Rule::new().usage(used));
    let roster = [
        ("claude-opus-4-7", 28, ["5.00", "0.50", "6.25", "10.00", "25.00"]),
        ("claude-sonnet-4-6", 32, ["3.00", "0.30", "3.75", "6.00", "15.00"]),
        ("claude-haiku-4-5", 50, ["1.00", "0.10", "1.25", "2.00", "5.00"]),
    ];
    for (model, ratio, [input, read, write_5m, write_1h, output]) in roster {
        let lines = [(1_003, input), (20_011, read), (307, write_5m), (109, write_1h), (511, output)];
        costs(&haven, &workspace, model, exact(ratio, &lines)).await;
        let usage = &haven.last_settle(&workspace).await["usage"];
        for (bucket, (quantity, _)) in
            ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"].iter().zip(lines)
        {
            assert_eq!(usage[bucket], quantity, "{bucket} of {usage}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn gemini_pro_costs_more_once_the_whole_prompt_is_long() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("50.00").await;
    let short = Usage { input: 190_000, cache_read: 10_000, output: 777, thinking: 333, ..Usage::default() };
    let long = Usage { input: 190_001, ..short };
    haven.control.script(Rule::new().usage(short).times(4));
    haven.control.script(Rule::new().usage(long));
    let at_limit = exact(36, &[(190_000, "2.00"), (10_000, "0.20"), (777, "12.00")]);
    costs(&haven, &workspace, "gemini-3-1-pro", at_limit).await;
    let beyond = exact(36, &[(190_001, "4.00"), (10_000, "0.40"), (777, "18.00")]);
    costs(&haven, &workspace, "gemini-3-1-pro", beyond).await;
    haven.finish().await;
}

#[actix_web::test]
async fn gemini_flash_counts_sound_at_its_own_price() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let reported = json!({
        "promptTokenCount": 1_000, "candidatesTokenCount": 37, "thoughtsTokenCount": 5, "totalTokenCount": 1_042,
        "promptTokensDetails": [
            { "modality": "TEXT", "tokenCount": 400 }, { "modality": "AUDIO", "tokenCount": 600 },
        ],
    });
    haven.control.script(answer(AnswerChange { usage_json: Some(reported), ..AnswerChange::default() }));
    let expected = exact(55, &[(400, "0.50"), (600, "1.00"), (42, "3.00")]);
    costs(&haven, &workspace, "gemini-3-flash", expected).await;
    assert_eq!(haven.last_settle(&workspace).await["usage"]["audio_input"], 600);
    haven.finish().await;
}

#[actix_web::test]
async fn an_openai_compatible_answer_costs_its_cached_part_less() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let used = Usage { input: 901, cache_read: 2_048, output: 333, thinking: 33, ..Usage::default() };
    haven.control.script(Rule::new().usage(used));
    costs(&haven, &workspace, "gpt-sim", exact(10, &[(901, "1.00"), (2_048, "0.10"), (333, "2.00")])).await;
    haven.finish().await;
}

#[actix_web::test]
async fn the_same_prompt_costs_the_same_streamed_and_plain() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    for model in ["claude-opus-4-7", "claude-haiku-4-5", "gemini-3-1-pro", "gemini-3-flash", "gpt-sim"] {
        let body = ask(model, "Tell me the same story twice.");
        haven.chat(&workspace.key, &body).await.ok();
        haven.chat_stream(&workspace.key, &body).await.rest().await;
        let charges = charges_of(&haven.ledger(&workspace).await);
        let [.., plain, streamed] = charges[..] else { panic!("two charges") };
        assert!(plain > 0);
        assert_eq!(usd(plain), usd(streamed), "{model}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn what_a_provider_did_not_count_is_estimated_and_marked() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let change = AnswerChange { omit_usage: true, text: Some("123456789".to_owned()), ..AnswerChange::default() };
    haven.control.script(answer(change));
    let body = ask("gpt-sim", "Hello!");
    // Six bytes and nine: two tokens and three.
    let expected = exact(10, &[(2, "1.00"), (3, "2.00")]);
    assert_eq!(usd(haven.chat(&workspace.key, &body).await.ok().cost()), usd(expected));
    haven.chat_stream(&workspace.key, &body).await.rest().await;
    for entry in haven.entries(&workspace, "settle").await {
        assert_eq!((&entry["usage"]["estimated"], charge_of(&entry)), (&true.into(), expected), "{entry}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn an_explicit_zero_is_zero_and_no_estimate() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let zero = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
    haven.control.script(answer(AnswerChange { usage_json: Some(zero), ..AnswerChange::default() }));
    let body = ask("gpt-sim", "Hello!");
    assert_eq!(haven.chat(&workspace.key, &body).await.ok().cost(), 0);
    haven.chat_stream(&workspace.key, &body).await.rest().await;
    let settles = haven.entries(&workspace, "settle").await;
    assert_eq!(settles.len(), 2);
    for entry in settles {
        assert_ne!(entry["usage"]["estimated"], true, "{entry}");
        assert_eq!(charge_of(&entry), 0, "{entry}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn the_usage_report_equals_the_ledger() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("10.00").await;
    let other = haven.key(&workspace.id, &json!({ "name": "other" })).await;
    let used = Usage { input: 1_001, cache_read: 77, output: 13, ..Usage::default() };
    haven.control.script(Rule::new().usage(used));
    let keys = [(workspace.key.as_str(), workspace.key_id.as_str()), (text(&other, "secret"), text(&other, "id"))];
    for (key, model, times) in [(keys[0].0, "gpt-sim", 3), (keys[0].0, "claude-opus-4-7", 2), (keys[1].0, "gpt-sim", 1)]
    {
        for _ in 0..times {
            haven.chat(key, &ask(model, "Count me")).await.ok();
        }
    }
    let settles = haven.entries(&workspace, "settle").await;
    let report = haven.get(&workspace.key, "/v1/usage?group_by=model,key").await.ok().body;
    let rows = report["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{report}");
    for row in rows {
        let own = |entry: &&Value| entry["model"] == row["model"] && entry["key_id"] == row["key_id"];
        let own: Vec<&Value> = settles.iter().filter(own).collect();
        assert_eq!(row["requests"], own.len(), "{row}");
        assert_eq!(nano(text(row, "cost_usd")), own.iter().map(|entry| charge_of(entry)).sum::<i128>(), "{row}");
        for bucket in ["input", "cache_read", "output"] {
            let sum: u64 = own.iter().map(|entry| entry["usage"][bucket].as_u64().unwrap()).sum();
            assert_eq!(row["usage"][bucket], sum, "{bucket} of {row}");
        }
    }
    let whole = haven.get(&workspace.key, "/v1/usage").await.ok().body;
    let cost: i128 = whole["data"].as_array().unwrap().iter().map(|row| nano(text(row, "cost_usd"))).sum();
    assert_eq!(cost, charges_of(&settles).iter().sum::<i128>());
    haven.finish().await;
}

fn answer(change: AnswerChange) -> Rule {
    Rule { answer: change, ..Rule::new() }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}
