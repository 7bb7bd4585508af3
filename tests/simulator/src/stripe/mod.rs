//! A loopback fake of Stripe: checkout sessions with a page to pay on, payments without the customer, refunds, disputes,
//! and signed webhooks, sent as a script says. Shares no code with the gateway.
//!
//! | route | what |
//! |---|---|
//! | `POST`, `GET /v1/checkout/sessions`, `GET …/{id}` | sessions |
//! | `POST /v1/payment_intents`, `GET …/{id}` | payments with a saved card; the card itself with `expand[]=payment_method` |
//! | `POST /v1/payment_methods/{id}/detach`, `GET …/{id}` | takes a saved card from its customer; the card |
//! | `POST /v1/refunds` | refunds |
//! | `GET /pay/{id}`, `POST /pay/{id}/pay`, `…/cancel` | the hosted page |
//! | `GET /__stripe/state`, `POST /__stripe/script`, `/__stripe/dispute` | the desk, also as [`Desk`] |

mod page;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use parking_lot::Mutex;
use serde_json::{Value, json};

use state::{Form, Made, Refusal, State};
pub use state::{Script, sign};

/// A running fake.
pub struct FakeStripe {
    address: SocketAddr,
    desk: Desk,
    handle: ServerHandle,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

/// The fake's memory and script.
#[derive(Clone)]
pub struct Desk {
    state: Arc<Mutex<State>>,
    client: reqwest::Client,
}

impl FakeStripe {
    /// Starts listening. Webhooks are signed with `webhook_secret`; the API wants `secret_key`.
    ///
    /// # Errors
    /// The port cannot be bound.
    #[expect(clippy::unused_async, reason = "as the simulator's own start")]
    pub async fn start(listen: SocketAddr, secret_key: &str, webhook_secret: &str) -> io::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let state = Arc::new(Mutex::new(State::new(secret_key, webhook_secret)));
        let desk = Desk { state, client };
        let shared = Data::new(desk.clone());
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(routes))
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind(listen)?;
        let address = server.addrs().first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
        desk.state.lock().base_url = format!("http://{address}");
        let server = server.run();
        let handle = server.handle();
        Ok(Self { address, desk, handle, server: tokio::spawn(server) })
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The memory and script.
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Stops at once.
    pub async fn stop(self) {
        self.handle.stop(false).await;
        let _outcome = self.server.await;
    }
}

impl Desk {
    /// Where webhooks go.
    pub fn send_webhooks_to(&self, url: &str) {
        self.state.lock().webhook_url = Some(url.to_owned());
    }

    /// Changes how the fake behaves from here on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.state.lock().script);
    }

    /// All sessions, payments, refunds, events and calls, as JSON.
    pub fn state(&self) -> Value {
        self.state.lock().to_json()
    }

    /// Pays a session, as the button of its page does; waits for the webhooks to be answered.
    pub async fn pay(&self, session: &str) -> Vec<u16> {
        let events = self.state.lock().pay(session);
        self.deliver(events).await
    }

    /// Sends all events so far once more, in the other order.
    pub async fn resend(&self) -> Vec<u16> {
        let events = self.state.lock().events.iter().rev().cloned().collect();
        self.send(events).await
    }

    /// Sends one event, which the caller made, as it stands.
    pub async fn send_event(&self, event: Value) -> u16 {
        self.send(vec![event]).await.first().copied().unwrap_or(0)
    }

    /// A refund that an operator makes in Stripe's own dashboard; answers its id.
    pub async fn refund_outside(&self, intent: &str, cents: i64) -> Vec<u16> {
        let events = self.state.lock().refund_outside(intent, cents);
        self.deliver(events).await
    }

    /// A dispute of a payment, opened or closed with this status.
    pub async fn dispute(&self, intent: &str, closed: Option<&str>) -> Vec<u16> {
        let events = self.state.lock().dispute(intent, closed);
        self.deliver(events).await
    }

    async fn deliver(&self, mut events: Vec<Value>) -> Vec<u16> {
        let script = self.state.lock().script.clone();
        if script.never {
            return Vec::new();
        }
        if script.reversed {
            events.reverse();
        }
        let repeated = (0..script.times.max(1)).flat_map(|_| events.clone()).collect();
        self.send(repeated).await
    }

    async fn send(&self, events: Vec<Value>) -> Vec<u16> {
        let mut answers = Vec::new();
        for event in events {
            let Some((url, secret)) = self.state.lock().webhook() else { continue };
            let body = event.to_string();
            let request = self
                .client
                .post(url)
                .header("stripe-signature", sign(&secret, state::now(), &body))
                .header("content-type", "application/json; charset=utf-8")
                .body(body);
            let status = request.send().await.map_or(0, |response| response.status().as_u16());
            self.state.lock().deliveries.push(json!({ "type": event.get("type"), "status": status }));
            answers.push(status);
        }
        answers
    }
}

// --- Routes -------------------------------------------------------------------------------------------------------

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/checkout/sessions", web::post().to(create_session))
        .route("/v1/checkout/sessions", web::get().to(list_sessions))
        .route("/v1/checkout/sessions/{id}", web::get().to(show))
        .route("/v1/payment_intents", web::post().to(create_intent))
        .route("/v1/payment_intents/{id}", web::get().to(show))
        .route("/v1/payment_methods/{id}/detach", web::post().to(detach))
        .route("/v1/payment_methods/{id}", web::get().to(show_card))
        .route("/v1/refunds", web::post().to(create_refund))
        .route("/pay/{id}", web::get().to(pay_page))
        .route("/pay/{id}/pay", web::post().to(pay))
        .route("/pay/{id}/cancel", web::post().to(cancel))
        .route(
            "/__stripe/state",
            web::get().to(|desk: Data<Desk>| async move { HttpResponse::Ok().json(desk.state()) }),
        )
        .route("/__stripe/script", web::post().to(script))
        .route("/__stripe/dispute", web::post().to(dispute))
        .default_service(web::to(|| async { refuse(&Refusal::new(404, "resource_missing")) }));
}

fn refuse(refusal: &Refusal) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(refusal.status).unwrap_or_default();
    HttpResponse::build(status).json(json!({ "error": {
        "type": refusal.kind, "code": refusal.code, "message": "the fake refuses this",
    }}))
}

/// What all writes have in common: the key, the idempotency, the faults of the script.
fn write(
    desk: &Desk,
    request: &HttpRequest,
    body: &Bytes,
    create: impl FnOnce(&mut State, &Form) -> Made,
) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (answer, events) = {
        let mut state = desk.state.lock();
        let path = request.path().to_owned();
        let (key, version) = (header("idempotency-key").to_owned(), header("stripe-version").to_owned());
        if let Err(refusal) = state.authorise(header("authorization"), &version) {
            return refuse(&refusal);
        }
        state.calls.push(json!({ "path": path, "idempotency_key": key }));
        if state.script.fail_before > 0 {
            state.script.fail_before -= 1;
            return refuse(&Refusal::new(500, "api_error"));
        }
        let form = page::parse_form(body);
        let (answer, events) = match state.remembered.get(&key) {
            Some((known, answer)) if *known == form => (answer.clone(), Vec::new()),
            Some(_) => (Err(Refusal::new(400, "idempotency_key_in_use")), Vec::new()),
            None => {
                let (answer, events) = match create(&mut state, &form) {
                    Ok((object, events)) => (Ok(object), events),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                state.remembered.insert(key, (form, answer.clone()));
                (answer, events)
            }
        };
        if state.script.lose_answers > 0 {
            state.script.lose_answers -= 1;
            return refuse(&Refusal::new(503, "api_error"));
        }
        (answer, events)
    };
    if !events.is_empty() {
        let desk = desk.clone();
        actix_web::rt::spawn(async move { desk.deliver(events).await });
    }
    match answer {
        Ok(object) => HttpResponse::Ok().json(object),
        Err(refusal) => refuse(&refusal),
    }
}

async fn create_session(desk: Data<Desk>, request: HttpRequest, body: Bytes) -> HttpResponse {
    write(&desk, &request, &body, State::create_session)
}

async fn create_intent(desk: Data<Desk>, request: HttpRequest, body: Bytes) -> HttpResponse {
    write(&desk, &request, &body, State::create_intent)
}

async fn detach(desk: Data<Desk>, request: HttpRequest, body: Bytes, id: web::Path<String>) -> HttpResponse {
    write(&desk, &request, &body, |state, _| state.detach(&id))
}

async fn create_refund(desk: Data<Desk>, request: HttpRequest, body: Bytes) -> HttpResponse {
    write(&desk, &request, &body, State::create_refund)
}

async fn list_sessions(desk: Data<Desk>) -> HttpResponse {
    let mut sessions: Vec<Value> = desk.state.lock().sessions.values().cloned().collect();
    sessions.reverse();
    HttpResponse::Ok().json(json!({ "object": "list", "has_more": false, "data": sessions }))
}

async fn show(desk: Data<Desk>, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    let state = desk.state.lock();
    let found = state.sessions.get(&*id).or_else(|| state.intents.get(&*id));
    let Some(object) = found else { return refuse(&Refusal::new(404, "resource_missing")) };
    let query = page::parse_form(request.query_string().as_bytes());
    let whole = query.iter().any(|(name, value)| name == "expand[]" && value == "payment_method");
    HttpResponse::Ok().json(if whole { state::with_method(object) } else { object.clone() })
}

async fn show_card(desk: Data<Desk>, id: web::Path<String>) -> HttpResponse {
    match desk.state.lock().card(&id) {
        Ok(card) => HttpResponse::Ok().json(card),
        Err(refusal) => refuse(&refusal),
    }
}

async fn pay_page(desk: Data<Desk>, id: web::Path<String>) -> HttpResponse {
    match desk.state.lock().sessions.get(&*id) {
        Some(session) => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page::pay(session)),
        None => HttpResponse::NotFound().body("there is no such session"),
    }
}

async fn pay(desk: Data<Desk>, id: web::Path<String>) -> HttpResponse {
    desk.pay(&id).await;
    back(&desk, &id, "success_url")
}

async fn cancel(desk: Data<Desk>, id: web::Path<String>) -> HttpResponse {
    back(&desk, &id, "cancel_url")
}

fn back(desk: &Desk, id: &str, field: &str) -> HttpResponse {
    let state = desk.state.lock();
    let url = state.sessions.get(id).and_then(|session| session.get(field)).and_then(Value::as_str);
    match url {
        Some(url) => HttpResponse::SeeOther().insert_header(("location", url)).finish(),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn script(desk: Data<Desk>, script: web::Json<Script>) -> HttpResponse {
    desk.script(|current| *current = script.into_inner());
    HttpResponse::NoContent().finish()
}

#[derive(serde::Deserialize)]
struct DisputeBody {
    payment_intent: String,
    closed: Option<String>,
}

async fn dispute(desk: Data<Desk>, body: web::Json<DisputeBody>) -> HttpResponse {
    let answers = desk.dispute(&body.payment_intent, body.closed.as_deref()).await;
    HttpResponse::Ok().json(answers)
}
