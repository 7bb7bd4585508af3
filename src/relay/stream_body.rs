//! The body of an answer that comes in pieces: it polls the function that makes them, and never ends clean after a
//! failure.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::error::ApiError;
use crate::relay::generator::{Generator, Next};

/// How a stream ended.
pub enum Ended {
    /// With its closing events.
    Well,
    /// With this error; the caller's 200 may or may not have been sent.
    Badly(ApiError),
}

/// The body of a streamed answer.
pub struct StreamBody {
    state: State,
    envelope: Box<dyn Fn(&ApiError) -> Bytes>,
}

enum State {
    First(Bytes, Generator<Ended>),
    Running(Generator<Ended>),
    /// The error event was handed over; one poll later it has been flushed and the connection is cut.
    Failing {
        flushed: bool,
    },
    Over,
}

impl StreamBody {
    /// A body that begins with `first` and goes on with what the generator yields. `envelope` is the last event of
    /// one that breaks; empty where the protocol has none.
    pub fn new(first: Bytes, generator: Generator<Ended>, envelope: impl Fn(&ApiError) -> Bytes + 'static) -> Self {
        Self { state: State::First(first, generator), envelope: Box::new(envelope) }
    }
}

impl MessageBody for StreamBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::First(first, generator) => {
                    self.state = State::Running(generator);
                    if !first.is_empty() {
                        return Poll::Ready(Some(Ok(first)));
                    }
                }
                State::Running(mut generator) => match generator.poll_next(context) {
                    Poll::Pending => {
                        self.state = State::Running(generator);
                        return Poll::Pending;
                    }
                    Poll::Ready(Next::Bytes(bytes)) => {
                        self.state = State::Running(generator);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Poll::Ready(Next::Returned(Ended::Well)) => return Poll::Ready(None),
                    Poll::Ready(Next::Returned(Ended::Badly(error))) => {
                        let event = (self.envelope)(&error);
                        self.state = State::Failing { flushed: event.is_empty() };
                        if !event.is_empty() {
                            return Poll::Ready(Some(Ok(event)));
                        }
                    }
                },
                State::Failing { flushed: false } => {
                    self.state = State::Failing { flushed: true };
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Never a clean end after a failure: without the last chunk, no client takes it for one.
                State::Failing { flushed: true } => {
                    return Poll::Ready(Some(Err("the stream ended with an error event".into())));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}
