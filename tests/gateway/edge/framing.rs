//! Heads and bodies that two servers could cut in two ways. The connection closes, after a 400 where the head is at
//! fault, and what stands behind it is never read as a request of its own.

use super::{Wire, status_of};
use crate::harness::{Haven, Workspace};

/// The body of a small chat request.
const BODY: &str = r#"{"model":"gpt-sim","max_tokens":16,"messages":[{"role":"user","content":"Hello"}]}"#;

/// A request with this key; `head` is its lines beside the ordinary ones, each with its end.
fn request(workspace: &Workspace, version: &str, head: &str, body: &str) -> String {
    let key = &workspace.key;
    format!(
        "POST /v1/chat/completions {version}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\n{head}\r\n{body}"
    )
}

/// An ordinary one, which a smuggler hopes to have answered.
fn ordinary(workspace: &Workspace) -> String {
    let head = format!("Host: lmhaven.test\r\nContent-Length: {}\r\n", BODY.len());
    request(workspace, "HTTP/1.1", &head, BODY)
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Lines of a head that make a request ambiguous, each with the body that follows.
fn ambiguous() -> Vec<(&'static str, &'static str, String, String)> {
    let length = BODY.len();
    let with = |name, version, lines: &str, body: &str| {
        (name, version, format!("Host: lmhaven.test\r\n{lines}"), body.to_owned())
    };
    let chunks = chunked(BODY);
    let one = |name, lines: &str, body: &str| with(name, "HTTP/1.1", lines, body);
    let te = |name, value: &str| one(name, &format!("Transfer-Encoding: {value}\r\n"), &chunks);
    let host = |name, lines: &str| (name, "HTTP/1.1", format!("{lines}Content-Length: {length}\r\n"), BODY.to_owned());
    vec![
        one("two lengths", &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), BODY),
        one("two equal lengths", &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"), BODY),
        one("a signed length", &format!("Content-Length: +{length}\r\n"), BODY),
        one("a negative length", "Content-Length: -1\r\n", BODY),
        one("a list of lengths", &format!("Content-Length: {length}, {length}\r\n"), BODY),
        one("a length in hexadecimal", &format!("Content-Length: 0x{length:x}\r\n"), BODY),
        one("a length with a space in it", "Content-Length: 8 4\r\n", BODY),
        one("a length beyond 64 bits", "Content-Length: 99999999999999999999\r\n", BODY),
        one("no number", "Content-Length: many\r\n", BODY),
        one("a length and chunks", &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &chunks),
        one("chunks and a length", &format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &chunks),
        te("xchunked", "xchunked"),
        te("chunked, identity", "chunked, identity"),
        te("identity", "identity"),
        te("chunked twice", "chunked, chunked"),
        te("gzip, chunked", "gzip, chunked"),
        te("chunked in quotes", "\"chunked\""),
        te("chunked after a tab", "\u{b}chunked"),
        one("two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &chunks),
        one("a space before the colon", "Transfer-Encoding : chunked\r\n", &chunks),
        one("a space before the length's colon", &format!("Content-Length : {length}\r\n"), BODY),
        with("chunks in HTTP/1.0", "HTTP/1.0", "Transfer-Encoding: chunked\r\n", &chunks),
        one("a folded line", &format!("X-Note: one\r\n two\r\nContent-Length: {length}\r\n"), BODY),
        one("a folded encoding", "Transfer-Encoding:\r\n chunked\r\n", &chunks),
        one("a NUL in a value", &format!("X-Note: a\0b\r\nContent-Length: {length}\r\n"), BODY),
        one("a NUL in a name", &format!("X-No\0te: a\r\nContent-Length: {length}\r\n"), BODY),
        one("a bare return in a value", &format!("X-Note: a\rb\r\nContent-Length: {length}\r\n"), BODY),
        one("a line without a colon", &format!("X-Note\r\nContent-Length: {length}\r\n"), BODY),
        one("a name that is empty", &format!(": a\r\nContent-Length: {length}\r\n"), BODY),
        host("no host", ""),
        host("two hosts", "Host: lmhaven.test\r\nHost: other.test\r\n"),
        with("another version", "HTTP/9.1", &format!("Content-Length: {length}\r\n"), BODY),
    ]
}

/// Bodies in chunks that are none.
fn bad_chunks() -> Vec<(&'static str, String)> {
    let length = BODY.len();
    vec![
        ("a size that is no number", format!("xyz\r\n{BODY}\r\n0\r\n\r\n")),
        ("a signed size", format!("+{length:x}\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size with 0x", format!("0x{length:x}\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size beyond 64 bits", format!("fffffffffffffffff\r\n{BODY}\r\n0\r\n\r\n")),
        ("no end of a chunk", format!("{length:x}\r\n{BODY}0\r\n\r\n")),
        ("a chunk that is longer than its size", format!("5\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size that is empty", format!("\r\n{BODY}\r\n0\r\n\r\n")),
    ]
}

/// Sends it with an ordinary request right behind, and answers all that came back until the close.
async fn smuggle(haven: &Haven, workspace: &Workspace, first: &str) -> String {
    let mut wire = Wire::to(haven).await;
    wire.send(format!("{first}{}", ordinary(workspace))).await;
    String::from_utf8(wire.rest().await).unwrap()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[actix_web::test]
async fn what_stands_behind_an_ordinary_request_is_one_too() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let mut wire = Wire::to(&haven).await;
    let head = "Host: lmhaven.test\r\nTransfer-Encoding: chunked\r\n";
    let in_chunks = request(&workspace, "HTTP/1.1", head, &chunked(BODY));
    wire.send(ordinary(&workspace) + &in_chunks + &ordinary(&workspace)).await;
    for _ in 0..3 {
        assert_eq!(wire.answer().await.status, 200);
    }
    assert_eq!(haven.control.stats().calls, 3, "calls are what the tests of smuggling count");
    haven.finish().await;
}

#[actix_web::test]
async fn an_ambiguous_head_is_refused_and_nothing_behind_it_is_read() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for (name, version, head, body) in ambiguous() {
        let told = smuggle(&haven, &workspace, &request(&workspace, version, &head, &body)).await;
        assert_eq!((status_of(&told), answers(&told)), (400, 1), "{name}: {told}");
        assert_eq!(haven.control.stats().calls, 0, "{name}: {told}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn bad_chunks_are_refused_and_nothing_behind_them_is_read() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    for (name, body) in bad_chunks() {
        let head = "Host: lmhaven.test\r\nTransfer-Encoding: chunked\r\n";
        let told = smuggle(&haven, &workspace, &request(&workspace, "HTTP/1.1", head, &body)).await;
        // actix takes a bad chunk for a broken connection and closes it without a word.
        let closed = told.is_empty() || (status_of(&told), answers(&told)) == (400, 1);
        assert!(closed, "{name}: {told}");
        assert_eq!(haven.control.stats().calls, 0, "{name}: {told}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn a_body_is_not_read_on_after_its_request_was_refused() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    // The refused body is a request: one who took it for the next one would ask the provider.
    let smuggled = ordinary(&workspace);
    let head = format!("Host: lmhaven.test\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n", smuggled.len());
    let stranger = Workspace { key: "sk-lmh-nobody".to_owned(), ..workspace.clone() };
    for (whose, status) in [(&workspace, 415), (&stranger, 401)] {
        let mut wire = Wire::to(&haven).await;
        let first = request(whose, "HTTP/1.1", &head, &smuggled).replace("Content-Type: application/json\r\n", "");
        wire.send(first + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let told = String::from_utf8(wire.rest().await).unwrap();
        assert_eq!(status_of(&told), status, "{told}");
        assert!(!told.contains("chat.completion"), "{told}");
        assert_eq!(haven.control.stats().calls, 0, "{told}");
    }
    haven.finish().await;
}
