use super::*;
use crate::domain::usage::Bucket;

const ANSWER: &str = include_str!("../fixtures/answer.json");

fn read(body: &str) -> Result<Answer, AnswerFault> {
    read_answer(body.as_bytes(), "gemini-3-1-pro", "01SEED")
}

#[test]
fn an_answer_is_read_whole() {
    insta::assert_debug_snapshot!(read(ANSWER).unwrap());
}

#[test]
fn a_blocked_prompt_is_an_empty_answer_that_was_filtered() {
    let body = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":9}}"#;
    let answer = read(body).unwrap();
    assert_eq!((answer.finish, answer.parts.len()), (FinishReason::ContentFilter, 0));
    assert_eq!(answer.usage.unwrap().get(Bucket::Input), 9, "the prompt is charged all the same");
}

#[test]
fn a_candidate_may_have_no_content_and_an_answer_no_usage() {
    for content in ["", r#","content":{}"#, r#","content":{"role":"model","parts":[]}"#, r#","content":null"#] {
        let answer = read(&format!(r#"{{"candidates":[{{"finishReason":"MAX_TOKENS"{content}}}]}}"#)).unwrap();
        assert_eq!((answer.finish, answer.parts.len(), answer.usage), (FinishReason::Length, 0, None), "{content}");
    }
}

#[test]
fn what_was_not_counted_is_missing_or_estimated_and_never_free() {
    let usage = |usage: &str| {
        let candidates =
            r#"[{"content":{"parts":[{"text":"hm","thought":true},{"text":"12345"}]},"finishReason":"STOP"}]"#;
        read(&format!(r#"{{"candidates":{candidates},"usageMetadata":{usage}}}"#)).unwrap().usage
    };
    assert_eq!(usage("{}"), None);
    assert_eq!(usage(r#"{"candidatesTokenCount":7}"#), None, "half a report would charge half");
    let counted = Usage::default().with(Bucket::Input, 3);
    assert_eq!(usage(r#"{"promptTokenCount":3,"candidatesTokenCount":0}"#), Some(counted), "zero is a report");
    let mut estimated = counted.with(Bucket::Output, 11);
    (estimated.reasoning, estimated.estimated) = (9, true);
    assert_eq!(usage(r#"{"promptTokenCount":3,"thoughtsTokenCount":9}"#), Some(estimated));
}

#[test]
fn only_stop_becomes_tool_calls() {
    let finish = |reason: &str| {
        let parts = r#"[{"functionCall":{"name":"f"}},{"text":"done"}]"#;
        read(&format!(r#"{{"candidates":[{{"content":{{"parts":{parts}}},"finishReason":"{reason}"}}]}}"#))
            .map(|answer| answer.finish)
    };
    assert_eq!(finish("STOP"), Ok(FinishReason::ToolCalls));
    assert_eq!(finish("MAX_TOKENS"), Ok(FinishReason::Length));
    assert_eq!(finish("SAFETY"), Ok(FinishReason::ContentFilter));
    let malformed = AnswerFault::Upstream(UpstreamFault::MalformedFunctionCall);
    assert_eq!(finish("MALFORMED_FUNCTION_CALL"), Err(malformed));
}

#[test]
fn an_error_under_status_200_keeps_its_meaning() {
    let error = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x"}}"#;
    let limited = AnswerFault::Upstream(UpstreamFault::RateLimited { retry_after_millis: None });
    assert_eq!([read(error), read(&format!("[{error}]"))], [Err(limited.clone()), Err(limited)]);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in [
        "",
        "{}",
        "[]",
        "<html>",
        r#"{"candidates":[]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"cut"}]}}]}"#,
        r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[1]}}]},"finishReason":"STOP"}]}"#,
    ] {
        assert!(matches!(read(body), Err(AnswerFault::Malformed(_))), "{body}");
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let body = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f","args":{{"a":{deep}}}}}}}]}},"finishReason":"STOP"}}]}}"#
    );
    assert!(matches!(read(&body), Err(AnswerFault::Malformed(_))));
}

#[test]
fn counts_that_cannot_be_read_are_not_reported_and_the_answer_stands() {
    for usage in [
        r#"{"promptTokenCount":"many","candidatesTokenCount":7}"#,
        r#"{"promptTokenCount":5,"x":1,"thoughtsTokenCount":-1}"#,
        "[]",
    ] {
        let body = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"Hello"}}]}},"finishReason":"STOP"}}],"usageMetadata":{usage}}}"#
        );
        let answer = read(&body).unwrap();
        assert_eq!((answer.parts.len(), answer.usage), (1, None), "{usage}");
    }
}

#[test]
fn a_count_is_a_number_or_a_string() {
    assert_eq!(read_count(br#"{"totalTokens":31,"promptTokensDetails":[]}"#), Ok(31));
    assert_eq!(read_count(br#"{"totalTokens":"31"}"#), Ok(31));
    for body in ["{}", "", r#"{"totalTokens":null}"#, r#"{"totalTokens":-1}"#] {
        assert!(read_count(body.as_bytes()).is_err(), "{body}");
    }
}
