//! `PixAI`: a task is created, polled, and its pictures fetched from a CDN.
//!
//! `request` checks what is asked for, `tasks` remembers and moves the tasks, this file is the four paths. Shapes are
//! those of the vendor's pages as other projects read them; the shape of errors is not documented, and `message` at
//! the top is what the vendor's client looks for.

mod request;
mod tasks;

use super::{
    calendar,
    drawing::{Drawing, ImageFormat},
    provider::{Incoming, Provider, Reply, Route, Studio, bearer},
};
use crate::{
    books::{Draft, Unit},
    dialect::{Protocol, Refusal, Request},
    json::text,
    script::Status,
    words::size,
};
use serde_json::{Value, json};
pub(crate) use tasks::Tasks;
use tasks::{NewTask, Seen, State};

/// Tasks of a key that are waiting or running.
const ACTIVE_MAX: usize = 10;

const CDN: &str = "/cdn/pixai/orig/";

/// How `PixAI` speaks.
struct PixAi;

/// Creates a task.
pub(super) static CREATE: Route = Route { provider: &PixAi, generates: true, needs_key: true, answer: create };
/// Tells a task.
pub(super) static POLL: Route = Route { provider: &PixAi, generates: false, needs_key: true, answer: poll };
/// Redirects to a picture.
pub(super) static MEDIA: Route = Route { provider: &PixAi, generates: false, needs_key: true, answer: media };
/// A picture, to whoever knows its address.
pub(super) static DOWNLOAD: Route = Route { provider: &PixAi, generates: false, needs_key: false, answer: download };

fn refusal(status: u16, message: impl Into<String>) -> Refusal {
    Refusal::new(status, "", message)
}

impl Provider for PixAi {
    fn protocol(&self) -> Protocol {
        Protocol::PixAi
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        bearer(request)
    }

    fn model(&self, incoming: &Incoming<'_>) -> Option<String> {
        text(incoming.request.body, "modelVersionId").map(str::to_owned)
    }

    fn bad_key(&self, _key: Option<&str>) -> Refusal {
        refusal(401, "Unauthorized")
    }

    fn bad_json(&self, error: &str) -> Refusal {
        refusal(400, format!("Invalid JSON: {error}"))
    }

    fn error(&self, refusal: &Refusal, _request_id: &str) -> Value {
        json!({"message": refusal.message})
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let message = match status.code {
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Insufficient credits",
            403 => "Forbidden",
            404 => "Not Found",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        refusal(status.code, message)
    }

    fn headers(&self, request_id: &str) -> Vec<(&'static str, String)> {
        vec![("x-request-id", request_id.to_owned())]
    }
}

/// `POST /v2/image/create`
fn create(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let order = request::read(incoming.request.body)?;
    let (rule, change) = (&studio.rule.media, &studio.rule.pixai);
    let active = studio.control.with_tasks(|tasks| tasks.active(studio.key));
    if active >= ACTIVE_MAX {
        return Err(refusal(429, format!("You have {active} tasks waiting or running. Please try again later.")));
    }
    let format = rule.image_format.unwrap_or(ImageFormat::Png);
    let pixels = rule.pixels.unwrap_or(order.size);
    let draw = |at: u64| Drawing {
        pad_bytes: rule.pad_bytes,
        metadata: rule.metadata,
        signed: rule.signed,
        ..Drawing::new(studio.seed, &order.prompt, order.seed.wrapping_add(at), pixels, format)
    };
    let drawings: Vec<Drawing> = (0..change.images.unwrap_or(order.batch)).map(draw).collect();
    let images = size(drawings.len());
    let new = NewTask {
        key: studio.key.to_owned(),
        created_s: studio.seconds(),
        generation: studio.generation,
        change: change.clone(),
        drawings,
    };
    let seen = studio.control.with_tasks(|tasks| tasks.create(new));
    // A task that fails gives its credits back, so it is not charged in the first place.
    if change.outcome.as_deref().is_none_or(|outcome| outcome == "completed") {
        let draft = Draft {
            model: order.model.clone(),
            what: format!("{images} images {}x{} in mode {}", pixels.0, pixels.1, order.mode),
            units: order.credits(),
            unit: Unit::Credit,
            nano_usd: order.credits() * 25_000,
            images,
            pixels: Some(pixels),
            watermarked: false,
            audio_micros: None,
            reference: seen.id.to_string(),
        };
        if studio.charge(draft).is_err() {
            studio.control.with_tasks(|tasks| tasks.forget(seen.id));
            return Err(refusal(402, "Insufficient credits"));
        }
    }
    let status = if change.created { 201 } else { 200 };
    Ok(Reply { status, ..Reply::json(&told(&seen, incoming, studio)) })
}

/// `GET /v1/task/{id}`
fn poll(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let id = incoming.name.parse().unwrap_or(0);
    let seen = studio.control.with_tasks(|tasks| tasks.poll(id, studio.key))?;
    Ok(Reply::json(&told(&seen, incoming, studio)))
}

/// `GET /v1/media/{id}/image`
fn media(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let id = incoming.name.parse().unwrap_or(0);
    let drawing = studio.control.with_tasks(|tasks| tasks.media(id, studio.key));
    let drawing = drawing.ok_or_else(|| refusal(404, "Media not found"))?;
    Ok(Reply::redirect(address(&drawing, incoming)))
}

/// `GET /cdn/pixai/orig/…`
fn download(incoming: &Incoming<'_>, _studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let drawing = Drawing::from_name(incoming.name).ok_or_else(|| refusal(404, "Not Found"))?;
    Ok(Reply::new(drawing.format.mime(), drawing.bytes()))
}

fn address(drawing: &Drawing, incoming: &Incoming<'_>) -> String {
    format!("{}{CDN}{}", incoming.base, drawing.name())
}

/// A task as creation and poll tell it.
fn told(seen: &Seen, incoming: &Incoming<'_>, studio: &Studio<'_>) -> Value {
    let is_done = seen.state == State::Over("completed".to_owned());
    let urls = seen.media.iter().map(
        |(_, drawing)| {
            if seen.null_urls { Value::Null } else { address(drawing, incoming).into() }
        },
    );
    let (ids, urls): (Vec<String>, Vec<Value>) = if is_done {
        (seen.media.iter().map(|(id, _)| id.to_string()).collect(), urls.collect())
    } else {
        (Vec::new(), Vec::new())
    };
    let now = calendar::iso(studio.seconds(), 0);
    let created = calendar::iso(seen.created_s, 0);
    let has_started = seen.state != State::Waiting;
    json!({
        "id": seen.id.to_string(),
        "status": seen.state.name(),
        "createdAt": created,
        "updatedAt": now,
        "startedAt": has_started.then_some(&created),
        "endAt": matches!(seen.state, State::Over(_)).then_some(&now),
        "outputs": {"mediaIds": ids, "mediaUrls": urls},
    })
}
