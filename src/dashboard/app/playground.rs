//! `/app/playground`: text, images and speech tried from the dashboard, by the same way as any request: admission, hold, charge.
//!
//! No key is ever in the page. A workspace has one key for its playground, made at its first use, whose secret nobody has;
//! usage and the log show it like any other, and revoking it ends what runs. What the page sends is model, prompt and voice;
//! the request is written here, so that the page cannot ask for more.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::fact::KeyPurpose;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::keyring::KeyEntry;
use lmhaven_actors::system::{digest_of, fresh};
use serde::Deserialize;
use serde_json::json;

use super::keys::{audit, failed};
use super::{May, Trouble, Visit, log};
use crate::config::Modality;
use crate::dashboard::page::{self, Shell, Tab};
use crate::dashboard::public::{ModelView, catalogue};
use crate::error::{ApiError, Code};
use crate::keys::Settings;
use crate::relay::{Worker, chat, image, speech};

/// What the key of the playground is called in lists.
const KEY_NAME: &str = "Playground";
/// The longest prompt, in bytes.
const PROMPT_LEN_MAX: usize = 100_000;
/// The longest answer, in tokens.
const ANSWER_TOKENS_MAX: u32 = 4_096;
/// Voices that every voice model has by these names.
const VOICES: [&str; 6] = ["alloy", "echo", "fable", "nova", "onyx", "shimmer"];

#[derive(Template)]
#[template(path = "app/playground.html")]
struct Playground {
    shell: Shell,
    may: May,
    models: Vec<ModelView>,
    voices: [&'static str; 6],
}

/// The page.
pub(super) fn playground(worker: &Worker, visit: &Visit) -> HttpResponse {
    let mut models = catalogue(worker);
    models.retain(|model| model.available);
    let page = Playground { shell: visit.shell(Tab::Playground), may: visit.may, models, voices: VOICES };
    page::private(StatusCode::OK, &page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
    prompt: String,
    #[serde(default)]
    voice: String,
}

/// Serves one try: `modality` is the last part of the path.
///
/// # Errors
/// [`Trouble`]; what the relay refuses is an answer of its own, as a program would get it.
pub(super) async fn ask(
    worker: &Rc<Worker>,
    visit: Visit,
    request: HttpRequest,
    modality: &str,
    body: &[u8],
) -> Result<HttpResponse, Trouble> {
    if !visit.may.keys {
        return Err(Trouble::Forbidden);
    }
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let refuse = |message: &str| Ok(ApiError::new(Code::InvalidRequest, message).respond(Dialect::Openai, id));
    let Ok(Asked { model, prompt, voice }) = serde_json::from_slice(body) else {
        return refuse("expected a model and a prompt");
    };
    if prompt.is_empty() || prompt.len() > PROMPT_LEN_MAX {
        return refuse("a prompt has 1 to 100,000 bytes");
    }
    let modality =
        [Modality::Text, Modality::Image, Modality::Voice].into_iter().find(|known| known.name() == modality);
    let modality = modality.ok_or(Trouble::Missing)?;
    let body = match modality {
        Modality::Text => json!({
            "model": model,
            "messages": [{ "role": "user", "content": prompt }],
            "max_tokens": ANSWER_TOKENS_MAX,
            "stream": true,
            "stream_options": { "include_usage": true },
        }),
        Modality::Image => json!({ "model": model, "prompt": prompt, "response_format": "b64_json" }),
        Modality::Voice => json!({ "model": model, "input": prompt, "voice": voice }),
    };
    let key = key(worker, &visit).await?;
    let payload = payload_of(&request, body.to_string()).await.ok_or(Trouble::Unavailable)?;
    let worker = worker.clone();
    let mut response = match modality {
        Modality::Text => chat::serve_for(key, Dialect::Openai, id, worker, request, payload).await,
        Modality::Image => image::serve_for(key, id, worker, request, payload).await,
        Modality::Voice => speech::serve_for(key, id, worker, request, payload).await,
    };
    page::protect(&mut response, "");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The body that we wrote, as one that was received.
async fn payload_of(request: &HttpRequest, body: String) -> Option<web::Payload> {
    let whole = futures_util::stream::once(async { Ok(Bytes::from(body)) });
    web::Payload::from_request(request, &mut Payload::Stream { payload: Box::pin(whole) }).await.ok()
}

/// The key of the workspace's playground, made where there is none.
async fn key(worker: &Worker, visit: &Visit) -> Result<Arc<KeyEntry>, Trouble> {
    let core = &worker.gateway.core;
    let playground =
        visit.view.keys.iter().find(|key| key.created.purpose == KeyPurpose::Playground && key.revoked_at.is_none());
    let digest = if let Some(known) = playground {
        digest_of(&known.created.digest).ok_or(Trouble::Unavailable)?
    } else {
        let at = core.clock.now().wall;
        let settings = Settings { name: KEY_NAME.to_owned(), ..Settings::default() };
        let (secret, created) = settings.make(visit.workspace.id(), at, KeyPurpose::Playground, None);
        let audit = audit(visit, at, "key.create", created.key, Some(json!({ "name": KEY_NAME })));
        core.create_key(&visit.workspace, &secret, created, audit).await.map_err(|error| failed(&error))?;
        secret.digest()
    };
    core.keyring.find(&digest).ok_or(Trouble::Unavailable)
}

/// What a try cost; `null` until it is settled.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn cost(worker: &Worker, visit: Visit, id: Option<&str>) -> Result<HttpResponse, Trouble> {
    let core = &worker.gateway.core;
    let id: RequestId = id.and_then(|id| id.parse().ok()).ok_or(Trouble::Missing)?;
    let row = log::find(core, visit.workspace.id(), id, visit.known(core)).await?;
    let (cost, used) = row.map(|row| (row.charge.to_string(), row.used)).unzip();
    let mut response = HttpResponse::Ok().json(json!({ "cost_usd": cost, "used": used }));
    page::protect(&mut response, "");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
