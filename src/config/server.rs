//! `[server]`: where the gateway listens, what it calls itself, and who may administer it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use lmhaven_actors::domain::fact::Network;
use serde::Deserialize;
use toml::Value;

use super::fields::{Given, Reader};
use super::secret::Secret;
use super::url;

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// The public port.
    pub listen: SocketAddr,
    /// What links in mails and image URLs start with; without a final slash.
    pub public_url: Arc<str>,
    /// The port of the admin API and `/metrics`. Equal to `listen` means that both share one port.
    pub admin_listen: SocketAddr,
    /// What links to the operators' pages start with, and where their forms come from; without a final slash. `None` is
    /// `http://` and the address of the admin port.
    pub admin_url: Option<Arc<str>>,
    /// How long live streams may run on after a signal to stop.
    pub drain_timeout: Duration,
    /// Threads that serve the public port, with the actors on them; `None` leaves it to [`Server::worker_count`].
    pub workers: Option<NonZeroU32>,
    /// What the admin API asks for. `serve` does not start without it.
    pub admin_token: Option<Secret>,
    /// What `/metrics` asks for, if anything.
    pub metrics_token: Option<Secret>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawServer {
    listen: Option<Value>,
    public_url: Option<Value>,
    admin_listen: Option<Value>,
    admin_url: Option<Value>,
    drain_timeout: Option<Value>,
    workers: Option<Value>,
    admin_token: Option<Value>,
    metrics_token: Option<Value>,
    trusted_proxies: Option<Value>,
}

const SECTION: &str = "server";
const WORKERS_MAX: u32 = 1024;

impl Server {
    /// Threads that serve the public port: all cores but one, which the journal's thread and the kernel's network
    /// share. On two cores one thread serves as many requests as two, for four fifths of the CPU.
    pub fn worker_count(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let automatic = cores.saturating_sub(1).max(1);
        self.workers.and_then(|workers| usize::try_from(workers.get()).ok()).unwrap_or(automatic)
    }
}

/// Reads the section; `None` where something in it is wrong.
pub(super) fn read(reader: &mut Reader<'_>, value: Value) -> Option<Server> {
    let RawServer {
        listen,
        public_url,
        admin_listen,
        admin_url,
        drain_timeout,
        workers,
        admin_token,
        metrics_token,
        trusted_proxies,
    } = reader.section(SECTION, value)?;
    let listen = reader.required(SECTION, "listen", listen, socket_address);
    let public_url = reader.required(SECTION, "public_url", public_url, |given| url::parse_host(given.text()?));
    let admin_listen = reader.required(SECTION, "admin_listen", admin_listen, socket_address);
    let admin_url = reader.optional(SECTION, "admin_url", admin_url, |given| url::parse_host(given.text()?));
    let drain_timeout = reader.required(SECTION, "drain_timeout", drain_timeout, Given::duration);
    let workers = reader.optional(SECTION, "workers", workers, |given| given.positive(WORKERS_MAX));
    let admin_token = read_token(reader, "admin_token", admin_token);
    if admin_token.is_none() {
        reader.warn("server.admin_token", "is not set, and `serve` does not start without it; set LMHAVEN_ADMIN_TOKEN");
    }
    let metrics_token = read_token(reader, "metrics_token", metrics_token);
    let trusted_proxies = reader.required(SECTION, "trusted_proxies", trusted_proxies, |given| {
        given.texts()?.iter().map(|text| text.parse().map_err(|error| format!("{error}"))).collect()
    });
    Some(Server {
        listen: listen?,
        public_url: public_url?.into(),
        admin_listen: admin_listen?,
        admin_url: admin_url.map(Into::into),
        drain_timeout: drain_timeout?,
        workers,
        admin_token,
        metrics_token,
        trusted_proxies: trusted_proxies?,
    })
}

fn read_token(reader: &mut Reader<'_>, key: &str, value: Option<Value>) -> Option<Secret> {
    let written = reader.optional(SECTION, key, value, |given| given.text().map(str::to_owned))?;
    reader.secret(&format!("{SECTION}.{key}"), &written)?.ok()
}

fn socket_address(given: &Given) -> Result<SocketAddr, String> {
    given.text()?.parse().map_err(|_| "expected an IP address and a port, such as \"127.0.0.1:8080\"".to_owned())
}
