//! THE routing table: every route of both ports, grouped by who calls it.

mod account;
pub mod admin;
mod count;
mod fallback;
mod files;
mod health;
mod models;
mod webhooks;

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use lmhaven_actors::chat::Dialect;

use crate::relay::{Worker, chat, image, speech};

/// This thread's worker, as handlers get it.
pub type WorkerData = web::Data<Rc<Worker>>;

/// The public port.
pub fn public(routes: &mut ServiceConfig) {
    // What SDKs call. The doubled path is permanent: Anthropic SDKs call it when their base URL ends in /v1.
    post(routes, "/v1/chat/completions", chat_completions);
    for prefix in ["/v1", "/v1/v1"] {
        post(routes, &format!("{prefix}/messages"), messages);
        post(routes, &format!("{prefix}/messages/count_tokens"), count::count_tokens);
        get(routes, &format!("{prefix}/models"), models::list);
        get(routes, &format!("{prefix}/models/{{id:.*}}"), models::show);
    }
    post(routes, "/v1/images/generations", images);
    post(routes, "/v1/audio/speech", speech);
    // What customers ask about themselves.
    get(routes, "/v1/balance", account::balance);
    get(routes, "/v1/usage", account::usage);
    // What the payment provider calls.
    post(routes, "/webhooks/stripe", webhooks::stripe);
    // What anybody opens who has the link.
    routes.service(
        web::resource(files::PATTERN)
            .route(web::get().to(files::serve))
            .route(web::head().to(files::serve))
            .route(web::method(Method::OPTIONS).to(files::preflight))
            .default_service(web::to(files::not_allowed)),
    );
    // What load balancers and people open.
    get(routes, "/healthz", health::alive);
    get(routes, "/readyz", health::ready);
    get(routes, "/", fallback::front_page);
    routes.default_service(web::to(fallback::not_found));
}

/// The admin port.
pub fn admin(routes: &mut ServiceConfig) {
    admin::configure(routes);
    get(routes, "/healthz", health::alive);
    get(routes, "/readyz", health::ready);
    get(routes, "/metrics", health::metrics);
    routes.default_service(web::to(admin::not_found));
}

/// What the admin port has besides health, where both ports are one.
pub fn admin_on_public(routes: &mut ServiceConfig) {
    admin::configure(routes);
    get(routes, "/metrics", health::metrics);
}

async fn chat_completions(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    chat::serve(Dialect::Openai, worker.get_ref().clone(), request, payload).await
}

async fn messages(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    chat::serve(Dialect::Anthropic, worker.get_ref().clone(), request, payload).await
}

async fn images(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    image::serve(worker.get_ref().clone(), request, payload).await
}

async fn speech(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    speech::serve(worker.get_ref().clone(), request, payload).await
}

fn post<F, Args>(routes: &mut ServiceConfig, path: &str, handler: F)
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let resource = web::resource(path).route(web::post().to(handler));
    routes.service(resource.default_service(fallback::not_allowed("POST")));
}

fn get<F, Args>(routes: &mut ServiceConfig, path: &str, handler: F)
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let resource = web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler));
    routes.service(resource.default_service(fallback::not_allowed("GET, HEAD")));
}
