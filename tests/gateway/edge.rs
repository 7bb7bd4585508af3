//! The edge of requests, byte by byte over a raw socket: heads that two servers could read in two ways, heads beyond
//! their bounds, and callers who send too slowly.
//!
//! `framing` is what is not HTTP or not clearly so, `bounds` what is too large, `pace` what is too slow.

mod bounds;
mod framing;
mod pace;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{DEADLINE, Haven, within};

/// A connection to the public port.
struct Wire(TcpStream);

/// One answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Wire {
    async fn to(haven: &Haven) -> Self {
        Self(within("a connection", TcpStream::connect(haven.server.public_address)).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("the bytes to leave", self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Everything until the other side closes. A reset is a close too: bytes of ours may not have been read.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection did not close: {}", String::from_utf8_lossy(&rest));
        rest
    }

    /// One answer, whose length its head tells.
    async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("more of a head", self.0.read_u8()).await.expect("a whole head"));
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        within("a whole body", self.0.read_exact(&mut body)).await.unwrap();
        Answer { status: status_of(&head), head, body }
    }
}

impl Answer {
    /// Status and code of an error in the envelope, after which the connection is to close.
    #[track_caller]
    fn refusal(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(body["type"], "error", "{self:?}");
        assert!(self.head.to_ascii_lowercase().contains("connection: close"), "{self:?}");
        (self.status, body["error"]["code"].as_str().unwrap().to_owned())
    }
}

fn status_of(head: &str) -> u16 {
    head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_else(|| panic!("{head:?}"))
}
