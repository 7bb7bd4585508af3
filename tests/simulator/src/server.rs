//! The server: options, start, stop, and the table of routes.

use crate::{
    anthropic::Anthropic,
    books::{Balance, Charge},
    call::{Call, Stats},
    control::Control,
    dialect::Dialect,
    exchange::{self, Shared},
    gemini::Gemini,
    media,
    openai::{self, OpenAi},
    script::Rule,
    socket::Socket,
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    rt::net::TcpStream,
    web::{self, Bytes, Data, PayloadConfig},
};
use serde::Deserialize;
use serde_json::json;
use std::{io, net::SocketAddr, time::Duration};

/// The largest body read. Anthropic refuses more than 32 MiB itself; Gemini takes the most, 100 MB.
const BODY_BYTES_MAX: usize = 100 << 20;

/// How a simulator is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Decides the answers, the latencies and the signatures.
    pub seed: u64,
    /// How long answers take.
    pub latency: Latency,
    /// The API keys that are accepted; any key when empty.
    pub keys: Vec<String>,
    /// Threads of the server.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 0,
            latency: Latency::NONE,
            keys: Vec::new(),
            workers: 2,
        }
    }
}

/// How long an answer takes, each wait with up to `jitter` more, drawn from the seed and the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Before the status line.
    pub first_byte: Duration,
    /// Between two events.
    pub gap: Duration,
    /// At most added to each wait.
    pub jitter: Duration,
    /// From the acceptance of a picture or sound to its answer.
    pub generation: Duration,
}

impl Latency {
    /// As fast as the machine allows, for tests.
    pub const NONE: Self =
        Self { first_byte: Duration::ZERO, gap: Duration::ZERO, jitter: Duration::ZERO, generation: Duration::ZERO };
    /// About as a fast model answers, for demonstrations.
    pub const REALISTIC: Self = Self {
        first_byte: Duration::from_millis(250),
        gap: Duration::from_millis(20),
        jitter: Duration::from_millis(15),
        // Shorter than in truth: nobody wants to watch a demonstration for a minute.
        generation: Duration::from_millis(1500),
    };
}

/// A running simulator. Dropped without [`Simulator::stop`], it runs on until its runtime ends.
pub struct Simulator {
    address: SocketAddr,
    control: Control,
    handle: ServerHandle,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

impl Simulator {
    /// Starts listening; requests are served as soon as this returns. Needs a tokio or actix runtime.
    #[expect(clippy::unused_async, reason = "starting may come to need it, and callers are async anyway")]
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options { listen, seed, latency, keys, workers } = options;
        let control = Control::new(keys);
        let shared = Data::new(Shared { control: control.clone(), seed, latency });
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(routes))
            .workers(workers.max(1))
            .tcp_nodelay(true)
            .disable_signals()
            .shutdown_timeout(0)
            // Longer than any client's pool keeps a connection, so that the client is the one to close it.
            .keep_alive(Duration::from_mins(10))
            .on_connect(|connection, extensions| {
                if let Some(stream) = connection.downcast_ref::<TcpStream>() {
                    extensions.insert(Socket::of(stream));
                }
            })
            // A load test opens its connections all at once.
            .backlog(4096)
            .bind(listen)?;
        let address = server.addrs().first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let server = server.run();
        let handle = server.handle();
        Ok(Self { address, control, handle, server: tokio::spawn(server) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a path and without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The script and the counters.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops at once; open connections are closed.
    pub async fn stop(self) {
        self.handle.stop(false).await;
        // The outcome of a server that was told to stop does not matter.
        let _outcome = self.server.await;
    }

    /// Serves until the server is stopped from elsewhere or fails.
    pub async fn wait(self) -> io::Result<()> {
        self.server.await.map_err(io::Error::other)?
    }
}

/// Starts a simulator, hands it to `ready` (which may print its address) and serves until the runtime ends.
pub async fn run(options: Options, ready: impl FnOnce(&Simulator)) -> io::Result<()> {
    let simulator = Simulator::start(options).await?;
    ready(&simulator);
    simulator.wait().await
}

// --- Routes -------------------------------------------------------------------------------------------------------

fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(PayloadConfig::new(BODY_BYTES_MAX))
        .route("/v1/messages", web::post().to(messages))
        .route("/v1/messages/count_tokens", web::post().to(count_tokens))
        .configure(media::routes)
        .route("/v1beta/models/{model}:{operation}", web::post().to(gemini))
        .route("/v1/models/{model}:{operation}", web::post().to(gemini_v1))
        .route("/v1/chat/completions", web::post().to(chat_completions))
        .route("/v1/models", web::get().to(models))
        .route("/v1/models/{model}", web::get().to(model))
        .route("/__script", web::post().to(script))
        .route("/__keys", web::post().to(keys))
        .route("/__reset", web::post().to(reset))
        .route("/__stats", web::get().to(stats))
        .route("/__calls", web::get().to(calls))
        .route("/__charges", web::get().to(charges))
        .route("/__balances", web::get().to(balances))
        .route("/__balances", web::post().to(set_balances))
        .default_service(web::to(|| async {
            HttpResponse::NotFound().json(json!({"error": {"message": "Not Found"}}))
        }));
}

async fn messages(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    exchange::serve(&Anthropic, exchange::Target::default(), &request, &body, &shared).await
}

async fn count_tokens(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let target = exchange::Target { counts_only: true, ..exchange::Target::default() };
    exchange::serve(&Anthropic, target, &request, &body, &shared).await
}

async fn gemini(
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let (model, operation) = path.into_inner();
    if media::makes_pictures(&model, &operation) {
        return media::gemini_image(&request, &body, &shared).await;
    }
    let (streams, counts_only) = match operation.as_str() {
        "generateContent" => (false, false),
        "streamGenerateContent" => (true, false),
        "countTokens" => (false, true),
        _ => return HttpResponse::NotFound().json(json!({"error": {"code": 404, "status": "NOT_FOUND"}})),
    };
    let target = exchange::Target { model: Some(model), streams, counts_only };
    exchange::serve(&Gemini, target, &request, &body, &shared).await
}

/// The text models are previews, which the first version does not know.
async fn gemini_v1(
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let (model, operation) = path.into_inner();
    if media::makes_pictures(&model, &operation) {
        return media::gemini_image(&request, &body, &shared).await;
    }
    let message = format!("models/{model} is not found for API version v1, or is not supported for {operation}.");
    HttpResponse::NotFound().json(json!({"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}))
}

async fn chat_completions(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    exchange::serve(&OpenAi, exchange::Target::default(), &request, &body, &shared).await
}

async fn models() -> HttpResponse {
    HttpResponse::Ok().json(openai::models())
}

async fn model(path: web::Path<String>) -> HttpResponse {
    match openai::model(&path) {
        Ok(model) => HttpResponse::Ok().json(model),
        Err(refusal) => HttpResponse::NotFound().json(OpenAi.error(&refusal, "")),
    }
}

// --- The desk -----------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(untagged)]
enum Rules {
    Many(Vec<serde_json::Value>),
    One(serde_json::Value),
}

async fn script(body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let read = || -> serde_json::Result<Vec<Rule>> {
        let rules = match serde_json::from_slice(&body)? {
            Rules::Many(rules) => rules,
            Rules::One(rule) => vec![rule],
        };
        rules.into_iter().map(serde_json::from_value).collect()
    };
    match read() {
        Ok(rules) => {
            let count = rules.len();
            for rule in rules {
                shared.control.script(rule);
            }
            HttpResponse::Ok().json(json!({"added": count}))
        }
        Err(error) => HttpResponse::BadRequest().json(json!({"error": error.to_string()})),
    }
}

async fn keys(keys: web::Json<Vec<String>>, shared: Data<Shared>) -> HttpResponse {
    shared.control.accept_keys(keys.into_inner());
    HttpResponse::NoContent().finish()
}

async fn reset(shared: Data<Shared>) -> HttpResponse {
    shared.control.reset();
    HttpResponse::NoContent().finish()
}

async fn stats(shared: Data<Shared>) -> web::Json<Stats> {
    web::Json(shared.control.stats())
}

async fn calls(shared: Data<Shared>) -> web::Json<Vec<Call>> {
    web::Json(shared.control.calls())
}

async fn charges(shared: Data<Shared>) -> web::Json<Vec<Charge>> {
    web::Json(shared.control.charges())
}

async fn balances(shared: Data<Shared>) -> web::Json<Vec<Balance>> {
    web::Json(shared.control.balances())
}

async fn set_balances(balances: web::Json<Vec<Balance>>, shared: Data<Shared>) -> HttpResponse {
    for Balance { protocol, key, units } in balances.into_inner() {
        shared.control.set_balance(protocol, &key, units);
    }
    HttpResponse::NoContent().finish()
}
