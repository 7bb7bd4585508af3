//! The gateway as a running server: opened, bound, ready, drained.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::fact::PricesPublished;
use lmhaven_actors::journal::{JournalLost, JournalOptions};
use lmhaven_actors::ledger::Ledger;
use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::provider::{KeyHeader, Pool, ProviderSpec};
use lmhaven_actors::system::{ChangeError, Core, OpenError};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;

use crate::accounts::Accounts;
use crate::config::{Config, ProviderKind};
use crate::images::{self, Images, sweep};
use crate::mail::{self, Links, Postman};
use crate::payments::{self, Payments};
use crate::relay::{Gateway, Worker, watch};
use crate::telemetry::{self, MetricsError};
use crate::webhooks::Sender;
use crate::webhooks::address::{Allowed, system_lookup};
use crate::webhooks::client::Client;
use crate::{gauges, routes};

/// A client that sends no whole request head for this long is cut off. A busy client that opens a thousand
/// connections at once takes seconds to get round to each, so this is not the five seconds of actix.
const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long an idle connection is kept: longer than SDKs keep theirs between two calls of an agent.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections a thread serves; beyond it new ones wait in the backlog.
const CONNECTIONS_PER_WORKER: usize = 25_000;
/// After the last request ended, its bytes get so many seconds to leave.
const LAST_BYTES_SECONDS: u64 = 1;
/// A request whose time is over gets this long to tell its caller, and as long again to notice that its connection is cut.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("the store at {path} cannot be opened: {source}")]
    Store {
        /// Where it is.
        path: String,
        /// Why.
        source: lmhaven_actors::ledger::sled::OpenError,
    },
    /// What it holds cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Images cannot be kept or their links signed.
    #[error(transparent)]
    Images(#[from] images::OpenError),
    /// The key of mailed links cannot be read or made.
    #[error("the accounts' key {path}: {source}")]
    AccountsKey {
        /// Its file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The first prices cannot be written.
    #[error(transparent)]
    Prices(#[from] ChangeError),
    /// A port cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Mails cannot leave.
    #[error(transparent)]
    Mail(#[from] mail::OpenError),
    /// Metrics cannot be recorded.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A server thread cannot start.
    #[error(transparent)]
    Server(#[from] std::io::Error),
}

/// A running gateway.
pub struct Server {
    /// Where customers connect.
    pub public_address: SocketAddr,
    /// Where operators connect.
    pub admin_address: SocketAddr,
    /// What it shares.
    pub gateway: Arc<Gateway>,
    public: ServerHandle,
    admin: ServerHandle,
    postman: Postman,
    webhooks: Sender,
    /// The public listener in duplicate: closing it is how draining refuses connections while the server's
    /// threads, on which workspaces live, go on.
    listener: TcpListener,
}

impl Server {
    /// Opens the store, closes what a crash left open, binds both ports and serves.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Clock::system()).await
    }

    /// As [`Server::start`], by this clock: how tests reach tomorrow.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(config: Config, clock: Clock) -> Result<Self, StartError> {
        let metrics = telemetry::install_metrics()?;
        let path = config.store.path.clone();
        let opened = web::block(move || SledLedger::open(&path)).await;
        let opened = opened.map_err(|error| std::io::Error::other(error.to_string()))?;
        let ledger: Arc<dyn Ledger> = Arc::new(
            opened.map_err(|source| StartError::Store { path: config.store.path.display().to_string(), source })?,
        );
        let options =
            JournalOptions { min_free: config.store.min_free, ..JournalOptions::for_store(&config.store.path) };
        let core = Core::open(ledger, config.limits.policy.clone(), options, clock).await?;
        seed_prices(&core, &config).await?;
        let pools = pools(&core, &config);
        let config = Arc::new(config);
        let images = {
            let config = config.clone();
            web::block(move || Images::open(&config))
                .await
                .map_err(|error| std::io::Error::other(error.to_string()))??
        };
        let public = bind(config.server.listen)?;
        // Port 0 is any free one: two of them are two ports.
        let one_port = config.server.admin_listen == config.server.listen && config.server.listen.port() != 0;
        let admin = if one_port { None } else { Some(bind(config.server.admin_listen)?) };
        let admin_url = admin_url(&config, admin.as_ref())?;
        let accounts = Accounts::open(&config, &admin_url).map_err(|source| StartError::AccountsKey {
            path: config.accounts.key_file.display().to_string(),
            source,
        })?;
        let payments = Arc::new(Payments::new(core.clone(), &config)?);
        let gateway = Gateway::new(core, config, pools, Arc::new(images), accounts, payments);
        Self::run(gateway, metrics, public, admin).await
    }

    async fn run(
        gateway: Arc<Gateway>,
        metrics: PrometheusHandle,
        public: TcpListener,
        admin: Option<TcpListener>,
    ) -> Result<Self, StartError> {
        let public_address = public.local_addr()?;
        let listener_duplicate = public.try_clone()?;
        let admin_address = admin.as_ref().map_or(Ok(public_address), TcpListener::local_addr)?;
        let workers = gateway.config.server.worker_count();
        let both = admin.is_none();
        let app = {
            let (gateway, metrics) = (gateway.clone(), metrics.clone());
            move || {
                gateway.core.placement.add(actix_rt::Arbiter::current());
                let worker = worker_of(&gateway);
                let app = App::new().app_data(web::Data::new(worker)).app_data(web::Data::new(metrics.clone()));
                app.configure(|config| {
                    if both {
                        routes::admin_on_public(config);
                    }
                    routes::public(config);
                })
            }
        };
        let public = HttpServer::new(app)
            .workers(workers)
            .max_connections(CONNECTIONS_PER_WORKER)
            .backlog(8192)
            .tcp_nodelay(true)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST_HEAD_WITHIN)
            .shutdown_timeout(LAST_BYTES_SECONDS)
            .on_connect({
                let gateway = gateway.clone();
                move |connection, extensions| watch::keep_socket(&gateway.edge, connection, extensions)
            })
            .disable_signals()
            .listen(public)?
            .run();
        let public_handle = public.handle();
        actix_web::rt::spawn(public);
        let admin_handle = match admin {
            None => public_handle.clone(),
            Some(listener) => {
                let (gateway, metrics) = (gateway.clone(), metrics.clone());
                let admin = HttpServer::new(move || {
                    App::new()
                        .app_data(web::Data::new(worker_of(&gateway)))
                        .app_data(web::Data::new(metrics.clone()))
                        .configure(routes::admin)
                })
                .workers(1)
                .tcp_nodelay(true)
                .disable_signals()
                .shutdown_timeout(1)
                .listen(listener)?
                .run();
                let handle = admin.handle();
                actix_web::rt::spawn(admin);
                handle
            }
        };
        // Actors run on the server's own threads, so those come first; requests wait for `open`.
        while gateway.core.placement.len() < workers {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gateway.core.start_actors();
        gateway.open();
        gauges::keep_up(gateway.clone(), metrics);
        actix_web::rt::spawn(payments::reconcile::keep_up(gateway.payments.clone()));
        actix_web::rt::spawn(payments::auto::watch(gateway.payments.clone()));
        actix_web::rt::spawn(sweep::keep_clean(gateway.images.clone(), gateway.core.clock));
        let links = {
            let gateway = gateway.clone();
            Links::new(move |link| Some(gateway.accounts.keys.link_token(link)))
        };
        let postman = Postman::start(gateway.clone(), links)?;
        let allowed = Allowed { loopback: gateway.config.webhooks.allow_loopback };
        let client = Client::new(system_lookup(), allowed).map_err(std::io::Error::other)?;
        let webhooks = Sender::start(gateway.clone(), client);
        Ok(Self {
            public_address,
            admin_address,
            gateway,
            public: public_handle,
            admin: admin_handle,
            postman,
            webhooks,
            listener: listener_duplicate,
        })
    }

    /// Drains: takes no further request, lets running ones finish within the configured time, makes
    /// everything durable, and stops.
    ///
    /// # Errors
    /// The journal's last records did not reach the disk.
    pub async fn stop(self) -> Result<(), JournalLost> {
        let Self { gateway, public, admin, postman, webhooks, listener, .. } = self;
        gateway.drain();
        tracing::info!(running = gateway.running(), "draining");
        public.pause().await;
        // A listening socket that is shut down refuses connections from then on; stopping the server instead
        // would end the idle threads at once, and with them the workspaces that live there.
        if let Err(error) = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both) {
            tracing::warn!(%error, "the public listener could not be closed");
        }
        let drained = tokio::time::timeout(gateway.config.server.drain_timeout, gateway.idle()).await;
        if drained.is_err() {
            tracing::warn!(running = gateway.running(), "the drain timeout is over; cutting what still runs");
            gateway.ending().tell();
            if tokio::time::timeout(LAST_WORD_WITHIN, gateway.idle()).await.is_err() {
                gateway.ending().cut();
                let _ = tokio::time::timeout(LAST_WORD_WITHIN, gateway.idle()).await;
            }
        }
        // A lease that was dropped has only sent its message: it has to arrive while the threads of the actors run.
        gateway.core.directory.caught_up().await;
        postman.stop().await;
        webhooks.stop().await;
        public.stop(true).await;
        let flushed = gateway.core.journal.clone().shutdown().await;
        admin.stop(false).await;
        flushed
    }
}

thread_local! {
    static WORKER: std::cell::RefCell<Option<std::rc::Rc<Worker>>> = const { std::cell::RefCell::new(None) };
}

/// The worker of this server thread.
fn worker_of(gateway: &Arc<Gateway>) -> std::rc::Rc<Worker> {
    WORKER.with_borrow_mut(|known| {
        if let Some(worker) = known.as_ref().filter(|worker| Arc::ptr_eq(&worker.gateway, gateway)) {
            return worker.clone();
        }
        let worker = Worker::start(gateway.clone());
        *known = Some(worker.clone());
        worker
    })
}

/// Where operators find their pages: as configured, or the admin port itself; that of the public one where both are one.
fn admin_url(config: &Config, admin: Option<&TcpListener>) -> Result<String, StartError> {
    if let Some(url) = &config.server.admin_url {
        return Ok(url.to_string());
    }
    let Some(admin) = admin else { return Ok(config.server.public_url.to_string()) };
    let mut address = admin.local_addr()?;
    if address.ip().is_unspecified() {
        // Nobody opens 0.0.0.0; from this machine the port is reached so, and from others `admin_url` has to say.
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(format!("http://{address}"))
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Bind { address, source })
}

/// The configuration's prices become a version where they differ from those that last did.
async fn seed_prices(core: &Arc<Core>, config: &Config) -> Result<(), ChangeError> {
    let rows = config.price_rows();
    let text = serde_json::to_string(&rows).unwrap_or_default();
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    if core.prices_seeded_from().as_deref() == Some(digest.as_str()) {
        return Ok(());
    }
    let at = core.clock.now().wall;
    let published = PricesPublished {
        version: 0,
        at,
        effective_at: at,
        rows,
        reason: "configuration".to_owned(),
        seeded_from: Some(digest),
    };
    let book = core.publish_prices(published, None).await?;
    tracing::info!(version = book.version, "published the configuration's prices");
    Ok(())
}

/// The accounts of every provider of text that has any, switched as operators left them.
fn pools(core: &Core, config: &Config) -> HashMap<crate::config::ProviderId, Arc<Pool>> {
    let switches = core.switches();
    let mut pools = HashMap::new();
    for provider in config.providers.iter().filter(|provider| provider.enabled()) {
        let (dialect, key_header) = match provider.kind {
            ProviderKind::OpenAi => (Some(Dialect::Openai), KeyHeader::Bearer),
            ProviderKind::Anthropic => (Some(Dialect::Anthropic), KeyHeader::XApiKey),
            ProviderKind::Gemini => (Some(Dialect::Gemini), KeyHeader::XGoogApiKey),
            ProviderKind::Ark | ProviderKind::NovelAi | ProviderKind::PixAi => (None, KeyHeader::Bearer),
            ProviderKind::ElevenLabs => (None, KeyHeader::XiApiKey),
        };
        let pool = Pool::new(ProviderSpec {
            id: provider.id.as_str().into(),
            dialect,
            key_header,
            base_url: provider.base_url.to_string(),
            api_keys: provider.api_keys.iter().map(|key| SecretString::from(key.expose())).collect(),
            max_in_flight: provider.in_flight_per_account(),
            queue_max_per_account: provider.queue_max_per_account(),
            connect_timeout: provider.connect_timeout,
            first_byte_timeout: provider.first_byte_timeout,
            answer_timeout: provider.answer_timeout,
            idle_timeout: provider.idle_timeout,
        });
        for ((id, n), enabled) in &switches {
            if *id == provider.id.as_str() {
                pool.switch(*n, *enabled);
            }
        }
        pools.insert(provider.id.clone(), pool);
    }
    pools
}
