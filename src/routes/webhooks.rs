//! What other services call: believed by their signature, never by their address.

use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::system::fresh;

use super::WorkerData;

/// `POST /webhooks/stripe`.
pub(super) async fn stripe(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let gateway = &worker.gateway;
    gateway.opened().await;
    let _running = gateway.count_running();
    match gateway.payments.webhook(request.headers(), payload).await {
        Ok(()) => HttpResponse::Ok().content_type("application/json").body(r#"{"received":true}"#),
        Err(error) => error.respond(Dialect::Openai, fresh::request_id(gateway.core.clock.now().wall)),
    }
}
