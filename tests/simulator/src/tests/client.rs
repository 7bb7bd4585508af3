//! A client that reads bytes as they come, so that a test sees exactly what the wire carried.

use crate::{Options, Simulator};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a test may wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn simulator() -> Simulator {
    Simulator::start(Options { seed: 42, ..Options::default() }).await.unwrap()
}

/// What came back.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    /// The chunks of a chunked body, or the whole body.
    pub(super) chunks: Vec<Vec<u8>>,
    /// Whether the body ended as its framing says.
    pub(super) is_whole: bool,
    /// The error that ended the connection, if it was one.
    pub(super) error: Option<std::io::ErrorKind>,
}

impl Response {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The value of a header; the name in lower case. Values are read in lower case too.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.chunks.concat()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON of all events, `[DONE]` left out.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    pub(super) fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// Opens a connection and sends a request on it.
pub(super) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, path, headers, body).await;
    stream
}

pub(super) async fn send(stream: &mut TcpStream, path: &str, headers: &[(&str, &str)], body: &str) {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: simulator\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
}

pub(super) async fn get(simulator: &Simulator, path: &str) -> Response {
    get_with(simulator, path, &[]).await
}

/// Gets a path, or an address that the simulator answered.
pub(super) async fn get_with(simulator: &Simulator, address: &str, headers: &[(&str, &str)]) -> Response {
    let url = simulator.url();
    let mut request = format!("GET {} HTTP/1.1\r\nhost: simulator\r\n", address.strip_prefix(&url).unwrap_or(address));
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
    receive(&mut stream).await
}

/// Reads until the response is whole or the connection ends.
pub(super) async fn receive(stream: &mut TcpStream) -> Response {
    let mut bytes = Vec::new();
    let mut error = None;
    // No need to look again before there is a quarter more: a large body would be copied over and over.
    let mut next_look = 0;
    loop {
        if bytes.len() >= next_look || bytes.ends_with(b"\r\n") || is_long_enough(&bytes) {
            if let Some(response) = parse(&bytes).filter(|response| response.is_whole) {
                return response;
            }
            next_look = bytes.len() + bytes.len() / 4;
        }
        let mut buffer = vec![0; 65_536];
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("the simulator went silent") {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(broken) => {
                error = Some(broken.kind());
                break;
            }
        }
    }
    let nothing = Response { status: 0, head: String::new(), chunks: Vec::new(), is_whole: false, error: None };
    Response { error, ..parse(&bytes).unwrap_or(nothing) }
}

/// Whether a body with a length has come to it.
fn is_long_enough(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).take(4096).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| bytes.len() >= end + 4 + length.parse::<usize>().unwrap())
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = &bytes[end + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|it| it.parse().unwrap());
    if let Some(length) = length {
        let body = rest.get(..length).unwrap_or(rest).to_vec();
        let is_whole = body.len() == length;
        return Some(Response { status, head, chunks: vec![body], is_whole, error: None });
    }
    if status == 204 {
        return Some(Response { status, head, chunks: Vec::new(), is_whole: true, error: None });
    }
    let mut chunks = Vec::new();
    let is_whole = loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else { break false };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break true;
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break false };
        chunks.push(chunk.to_vec());
        rest = rest.get(line + 4 + size..).unwrap_or_default();
    };
    Some(Response { status, head, chunks, is_whole, error: None })
}

pub(super) async fn post(simulator: &Simulator, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut stream = open(simulator.address(), path, headers, &body.to_string()).await;
    receive(&mut stream).await
}

pub(super) const ANTHROPIC: &[(&str, &str)] = &[("x-api-key", "sk-ant-1"), ("anthropic-version", "2023-06-01")];
pub(super) const GEMINI: &[(&str, &str)] = &[("x-goog-api-key", "AIza-1")];
pub(super) const OPENAI: &[(&str, &str)] = &[("authorization", "Bearer sk-1")];

pub(super) async fn anthropic(simulator: &Simulator, body: &Value) -> Response {
    post(simulator, "/v1/messages", ANTHROPIC, body).await
}

pub(super) async fn openai(simulator: &Simulator, body: &Value) -> Response {
    post(simulator, "/v1/chat/completions", OPENAI, body).await
}

pub(super) async fn gemini(simulator: &Simulator, operation: &str, body: &Value) -> Response {
    post(simulator, &format!("/v1beta/models/{operation}"), GEMINI, body).await
}

/// The object with more fields, or with other values in them.
pub(super) fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    body.as_object_mut().unwrap().extend(more);
    body
}
