//! What is charged: the four routes that ask a provider, described, each handed to the relay that serves it.

use actix_web::{HttpRequest, HttpResponse, web};
use lmhaven_actors::chat::Dialect;

use super::WorkerData;
use super::openapi::bodies::{ChatBody, ImageBody, MessagesBody, SpeechBody};
use super::openapi::errors::{Asking, Charging, Overload, WithKey};
use super::openapi::shapes::{ChatAnswer, ImageAnswer, MessageAnswer};
use crate::relay::{chat, image, speech};

/// `POST /v1/chat/completions`.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "generation", operation_id = "chat_completions",
    summary = "Chat as OpenAI has it, with any text model",
    request_body = ChatBody,
    responses(
        (status = 200, description = "The answer; events with `stream`", content(
            (ChatAnswer = "application/json"), (String = "text/event-stream"),
        )),
        WithKey, Asking, Charging,
    ),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn chat_completions(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    chat::serve(Dialect::Openai, worker.get_ref().clone(), request, payload).await
}

/// `POST /v1/messages`.
#[utoipa::path(
    post, path = "/v1/messages", tag = "generation", operation_id = "messages",
    summary = "Messages as Anthropic has them, with any text model",
    request_body = MessagesBody,
    responses(
        (status = 200, description = "The answer; events with `stream`", content(
            (MessageAnswer = "application/json"), (String = "text/event-stream"),
        )),
        WithKey, Asking, Charging, Overload,
    ),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn messages(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    chat::serve(Dialect::Anthropic, worker.get_ref().clone(), request, payload).await
}

/// `POST /v1/images/generations`.
#[utoipa::path(
    post, path = "/v1/images/generations", tag = "generation", operation_id = "images", summary = "Make images from text",
    request_body = ImageBody,
    responses((status = 200, description = "Links, or files in base 64", body = ImageAnswer), WithKey, Asking, Charging),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn images(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    image::serve(worker.get_ref().clone(), request, payload).await
}

/// `POST /v1/audio/speech`.
#[utoipa::path(
    post, path = "/v1/audio/speech", tag = "generation", operation_id = "speech", summary = "Speak a text",
    request_body = SpeechBody,
    responses(
        (status = 200, description = "The audio, streamed as it comes", content(
            (String = "audio/mpeg"), (String = "audio/ogg"), (String = "audio/wav"), (String = "audio/pcm"),
        )),
        WithKey, Asking, Charging,
    ),
    security(("bearer" = []), ("x_api_key" = [])),
)]
pub(super) async fn speech(worker: WorkerData, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    speech::serve(worker.get_ref().clone(), request, payload).await
}
