//! A body with files in base 64, encoded as the connection takes it. Its length is known beforehand.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Bytes of a file that are encoded at a time: whole groups of three, 64 KiB of text.
const PIECE_BYTES: usize = 48 * 1024;

/// A part of the body.
#[derive(Debug)]
pub(super) enum Part {
    /// As it is.
    Plain(Bytes),
    /// To be encoded.
    Encoded(Bytes),
}

impl Part {
    fn len(&self) -> u64 {
        let len = match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Encoded(bytes) => bytes.len().div_ceil(3).saturating_mul(4),
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }
}

/// The body. Each file is freed when its last piece was taken.
pub(super) struct Base64Body<K> {
    parts: VecDeque<Part>,
    len: u64,
    _kept: K,
}

impl<K> Base64Body<K> {
    /// The parts in order. `kept` is dropped with the body, when its bytes have left.
    pub(super) fn new(parts: Vec<Part>, kept: K) -> Self {
        let len = parts.iter().map(Part::len).sum();
        Self { parts: parts.into(), len, _kept: kept }
    }

    fn next(&mut self) -> Option<Bytes> {
        while let Some(part) = self.parts.front_mut() {
            let piece = match part {
                Part::Plain(bytes) => std::mem::take(bytes),
                Part::Encoded(bytes) => {
                    let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                    Bytes::from(STANDARD.encode(piece))
                }
            };
            if !piece.is_empty() {
                return Some(piece);
            }
            self.parts.pop_front();
        }
        None
    }
}

impl<K: Unpin> MessageBody for Base64Body<K> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.len)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.get_mut().next().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_encoding_of_the_whole_and_as_long_as_was_said() {
        let file: Vec<u8> = (0..3 * PIECE_BYTES + 1000).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for len in [0, 1, 2, 3, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, file.len()] {
            let bytes = Bytes::copy_from_slice(&file[..len]);
            let plain = |text: &'static str| Part::Plain(Bytes::from_static(text.as_bytes()));
            let parts = vec![plain("<"), Part::Encoded(bytes.clone()), plain(","), Part::Encoded(bytes), plain(">")];
            let mut body = Base64Body::new(parts, ());
            let mut whole = Vec::new();
            while let Some(piece) = body.next() {
                assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
                whole.extend_from_slice(&piece);
            }
            let encoded = STANDARD.encode(&file[..len]);
            assert_eq!(String::from_utf8(whole).unwrap(), format!("<{encoded},{encoded}>"));
            assert_eq!(body.size(), BodySize::Sized(2 * encoded.len() as u64 + 3));
            assert!(body.parts.is_empty(), "nothing is left in memory");
        }
    }
}
