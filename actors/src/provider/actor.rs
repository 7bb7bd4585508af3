//! One provider on one server thread: owns the thread's connections and hands out seats.

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Message};

use super::connections::Connections;
use super::exchange::{Call, Exchange, ExchangeError};
use super::pool::{NoAccount, Pool, PoolGuard};

/// The actor.
#[derive(Debug)]
pub struct ProviderActor {
    pool: Arc<Pool>,
    clients: Clients,
}

/// How the relay reaches the provider's actor on its own thread.
#[derive(Clone, Debug)]
pub struct ProviderHandle {
    pool: Arc<Pool>,
    clients: Clients,
    addr: Addr<ProviderActor>,
}

/// Asks for a place on an account.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Seat, NoAccount>")]
pub struct Attempt {
    /// The account that was tried before.
    pub except: Option<usize>,
}

/// A place on an account, with what it takes to send one request.
#[derive(Debug)]
pub struct Seat {
    guard: PoolGuard,
    clients: Clients,
}

impl Actor for ProviderActor {
    type Context = Context<Self>;
}

impl Handler<Attempt> for ProviderActor {
    type Result = Result<Seat, NoAccount>;

    fn handle(&mut self, attempt: Attempt, _: &mut Self::Context) -> Self::Result {
        Ok(Seat { guard: self.pool.pick(attempt.except)?, clients: self.clients.clone() })
    }
}

impl ProviderHandle {
    /// Starts the provider's actor on the current thread.
    pub fn start(pool: Arc<Pool>) -> Self {
        let clients = Clients::of(&pool);
        let addr = ProviderActor { pool: pool.clone(), clients: clients.clone() }.start();
        Self { pool, clients, addr }
    }

    /// The provider's accounts.
    pub const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Takes a place on an account. Health and counts are atomics that all threads share, so a free one is taken
    /// on the spot; only where there is none is the actor asked, which looks again in its turn.
    ///
    /// # Errors
    /// [`NoAccount`]. An actor that is gone counts as busy: its thread is ending.
    pub async fn seat(&self, attempt: Attempt) -> Result<Seat, NoAccount> {
        if let Ok(guard) = self.pool.pick(attempt.except) {
            return Ok(Seat { guard, clients: self.clients.clone() });
        }
        self.addr.send(attempt).await.unwrap_or(Err(NoAccount::Busy { retry_after_millis: 1_000 }))
    }
}

impl ProviderHandle {
    /// As [`ProviderHandle::seat`], after waiting in line where the provider has one.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub async fn seat_in_turn(&self, attempt: Attempt) -> Result<Seat, NoAccount> {
        let guard = self.pool.pick_in_turn(attempt.except).await?;
        Ok(Seat { guard, clients: self.clients.clone() })
    }
}

impl Seat {
    /// This thread's connections.
    pub(super) const fn client(&self) -> &reqwest::Client {
        &self.clients.other
    }

    /// The account's place.
    pub const fn guard(&self) -> &PoolGuard {
        &self.guard
    }

    /// Sends the call and waits for the answer's head.
    ///
    /// # Errors
    /// [`ExchangeError`], with the place for reporting the outcome.
    pub async fn send(self, call: Call) -> Result<Exchange, (ExchangeError, PoolGuard)> {
        let Some(uri) = self.guard.pool().uri(&call.path) else {
            tracing::error!(provider = %self.guard.pool().spec().id, "the provider's base URL and path make no URL");
            return Err((ExchangeError::NoConnection, self.guard));
        };
        let key = self.guard.credentials(self.guard.pool().spec().key_header);
        let Some(connections) = &self.clients.text else { return Err((ExchangeError::NoConnection, self.guard)) };
        match connections.post(uri, call.headers.into_iter().chain(key), call.body).await {
            Ok(response) => Ok(Exchange::new(response, self.guard)),
            Err(error) if error.is_connect() => Err((ExchangeError::NoConnection, self.guard)),
            Err(_) => Err((ExchangeError::ClosedBeforeAnswer, self.guard)),
        }
    }
}

/// This thread's connections to one provider.
#[derive(Clone, Debug)]
struct Clients {
    /// For text and speech; `None` where TLS cannot be had.
    text: Option<Connections>,
    /// For whatever is read whole.
    other: reqwest::Client,
}

impl Clients {
    fn of(pool: &Pool) -> Self {
        // Only unusable TLS roots can fail either; a gateway without them reaches no provider at all.
        let text = Connections::new(pool.spec().connect_timeout)
            .inspect_err(|error| tracing::error!(%error, "without TLS no provider is reached"))
            .ok();
        let other = client(pool).unwrap_or_else(|error| {
            tracing::error!(%error, "the HTTP client cannot be built as configured; using its defaults");
            reqwest::Client::new()
        });
        Self { text, other }
    }
}

/// A client with this provider's connections, for one thread.
fn client(pool: &Pool) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(pool.spec().connect_timeout)
        .pool_max_idle_per_host(1024)
        .build()
}
