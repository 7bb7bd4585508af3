//! One request's life as named phases: quote, admit, dispatch, deliver, settle.
//!
//! `routes` calls [`chat::serve`]; what a phase decides about money it asks the workspace's lease, what it
//! says to a provider comes from an adapter. Nothing here knows a protocol's fields.

pub mod admission;
pub mod catalogue;
pub mod chat;
pub mod counting;
pub mod dialects;
pub mod dispatch;
pub mod generator;
pub mod image;
pub mod makers;
pub mod meter;
pub mod plain;
pub mod quote;
pub mod signatures;
pub mod speech;
pub mod stream;
pub mod stream_body;
pub mod watch;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use lmhaven_actors::provider::{Pool, ProviderHandle};
use lmhaven_actors::system::Core;

use crate::accounts::Accounts;
use crate::config::{Config, ProviderId};
use crate::edge::Edge;
use crate::images::Images;
use crate::payments::Payments;
use crate::relay::catalogue::Catalogue;
use crate::relay::signatures::SignatureCache;
use crate::relay::watch::{Ending, Watch};

/// What all server threads share.
pub struct Gateway {
    /// What decides and remembers.
    pub core: Arc<Core>,
    /// The configuration.
    pub config: Arc<Config>,
    /// What is sold.
    pub catalogue: Catalogue,
    /// The accounts of every provider that is in use, by its id.
    pub pools: HashMap<ProviderId, Arc<Pool>>,
    /// Generated images and their links.
    pub images: Arc<Images>,
    /// Who signs in.
    pub accounts: Accounts,
    /// Money by card.
    pub payments: Arc<Payments>,
    /// What protects the process.
    pub edge: Edge,
    /// Signatures for callers who do not carry them.
    pub signatures: SignatureCache,
    draining: AtomicBool,
    ending: Arc<Ending>,
    opened: tokio::sync::watch::Sender<bool>,
    running: AtomicI64,
    idle: tokio::sync::Notify,
}

impl Gateway {
    /// The shared part of a gateway.
    pub fn new(
        core: Arc<Core>,
        config: Arc<Config>,
        pools: HashMap<ProviderId, Arc<Pool>>,
        images: Arc<Images>,
        accounts: Accounts,
        payments: Arc<Payments>,
    ) -> Arc<Self> {
        let catalogue = Catalogue::new(&config.models);
        let edge = Edge::new(config.limits.edge, config.server.trusted_proxies.clone());
        Arc::new(Self {
            core,
            config,
            catalogue,
            pools,
            images,
            accounts,
            payments,
            edge,
            signatures: SignatureCache::default(),
            draining: AtomicBool::new(false),
            ending: Arc::default(),
            opened: tokio::sync::watch::Sender::new(false),
            running: AtomicI64::new(0),
            idle: tokio::sync::Notify::new(),
        })
    }

    /// Whether the process is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// From here on no request is taken. One that counted itself before is seen by [`Gateway::idle`], one that does so
    /// afterwards sees that it is too late.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// How running requests are told that their time is over.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Actors run: requests may be answered.
    pub fn open(&self) {
        self.opened.send_replace(true);
    }

    /// Waits until requests may be answered; at once but for the first moments of the process.
    pub async fn opened(&self) {
        if *self.opened.borrow() {
            return;
        }
        let mut opened = self.opened.subscribe();
        // The sender lives as long as the gateway.
        let _ = opened.wait_for(|open| *open).await;
    }

    /// Waits until no request runs.
    pub async fn idle(&self) {
        while self.running() > 0 {
            let notified = self.idle.notified();
            if self.running() > 0 {
                notified.await;
            }
        }
    }

    /// Requests that run now.
    pub fn running(&self) -> i64 {
        self.running.load(Ordering::SeqCst)
    }

    /// Counts a request until the guard is dropped.
    pub fn count_running(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }
}

/// One running request.
pub struct Running(Arc<Gateway>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// What one server thread has for itself.
pub struct Worker {
    /// What all threads share.
    pub gateway: Arc<Gateway>,
    /// This thread's provider actors, by provider id.
    pub providers: HashMap<ProviderId, Rc<ProviderHandle>>,
    /// This thread's running requests.
    pub watch: Watch,
}

impl Worker {
    /// The worker of the current thread: starts its provider actors and its watch.
    pub fn start(gateway: Arc<Gateway>) -> Rc<Self> {
        let start = |pool: &Arc<Pool>| Rc::new(ProviderHandle::start(pool.clone()));
        let providers = gateway.pools.iter().map(|(id, pool)| (id.clone(), start(pool))).collect();
        let watch = Watch::start(gateway.ending.clone());
        Rc::new(Self { gateway, providers, watch })
    }
}
