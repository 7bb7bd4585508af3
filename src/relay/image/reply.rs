//! The answer to an image request, as OpenAI's SDKs read it: links of ours, or the files in base 64.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::media::{Image, ResponseFormat};
use lmhaven_actors::workspace::Settled;

use super::Admitted;
use crate::config::Model;
use crate::error::{ApiError, Code};
use crate::relay::chat;

/// The body of an answer for nobody.
pub(super) const fn nothing() -> Bytes {
    Bytes::new()
}

/// Writes the body: keeps every image first where links are asked for.
pub(super) async fn write(admitted: &Admitted, images: Vec<Image>) -> Result<Bytes, ApiError> {
    let now = admitted.worker.gateway.core.clock.now().wall;
    let (first, same_size) = match images.split_first() {
        Some((first, rest)) => (first.clone(), rest.iter().all(|image| image.size == first.size)),
        None => return Err(ApiError::new(Code::UpstreamBadGateway, "the provider made no image")),
    };
    let base64_bytes: usize = match admitted.asked.response_format {
        ResponseFormat::Base64 => images.iter().map(|image| image.bytes.len().div_ceil(3) * 4).sum(),
        ResponseFormat::Url => 0,
    };
    let mut body = String::with_capacity(base64_bytes + 512 * (images.len() + 1));
    let _ = write!(body, "{{\"created\":{},\"data\":[", now.0.div_euclid(1000));
    for (n, image) in images.into_iter().enumerate() {
        if n > 0 {
            body.push(',');
        }
        match admitted.asked.response_format {
            ResponseFormat::Base64 => {
                body.push_str("{\"b64_json\":\"");
                STANDARD.encode_string(&image.bytes, &mut body);
                body.push_str("\"}");
            }
            ResponseFormat::Url => {
                let pixels = Some((image.size.width, image.size.height));
                // It was made and may be billed: an SDK that asks again by itself would have it made twice.
                let kept = admitted.worker.gateway.images.keep(image.bytes, pixels, now).await;
                let link = kept.map_err(|error| ApiError::from(error).no_retry())?;
                let expires = Timestamp::from_second(link.named.expires_at).unwrap_or_default();
                let url = serde_json::to_string(link.url()).unwrap_or_default();
                let _ = write!(body, "{{\"url\":{url},\"expires_at\":\"{expires}\"}}");
            }
        }
    }
    let _ = write!(body, "],\"output_format\":\"{}\"", first.format.name());
    if same_size {
        let _ = write!(body, ",\"size\":\"{}\"", first.size);
    }
    body.push('}');
    Ok(Bytes::from(body))
}

/// The whole answer.
pub(super) fn respond(request: RequestId, model: &Model, settled: &Settled, body: Bytes) -> HttpResponse {
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    chat::label(&mut response, request, Some(model), settled.standing.as_ref(), Some(settled.charged));
    response.body(body)
}
