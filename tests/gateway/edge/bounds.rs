//! Heads that are too large: 431 in the envelope beyond our bounds, and to the byte.

use tokio::io::AsyncWriteExt;

use super::Wire;
use crate::harness::{Haven, Workspace};

const BODY: &str = r#"{"model":"gpt-sim","max_tokens":16,"messages":[{"role":"user","content":"Hello"}]}"#;

/// The headers that every request here has: five.
fn head(workspace: &Workspace) -> String {
    let (key, length) = (&workspace.key, BODY.len());
    format!(
        "Host: lmhaven.test\r\nx-api-key: {key}\r\nContent-Type: application/json\r\n\
         anthropic-version: 2023-06-01\r\nContent-Length: {length}\r\n"
    )
}

/// A request with so many headers.
fn with_headers(workspace: &Workspace, path: &str, count: usize) -> String {
    let more = (5..count).map(|number| format!("x-{number}: v\r\n")).collect::<Vec<_>>().concat();
    format!("POST {path} HTTP/1.1\r\n{}{more}\r\n{BODY}", head(workspace))
}

/// A request whose header lines have so many bytes.
fn with_bytes(workspace: &Workspace, path: &str, bytes: usize) -> String {
    let head = head(workspace);
    let value = "v".repeat(bytes - head.len() - "x-padding: \r\n".len());
    format!("POST {path} HTTP/1.1\r\n{head}x-padding: {value}\r\n\r\n{BODY}")
}

/// A request whose path and query have so many bytes.
fn with_url(workspace: &Workspace, path: &str, bytes: usize) -> String {
    let query = "q".repeat(bytes - path.len() - 1);
    format!("POST {path}?{query} HTTP/1.1\r\n{}\r\n{BODY}", head(workspace))
}

type Grow = fn(&Workspace, &str, usize) -> String;

#[actix_web::test]
async fn a_head_at_its_bounds_is_served_and_one_beyond_them_is_431() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let bounds: [(&str, Grow, usize); 3] =
        [("headers", with_headers, 64), ("bytes", with_bytes, 16 * 1024), ("url", with_url, 2 * 1024)];
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/v1/messages", "/v1/messages/count_tokens"] {
        for (name, grow, max) in bounds {
            let mut wire = Wire::to(&haven).await;
            for _ in 0..2 {
                wire.send(grow(&workspace, path, max)).await;
                let answer = wire.answer().await;
                assert_eq!(answer.status, 200, "{path}, {max} {name}: {answer:?}");
            }
            let calls = haven.control.stats().calls;
            wire.send(grow(&workspace, path, max + 1)).await;
            let answer = wire.answer().await;
            assert_eq!(answer.refusal(), (431, "headers_too_large".to_owned()), "{path}, {max} {name} and one");
            assert!(wire.rest().await.is_empty(), "{path}: the connection closes");
            assert_eq!(haven.control.stats().calls, calls, "{path}: nobody was asked");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn every_route_that_takes_a_key_has_the_same_bounds() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for line in [
        "POST /v1/images/generations",
        "POST /v1/audio/speech",
        "GET /v1/models",
        "GET /v1/models/gpt-sim",
        "GET /v1/balance",
        "GET /v1/usage",
        "GET /v1/chat/completions",
        "GET /v1/nothing",
        "GET /models",
    ] {
        let mut wire = Wire::to(&haven).await;
        let whole = with_headers(&workspace, "/", 65);
        wire.send(whole.replace("POST /", line)).await;
        assert_eq!(wire.answer().await.refusal(), (431, "headers_too_large".to_owned()), "{line}");
    }
    // One without a good key is told of the head first: nobody's key is looked for in it.
    let stranger = Workspace { key: "sk-lmh-nobody".to_owned(), ..workspace.clone() };
    for (count, status) in [(64, 401), (65, 431)] {
        let mut wire = Wire::to(&haven).await;
        wire.send(with_headers(&stranger, "/v1/messages", count)).await;
        assert_eq!(wire.answer().await.status, status, "{count}");
    }
    haven.finish().await;
}

/// Beyond what actix itself reads there is no envelope, but an end.
#[actix_web::test]
async fn a_head_that_is_never_read_to_its_end_ends_the_connection() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let mut wire = Wire::to(&haven).await;
    wire.send(with_headers(&workspace, "/v1/messages", 97)).await;
    let told = String::from_utf8(wire.rest().await).unwrap();
    assert!(told.starts_with("HTTP/1.1 431 ") && told.matches("HTTP/1.1 ").count() == 1, "{told}");
    let mut wire = Wire::to(&haven).await;
    let endless = format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-padding: {}", "v".repeat(140 * 1024));
    // Where it is cut off while it is sent, sending fails.
    let _ = wire.0.write_all(endless.as_bytes()).await;
    let told = String::from_utf8(wire.rest().await).unwrap();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431 "), "{told}");
    assert_eq!(haven.control.stats().calls, 0);
    haven.finish().await;
}
