//! Provider accounts, switched on and off.

use lmhaven_actors::domain::fact::ProviderAccountSwitched;
use serde_json::json;

use super::{audit_row, check_reason};
use crate::config::Provider;
use crate::error::{ApiError, Code};
use crate::relay::Gateway;

/// Switches account `n` of a provider; answers the provider once that is durable.
///
/// # Errors
/// There is no such account, a reason is too long, or the store does not take it.
pub async fn switch<'a>(
    gateway: &'a Gateway,
    actor: &str,
    (id, n): (&str, &str),
    enabled: bool,
    reason: Option<&str>,
) -> Result<&'a Provider, ApiError> {
    if let Some(reason) = reason {
        check_reason(reason)?;
    }
    let missing = || ApiError::new(Code::NotFound, "there is no such provider account");
    let provider = gateway.config.providers.iter().find(|provider| provider.id.as_str() == id).ok_or_else(missing)?;
    let pool = gateway.pools.get(&provider.id).ok_or_else(missing)?;
    let n: usize = n.parse().map_err(|_| missing())?;
    let before = pool.view().into_iter().find(|account| account.n == n).ok_or_else(missing)?;
    if !pool.switch(n, enabled) {
        return Err(missing());
    }
    let action = if enabled { "provider.enable" } else { "provider.disable" };
    let both = (Some(json!({ "state": before.state })), Some(json!({ "enabled": enabled })));
    let audit = audit_row(gateway, actor, action, format!("{id}/{n}"), reason, both);
    let at = gateway.core.clock.now().wall;
    let switched = ProviderAccountSwitched { provider: id.to_owned(), n, enabled, at };
    gateway.core.switch_account(switched, audit).await?;
    Ok(provider)
}
