//! The answer to an image request, as OpenAI's SDKs read it: links of ours, or the files in base 64.
//!
//! Base 64 is written piece by piece as the connection takes it (`base64_body.rs`): in whole it would be in memory
//! beside the files, and a second time in the connection's buffer.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use jiff::Timestamp;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::media::{Image, ResponseFormat};
use lmhaven_actors::workspace::Settled;

use super::Admitted;
use super::base64_body::{Base64Body, Part};
use crate::config::Model;
use crate::edge::BodyBudget;
use crate::error::{ApiError, Code};
use crate::relay::chat;

/// A body, written but for the base 64 in it.
pub(super) type Written = Vec<Part>;

/// Writes the body: keeps every image first where links are asked for.
pub(super) async fn write(admitted: &Admitted, images: Vec<Image>) -> Result<Written, ApiError> {
    let now = admitted.worker.gateway.core.clock.now().wall;
    let (format, size, same_size) = match images.split_first() {
        Some((first, rest)) => (first.format, first.size, rest.iter().all(|image| image.size == first.size)),
        None => return Err(ApiError::new(Code::UpstreamBadGateway, "the provider made no image")),
    };
    let mut parts = Written::new();
    let mut text = format!("{{\"created\":{},\"data\":[", now.0.div_euclid(1000));
    for (n, image) in images.into_iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        match admitted.asked.response_format {
            ResponseFormat::Base64 => {
                text.push_str("{\"b64_json\":\"");
                parts.push(Part::Plain(std::mem::take(&mut text).into()));
                parts.push(Part::Encoded(image.bytes));
                text.push_str("\"}");
            }
            ResponseFormat::Url => {
                let pixels = Some((image.size.width, image.size.height));
                // It was made and may be billed: an SDK that asks again by itself would have it made twice.
                let kept = admitted.worker.gateway.images.keep(image.bytes, pixels, now).await;
                let link = kept.map_err(|error| ApiError::from(error).no_retry())?;
                let expires = Timestamp::from_second(link.named.expires_at).unwrap_or_default();
                let url = serde_json::to_string(link.url()).unwrap_or_default();
                let _ = write!(text, "{{\"url\":{url},\"expires_at\":\"{expires}\"}}");
            }
        }
    }
    let _ = write!(text, "],\"output_format\":\"{}\"", format.name());
    if same_size {
        let _ = write!(text, ",\"size\":\"{size}\"");
    }
    text.push('}');
    parts.push(Part::Plain(text.into()));
    Ok(parts)
}

/// The whole answer. Its bytes count in the budget until they have left.
pub(super) fn respond(
    request: RequestId,
    model: &Model,
    settled: &Settled,
    written: Written,
    budget: BodyBudget,
) -> HttpResponse {
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    chat::label(&mut response, request, Some(model), settled.standing.as_ref(), Some(settled.charged));
    response.body(Base64Body::new(written, budget))
}
