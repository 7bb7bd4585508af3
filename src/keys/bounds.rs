//! What a management key may give away: never more than it has itself.
//!
//! A key that it makes takes over every bound that it leaves out: models, addresses, expiry. Its spend limit binds all keys that
//! it made together; the account counts that (`domain/account/budget.rs`). It makes and rotates no management key: a stolen one
//! would otherwise outlive its own revocation. It may revoke any key that asks models or reads, and itself.

use std::sync::Arc;

use lmhaven_actors::domain::account::KeyState;
use lmhaven_actors::domain::fact::Network;
use lmhaven_actors::domain::key::KeyKind;

use super::Settings;
use crate::error::{ApiError, Code};

fn beyond(param: &str, message: &'static str) -> ApiError {
    ApiError::new(Code::KeyScope, message).at(param)
}

/// The settings within what `maker` has.
///
/// # Errors
/// 403 that names the field that goes beyond it.
pub fn narrowed(maker: &KeyState, wanted: Settings) -> Result<Settings, ApiError> {
    if wanted.kind == KeyKind::Management {
        return Err(beyond("kind", "a management key makes no management key: people do, in the dashboard"));
    }
    let own = &maker.created;
    if !models_within(own.models.as_deref(), wanted.models.as_deref().or(own.models.as_deref())) {
        return Err(beyond("models", "this management key is not for one of these models itself"));
    }
    if !addresses_within(own.ip_allow.as_deref(), wanted.ip_allow.as_deref().or(own.ip_allow.as_deref())) {
        return Err(beyond("ip_allow", "this management key may not come from all of these addresses itself"));
    }
    if maker.expires_at.zip(wanted.expires_at).is_some_and(|(own, wanted)| wanted > own) {
        return Err(beyond("expires_at", "this management key expires before that itself"));
    }
    Ok(Settings {
        models: wanted.models.or_else(|| own.models.clone()),
        ip_allow: wanted.ip_allow.or_else(|| own.ip_allow.clone()),
        expires_at: wanted.expires_at.or(maker.expires_at),
        ..wanted
    })
}

/// Whether `maker` may have a new secret of `key`.
///
/// # Errors
/// 403 where the key may do what `maker` may not give away.
pub fn may_rotate(maker: &KeyState, key: &KeyState) -> Result<(), ApiError> {
    let refused = |message| Err(ApiError::new(Code::KeyScope, message));
    let (own, other) = (&maker.created, &key.created);
    if other.kind == KeyKind::Management {
        return refused("a management key rotates no management key: people do, in the dashboard");
    }
    let expires_within = maker.expires_at.is_none_or(|own| key.expires_at.is_some_and(|other| other <= own));
    let spends_within = own.spend_limit.is_none() || key.made_by_line == Some(maker.line);
    let within = models_within(own.models.as_deref(), other.models.as_deref())
        && addresses_within(own.ip_allow.as_deref(), other.ip_allow.as_deref())
        && expires_within
        && spends_within;
    if within { Ok(()) } else { refused("this key may do more than the management key that asks") }
}

/// Whether `maker` may revoke `key`.
///
/// # Errors
/// 403 for another management key.
pub fn may_revoke(maker: &KeyState, key: &KeyState) -> Result<(), ApiError> {
    if key.created.kind == KeyKind::Management && key.created.key != maker.created.key {
        let message = "a management key revokes no other management key: people do, in the dashboard";
        return Err(ApiError::new(Code::KeyScope, message));
    }
    Ok(())
}

/// `None` is everything.
fn models_within(own: Option<&[Arc<str>]>, wanted: Option<&[Arc<str>]>) -> bool {
    own.is_none_or(|own| wanted.is_some_and(|wanted| wanted.iter().all(|model| own.contains(model))))
}

fn addresses_within(own: Option<&[Network]>, wanted: Option<&[Network]>) -> bool {
    let covered = |network: &Network| own.is_none_or(|own| own.iter().any(|own| own.covers(network)));
    own.is_none() || wanted.is_some_and(|wanted| wanted.iter().all(covered))
}

#[cfg(test)]
mod tests {
    use lmhaven_actors::domain::fact::KeyPurpose;
    use lmhaven_actors::domain::ids::{KeyId, WorkspaceId};
    use lmhaven_actors::domain::money::NanoUsd;
    use lmhaven_actors::domain::time::UnixMillis;

    use super::*;

    const EVERYTHING: Settings = Settings {
        name: String::new(),
        kind: KeyKind::Inference,
        expires_at: None,
        spend_limit: None,
        spend_limit_reset: lmhaven_actors::domain::key::SpendReset::None,
        models: None,
        ip_allow: None,
    };

    fn key(settings: Settings) -> KeyState {
        let workspace = WorkspaceId::from_bits(1);
        KeyState::new(settings.make(workspace, UnixMillis(0), KeyPurpose::Requests, None).1)
    }

    fn models(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn addresses(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn narrow_maker() -> KeyState {
        key(Settings {
            kind: KeyKind::Management,
            models: Some(models(&["a", "b"])),
            ip_allow: Some(addresses(&["10.0.0.0/8", "2001:db8::/32"])),
            expires_at: Some(UnixMillis(1_000)),
            ..EVERYTHING
        })
    }

    #[test]
    fn what_is_left_out_is_taken_over_and_what_goes_beyond_is_named() {
        let maker = narrow_maker();
        let made = narrowed(&maker, EVERYTHING).ok().unwrap();
        assert_eq!((made.models, made.ip_allow, made.expires_at), {
            let own = &maker.created;
            (own.models.clone(), own.ip_allow.clone(), own.expires_at)
        });
        let smaller = Settings {
            models: Some(models(&["b"])),
            ip_allow: Some(addresses(&["10.1.0.0/16", "2001:db8::7"])),
            expires_at: Some(UnixMillis(999)),
            ..EVERYTHING
        };
        assert_eq!(narrowed(&maker, smaller.clone()).ok(), Some(smaller));
        for (wanted, param) in [
            (Settings { kind: KeyKind::Management, ..EVERYTHING }, "kind"),
            (Settings { models: Some(models(&["a", "c"])), ..EVERYTHING }, "models"),
            (Settings { ip_allow: Some(addresses(&["10.0.0.0/7"])), ..EVERYTHING }, "ip_allow"),
            (Settings { ip_allow: Some(addresses(&["10.0.0.1", "192.0.2.1"])), ..EVERYTHING }, "ip_allow"),
            (Settings { expires_at: Some(UnixMillis(1_001)), ..EVERYTHING }, "expires_at"),
        ] {
            let error = narrowed(&maker, wanted).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Code::KeyScope, Some(param)));
        }
    }

    #[test]
    fn a_new_secret_is_given_only_of_keys_that_may_do_no_more() {
        let free = key(Settings { kind: KeyKind::Management, ..EVERYTHING });
        let within = narrowed(&narrow_maker(), EVERYTHING).ok().unwrap();
        assert!(may_rotate(&free, &key(EVERYTHING)).is_ok());
        assert!(may_rotate(&free, &free).is_err(), "not even itself");
        assert!(may_rotate(&narrow_maker(), &key(within.clone())).is_ok());
        for wider in [
            Settings { models: None, ..within.clone() },
            Settings { ip_allow: None, ..within.clone() },
            Settings { expires_at: None, ..within.clone() },
            Settings { expires_at: Some(UnixMillis(1_001)), ..within },
        ] {
            assert!(may_rotate(&narrow_maker(), &key(wider)).is_err());
        }
        let capped = key(Settings { kind: KeyKind::Management, spend_limit: Some(NanoUsd::MAX), ..EVERYTHING });
        let mut child = key(EVERYTHING);
        assert!(may_rotate(&capped, &child).is_err(), "its spending would not count");
        child.made_by_line = Some(capped.line);
        assert!(may_rotate(&capped, &child).is_ok());
        child.made_by_line = Some(KeyId::from_bits(9));
        assert!(may_rotate(&capped, &child).is_err());
    }

    #[test]
    fn any_key_is_revoked_but_another_management_key() {
        let maker = narrow_maker();
        assert!(may_revoke(&maker, &key(EVERYTHING)).is_ok() && may_revoke(&maker, &maker).is_ok());
        assert!(may_revoke(&maker, &narrow_maker()).is_err());
    }
}
