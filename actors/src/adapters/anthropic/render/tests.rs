//! What goes upstream for callers of another dialect, case by case.

use serde_json::{Value, json};

use super::*;
use crate::chat::{
    CacheTtl, Dialect, Effort, Media, MediaKind, MediaSource, Origin, Role, Sampling, Signature, Thinking, Turn,
};

pub(super) fn target(model: &str) -> Target<'_> {
    Target { model, upstream_model: model, output_limit: 4_000, end_user: None, cache_key: None }
}

pub(super) fn request() -> Request {
    Request {
        model: "m".into(),
        system: Vec::new(),
        turns: vec![user(vec![text("Hello")])],
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

fn user(parts: Vec<Part>) -> Turn {
    Turn { role: Role::User, parts }
}

fn assistant(parts: Vec<Part>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn text(text: &str) -> Part {
    Part::Text { text: text.into(), cache: None }
}

fn cached(text: &str) -> Part {
    Part::Text { text: text.into(), cache: Some(CacheTtl::FiveMinutes) }
}

fn call(id: &str) -> Part {
    Part::ToolCall {
        id: id.into(),
        name: "get_weather".into(),
        arguments: json!({"city": "Bern"}),
        signature: None,
        cache: None,
    }
}

fn result(id: &str, parts: Vec<Part>) -> Part {
    Part::ToolResult { call_id: id.into(), parts, is_error: false, cache: None }
}

fn thought(protocol: Dialect, model: &str) -> Part {
    let origin = Some(Origin { protocol, model: model.into() });
    Part::Thinking { text: "hm".into(), signature: Some(Signature { origin, value: "EqQB".into() }) }
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.into(),
        description: Some(String::new()),
        parameters: Some(json!({"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}})),
        strict: None,
        cache: None,
    }
}

fn rendered(model: &str, change: impl FnOnce(&mut Request)) -> Result<Value, BodyError> {
    let mut request = request();
    change(&mut request);
    Ok(serde_json::from_slice(&render(&request, &target(model))?).unwrap())
}

#[test]
fn a_whole_conversation_is_written() {
    let mut request = request();
    request.system = vec![text("Be brief."), text(" "), text("Be kind.")];
    request.turns = vec![
        user(vec![
            text("Look:"),
            Part::Media {
                media: Media {
                    kind: MediaKind::Image,
                    media_type: "image/png".into(),
                    source: MediaSource::Base64("iVBORw0KGgo=".into()),
                    title: None,
                },
                cache: None,
            },
            Part::Media {
                media: Media {
                    kind: MediaKind::Image,
                    media_type: String::new(),
                    source: MediaSource::Url("https://x/y.png".into()),
                    title: None,
                },
                cache: None,
            },
            Part::Media {
                media: Media {
                    kind: MediaKind::Document,
                    media_type: "application/pdf".into(),
                    source: MediaSource::Base64("JVBERi0=".into()),
                    title: Some("a.pdf".into()),
                },
                cache: Some(CacheTtl::OneHour),
            },
            Part::Media {
                media: Media {
                    kind: MediaKind::Document,
                    media_type: "text/markdown".into(),
                    source: MediaSource::Base64("IyBIaQ==".into()),
                    title: None,
                },
                cache: None,
            },
        ]),
        assistant(vec![
            thought(Dialect::Anthropic, "claude-sonnet-4-6"),
            thought(Dialect::Gemini, "gemini-3-flash"),
            text("Let me see."),
            call("functions.get_weather:0"),
            call("call_1"),
        ]),
        user(vec![
            text("and?"),
            result("call_1", Vec::new()),
            result("functions.get_weather:0", vec![text("sun"), request.turns[0].parts[0].clone()]),
        ]),
    ];
    request.tools = vec![tool("get_weather"), Tool { parameters: None, strict: Some(true), ..tool("now") }];
    request.parallel_tools = Some(false);
    request.thinking = Thinking::Adaptive(Some(Effort::XHigh));
    request.stop = vec!["\n".into(), "END".into()];
    request.sampling = Sampling { temperature: Some(1.5), top_p: Some(0.5), seed: Some(1), ..Sampling::default() };
    request.stream = true;
    let target = Target { end_user: Some("u_1"), upstream_model: "up", ..target("claude-sonnet-4-6") };
    let body: Value = serde_json::from_slice(&render(&request, &target).unwrap()).unwrap();
    insta::assert_json_snapshot!(body);
}

#[test]
fn sampling_is_what_the_model_takes() {
    let all = Sampling { temperature: Some(1.7), top_p: Some(0.9), top_k: Some(5), ..Sampling::default() };
    let sampled = |model: &str, sampling: &Sampling, thinking: Thinking| {
        let body = rendered(model, |request| {
            request.sampling = sampling.clone();
            request.thinking = thinking;
        });
        let body = body.unwrap();
        [body["temperature"].clone(), body["top_p"].clone(), body["top_k"].clone()]
    };
    let nothing = [Value::Null, Value::Null, Value::Null];
    assert_eq!(sampled("claude-opus-4-7", &all, Thinking::Unset), nothing);
    assert_eq!(sampled("claude-sonnet-4-6", &all, Thinking::Adaptive(None)), nothing);
    assert_eq!(sampled("claude-haiku-4-5", &all, Thinking::Unset), [json!(1.0), Value::Null, json!(5)]);
    let top_p = Sampling { temperature: None, ..all };
    assert_eq!(sampled("claude-haiku-4-5", &top_p, Thinking::Unset), [Value::Null, json!(0.9), json!(5)]);
}

#[test]
fn a_turn_to_continue_is_refused_by_newer_models_and_trimmed_for_older_ones() {
    let prefilled = |request: &mut Request| request.turns.push(assistant(vec![text("The answer is \n")]));
    for model in ["claude-opus-4-7", "claude-sonnet-4-6"] {
        assert_eq!(rendered(model, prefilled).unwrap_err().param.as_deref(), Some("messages"));
    }
    let body = rendered("claude-haiku-4-5", prefilled).unwrap();
    assert_eq!(body["messages"][1]["content"][0]["text"], "The answer is");
}

#[test]
fn a_conversation_must_have_something_to_answer() {
    let empty = |request: &mut Request| {
        request.system = vec![text("Be brief.")];
        request.turns = vec![user(vec![text(" \n")])];
    };
    let error = rendered("claude-haiku-4-5", empty).unwrap_err();
    assert_eq!((error.param.as_deref(), error.message.contains("at least one message")), (Some("messages"), true));
}

#[test]
fn a_lost_thought_in_a_round_of_tools_drops_thinking_and_a_kept_one_goes_back() {
    let round = |first: Vec<Part>| {
        rendered("claude-sonnet-4-6", |request| {
            request.thinking = Thinking::Adaptive(None);
            request.tools = vec![tool("get_weather")];
            request.turns.push(assistant(first));
            request.turns.push(user(vec![result("a", vec![text("sun")])]));
        })
        .unwrap()
    };
    let kept = round(vec![thought(Dialect::Anthropic, "claude-sonnet-4-6"), call("a")]);
    assert_eq!(kept["thinking"]["type"], "adaptive");
    assert_eq!(kept["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"}));
    let untagged = Signature { origin: None, value: "EmRE".into() };
    let redacted = round(vec![Part::RedactedThinking { data: untagged }, call("a")]);
    assert_eq!(redacted["messages"][1]["content"][0], json!({"type": "redacted_thinking", "data": "EmRE"}));
    for lost in [
        vec![call("a")],
        vec![text("x"), call("a")],
        vec![thought(Dialect::Anthropic, "claude-opus-4-7"), call("a")],
        vec![thought(Dialect::Gemini, "claude-sonnet-4-6"), call("a")],
        vec![Part::Thinking { text: "x".into(), signature: None }, call("a")],
    ] {
        let body = round(lost);
        assert_eq!(body["thinking"], Value::Null);
        assert!(!body["messages"].to_string().contains("thinking"), "{body}");
    }
}

#[test]
fn an_earlier_round_without_thoughts_does_not_matter() {
    let body = rendered("claude-sonnet-4-6", |request| {
        request.thinking = Thinking::Adaptive(None);
        request.tools = vec![tool("get_weather")];
        let first = [assistant(vec![call("a")]), user(vec![result("a", Vec::new())]), assistant(vec![text("Sun.")])];
        request.turns.extend(first);
        request.turns.push(user(vec![text("And tomorrow?")]));
    });
    assert_eq!(body.unwrap()["thinking"]["type"], "adaptive");
}

#[test]
fn tool_choices_have_their_words() {
    let choice = |choice: Option<ToolChoice>, parallel: Option<bool>| {
        let body = rendered("claude-opus-4-7", |request| {
            request.tools = vec![tool("a"), tool("b")];
            request.tool_choice = choice;
            request.parallel_tools = parallel;
        });
        let body = body.unwrap();
        (body["tool_choice"].clone(), body["tools"].as_array().unwrap().len())
    };
    let allowed = |required| Some(ToolChoice::Allowed { required, names: vec!["b".into(), "c".into()] });
    for (asked, parallel, written, tools) in [
        (None, None, json!(null), 2),
        (None, Some(true), json!(null), 2),
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true}), 2),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"}), 2),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"}), 2),
        (Some(ToolChoice::Required), None, json!({"type": "any"}), 2),
        (Some(ToolChoice::Named("a".into())), None, json!({"type": "tool", "name": "a"}), 2),
        (allowed(false), None, json!({"type": "auto"}), 1),
        (allowed(true), Some(false), json!({"type": "any", "disable_parallel_tool_use": true}), 1),
    ] {
        assert_eq!(choice(asked.clone(), parallel), (written, tools), "{asked:?}");
    }
    let nothing_allowed = rendered("claude-opus-4-7", |request| {
        request.tools = vec![tool("a")];
        request.tool_choice = Some(ToolChoice::Allowed { required: true, names: vec!["z".into()] });
    });
    assert_eq!(nothing_allowed.unwrap_err().param.as_deref(), Some("tool_choice"));
}

#[test]
fn tools_of_the_history_are_told_where_the_caller_gives_none() {
    let body = rendered("claude-opus-4-7", |request| {
        request.tool_choice = Some(ToolChoice::Auto);
        request.turns.push(assistant(vec![call("a")]));
        request.turns.push(user(vec![result("a", Vec::new()), text("go on")]));
    });
    let body = body.unwrap();
    let schema = json!({"type": "object", "properties": {}});
    assert_eq!(body["tools"], json!([{"name": "get_weather", "input_schema": schema}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    let without = rendered("claude-opus-4-7", |request| request.tool_choice = Some(ToolChoice::Auto)).unwrap();
    assert_eq!((&without["tools"], &without["tool_choice"]), (&Value::Null, &Value::Null));
}

#[test]
fn pairs_that_were_cut_apart_are_refused() {
    let orphan = rendered("claude-opus-4-7", |request| request.turns = vec![user(vec![result("z", Vec::new())])]);
    assert!(orphan.unwrap_err().message.contains("tool call z"));
}

#[test]
fn an_id_that_comes_again_is_written_apart_from_the_first() {
    let body = rendered("claude-opus-4-7", |request| {
        request.tools = vec![tool("get_weather")];
        for _ in 0..2 {
            request.turns.push(assistant(vec![call("call_0")]));
            request.turns.push(user(vec![result("call_0", Vec::new())]));
        }
    });
    let body = body.unwrap();
    let id = |message: usize, key: &str| body["messages"][message]["content"][0][key].clone();
    assert_eq!((id(1, "id"), id(3, "id")), (id(2, "tool_use_id"), id(4, "tool_use_id")));
    assert_ne!(id(1, "id"), id(3, "id"));
}

#[test]
fn the_last_four_breakpoints_stay() {
    let body = rendered("claude-opus-4-7", |request| {
        request.tools = vec![Tool { cache: Some(CacheTtl::FiveMinutes), ..tool("a") }];
        request.system = vec![cached("one"), cached("two")];
        request.turns = vec![user(vec![cached("three"), text("x"), cached("four"), cached("five")])];
    });
    let body = body.unwrap();
    let ephemeral = json!({"type": "ephemeral"});
    assert_eq!(body["tools"][0]["cache_control"], Value::Null);
    assert_eq!((&body["system"][0]["cache_control"], &body["system"][1]["cache_control"]), (&Value::Null, &ephemeral));
    assert_eq!(body.to_string().matches("ephemeral").count(), 4);
}

#[test]
fn shapes_of_the_answer_are_asked_for_in_the_protocols_way() {
    let schema = rendered("claude-opus-4-7", |request| {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}});
        request.format = Format::JsonSchema { name: Some("n".into()), schema, strict: true };
        request.thinking = Thinking::Adaptive(Some(Effort::Low));
    });
    let expected = json!({"effort": "low", "format": {"type": "json_schema", "schema": {
        "type": "object", "additionalProperties": false,
        "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}}}}});
    assert_eq!(schema.unwrap()["output_config"], expected);
    let object = rendered("claude-opus-4-7", |request| {
        request.system = vec![text("Be brief.")];
        request.format = Format::JsonObject;
    });
    assert_eq!(object.unwrap()["system"], format!("Be brief.\n\n{JSON_INSTRUCTION}"));
}

#[test]
fn media_that_the_model_does_not_take_is_refused() {
    for (kind, media_type, source) in [
        (MediaKind::Audio, "audio/wav", MediaSource::Base64("UklGRg==".into())),
        (MediaKind::Image, "image/tiff", MediaSource::Base64("SUkqAA==".into())),
        (MediaKind::Document, "application/pdf", MediaSource::Url("https://x/y.pdf".into())),
        (MediaKind::Document, "application/zip", MediaSource::Base64("UEsDBA==".into())),
    ] {
        let media = Media { kind, media_type: media_type.into(), source, title: None };
        let body = rendered("claude-opus-4-7", |request| {
            request.turns = vec![user(vec![text("x"), Part::Media { media, cache: None }])];
        });
        assert_eq!(body.unwrap_err().param.as_deref(), Some("messages"), "{media_type}");
    }
}
