//! SIGTERM and SIGINT: nothing new is taken, what runs may finish in time, and the process ends with everything written.

use std::io::ErrorKind;
use std::net::SocketAddr;

use lmhaven_simulator::{AnswerChange, Fault, Rule};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Process, Site, Sse, Workspace, ask, nano, streamed, until, usd, within};

/// What the provider says before it falls silent, and after the test ended the silence.
const SAID: &str = "01234567890123456789012345678901234567890123456789";
/// `gpt-sim` at ratio 10, in nano-dollars per token.
const INPUT: i128 = 100;
const OUTPUT: i128 = 200;

/// Every stream stops in its middle until the test ends the silence; plain requests that say so get no answer.
fn script(site: &Site) {
    site.control.script(Rule::new().marker("silent").fault(Fault::HangBeforeHeaders { ms: None }));
    let answer = AnswerChange { text: Some(SAID.repeat(2)), pieces: Some(10), ..AnswerChange::default() };
    site.control.script(Rule { answer, fault: Some(Fault::Stall { after: 6, ms: None }), ..Rule::new() });
}

/// A stream that has said [`SAID`].
async fn stream(process: &Process, workspace: &Workspace) -> Sse {
    let mut body = streamed("Go on");
    body["stream_options"] = serde_json::json!({ "include_usage": true });
    let response = within("a stream", process.post(&workspace.keys[0], "/v1/chat/completions", &body).send()).await;
    let mut stream = Sse::of(response.unwrap()).await;
    assert_eq!(read_text(&mut stream, SAID.len()).await, SAID);
    stream
}

async fn read_text(stream: &mut Sse, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let event = stream.next().await.expect("more of the stream").json();
        text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    text
}

/// A connection that is used for one request after the other.
struct Kept(TcpStream);

impl Kept {
    async fn open(process: &Process) -> Self {
        Self(within("a connection", TcpStream::connect(address(process))).await.unwrap())
    }

    /// Head and body of the answer; the connection is kept unless the gateway closes it.
    async fn request(&mut self, method: &str, path: &str, key: &str, body: &str) -> (String, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: lmhaven.test\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let read = within("an answer", self.0.read_buf(&mut bytes)).await.unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(read > 0, "the connection ended: {text}");
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                return (head, body.to_owned());
            }
        }
    }

    /// Waits until the gateway closes it.
    async fn closed(mut self) {
        let mut rest = Vec::new();
        within("the end of the connection", self.0.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn address(process: &Process) -> SocketAddr {
    process.base.strip_prefix("http://").unwrap().parse().unwrap()
}

/// The status of a GET on the admin port.
async fn admin_status(process: &Process, path: &str) -> u16 {
    let request = process.client.get(format!("{}{path}", process.admin_base));
    within("an answer", request.send()).await.unwrap().status().as_u16()
}

async fn drains_on(signal: Signal) {
    let site = Site::new("600s").await;
    script(&site);
    let process = site.start().await;
    let workspace = process.workspace("1.00").await;
    let key = &workspace.keys[1];
    let mut live = stream(&process, &workspace).await;
    let get = [("GET", "/v1/balance"), ("GET", "/v1/models"), ("GET", "/v1/nowhere")];
    let post = [("POST", "/v1/chat/completions"), ("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens")];
    let mut kept = Vec::new();
    for (method, path) in get.into_iter().chain(post) {
        let mut connection = Kept::open(&process).await;
        let (head, _) = connection.request("GET", "/v1/balance", key, "").await;
        assert!(head.starts_with("http/1.1 200") && !head.contains("connection: close"), "{head}");
        kept.push((connection, method, path));
    }
    let mut unused = Kept::open(&process).await;
    unused.request("GET", "/v1/balance", key, "").await;
    assert_eq!(admin_status(&process, "/readyz").await, 200);

    process.signal(signal);
    until("the gateway to say that it is not ready", || async {
        (admin_status(&process, "/readyz").await == 503).then_some(())
    })
    .await;
    assert_eq!(admin_status(&process, "/healthz").await, 200);
    until("the public port to be closed", async || match TcpStream::connect(address(&process)).await {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
            Some(())
        }
        Ok(_) => None,
    })
    .await;
    for (mut connection, method, path) in kept {
        let body = if method == "POST" { ask("Too late").to_string() } else { String::new() };
        let (head, body) = connection.request(method, path, key, &body).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(head.starts_with("http/1.1 503") && head.contains("\r\nconnection: close"), "{method} {path}: {head}");
        assert_eq!(body["error"]["code"], "draining", "{method} {path}: {body}");
        connection.closed().await;
    }
    assert_eq!(admin_status(&process, "/readyz").await, 503);
    assert!(process.is_running(), "a stream is live");

    site.control.end_stalls();
    assert_eq!(read_text(&mut live, SAID.len()).await, SAID, "the second half");
    let rest = live.rest().await;
    assert_eq!(rest.last().unwrap().data, "[DONE]");
    assert!(!live.is_broken(), "a clean end");
    let cost = rest.iter().find_map(|event| event.json()["usage"]["cost_usd"].as_str().map(nano)).unwrap();
    assert_eq!(process.exit_code().await, 0);
    unused.closed().await;
    let report = site.verified().await;
    assert_eq!(report["open_holds"], serde_json::json!([]));
    let available = report["workspaces"][&workspace.id]["available"].as_str().unwrap();
    assert_eq!(usd(nano(available)), usd(nano("1.00") - cost), "{report}");
    site.finish().await;
}

#[actix_web::test]
async fn sigterm_drains() {
    drains_on(Signal::TERM).await;
}

#[actix_web::test]
async fn sigint_drains() {
    drains_on(Signal::INT).await;
}

#[actix_web::test]
async fn what_runs_longer_than_the_drain_timeout_is_cut_and_charged_for_what_was_delivered() {
    let site = Site::new("1s").await;
    script(&site);
    let process = site.start().await;
    let workspace = process.workspace("1.00").await;
    let mut live = stream(&process, &workspace).await;
    let silent = process.post(&workspace.keys[0], "/v1/chat/completions", &ask("silent")).send();
    let signal = async {
        within("both calls", site.control.wait_until(|stats| stats.open == 2)).await;
        process.signal(Signal::TERM);
    };
    let (silent, rest, ()) = tokio::join!(within("the end of the request", silent), live.rest(), signal);
    let silent = silent.unwrap();
    assert_eq!(silent.status(), 503);
    let silent: Value = silent.json().await.unwrap();
    assert_eq!(silent["error"]["code"], "draining");
    // A client can tell it from an answer that ended by itself.
    assert!(rest.iter().all(|event| event.data != "[DONE]"), "{rest:?}");
    assert_eq!(rest.last().unwrap().json()["error"]["code"], "draining");
    assert!(live.is_broken(), "a clean end: {rest:?}");
    assert_eq!(process.exit_code().await, 0);
    let report = site.verified().await;
    assert_eq!(report["open_holds"], serde_json::json!([]));
    let tokens = |text: &str| text.len().div_ceil(4) as i128;
    let cost = tokens("Go on") * INPUT + tokens(SAID) * OUTPUT;
    let charged = nano("1.00") - nano(report["workspaces"][&workspace.id]["available"].as_str().unwrap());
    // The plain request was awaited for over a second by a caller who stayed: nothing was delivered, nothing is charged.
    assert_eq!(usd(charged), usd(cost), "{report}");
    site.finish().await;
}

#[actix_web::test]
async fn a_caller_who_does_not_read_cannot_hold_up_the_end() {
    let site = Site::new("1s").await;
    let (pieces, piece) = (4_000_usize, "0123456789abcdef".repeat(512));
    let answer = AnswerChange { text: Some(piece.repeat(pieces)), pieces: Some(pieces), ..AnswerChange::default() };
    site.control.script(Rule { answer, ..Rule::new() });
    let process = site.start().await;
    let workspace = process.workspace("1.00").await;
    let request = process.post(&workspace.keys[0], "/v1/chat/completions", &streamed("Everything")).send();
    let mut stream = Sse::of(within("a stream", request).await.unwrap()).await;
    let many = site.control.wait_until(|stats| stats.events > 200);
    within("more than the caller has read", many).await;
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    let rest = stream.rest().await;
    assert!(stream.is_broken() && rest.iter().all(|event| event.data != "[DONE]"), "a clean end");
    let report = site.verified().await;
    assert_eq!(report["open_holds"], serde_json::json!([]));
    // What was delivered is more than the limit that was sent, which no estimate exceeds.
    let charged = nano("1.00") - nano(report["workspaces"][&workspace.id]["available"].as_str().unwrap());
    assert_eq!(usd(charged), usd("Everything".len().div_ceil(4) as i128 * INPUT + 64 * OUTPUT), "{report}");
    site.finish().await;
}

#[actix_web::test]
async fn a_signal_that_comes_while_the_process_starts_is_obeyed_once_it_has() {
    for signal in [Signal::TERM, Signal::INT] {
        let site = Site::new("600s").await;
        let process = site.launch();
        process.logged("published the configuration's prices").await;
        process.signal(signal);
        assert_eq!(process.exit_code().await, 0);
        site.finish().await;
    }
}

#[actix_web::test]
async fn a_process_with_nothing_to_do_ends_at_once_and_starts_again() {
    let site = Site::new("600s").await;
    for signal in [Signal::INT, Signal::TERM] {
        let process = site.start().await;
        process.signal(signal);
        assert_eq!(process.exit_code().await, 0);
    }
    assert_eq!(site.verified().await["entries"], 0);
    site.finish().await;
}
