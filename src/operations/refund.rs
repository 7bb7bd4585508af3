//! Refunds of payments to the card that paid.

use lmhaven_actors::domain::account::CreditError;
use lmhaven_actors::domain::ids::RefundId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::payment::{RefundRefused, RefundStarted, RefundState};
use lmhaven_actors::workspace::WorkspaceHandle;
use serde::Deserialize;
use serde_json::json;

use super::{audit_row, check_idempotency_key, check_reason, invalid};
use crate::error::{ApiError, Code};
use crate::payments::PaymentError;
use crate::relay::Gateway;

/// What goes back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// How much.
    pub amount_usd: NanoUsd,
    /// Why.
    pub reason: String,
    /// The same key in the same workspace refunds once.
    pub idempotency_key: String,
}

/// A refund that was begun.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// Its id.
    pub id: RefundId,
    /// How it stands.
    pub state: &'static str,
}

/// Begins it: the money is taken from the balance when this returns, whatever the provider says later.
///
/// # Errors
/// A field is wrong, there is no such payment, the key was used for another refund, or more would go back than may.
pub async fn give_back(
    gateway: &Gateway,
    actor: &str,
    workspace: &WorkspaceHandle,
    payment: &str,
    refund: NewRefund,
) -> Result<Refunded, ApiError> {
    let NewRefund { amount_usd, reason, idempotency_key } = refund;
    check_reason(&reason)?;
    check_idempotency_key(&idempotency_key)?;
    let after = json!({ "payment": payment, "amount_usd": amount_usd, "idempotency_key": idempotency_key });
    let id = workspace.id();
    let audit = audit_row(gateway, actor, "payment.refund", id, Some(&reason), (None, Some(after)));
    let started = RefundStarted {
        refund: refund_id(&id.to_string(), &idempotency_key),
        intent: payment.into(),
        workspace: id,
        amount: amount_usd,
        reason: reason.into(),
        at: gateway.core.clock.now().wall,
    };
    let view = gateway.payments.refund(started, audit).await.map_err(refused)?;
    Ok(Refunded { id: view.refund, state: state_name(&view.state) })
}

/// A refund's state in a word.
pub const fn state_name(state: &RefundState) -> &'static str {
    match state {
        RefundState::Pending => "pending",
        RefundState::Confirmed(_) => "confirmed",
        RefundState::Failed(_) => "failed",
    }
}

/// The same key in the same workspace is the same refund.
fn refund_id(workspace: &str, idempotency_key: &str) -> RefundId {
    let digest = blake3::hash(format!("{workspace}\n{idempotency_key}").as_bytes());
    let mut bits = [0_u8; 16];
    for (to, from) in bits.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    RefundId::from_bits(u128::from_be_bytes(bits))
}

fn refused(error: PaymentError) -> ApiError {
    let text = error.to_string();
    match error {
        PaymentError::Refund(RefundRefused::Unknown) | PaymentError::NoWorkspace => ApiError::new(Code::NotFound, text),
        PaymentError::Refund(RefundRefused::Conflict) => {
            ApiError::new(Code::IdempotencyConflict, text).at("idempotency_key")
        }
        PaymentError::Refund(RefundRefused::InsufficientBalance | RefundRefused::BeyondPayment)
        | PaymentError::Account(CreditError::InsufficientBalance) => {
            ApiError::new(Code::RefundTooLarge, text).at("amount_usd")
        }
        PaymentError::Refund(RefundRefused::BadAmount) | PaymentError::Account(CreditError::BadAmount) => {
            invalid("amount_usd", text)
        }
        PaymentError::Account(CreditError::Conflict) => ApiError::new(Code::Internal, text),
        PaymentError::Stripe(_) => ApiError::new(Code::UpstreamUnavailable, text),
        PaymentError::Store(error) => error.into(),
        PaymentError::NotConfigured
        | PaymentError::BadAmount { .. }
        | PaymentError::NoMethod
        | PaymentError::BadThreshold { .. }
        | PaymentError::BadMonthlyMax { .. } => ApiError::new(Code::InvalidRequest, text),
    }
}
