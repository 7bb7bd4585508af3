//! What a webhook carries, and its signature, after the Standard Webhooks specification (standardwebhooks.com, 1.0).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lmhaven_actors::domain::billing::{BillingEvent, Happened};
use lmhaven_actors::domain::ids::EventId;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::domain::webhook::{Content, Delivery};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::times;

/// A message as it leaves.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`: seconds since the epoch, when it leaves.
    pub timestamp: String,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// A secret as the customer sees it.
pub fn secret_text(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// Signs a message that leaves at `now` with every secret that is in force.
pub fn sign(id: EventId, body: String, secrets: &[[u8; 32]], now: UnixMillis) -> Signed {
    let (id, timestamp) = (id.to_string(), now.0.div_euclid(1000).to_string());
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| {
            // HMAC takes a key of any length, so none is left out.
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body.as_bytes()] {
                mac.update(part);
            }
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        })
        .collect();
    Signed { id, timestamp, signature: signatures.join(" "), body }
}

/// The body of a message: the same at every attempt.
pub fn body(delivery: &Delivery) -> String {
    let data = match &delivery.content {
        Content::Test => json!({ "workspace_id": delivery.workspace }),
        Content::Billing(event) => data_of(event),
    };
    json!({ "type": delivery.content.name(), "timestamp": times::rfc3339(delivery.at), "data": data }).to_string()
}

fn data_of(event: &BillingEvent) -> Value {
    let mut data = json!({ "workspace_id": event.workspace, "balance_usd": event.balance_usd });
    let more = match &event.happened {
        Happened::TopUp { payment, amount_usd }
        | Happened::AutoTopUp { payment, amount_usd }
        | Happened::Refund { payment, amount_usd }
        | Happened::RefundFailed { payment, amount_usd }
        | Happened::DisputeOpened { payment, amount_usd } => {
            json!({ "amount_usd": amount_usd, "payment_id": payment })
        }
        Happened::DisputeClosed { payment, amount_usd, won } => {
            json!({ "amount_usd": amount_usd, "payment_id": payment, "won": won })
        }
        Happened::AutoTopUpFailed { amount_usd, switched_off } => {
            json!({ "amount_usd": amount_usd, "switched_off": switched_off })
        }
        Happened::Credit { amount_usd } => json!({ "amount_usd": amount_usd }),
        Happened::LimitsChanged { requests_per_minute, concurrent_streams } => {
            json!({ "requests_per_minute": requests_per_minute, "concurrent_streams": concurrent_streams })
        }
    };
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
        data.extend(event.receipt.map(|number| ("receipt".to_owned(), json!(number))));
    }
    data
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// One row of the table that the `standardwebhooks` library is held against too, in
    /// `tests/sdk/python/test_webhook_signatures.py`.
    #[derive(Deserialize)]
    struct Row {
        event: EventId,
        timestamp: i64,
        body: String,
        secrets: Vec<String>,
        signature: String,
    }

    #[test]
    fn messages_are_signed_as_the_table_says() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("signatures.json")).unwrap();
        assert!(rows.len() >= 3);
        for row in rows {
            let secret = |text: &String| -> [u8; 32] {
                STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap().try_into().unwrap()
            };
            let secrets: Vec<_> = row.secrets.iter().map(secret).collect();
            assert_eq!(secret_text(&secrets[0]), row.secrets[0]);
            let signed = sign(row.event, row.body.clone(), &secrets, UnixMillis(row.timestamp * 1000 + 999));
            assert_eq!((&signed.signature, &signed.body), (&row.signature, &row.body));
            assert_eq!(signed.timestamp, row.timestamp.to_string());
        }
    }
}
