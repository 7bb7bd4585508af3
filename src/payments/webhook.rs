//! `POST /webhooks/stripe`: raw bytes, a signature, an event. 2xx only once the event is durable or means nothing here.

use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;
use serde_json::Value;

use super::{Payments, objects, signature};
use crate::error::{ApiError, Code};

/// Stripe's events are a few KiB.
const BYTES_MAX: usize = 256 << 10;
/// What becomes of a webhook, for metrics.
pub const OUTCOMES: [&str; 7] = ["applied", "parked", "repeated", "waiting", "ignored", "refused", "failed"];
const WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

impl Payments {
    /// Takes in a webhook.
    ///
    /// # Errors
    /// What its sender is told; Stripe sends it again then.
    pub async fn webhook(&self, headers: &HeaderMap, payload: Payload) -> Result<(), ApiError> {
        let body = tokio::time::timeout(WITHIN, read(payload)).await;
        let body =
            body.unwrap_or_else(|_| Err(ApiError::new(Code::RequestTimeout, "the body came too slowly").closing()))?;
        let (kind, outcome) = match self.judge(headers, &body) {
            Err(error) => ("unsigned", Err(error)),
            Ok(event) => {
                let kind = objects::kind_of(&event);
                (kind, self.believe(kind, &event).await)
            }
        };
        let label = match &outcome {
            Ok(outcome) => *outcome,
            Err(error) if error.code == Code::StoreUnavailable => "failed",
            Err(_) => "refused",
        };
        metrics::counter!("lmhaven_payment_webhooks_total", "kind" => kind, "outcome" => label).increment(1);
        outcome.map(|_| ())
    }

    /// Whether it is Stripe's; the event it carries.
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
        let secrets: Vec<_> = self.config.stripe_webhook_secrets.iter().map(crate::config::Secret::expose).collect();
        if secrets.is_empty() {
            return Err(ApiError::new(Code::NotFound, "card payments are not set up here"));
        }
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let now = self.core.clock.now().wall.0.div_euclid(1000);
        signature::check(header, body, &secrets, now).map_err(|error| {
            tracing::warn!(%error, "a webhook was not believed");
            ApiError::new(Code::InvalidRequest, error.to_string())
        })?;
        serde_json::from_slice(body).map_err(|_| ApiError::new(Code::InvalidJson, "the body is not JSON"))
    }

    async fn believe(&self, kind: &'static str, event: &Value) -> Result<&'static str, ApiError> {
        if kind == "other" {
            return Ok("ignored");
        }
        if event.get("livemode").and_then(Value::as_bool) != Some(self.config.livemode) {
            tracing::error!(kind, "a webhook of the other mode; see payments.livemode");
            return Err(ApiError::new(Code::InvalidRequest, "the event is of the other mode: test or live"));
        }
        let object = event.pointer("/data/object").unwrap_or(&Value::Null);
        let outcome = self.take_in(objects::of_webhook(kind, object)).await.map_err(|error| {
            tracing::error!(%error, kind, "a webhook could not be carried out");
            ApiError::new(Code::StoreUnavailable, "the event could not be stored; send it again")
        })?;
        match outcome {
            "refused" => Err(ApiError::new(Code::InvalidRequest, "the event does not fit what was asked for")),
            "waiting" => Err(ApiError::new(Code::StoreUnavailable, "too many events wait; send it again")),
            outcome => Ok(outcome),
        }
    }
}

async fn read(mut payload: Payload) -> Result<Bytes, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(Code::InvalidRequest, "the body broke off").closing())?;
        if body.len() + chunk.len() > BYTES_MAX {
            return Err(ApiError::new(Code::BodyTooLarge, "a webhook has at most 256 KiB").closing());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}
