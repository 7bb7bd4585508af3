//! `NovelAI`: `POST /ai/generate-image`, which answers an archive, and `GET /user/subscription`, the Anlas left.
//!
//! `request` checks sizes and numbers, this file makes and charges the pictures. Wire facts: novelai-sdk 0.14.1,
//! novelai-api 0.34.1, nekoai-js 1.2.5. One call of a token runs at a time; there is no policy and no retry hint.

mod request;

use super::{
    archive::{self, Entry},
    calendar,
    drawing::{Drawing, ImageFormat},
    exchange::HTML,
    provider::{Incoming, Provider, Reply, Route, Studio, bearer},
    script::CorruptZip,
};
use crate::{
    books::{Draft, Unit},
    dialect::{Protocol, Refusal, Request},
    json::text,
    script::Status,
};
use request::Order;
use serde_json::{Value, json};

const EDGE_PAGE: &str = "<!DOCTYPE html><html><head><title>429 Too Many Requests</title></head><body><center><h1>429 Too \
                         Many Requests</h1></center><hr><center>cloudflare</center></body></html>";

/// How `NovelAI` speaks.
struct NovelAi;

/// Makes pictures.
pub(super) static GENERATE: Route = Route { provider: &NovelAi, generates: true, needs_key: true, answer: generate };
/// What is left.
pub(super) static SUBSCRIPTION: Route =
    Route { provider: &NovelAi, generates: false, needs_key: true, answer: subscription };

fn refusal(status: u16, message: impl Into<String>) -> Refusal {
    Refusal::new(status, "", message)
}

impl Provider for NovelAi {
    fn protocol(&self) -> Protocol {
        Protocol::NovelAi
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        bearer(request)
    }

    fn model(&self, incoming: &Incoming<'_>) -> Option<String> {
        text(incoming.request.body, "model").map(str::to_owned)
    }

    fn bad_key(&self, _key: Option<&str>) -> Refusal {
        refusal(401, "Unauthorized")
    }

    fn bad_json(&self, error: &str) -> Refusal {
        refusal(400, format!("Validation error: {error}"))
    }

    fn error(&self, refusal: &Refusal, _request_id: &str) -> Value {
        json!({"statusCode": refusal.status, "message": refusal.message})
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let message = match status.code {
            400 => "Validation error",
            401 => "Unauthorized",
            402 => "Not enough Anlas or no active subscription",
            409 => "Conflict",
            413 => "Payload Too Large",
            429 => "Concurrent generation is locked",
            _ => "Internal Server Error",
        };
        refusal(status.code, message)
    }

    fn headers(&self, request_id: &str) -> Vec<(&'static str, String)> {
        vec![("x-correlation-id", request_id.get(..6).unwrap_or_default().to_owned())]
    }
}

/// `POST /ai/generate-image`
fn generate(incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let change = &studio.rule.novelai;
    if change.html_429 {
        return Err(Refusal::new(429, HTML, EDGE_PAGE));
    }
    let order = request::read(incoming.request.body)?;
    // Before the charge: a call that finds the account busy costs nothing.
    let (permit, _) = studio.enter(1).map_err(|_running| refusal(429, "Concurrent generation is locked"))?;
    let anlas = order.anlas(change.opus);
    let (width, height) = studio.rule.media.pixels.unwrap_or(order.size);
    let draft = Draft {
        model: order.model.clone(),
        what: format!("{} images {width}x{height} in {} steps", order.samples, order.steps),
        units: anlas,
        unit: Unit::Anlas,
        nano_usd: anlas * 1_399_000,
        images: order.samples,
        pixels: Some((width, height)),
        watermarked: false,
        audio_micros: None,
        reference: studio.request_id.to_owned(),
    };
    studio.charge(draft).map_err(|_broke| refusal(402, "Not enough Anlas or no active subscription"))?;
    let content_type = if change.octet_stream { "binary/octet-stream" } else { "application/x-zip-compressed" };
    let status = if change.created { 201 } else { 200 };
    let headers = vec![("content-disposition", "attachment; filename=\"images.zip\"".to_owned())];
    let reply = Reply::new(content_type, packed(&order, studio));
    Ok(Reply { status, headers, permit: Some(permit), ..reply }.after(studio.generation))
}

/// The archive, broken where a rule says so.
fn packed(order: &Order, studio: &Studio<'_>) -> Vec<u8> {
    let change = &studio.rule.novelai;
    let name = |at: u64| format!("image_{at}.png");
    let entry = |name: &str, content: Vec<u8>| {
        if change.deflated { Entry::deflated(name, &content) } else { Entry::stored(name, content) }
    };
    let whole =
        || archive::zip(&(0..order.samples).map(|at| entry(&name(at), picture(order, at, studio))).collect::<Vec<_>>());
    match change.corrupt {
        None => whole(),
        Some(CorruptZip::Truncated) => {
            let mut bytes = whole();
            bytes.truncate(bytes.len() / 2);
            bytes
        }
        Some(CorruptZip::Empty) => archive::zip(&[]),
        Some(CorruptZip::Garbled) => {
            let mut bytes = whole();
            let middle = bytes.len() / 2;
            for byte in bytes.iter_mut().skip(middle).take(64) {
                *byte = !*byte;
            }
            bytes
        }
        Some(CorruptZip::NotAnImage) => archive::zip(&[entry(&name(0), b"this is not a picture".to_vec())]),
        Some(CorruptZip::NotAZip) => b"this is not an archive".to_vec(),
        Some(CorruptZip::ManyEntries) => {
            let tiny = Drawing::new(studio.seed, &order.prompt, 0, (16, 16), ImageFormat::Png).bytes();
            archive::zip(&(0..1000).map(|at| entry(&name(at), tiny.clone())).collect::<Vec<_>>())
        }
        Some(CorruptZip::Bomb) => archive::zip(&[Entry::bomb(&name(0))]),
    }
}

/// One picture with the texts that the software leaves in it. A request whose prompt is in the wrong place gets a
/// picture all the same: a blank one.
fn picture(order: &Order, at: u64, studio: &Studio<'_>) -> Vec<u8> {
    let media = &studio.rule.media;
    let format = media.image_format.unwrap_or(ImageFormat::Png);
    let size = media.pixels.unwrap_or(order.size);
    let seed = order.seed.wrapping_add(at);
    let drawing = Drawing::new(studio.seed, &order.prompt, seed, size, format);
    let comment = json!({"prompt": order.prompt, "steps": order.steps, "seed": seed, "height": size.1, "width": size.0,
        "sampler": order.sampler, "request_type": "PromptGenerateRequest"});
    Drawing { blank: !order.has_prompt, pad_bytes: media.pad_bytes, ..drawing }.bytes_with(&[
        ("Title", "NovelAI generated image".to_owned()),
        ("Description", order.prompt.clone()),
        ("Software", "NovelAI".to_owned()),
        ("Source", "NovelAI Diffusion V4 37442FCA".to_owned()),
        ("Comment", comment.to_string()),
    ])
}

/// `GET /user/subscription`
#[expect(clippy::unnecessary_wraps, reason = "the type of every route's answer")]
fn subscription(_incoming: &Incoming<'_>, studio: &Studio<'_>) -> Result<Reply, Refusal> {
    let left = studio.control.balance(Protocol::NovelAi, studio.key).unwrap_or(0);
    let expires = studio.seconds() + 30 * 86_400;
    Ok(Reply::json(&json!({
        "tier": if studio.rule.novelai.opus { 3 } else { 1 },
        "active": true,
        "expiresAt": expires,
        "expiresAtIso": calendar::iso(expires, 0),
        "perks": {"imageGeneration": true, "contextTokens": 8192},
        "paymentProcessorData": null,
        "trainingStepsLeft": {"fixedTrainingStepsLeft": left, "purchasedTrainingSteps": 0},
        "accountType": 0,
    })))
}
