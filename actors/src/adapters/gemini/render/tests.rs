use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::*;
use crate::chat::{Effort, Format, Part, Role, Sampling, Thinking, Tool, ToolChoice, Turn};

fn request() -> Request {
    let text = |text: &str| Part::Text { text: text.into(), cache: None };
    Request {
        model: "gemini-3-1-pro".into(),
        system: Vec::new(),
        turns: vec![Turn { role: Role::User, parts: vec![text("hello")] }],
        tools: Vec::new(),
        tool_choice: None,
        parallel_tools: None,
        output_limit: None,
        stream: false,
        sampling: Sampling::default(),
        stop: Vec::new(),
        thinking: Thinking::Unset,
        show_thoughts: false,
        format: Format::Text,
        end_user: None,
    }
}

fn full() -> Request {
    let tool = |name: &str, parameters| Tool {
        name: name.into(),
        description: Some(format!("does {name}")),
        parameters,
        strict: Some(true),
        cache: None,
    };
    Request {
        system: vec![Part::Text { text: "be brief".into(), cache: None }],
        tools: vec![
            tool(
                "weather",
                Some(json!({"type": "object", "properties": {"city": {"type": "string", "minLength": 1}},
                "required": ["city", "gone"], "$schema": "x"})),
            ),
            tool("2nd", None),
        ],
        tool_choice: Some(ToolChoice::Allowed { required: false, names: vec!["2nd".into(), "unknown".into()] }),
        parallel_tools: Some(false),
        stream: true,
        sampling: Sampling {
            temperature: Some(1.5),
            top_p: Some(0.9),
            top_k: Some(40),
            seed: Some(7),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(-0.5),
        },
        stop: vec!["END".into(), String::new()],
        thinking: Thinking::Adaptive(Some(Effort::Minimal)),
        show_thoughts: true,
        format: Format::JsonSchema {
            name: Some("answer".into()),
            schema: json!({"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}),
            strict: true,
        },
        end_user: Some("u".into()),
        ..request()
    }
}

fn target(output_limit: u32) -> Target<'static> {
    Target {
        model: "gemini-3-1-pro",
        upstream_model: "gemini-3.1-pro-preview",
        output_limit,
        end_user: Some("opaque"),
        cache_key: None,
    }
}

fn written(request: &Request) -> Value {
    serde_json::from_slice(&render(request, &target(8_000)).unwrap()).unwrap()
}

#[test]
fn everything_that_has_a_field_is_written() {
    insta::assert_json_snapshot!(written(&full()));
}

#[test]
fn a_plain_request_is_small_and_still_has_its_limit() {
    insta::assert_json_snapshot!(written(&request()));
    let limit = |limit| {
        let body = render(&request(), &target(limit)).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["generationConfig"]["maxOutputTokens"].clone()
    };
    assert_eq!([limit(1), limit(65_536), limit(1_000_000)], [json!(1), json!(65_536), json!(65_536)]);
}

#[test]
fn a_count_is_asked_of_the_prompt_alone() {
    let body: Value = serde_json::from_slice(&render_count(&full(), &target(1)).unwrap()).unwrap();
    let inner = body["generateContentRequest"].as_object().unwrap();
    let keys: Vec<&str> = inner.keys().map(String::as_str).collect();
    assert_eq!(keys, ["model", "systemInstruction", "contents", "tools", "toolConfig"]);
    assert_eq!(inner["model"], "models/gemini-3.1-pro-preview");
    let whole = written(&full());
    assert_eq!((&inner["contents"], &inner["tools"]), (&whole["contents"], &whole["tools"]));
}

#[test]
fn every_choice_of_tools_has_its_mode() {
    let config = |tool_choice: Option<ToolChoice>| written(&Request { tool_choice, ..full() })["toolConfig"].clone();
    let mode = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    let only =
        |mode: &str, names: &[&str]| json!({"functionCallingConfig": {"mode": mode, "allowedFunctionNames": names}});
    let allowed = |required| ToolChoice::Allowed { required, names: vec!["weather".into(), "2nd".into()] };
    for (choice, expected) in [
        (None, Value::Null),
        (Some(ToolChoice::Auto), mode("AUTO")),
        (Some(ToolChoice::None), mode("NONE")),
        (Some(ToolChoice::Required), mode("ANY")),
        (Some(ToolChoice::Named("2nd".into())), only("ANY", &["_2nd"])),
        (Some(allowed(true)), only("ANY", &["weather", "_2nd"])),
        (Some(allowed(false)), only("VALIDATED", &["weather", "_2nd"])),
    ] {
        assert_eq!(config(choice.clone()), expected, "{choice:?}");
    }
    let unknown = Request { tool_choice: Some(ToolChoice::Named("gone".into())), ..full() };
    assert_eq!(render(&unknown, &target(1)).unwrap_err().param.as_deref(), Some("tool_choice"));
    let without = Request { tools: Vec::new(), ..full() };
    assert!(written(&without).get("tools").is_none() && written(&without).get("toolConfig").is_none());
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let stops = Request { stop: (0..6).map(|n| n.to_string()).collect(), ..request() };
    assert_eq!(render(&stops, &target(1)).unwrap_err().param.as_deref(), Some("stop"));
    let five = Request { stop: (0..5).map(|n| n.to_string()).collect(), ..request() };
    assert!(render(&five, &target(1)).is_ok());
    let mut named = full();
    named.tools[1].name = "not legal".into();
    assert_eq!(render(&named, &target(1)).unwrap_err().param.as_deref(), Some("tools[1].name"));
    let empty = Request { turns: Vec::new(), ..request() };
    assert_eq!(render(&empty, &target(1)).unwrap_err().param.as_deref(), Some("messages"));
}

#[test]
fn thinking_is_a_level_and_never_a_budget() {
    let config = |thinking, show_thoughts| {
        written(&Request { thinking, show_thoughts, ..request() })["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(config(Thinking::Unset, false), Value::Null);
    assert_eq!(config(Thinking::Unset, true), json!({"includeThoughts": true}));
    assert_eq!(config(Thinking::Off, false), json!({"thinkingLevel": "LOW"}));
    let budget = Thinking::Budget(NonZeroU32::new(4_096).unwrap());
    assert_eq!(config(budget, true), json!({"thinkingLevel": "MEDIUM", "includeThoughts": true}));
    let json_object = written(&Request { format: Format::JsonObject, ..request() });
    assert_eq!(json_object["generationConfig"]["responseMimeType"], "application/json");
}
