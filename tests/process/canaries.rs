//! What the process says on stderr while it logs everything: nothing of a prompt, a header or a key.
//!
//! Canaries in every kind of traffic are searched for in `tests/gateway/canaries`, in lines that a test's own subscriber
//! writes; here are the lines that are written, with those of the libraries and with `RUST_LOG=trace`.

#[allow(dead_code, reason = "written for the gateway's tests, which use all of it")]
#[path = "../gateway/canaries/search.rs"]
mod search;

use std::io::{Read, Write};
use std::net::TcpStream;

use lmhaven_simulator::{Fault, Rule, Status};
use reqwest::{RequestBuilder, StatusCode};
use rustix::process::Signal;
use serde_json::Value;

use self::search::{Canary, Search};
use crate::harness::{ADMIN_TOKEN, Process, Site, ask, lmhaven, streamed, within};

/// Status and body; what came of it where a stream broke off after its error.
async fn told(request: RequestBuilder) -> (StatusCode, String) {
    let mut response = within("an answer", request.send()).await.unwrap();
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = within("more of an answer", response.chunk()).await {
        body.extend_from_slice(&bytes);
    }
    (response.status(), String::from_utf8(body).unwrap())
}

/// A request whose body's length is no number; answers what came back.
fn send_bad_length(base: &str, length: &str) -> String {
    let mut socket = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
    write!(socket, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Failures of a provider that repeats what it was sent and its key: whether the words may reach the caller, and what
/// happens.
fn repeats(words: &str) -> Vec<(bool, Rule)> {
    let status = |code| {
        let status = Status { code, message: Some(words.to_owned()), ..Status::default() };
        Rule { status: Some(status), ..Rule::new() }
    };
    let event = |after, error_type: &str| {
        let (error_type, message) = (Some(error_type.to_owned()), Some(words.to_owned()));
        Rule::new().fault(Fault::ErrorEvent { after, error_type, message })
    };
    vec![
        (true, status(400)),
        (false, status(401)),
        (false, status(500)),
        (true, event(0, "invalid_request_error")),
        (true, event(3, "invalid_request_error")),
        (false, event(3, "server_error")),
    ]
}

#[actix_web::test]
async fn a_process_that_logs_everything_logs_no_prompt_no_header_and_no_key() {
    let site = Site::new("20s").await;
    let [prompt, header, query, length, upstream, stranger] =
        ["prompt", "header", "query", "a bad length", "the account's key", "a stranger's key"].map(Canary::new);
    let (key_of_account, key_of_stranger) = (format!("up-{}", upstream.word()), format!("sk-lmh-{}", stranger.word()));
    let mut command = lmhaven();
    command.arg("serve").arg("-c").arg(site.configuration()).env("RUST_LOG", "trace");
    let mut process = Process::launch(command.env("LMHAVEN__PROVIDERS__SIM__API_KEYS", &key_of_account));
    process.listening().await;
    let workspace = process.workspace("1.00").await;
    let known = workspace.keys.iter().map(|key| Canary::of("a customer's key", key.strip_prefix("sk-lmh-").unwrap()));
    let mut secrets: Vec<Canary> = known.collect();
    secrets.extend([Canary::of("the admin token", ADMIN_TOKEN), header.clone(), query.clone(), upstream, stranger]);
    let (from_all, from_caller) = (Search::of(&secrets), Search::of([&prompt]));
    let send = |key: &str, body: &Value| {
        let path = format!("/v1/chat/completions?note={}", query.word());
        told(process.post(key, &path, body).header("x-note", header.word()))
    };
    for body in [ask(&prompt.word()), streamed(&prompt.word())] {
        let (status, text) = send(&workspace.keys[0], &body).await;
        assert_eq!(status, 200, "{text}");
        let (status, text) = send(&key_of_stranger, &body).await;
        assert_eq!(status, 401, "{text}");
        assert_eq!(from_all.find("a 401", text.as_bytes()), [""; 0]);
        for (blames, rule) in repeats(&format!("no {} for {key_of_account}", prompt.word())) {
            let what = format!("{:?} {:?}", rule.status, rule.fault);
            let in_the_middle = matches!(rule.fault, Some(Fault::ErrorEvent { after: 1.., .. }));
            site.control.script(rule);
            let (status, text) = send(&workspace.keys[1], &body).await;
            let may_be_good = body["stream"] == true && in_the_middle;
            assert_eq!(status == 200, may_be_good, "{what}: {text}");
            assert_eq!(from_all.find(&what, text.as_bytes()), [""; 0]);
            // The caller may read the provider's words where they are about the request, and nowhere else.
            if !blames && !may_be_good {
                assert_eq!(from_caller.find(&what, text.as_bytes()), [""; 0]);
            }
            site.control.clear_script();
        }
    }
    let (base, bad_length) = (process.base.clone(), length.word());
    let answer = tokio::task::spawn_blocking(move || send_bad_length(&base, &bad_length)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    process.signal(Signal::TERM);
    process.logged("draining").await;
    let lines = process.log_to_the_end().await;
    let of = |target: &str| lines.lines().filter(|line| line.contains(&format!("\"target\":\"{target}"))).count();
    assert!(of("lmhaven::") > 3 && of("actix_http::") > 3, "it logged everything: {lines}");
    let everything = Search::of(secrets.iter().chain([&prompt, &length]));
    assert_eq!(everything.find("the log", lines.as_bytes()), [""; 0]);
    site.finish().await;
}
