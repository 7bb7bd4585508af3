//! What running requests on one server thread have to be told: the caller hung up, the key was revoked,
//! it is time for a keep-alive, the provider has been silent for too long.
//!
//! actix-web notices a hang-up only when it writes, so every connection's socket is kept in duplicate and
//! looked at, all of a thread's at once, four times a second. One ticker a thread instead of timers and
//! registrations a request keeps the cost of a short request at nothing.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use actix_web::dev::Extensions;
use lmhaven_actors::keyring::KeyEntry;
use rustix::event::{PollFd, PollFlags};
use tokio::time::Instant;

use crate::edge::Edge;

/// How often sockets and times are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long a hang-up goes unnoticed at most, unless the thread is busy.
pub const NOTICED_WITHIN: Duration = TICK;
/// Silence towards the caller after which a keep-alive is due.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A caller that takes no byte for this long is cut off.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// A connection's socket in duplicate, kept with the connection.
#[derive(Clone)]
pub struct CallerSocket(Rc<OwnedFd>);

/// To be called when a connection opens: keeps its socket for the requests on it, or ends it where its
/// address has too many.
pub fn keep_socket(edge: &Edge, connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    if let Ok(peer) = stream.peer_addr() {
        let Some(count) = edge.open_connection(peer.ip().to_canonical()) else {
            let _ = rustix::net::shutdown(stream.as_fd(), rustix::net::Shutdown::Both);
            return;
        };
        extensions.insert(Rc::new(count));
    }
    match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => {
            extensions.insert(CallerSocket(Rc::new(socket)));
        }
        Err(error) => tracing::warn!(%error, "a connection cannot be watched for its caller hanging up"),
    }
}

/// The end of the process, as running requests are told of it. Never taken back.
#[derive(Debug, Default)]
pub struct Ending {
    told: AtomicBool,
    cut: AtomicBool,
}

impl Ending {
    /// From here on every running request is told to end; within a tick it tells its caller.
    pub fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// From here on every connection with a running request is cut: its caller does not read what he is told.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// What a request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The caller hung up.
    Gone,
    /// The key was revoked.
    Revoked,
    /// The process ends before the request does.
    Ending,
    /// Nothing was sent to the caller for [`KEEP_ALIVE`].
    KeepAliveDue,
    /// The provider has been silent for as long as it may.
    ProviderSilent,
}

/// Every running request of one thread.
#[derive(Clone, Default)]
pub struct Watch {
    running: Rc<RefCell<Vec<Weak<State>>>>,
    ending: Arc<Ending>,
}

struct State {
    socket: Option<CallerSocket>,
    key: Arc<KeyEntry>,
    ending: Arc<Ending>,
    /// The provider may be silent this long; not watched where `None`.
    silence_max: Cell<Option<Duration>>,
    heard: Cell<Instant>,
    /// The caller is to hear something now and then.
    keep_alive: Cell<bool>,
    sent: Cell<Instant>,
    /// Bytes were handed to the connection and not asked for more since.
    unread_since: Cell<Option<Instant>>,
    gone: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One request being watched; it ends when this is dropped.
pub struct Watched(Rc<State>);

impl Watch {
    /// A thread's watch, ticking from now on. It ends with the thread.
    pub fn start(ending: Arc<Ending>) -> Self {
        let watch = Self { running: Rc::default(), ending };
        let (running, ending) = (watch.running.clone(), watch.ending.clone());
        actix_web::rt::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                look(&running, &ending);
            }
        });
        watch
    }

    /// Watches a request.
    pub fn over(&self, socket: Option<&CallerSocket>, key: Arc<KeyEntry>) -> Watched {
        let now = Instant::now();
        let state = Rc::new(State {
            socket: socket.cloned(),
            key,
            ending: self.ending.clone(),
            silence_max: Cell::new(None),
            heard: Cell::new(now),
            keep_alive: Cell::new(false),
            sent: Cell::new(now),
            unread_since: Cell::new(None),
            gone: Cell::new(false),
            waker: RefCell::new(None),
        });
        self.running.borrow_mut().push(Rc::downgrade(&state));
        Watched(state)
    }
}

impl Watched {
    /// From now on the caller hears something at least every [`KEEP_ALIVE`].
    pub fn keep_alive(&self) {
        self.0.keep_alive.set(true);
    }

    /// From now on the provider may be silent for at most `silence_max`.
    pub fn expect_events(&self, silence_max: Duration) {
        self.0.silence_max.set(Some(silence_max));
        self.note_heard();
    }

    /// The provider said something.
    pub fn note_heard(&self) {
        self.0.heard.set(Instant::now());
    }

    /// Bytes were handed over for the caller.
    pub fn note_sent(&self) {
        let now = Instant::now();
        self.0.sent.set(now);
        self.0.unread_since.set(Some(now));
    }

    /// The connection asked for more: what was handed over is on its way.
    pub fn note_taken(&self) {
        self.0.unread_since.set(None);
    }

    /// The caller hung up.
    pub fn is_gone(&self) -> bool {
        self.0.gone.get()
    }

    /// Waits for what ends a plain answer: the caller hangs up, or the process ends.
    pub async fn over(&self) -> Signal {
        poll_fn(|context| {
            if let Some(signal) = self.0.over() {
                return Poll::Ready(signal);
            }
            *self.0.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits for the next thing that a stream has to be told.
    pub async fn signal(&self) -> Signal {
        poll_fn(|context| {
            if let Some(signal) = self.0.due(Instant::now()) {
                if signal == Signal::KeepAliveDue {
                    self.note_sent();
                }
                return Poll::Ready(signal);
            }
            let mut waker = self.0.waker.borrow_mut();
            if waker.as_ref().is_none_or(|known| !known.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl State {
    fn over(&self) -> Option<Signal> {
        if self.gone.get() {
            return Some(Signal::Gone);
        }
        self.ending.told.load(Ordering::Relaxed).then_some(Signal::Ending)
    }

    fn due(&self, now: Instant) -> Option<Signal> {
        if let Some(over) = self.over() {
            return Some(over);
        }
        if self.key.is_revoked() {
            return Some(Signal::Revoked);
        }
        if self.silence_max.get().is_some_and(|max| now.duration_since(self.heard.get()) >= max) {
            return Some(Signal::ProviderSilent);
        }
        let keep_alive = self.keep_alive.get() && now.duration_since(self.sent.get()) >= KEEP_ALIVE;
        keep_alive.then_some(Signal::KeepAliveDue)
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// One tick: which sockets are closed, and who has something due.
fn look(running: &RefCell<Vec<Weak<State>>>, ending: &Ending) {
    let states: Vec<Rc<State>> = {
        let mut running = running.borrow_mut();
        running.retain(|state| state.strong_count() > 0);
        running.iter().filter_map(Weak::upgrade).collect()
    };
    let with_socket: Vec<&Rc<State>> = states.iter().filter(|state| state.socket.is_some()).collect();
    let mut sockets: Vec<PollFd<'_>> = with_socket
        .iter()
        .filter_map(|state| state.socket.as_ref())
        .map(|socket| PollFd::from_borrowed_fd(socket.0.as_fd(), PollFlags::RDHUP))
        .collect();
    let no_wait = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    if !sockets.is_empty() && rustix::event::poll(&mut sockets, Some(&no_wait)).is_ok() {
        for (state, socket) in with_socket.iter().zip(&sockets) {
            if socket.revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                state.gone.set(true);
            }
        }
    }
    drop(sockets);
    let now = Instant::now();
    let cut_all = ending.cut.load(Ordering::Relaxed);
    for state in &states {
        if cut_all || is_stalled(state, now) {
            cut(state);
        }
        if state.due(now).is_some() {
            state.wake();
        }
    }
}

/// Whether the caller takes nothing: actix has no write deadline of its own.
fn is_stalled(state: &State, now: Instant) -> bool {
    state.unread_since.get().is_some_and(|since| now.duration_since(since) >= WRITE_DEADLINE)
}

fn cut(state: &State) {
    if let Some(socket) = &state.socket {
        state.gone.set(true);
        let _ = rustix::net::shutdown(socket.0.as_fd(), rustix::net::Shutdown::Both);
    }
}
