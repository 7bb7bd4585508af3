//! The connection under a response: noticing that its client hung up, and breaking it on purpose.
//!
//! actix-web notices a hang-up only when it writes. So each connection's socket is duplicated when it opens, and
//! whoever waits, waits on the duplicate too: the kernel reports that the peer closed its sending side, at once and
//! without polling. A client that only half-closes counts as hung up, as it does for most servers.
//!
//! What the client of a broken connection sees was measured on Linux: [`Socket::reset`] sends RST immediately
//! (`connect` to no address disconnects a TCP socket), and the bytes already received can still be read before the
//! error; [`Socket::close`] sends FIN.

use crate::control::Control;
use rustix::net::{Shutdown, connect_unspec, shutdown, sockopt::set_socket_linger};
use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    time::Duration,
};
use tokio::{io::Interest, net::TcpStream};

/// A duplicate of a connection's descriptor. Clones share it; all belong to the connection's thread.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Rc<RefCell<Duplicate>>);

/// Registered with the reactor only when somebody waits: most connections never wait, and then cost no wake-ups.
#[derive(Debug)]
enum Duplicate {
    Idle(OwnedFd),
    Watched(Rc<TcpStream>),
    /// Out of descriptors when the connection opened. It works, but cannot be watched or broken.
    Missing,
}

/// The client closed its side.
#[derive(Debug)]
pub(crate) struct HungUp;

impl Socket {
    /// Duplicates the descriptor.
    pub(crate) fn of(connection: &impl AsFd) -> Self {
        let descriptor = connection.as_fd().try_clone_to_owned();
        Self(Rc::new(RefCell::new(descriptor.map_or(Duplicate::Missing, Duplicate::Idle))))
    }

    pub(crate) fn unknown() -> Self {
        Self(Rc::new(RefCell::new(Duplicate::Missing)))
    }

    /// Waits so long, with `None` until a test ends all stalls, unless the client hangs up before.
    pub(crate) async fn pause(&self, time: Option<Duration>, control: &Control) -> Result<(), HungUp> {
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => control.stalls_ended().await,
            }
        };
        tokio::select! {
            () = over => Ok(()),
            () = self.hung_up() => Err(HungUp),
        }
    }

    async fn hung_up(&self) {
        if self.watch().await.is_err() {
            // Not watchable: then only a write will tell.
            std::future::pending::<()>().await;
        }
    }

    async fn watch(&self) -> io::Result<()> {
        let watched = self.watched()?;
        loop {
            if watched.ready(Interest::READABLE).await?.is_read_closed() {
                return Ok(());
            }
            // A pipelined request, which is not ours to read. "Would block" clears the readiness, and it is reported
            // again when more comes, or the end.
            let _would_block = watched.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
    }

    fn watched(&self) -> io::Result<Rc<TcpStream>> {
        let mut duplicate = self.0.borrow_mut();
        let watched = match std::mem::replace(&mut *duplicate, Duplicate::Missing) {
            Duplicate::Idle(descriptor) => Rc::new(TcpStream::from_std(descriptor.into())?),
            Duplicate::Watched(stream) => stream,
            Duplicate::Missing => return Err(io::ErrorKind::Unsupported.into()),
        };
        *duplicate = Duplicate::Watched(Rc::clone(&watched));
        Ok(watched)
    }

    fn with_descriptor(&self, work: impl FnOnce(BorrowedFd<'_>)) {
        match &*self.0.borrow() {
            Duplicate::Idle(descriptor) => work(descriptor.as_fd()),
            Duplicate::Watched(stream) => work(stream.as_fd()),
            Duplicate::Missing => {}
        }
    }

    /// Resets the connection now.
    pub(crate) fn reset(&self) {
        self.with_descriptor(|descriptor| {
            // Should disconnecting be refused, the last close of the descriptor resets it.
            let lingers = set_socket_linger(descriptor, Some(Duration::ZERO));
            let disconnects = connect_unspec(descriptor);
            debug_assert!(lingers.is_ok() || disconnects.is_ok(), "{lingers:?} {disconnects:?}");
        });
    }

    /// Closes the connection in both directions now, in an orderly way.
    pub(crate) fn close(&self) {
        self.with_descriptor(|descriptor| {
            // An error means that the connection is gone already, which is what was wanted.
            let _gone = shutdown(descriptor, Shutdown::Both);
        });
    }
}
