//! A request's body, read within bounds: of one body, of all bodies together, and of time.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::edge::BodyBudget;
use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// Until the first bytes; a body gets a second more for every 64 KiB that came.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(10);
const BYTES_PER_SECOND: usize = 64 * 1024;
/// Memory that is set aside on a caller's word alone.
const EXPECTED_MAX: usize = 1024 * 1024;

/// A whole body and its part of the budget.
pub struct Body {
    /// The bytes as they came.
    pub bytes: Bytes,
    _budget: BodyBudget,
}

/// Reads a JSON body.
///
/// # Errors
/// 415 for another media type, 413 beyond the limit, 408 for a body that comes too slowly, 503 where all
/// bodies together are too large.
pub async fn read(gateway: &Gateway, headers: &HeaderMap, payload: Payload) -> Result<Body, ApiError> {
    check_media_type(headers)?;
    let max = u64::try_from(gateway.edge.limits.body_bytes_max).unwrap_or(u64::MAX);
    let too_large =
        || ApiError::new(Code::BodyTooLarge, format!("the request body is larger than {max} bytes")).closing();
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut budget = gateway.edge.body_budget();
    let bytes = timeout(deadline(declared), collect(payload, declared, max, &mut budget, too_large))
        .await
        .unwrap_or_else(|_| Err(ApiError::new(Code::RequestTimeout, "the request body came too slowly").closing()))?;
    Ok(Body { bytes, _budget: budget })
}

/// Ten seconds, and one more for every 64 KiB; as for the largest body where no length was declared.
fn deadline(declared: Option<u64>) -> Duration {
    let bytes = declared.unwrap_or(32 * 1024 * 1024);
    FIRST_BYTES_WITHIN + Duration::from_secs(bytes / u64::try_from(BYTES_PER_SECOND).unwrap_or(1))
}

async fn collect(
    mut payload: Payload,
    declared: Option<u64>,
    max: u64,
    budget: &mut BodyBudget,
    too_large: impl Fn() -> ApiError,
) -> Result<Bytes, ApiError> {
    let mut whole: Option<BytesMut> = None;
    let mut first = Bytes::new();
    let mut length = 0_u64;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(Code::InvalidRequest, "the request body broke off").closing())?;
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        length = length.saturating_add(bytes);
        if length > max {
            return Err(too_large());
        }
        budget.take(bytes).map_err(|used_up| {
            ApiError::new(Code::Overloaded, used_up.to_string()).retry_after(Duration::from_secs(1)).closing()
        })?;
        // Most bodies arrive in one piece and are never copied.
        match &mut whole {
            Some(whole) => whole.extend_from_slice(&chunk),
            None if first.is_empty() => first = chunk,
            None => {
                let expected = declared.map_or(0, |length| usize::try_from(length).unwrap_or(0)).min(EXPECTED_MAX);
                let mut joined = BytesMut::with_capacity(expected.max(first.len() + chunk.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&chunk);
                whole = Some(joined);
            }
        }
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, "send the body as application/json").closing())
}
