//! An async function as a stream of bytes: the body polls it, so bytes are pulled and nothing runs ahead.
//!
//! No task and no channel: the function runs inside the body's own poll, waits while the connection is
//! full, and is dropped with the body, which is how a caller who leaves cancels the provider's call.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

/// Where the function puts what it yields.
#[derive(Clone, Default)]
pub struct Yielder(Rc<Slot>);

#[derive(Default)]
struct Slot {
    bytes: RefCell<Option<Bytes>>,
    taken: Cell<bool>,
}

impl Yielder {
    /// Hands `bytes` to the connection and waits until it asks for more. Empty bytes are not handed over.
    pub async fn give(&self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        *self.0.bytes.borrow_mut() = Some(bytes);
        self.0.taken.set(false);
        std::future::poll_fn(|_| if self.0.taken.get() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// What a poll brought.
#[derive(Debug)]
pub enum Next<T> {
    /// Bytes for the caller.
    Bytes(Bytes),
    /// The function returned.
    Returned(T),
}

/// The running function.
pub struct Generator<T> {
    function: Pin<Box<dyn Future<Output = T>>>,
    slot: Yielder,
}

impl<T> Generator<T> {
    /// Starts `function`; it runs when polled.
    pub fn new<F: Future<Output = T> + 'static>(function: impl FnOnce(Yielder) -> F) -> Self {
        let slot = Yielder::default();
        Self { function: Box::pin(function(slot.clone())), slot }
    }

    /// Runs the function until it yields or returns. After it returned it is not to be polled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next<T>> {
        self.slot.0.taken.set(true);
        if let Poll::Ready(result) = self.function.as_mut().poll(context) {
            return Poll::Ready(Next::Returned(result));
        }
        match self.slot.0.bytes.borrow_mut().take() {
            Some(bytes) => Poll::Ready(Next::Bytes(bytes)),
            None => Poll::Pending,
        }
    }

    /// The same, awaited. Nothing is lost if the wait is dropped.
    pub async fn next(&mut self) -> Next<T> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_in_order_and_the_function_waits_for_each_to_be_taken() {
        let step = Rc::new(Cell::new(0));
        let seen = step.clone();
        let mut generator = Generator::new(|yielder| async move {
            for number in 1..=2_u8 {
                seen.set(number);
                yielder.give(Bytes::from(vec![number])).await;
            }
            "end"
        });
        assert!(matches!(generator.next().await, Next::Bytes(bytes) if bytes == [1_u8].as_slice()));
        assert_eq!(step.get(), 1, "nothing runs ahead");
        assert!(matches!(generator.next().await, Next::Bytes(bytes) if bytes == [2_u8].as_slice()));
        assert!(matches!(generator.next().await, Next::Returned("end")));
    }
}
