use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::chat::Origin;

fn text(text: &str) -> Part {
    Part::Text { text: text.into(), cache: None }
}

fn call(id: &str, name: &str, signature: Option<Signature>) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: json!({"id": id}), signature, cache: None }
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult { call_id: id.into(), parts, is_error, cache: None }
}

fn signed(protocol: Dialect, model: &str, value: &str) -> Signature {
    Signature { origin: Some(Origin { protocol, model: Arc::from(model) }), value: value.into() }
}

fn user(parts: Vec<Part>) -> Turn {
    Turn { role: Role::User, parts }
}

fn model(parts: Vec<Part>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn written(turns: &[Turn]) -> Value {
    serde_json::to_value(contents(turns, "gemini-3-flash").unwrap()).unwrap()
}

fn refusal(turns: &[Turn]) -> String {
    contents(turns, "gemini-3-flash").unwrap_err().message
}

#[test]
fn results_follow_their_calls_in_number_order_and_name() {
    let turns = [
        user(vec![text("go")]),
        model(vec![call("a", "first", None), call("b", "2nd", None), call("c", "first", None)]),
        user(vec![
            text("and then?"),
            result("c", vec![text("{\"rain\": 0.5}")], false),
            result("a", vec![text("sunny"), text("warm")], false),
            result("b", vec![text("{\"no\": 1}")], true),
        ]),
        // Ids may repeat from one turn to the next.
        model(vec![call("a", "second", None)]),
        user(vec![result("a", vec![], false)]),
        user(vec![text("thanks")]),
    ];
    insta::assert_json_snapshot!(written(&turns));
}

#[test]
fn what_is_no_object_is_wrapped() {
    let response = |text: &str| {
        let part = Part::Text { text: text.into(), cache: None };
        let turns =
            [user(vec![part.clone()]), model(vec![call("a", "f", None)]), user(vec![result("a", vec![part], false)])];
        written(&turns)[2]["parts"][0]["functionResponse"]["response"].clone()
    };
    assert_eq!(response(" {\"a\":1} "), json!({"a": 1}));
    for plain in ["[1,2]", "7", "null", "{broken", "text", "{\"a\":1} and more"] {
        assert_eq!(response(plain), json!({"output": plain}));
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    assert_eq!(response(&deep), json!({"output": deep}));
}

#[test]
fn only_own_signatures_are_sent_and_the_first_call_always_has_one() {
    let own = |value| Some(signed(Dialect::Gemini, "gemini-3-flash", value));
    let other = |value| Some(signed(Dialect::Gemini, "gemini-3-1-pro", value));
    let claude = Some(signed(Dialect::Anthropic, "claude-opus-4-7", "C"));
    let untagged = |value: &str| Some(Signature { origin: None, value: value.into() });
    let thought = |text: &str, signature| Part::Thinking { text: text.into(), signature };
    let answered = |ids: &[&str]| user(ids.iter().map(|id| result(id, vec![text("ok")], false)).collect());
    let turns = [
        user(vec![text("go")]),
        model(vec![
            thought("foreign", claude),
            thought("unsigned", None),
            thought("untagged: Claude's, most likely", untagged("U")),
            Part::RedactedThinking { data: signed(Dialect::Anthropic, "claude-opus-4-7", "R") },
            thought("own", own("T")),
            thought("", own("E")),
            call("a", "f", own("A")),
            call("b", "f", None),
        ]),
        answered(&["a", "b"]),
        model(vec![call("a", "f", other("X")), call("b", "f", own("B"))]),
        answered(&["a", "b"]),
        model(vec![call("a", "f", untagged("G"))]),
        answered(&["a"]),
    ];
    insta::assert_json_snapshot!(written(&turns));
}

#[test]
fn media_are_data_or_an_address_with_a_known_ending() {
    let media = |kind, media_type: &str, source, title: Option<&str>| Part::Media {
        media: Media { kind, media_type: media_type.into(), source, title: title.map(str::to_owned) },
        cache: None,
    };
    let data = || MediaSource::Base64("aGk=".into());
    let url = |url: &str| MediaSource::Url(url.into());
    let turns = [
        user(vec![
            media(MediaKind::Image, "image/png", data(), None),
            media(MediaKind::Audio, "audio/wav", data(), None),
            media(MediaKind::Document, "application/pdf", data(), Some("a.pdf")),
            media(MediaKind::Document, "text/plain", MediaSource::Text("body".into()), Some("Title")),
            media(MediaKind::Image, "", url("https://example.com/a/photo.JPG?size=1#top"), None),
        ]),
        model(vec![call("a", "shot", None)]),
        user(vec![result("a", vec![text("here"), media(MediaKind::Image, "image/webp", data(), None)], false)]),
    ];
    insta::assert_json_snapshot!(written(&turns));
    for address in [
        "https://example.com/photo",
        "https://example.png",
        "https://example.com/a.png/b",
        "https://example.com/?x=a.png",
        "https://example.com/a.svg",
        "http://example.com/a.png",
        "gs://bucket/a.png",
        "https://GenerativeLanguage.googleapis.com/v1beta/files/abc.png",
        "",
    ] {
        let turn = user(vec![media(MediaKind::Image, "", url(address), None)]);
        assert!(refusal(&[turn]).ends_with("send a data: URL"), "{address}");
    }
}

#[test]
fn blank_turns_go_and_their_neighbours_join() {
    let turns = [user(vec![text("one")]), model(vec![text("  ")]), user(vec![text("\n"), text("two")])];
    assert_eq!(written(&turns), json!([{"role": "user", "parts": [{"text": "one"}, {"text": "two"}]}]));
    assert_eq!(refusal(&[]), "expected at least one message of the user that is not empty");
    assert_eq!(refusal(&[user(vec![text(" ")]), model(vec![text("hi")])]), refusal(&[]));
    assert!(system(&[text(" ")]).is_none());
    let system = serde_json::to_value(system(&[text("a"), text(""), text("b")])).unwrap();
    assert_eq!(system, json!({"parts": [{"text": "a"}, {"text": "b"}]}));
}

#[test]
fn what_stands_alone_is_named() {
    let unanswered = "tool call a has no result in the next turn";
    let (ask, calls) = (user(vec![text("go")]), model(vec![call("a", "f", None)]));
    assert_eq!(refusal(&[ask.clone(), calls.clone()]), unanswered);
    assert_eq!(refusal(&[ask.clone(), calls.clone(), user(vec![text("x")])]), unanswered);
    assert_eq!(refusal(&[ask.clone(), calls.clone(), model(vec![text("x")])]), unanswered);
    let orphan = "tool call z has a result but was not called in the turn before";
    assert_eq!(refusal(&[user(vec![result("z", vec![], false)])]), orphan);
    assert_eq!(refusal(&[ask.clone(), model(vec![result("z", vec![], false)])]), orphan);
    let twice = user(vec![result("a", vec![], false), result("a", vec![], false)]);
    assert!(refusal(&[ask.clone(), calls, twice]).starts_with("tool call a has a result but"));
    let same = model(vec![call("a", "f", None), call("a", "f", None)]);
    assert_eq!(refusal(&[ask.clone(), same]), "tool call a is made twice in one turn");
    let illegal = [ask, model(vec![call("a", "two words", None)]), user(vec![result("a", vec![], false)])];
    assert!(refusal(&illegal).starts_with("a tool's name"));
}
