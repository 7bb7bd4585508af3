//! `ElevenLabs`: `POST /v1/text-to-speech/{voice}`, whole or as a stream.
//!
//! `request` checks voice, text and format, this file speaks: how long a text takes, what it costs, and the headers
//! that tell. Wire facts: elevenlabs-python 2.78.0 and the vendor's page of errors.

mod request;

use super::{
    audio::{Format, Recording, WavSizes, Wrapping},
    provider::{Body, Incoming, Provider, Reply, Route, Studio},
};
use crate::{
    books::{Draft, Unit},
    chance::digest,
    dialect::{Protocol, Refusal, Request},
    json::text,
    script::Status,
    words::size,
};
use actix_web::web::Bytes;
use request::Order;
use serde_json::{Value, json};

/// Calls of a key at a time, where no rule says otherwise.
const CONCURRENCY: u64 = 10;

/// Bytes of a chunk of a stream, where no rule says otherwise.
const CHUNK_BYTES: usize = 4096;

/// How `ElevenLabs` speaks.
struct ElevenLabs;

/// The whole sound.
pub(super) static SPEAK: Route = Route {
    provider: &ElevenLabs,
    generates: true,
    needs_key: true,
    answer: |incoming, studio| speak(incoming, studio, false),
};
/// The sound in chunks.
pub(super) static STREAM: Route = Route {
    provider: &ElevenLabs,
    generates: true,
    needs_key: true,
    answer: |incoming, studio| speak(incoming, studio, true),
};

/// Status, `type` and message of a code.
fn kind(code: &str) -> (u16, &'static str, &'static str) {
    match code {
        "invalid_api_key" => (401, "authentication_error", "Invalid API key"),
        "missing_api_key" => (401, "authentication_error", "Neither authorization header nor xi-api-key received."),
        "quota_exceeded" => (401, "quota_error", "This request exceeds your quota."),
        "voice_not_found" => (404, "not_found_error", "A voice with the given id was not found."),
        "model_not_found" => (400, "validation_error", "A model with the given id was not found."),
        "invalid_ttd_stability" => {
            (400, "validation_error", "Invalid TTD stability value. Must be one of: [0.0, 0.5, 1.0]")
        }
        "max_character_limit_exceeded" => {
            (400, "validation_error", "The text exceeds the character limit of the model.")
        }
        "output_format_not_allowed" => {
            (403, "authorization_error", "Your subscription does not include this output format.")
        }
        "invalid_output_format" => (400, "validation_error", "The output format is not supported."),
        "too_many_concurrent_requests" | "concurrent_limit_exceeded" => {
            (429, "rate_limit_error", "You have exceeded the number of concurrent requests of your subscription.")
        }
        "system_busy" => {
            (429, "rate_limit_error", "We are currently experiencing heavy traffic. Please try again later.")
        }
        "content_policy_violation" => (403, "authorization_error", "The request violates our terms of service."),
        "internal_server_error" => (500, "internal_error", "An error occurred on our side."),
        _ => (400, "validation_error", "The request is not valid."),
    }
}

fn refusal(code: &str) -> Refusal {
    let (status, kind, message) = kind(code);
    Refusal { code: Some(code.to_owned()), ..Refusal::new(status, kind, message) }
}

impl Provider for ElevenLabs {
    fn protocol(&self) -> Protocol {
        Protocol::ElevenLabs
    }

    fn key(&self, request: &Request<'_>) -> Option<String> {
        request.header("xi-api-key").map(str::to_owned)
    }

    fn model(&self, incoming: &Incoming<'_>) -> Option<String> {
        Some(text(incoming.request.body, "model_id").unwrap_or(request::USUAL_MODEL).to_owned())
    }

    fn bad_key(&self, key: Option<&str>) -> Refusal {
        refusal(if key.is_some() { "invalid_api_key" } else { "missing_api_key" })
    }

    fn bad_json(&self, error: &str) -> Refusal {
        request::unprocessable("body", &format!("JSON decode error: {error}"))
    }

    /// Errors of validation are a list, all others an object; `status` is the older twin of `code`.
    fn error(&self, refusal: &Refusal, request_id: &str) -> Value {
        if refusal.status == 422 {
            return json!({"detail": refusal.details});
        }
        json!({"detail": {
            "type": refusal.kind,
            "code": refusal.code,
            "status": refusal.code,
            "message": refusal.message,
            "request_id": request_id,
            "param": refusal.param,
        }})
    }

    fn scripted(&self, status: &Status) -> Refusal {
        let usual = match status.code {
            401 => "quota_exceeded",
            403 => "output_format_not_allowed",
            404 => "voice_not_found",
            429 => "too_many_concurrent_requests",
            500.. => "internal_server_error",
            _ => "invalid_request",
        };
        let code = status.error_code.as_deref().unwrap_or(usual);
        let mut refusal = Refusal { status: status.code, ..refusal(code) };
        if let Some(kind) = &status.error_type {
            refusal.kind = kind.as_str().into();
        }
        if status.code == 422 {
            refusal = request::unprocessable("text", &refusal.message);
        }
        refusal
    }

    fn headers(&self, _request_id: &str) -> Vec<(&'static str, String)> {
        vec![("server", "uvicorn".to_owned())]
    }
}

fn speak(incoming: &Incoming<'_>, studio: &Studio<'_>, streams: bool) -> Result<Reply, Refusal> {
    let order = request::read(incoming)?;
    let change = &studio.rule.elevenlabs;
    let most = change.concurrency.unwrap_or(CONCURRENCY);
    let (permit, running) = studio.enter(most).map_err(|_running| refusal("too_many_concurrent_requests"))?;

    let seed = digest(studio.seed, &[&order.model, &order.text, incoming.name]);
    let wrapping = Wrapping {
        wav_sizes: change.wav_sizes.unwrap_or(if streams { WavSizes::Max } else { WavSizes::Exact }),
        id3: !change.no_id3,
        info_frame: change.info_frame,
    };
    let micros = change.audio_ms.map_or_else(|| micros(&order.text, seed), |millis| millis * 1000);
    let format = change.format.as_deref().and_then(Format::parse).unwrap_or(order.format);
    let Recording { bytes, micros } = format.record(micros, seed, wrapping);

    let cost = charge(&order, micros, studio)?;
    let mut headers =
        vec![("current-concurrent-requests", running.to_string()), ("maximum-concurrent-requests", most.to_string())];
    if !change.omit_headers {
        headers.push(("character-cost", cost.to_string()));
        headers.push(("request-id", studio.request_id.to_owned()));
        headers.push(("history-item-id", format!("h{}", studio.request_id)));
    }
    let content_type = change.content_type.as_deref().unwrap_or(order.format.mime());
    let bytes = Bytes::from(bytes);
    let body = if streams {
        let length = change.chunk_bytes.unwrap_or(CHUNK_BYTES).max(1);
        Body::Chunks(bytes.chunks(length).map(|chunk| bytes.slice_ref(chunk)).collect())
    } else {
        Body::Whole(bytes)
    };
    let reply = Reply { headers, body, permit: Some(permit), ..Reply::new(content_type, "") };
    Ok(reply.after(studio.generation))
}

/// A credit is a character; list price 8 cents for a thousand. Answers the cost in credits.
fn charge(order: &Order, micros: u64, studio: &Studio<'_>) -> Result<u64, Refusal> {
    let characters = size(order.text.chars().count());
    let draft = Draft {
        model: order.model.clone(),
        what: format!("{characters} characters as {}", order.format_name),
        units: characters,
        unit: Unit::Credit,
        nano_usd: studio.rule.media.units.unwrap_or(characters) * 80_000,
        images: 0,
        pixels: None,
        watermarked: false,
        audio_micros: Some(micros),
        reference: studio.request_id.to_owned(),
    };
    let charged = studio.charge(draft).map_err(|broke| Refusal {
        message: format!(
            "This request exceeds your quota. You have {} credits remaining, while {characters} credits are required for \
             this request.",
            broke.0
        ),
        ..refusal("quota_exceeded")
    })?;
    Ok(charged.units)
}

/// How long a text takes: between 14 and 18 characters a second by the seed, and half a second of silence. A tag in
/// brackets is an instruction and takes no time, though its characters cost.
fn micros(text: &str, seed: u64) -> u64 {
    let mut is_tag = false;
    let spoken = text.chars().filter(|letter| match letter {
        '[' => {
            is_tag = true;
            false
        }
        ']' => {
            is_tag = false;
            false
        }
        _ => !is_tag,
    });
    let millis_per_character = 55 + seed % 16;
    500_000 + size(spoken.count()) * millis_per_character * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_follows_the_text_and_tags_take_no_time() {
        let ten = micros("0123456789", 7);
        assert!((1_050_000..=1_200_000).contains(&ten), "{ten}");
        assert_eq!(micros(&"0123456789".repeat(10), 7) - 500_000, 10 * (ten - 500_000));
        assert_eq!(micros("[whispers]0123456789[laughs]", 7), ten);
    }
}
