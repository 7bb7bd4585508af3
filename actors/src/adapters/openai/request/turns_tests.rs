//! Histories as clients send them, and what becomes of them.

use super::*;
use crate::chat::{Dialect, Media, MediaKind, MediaSource, Origin, Signature};

fn conversation(messages: &str) -> Result<(Vec<Part>, Vec<Turn>), BodyError> {
    let json = format!(r#"{{"model":"m","messages":{messages}}}"#);
    let request = Body::read(json.as_bytes())?.to_chat()?;
    Ok((request.system, request.turns))
}

fn turns(messages: &str) -> Vec<Turn> {
    conversation(messages).unwrap().1
}

fn part(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn refused(messages: &str) -> (String, String) {
    let error = conversation(messages).unwrap_err();
    (error.param.unwrap_or_default(), error.message)
}

const CALL: &str = r#"{"role":"assistant","content":null,"tool_calls":[
    {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
    {"id":"b","type":"function","function":{"name":"g","arguments":""}}]}"#;

#[test]
fn system_text_is_hoisted_and_runs_are_merged() {
    let (system, turns) = conversation(
        r#"[{"role":"system","content":"one"},{"role":"user","content":"hi","name":"bo"},
        {"role":"developer","content":[{"type":"text","text":"two"}]},{"role":"user","content":[{"type":"text","text":"there"}]},
        {"role":"assistant","content":"yes"},{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},
        {"role":"user","content":"  "},{"role":"user","content":"go"}]"#,
    )
    .unwrap();
    assert_eq!(system, [part("one"), part("two")]);
    assert_eq!(
        turns,
        [
            Turn { role: Role::User, parts: vec![part("hi"), part("there")] },
            Turn { role: Role::Assistant, parts: vec![part("yes"), part("no")] },
            Turn { role: Role::User, parts: vec![part("go")] },
        ]
    );
}

#[test]
fn results_become_one_turn_with_results_first() {
    let turns = turns(&format!(
        r#"[{{"role":"user","content":"hi"}},{CALL},{{"role":"user","content":"wait"}},
        {{"role":"tool","tool_call_id":"b","content":"B"}},{{"role":"tool","tool_call_id":"a","content":[{{"type":"text","text":"A"}},
        {{"type":"image_url","image_url":{{"url":"data:image/png;base64,R0lGODlh"}}}}]}},{{"role":"user","content":"go"}}]"#
    ));
    insta::assert_debug_snapshot!(turns.get(1..));
}

#[test]
fn orphans_are_named() {
    let user = r#"{"role":"user","content":"hi"}"#;
    let result = |id: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"x"}}"#);
    let (param, message) = refused(&format!("[{user},{CALL},{},{user}]", result("a")));
    assert_eq!(param, "messages[1].tool_calls[1]");
    assert_eq!(message, "tool call b has no result in the messages after it");
    assert_eq!(refused(&format!("[{user},{CALL}]")).0, "messages[1].tool_calls[0]");
    let (param, message) = refused(&format!("[{user},{}]", result("zz")));
    assert_eq!(param, "messages[1].tool_call_id");
    assert!(message.contains("zz"));
    let twice = format!("[{user},{CALL},{},{},{}]", result("a"), result("b"), result("a"));
    assert_eq!(refused(&twice).0, "messages[4].tool_call_id");
    let next = r#"{"role":"assistant","content":"done"}"#;
    assert_eq!(refused(&format!("[{user},{CALL},{},{next}]", result("b"))).0, "messages[1].tool_calls[0]");
    assert!(!refused(&format!("[{user},{}]", result("my secret"))).1.contains("secret"));
}

#[test]
fn nothing_but_system_is_refused() {
    for messages in ["[]", r#"[{"role":"system","content":"x"}]"#, r#"[{"role":"user","content":" "}]"#] {
        assert_eq!(refused(messages).0, "messages");
    }
}

#[test]
fn arguments_that_are_no_object_are_refused_by_index() {
    for arguments in [r#""{\"a\"""#, r#""[1]""#, "7"] {
        let messages = format!(
            r#"[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{{"id":"a","function":{{"name":"f","arguments":{arguments}}}}}]}}]"#
        );
        assert_eq!(refused(&messages).0, "messages[1].tool_calls[0].function.arguments", "{arguments}");
    }
}

#[test]
fn the_legacy_function_call_pairs_with_its_result_by_name() {
    let turns = turns(
        r#"[{"role":"user","content":"x"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"ok"}]"#,
    );
    let result =
        Part::ToolResult { call_id: "call_legacy_0".to_owned(), parts: vec![part("ok")], is_error: false, cache: None };
    assert_eq!(turns[2].parts, [result]);
    assert_eq!(refused(r#"[{"role":"function","name":"f","content":"ok"}]"#).0, "messages[0].name");
}

#[test]
fn an_echoed_answer_is_tolerated_with_all_its_extras() {
    let turns = turns(
        r#"[{"role":"user","content":"x"},{"role":"assistant","content":"y","refusal":null,"annotations":null,"audio":null,
        "function_call":null,"parsed":null,"tool_calls":null,"reasoning_content":"hm"},
        {"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}",
        "parsed_arguments":{}}}]},{"role":"tool","tool_call_id":"a","content":null}]"#,
    );
    assert_eq!(turns[1].parts.len(), 2);
    assert!(matches!(&turns[2].parts[..], [Part::ToolResult { parts, .. }] if parts.is_empty()));
}

#[test]
fn thoughts_and_signatures_come_back_from_every_carrier() {
    let origin = |protocol, model: &str| Some(Origin { protocol, model: model.into() });
    let turns = turns(
        r#"[{"role":"user","content":"x"},{"role":"assistant","content":"y","thinking_blocks":[
        {"index":0,"type":"thinking","thinking":"hm","signature":"lmh1:anthropic:3:opu:SIG"},{"type":"redacted_thinking","data":"lmh1:anthropic:3:opu:RED"}],
        "tool_calls":[{"id":"a","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"lmh1:gemini:3:pro:G"}}},
        {"id":"b","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"UNTAGGED"}}}]},
        {"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"},
        {"role":"assistant","content":"z","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1"},
        {"type":"reasoning.encrypted","data":"E","format":"anthropic-claude-v1"},{"type":"reasoning.summary","summary":"no"}]}]"#,
    );
    let signature = |part: &Part| match part {
        Part::Thinking { signature, .. } | Part::ToolCall { signature, .. } => signature.clone().unwrap(),
        Part::RedactedThinking { data } => data.clone(),
        _ => panic!("{part:?}"),
    };
    let first = &turns[1].parts;
    assert_eq!(signature(&first[0]), Signature { origin: origin(Dialect::Anthropic, "opu"), value: "SIG".into() });
    assert_eq!(signature(&first[1]).value.as_ref(), "RED");
    assert_eq!(first[2], part("y"));
    assert_eq!(signature(&first[3]), Signature { origin: origin(Dialect::Gemini, "pro"), value: "G".into() });
    assert_eq!(signature(&first[4]), Signature { origin: None, value: "UNTAGGED".into() });
    let second = &turns[3].parts;
    assert_eq!((signature(&second[0]).value.as_ref(), signature(&second[1]).value.as_ref()), ("S", "E"));
    assert_eq!(second.len(), 3);
}

#[test]
fn an_anthropic_shaped_history_is_understood() {
    let json = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[
        {"role":"user","content":[{"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"doc"}},
        {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"R0lGODlh"}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"S"},{"type":"text","text":"y"},
        {"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},
        {"role":"user","content":[{"type":"text","text":"and"},{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"bad"}]}]}]}"#;
    let request = Body::read(json.as_bytes()).unwrap().to_chat().unwrap();
    insta::assert_debug_snapshot!((request.system, request.turns));
}

#[test]
fn media_that_cannot_be_served_say_why() {
    for (part, param) in [
        (
            r#"{"type":"image_url","image_url":{"url":"http://example.com/a.png"}}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"data:video/mp4;base64,AAAA"}}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"type":"file","file":{"file_data":"https://example.com/a.pdf"}}"#,
            "messages[0].content[0].file.file_data",
        ),
        (
            r#"{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}"#,
            "messages[0].content[0].source.url",
        ),
    ] {
        assert_eq!(refused(&format!(r#"[{{"role":"user","content":[{part}]}}]"#)).0, param);
    }
}

#[test]
fn an_image_by_address_is_left_for_the_provider_to_fetch() {
    let turns = turns(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://e.com/A.PNG?x=1","detail":"high"}}]}]"#,
    );
    let media = Media {
        kind: MediaKind::Image,
        media_type: "image/png".to_owned(),
        source: MediaSource::Url("https://e.com/A.PNG?x=1".to_owned()),
        title: None,
    };
    assert_eq!(turns[0].parts, [Part::Media { media, cache: None }]);
}
