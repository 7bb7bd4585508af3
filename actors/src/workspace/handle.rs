//! How everyone reaches a workspace: a handle that bounds what waits and outlives the actor behind it.
//!
//! actix's mailbox capacity bounds neither `send` nor `do_send`, so the handle takes a permit first. An
//! actor that panicked is gone for good; whoever meets the dead address has a fresh one built from the ledger.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use parking_lot::RwLock;

use super::actor::WorkspaceActor;
use crate::domain::alias::Aliases;
use crate::domain::ids::WorkspaceId;

/// Messages that may wait for one workspace: more than its requests per second by far, and a few MiB at most.
const WAITING_MAX: u32 = 4_096;

/// A panic unwinds in microseconds, on a thread that may have to wait for its turn.
const UNWINDS_WITHIN_MILLIS: u32 = 1_000;
/// How many actors may end one after the other before a message is given up.
const INSISTENCE: u32 = 8;

/// Builds a workspace's actor anew from the ledger.
pub type Rebuild =
    Arc<dyn Fn(WorkspaceId) -> Pin<Box<dyn Future<Output = Option<Addr<WorkspaceActor>>> + Send>> + Send + Sync>;

/// The workspace did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too many messages wait for it.
    #[error("too many requests wait for this workspace")]
    Overloaded,
    /// Its actor ended while it held the message. Whether the message took effect is told by the ledger alone.
    #[error("the workspace's actor ended")]
    Gone,
}

/// A workspace's address.
#[derive(Clone)]
pub struct WorkspaceHandle(Arc<Inner>);

struct Inner {
    id: WorkspaceId,
    aliases: Aliases,
    addr: RwLock<Addr<WorkspaceActor>>,
    /// How many actors there were before this one.
    generation: AtomicU32,
    waiting: AtomicU32,
    reviving: tokio::sync::Mutex<()>,
    rebuild: Rebuild,
}

impl std::fmt::Debug for WorkspaceHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WorkspaceHandle").field(&self.0.id).finish()
    }
}

/// One message that waits.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WorkspaceHandle {
    /// A handle to a running actor.
    pub fn new(id: WorkspaceId, addr: Addr<WorkspaceActor>, rebuild: Rebuild) -> Self {
        Self(Arc::new(Inner {
            id,
            aliases: Aliases::of(id),
            addr: RwLock::new(addr),
            generation: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            reviving: tokio::sync::Mutex::new(()),
            rebuild,
        }))
    }

    /// The workspace.
    pub fn id(&self) -> WorkspaceId {
        self.0.id
    }

    /// What providers are told instead of names.
    pub fn aliases(&self) -> &Aliases {
        &self.0.aliases
    }

    /// Messages that wait for it now.
    pub fn waiting(&self) -> u32 {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask<M>(&self, message: M) -> Result<M::Result, AskError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        WorkspaceActor: Handler<M>,
        <WorkspaceActor as actix::Actor>::Context: ToEnvelope<WorkspaceActor, M>,
    {
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.0.waiting.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("lmhaven_actor_mailbox_full_total", "kind" => "workspace").increment(1);
            return Err(AskError::Overloaded);
        }
        let _waiting = Waiting(&self.0.waiting);
        // Sending needs the address for a moment only; a clone of it would cost two allocations a message.
        let mut generation = self.0.generation.load(Ordering::Acquire);
        let sent = {
            let addr = self.0.addr.read();
            if addr.connected() { Ok(addr.send(message)) } else { Err(message) }
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(message) => {
                let addr = Box::pin(self.revive()).await?;
                generation = self.0.generation.load(Ordering::Acquire);
                addr.send(message)
            }
        };
        let answer = sent.await;
        if answer.is_err() {
            Box::pin(self.unwound(generation)).await;
        }
        answer.map_err(|_| AskError::Gone)
    }

    /// Waits until the actor of this generation is gone. A message is dropped while the actor's thread still unwinds, and
    /// its address still takes messages that nobody will read. Whoever hears of the end may rely on it: asked again, the
    /// handle finds a new actor.
    async fn unwound(&self, generation: u32) {
        for _ in 0..UNWINDS_WITHIN_MILLIS {
            if !self.is_served_by(generation) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whether the actor of this generation is the current one and takes messages.
    fn is_served_by(&self, generation: u32) -> bool {
        self.0.generation.load(Ordering::Acquire) == generation && self.0.addr.read().connected()
    }

    /// Sends a message without waiting. Lost if the actor is dead: only for what the next message repeats.
    pub fn tell<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        WorkspaceActor: Handler<M>,
        <WorkspaceActor as actix::Actor>::Context: ToEnvelope<WorkspaceActor, M>,
    {
        self.0.addr.read().do_send(message);
    }

    /// Sends a message whose sender cannot wait, and sees to it that it arrives: told at once, and asked again until an
    /// actor has answered. Only for messages that change nothing the second time.
    pub fn insist<M>(&self, message: M)
    where
        M: Message + Copy + Send + 'static,
        M::Result: Send,
        WorkspaceActor: Handler<M>,
        <WorkspaceActor as actix::Actor>::Context: ToEnvelope<WorkspaceActor, M>,
    {
        self.tell(message);
        // Without a runtime the process is at its end, and the next start closes what it left open.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let handle = self.clone();
        runtime.spawn(async move {
            for _ in 0..INSISTENCE {
                if !matches!(handle.ask(message).await, Err(AskError::Gone)) {
                    return;
                }
            }
        });
    }

    /// A fresh actor in place of a dead one; who comes second finds it running.
    async fn revive(&self) -> Result<Addr<WorkspaceActor>, AskError> {
        let _one = self.0.reviving.lock().await;
        let current = self.0.addr.read().clone();
        if current.connected() {
            return Ok(current);
        }
        tracing::error!(workspace = %self.0.id, "a workspace actor ended; rebuilding it from the ledger");
        let fresh = (self.0.rebuild)(self.0.id).await.ok_or(AskError::Gone)?;
        *self.0.addr.write() = fresh.clone();
        self.0.generation.fetch_add(1, Ordering::Release);
        Ok(fresh)
    }
}
