//! The form for a new key: what was typed, what is wrong with it, and the settings that it asks for.

use std::sync::Arc;

use lmhaven_actors::domain::fact::Network;
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;

use crate::dashboard::query::Fields;
use crate::keys::Settings;
use crate::times;

const NAME_LEN_MAX: usize = 100;
/// Addresses and networks of one key.
const ADDRESSES_MAX: usize = 100;

/// What was typed, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) name: String,
    pub(super) expires: String,
    pub(super) spend_limit: String,
    pub(super) reset: String,
    pub(super) kind: String,
    pub(super) addresses: String,
    pub(super) models: Vec<String>,
    pub(super) name_error: Option<&'static str>,
    pub(super) expires_error: Option<&'static str>,
    pub(super) spend_limit_error: Option<&'static str>,
    pub(super) reset_error: Option<&'static str>,
    pub(super) kind_error: Option<&'static str>,
    pub(super) addresses_error: Option<&'static str>,
    pub(super) models_error: Option<&'static str>,
}

impl Form {
    pub(super) fn has(&self, model: &str) -> bool {
        self.models.iter().any(|chosen| chosen == model)
    }

    pub(super) fn is_wrong(&self) -> bool {
        [
            self.name_error,
            self.kind_error,
            self.expires_error,
            self.spend_limit_error,
            self.reset_error,
            self.addresses_error,
            self.models_error,
        ]
        .iter()
        .any(Option::is_some)
    }

    pub(super) fn is_kind(&self, kind: KeyKind) -> bool {
        self.kind == kind.name() || (self.kind.is_empty() && kind == KeyKind::default())
    }

    pub(super) fn is_reset(&self, reset: SpendReset) -> bool {
        self.reset == reset.name() || (self.reset.is_empty() && reset == SpendReset::default())
    }
}

/// Reads the form: a key that may be made, or the form with its mistakes.
pub(super) fn read(fields: &Fields, models: &[Arc<str>], now: UnixMillis) -> Result<Settings, Box<Form>> {
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let mut form = Form {
        name: text("name"),
        expires: text("expires"),
        spend_limit: text("spend_limit"),
        reset: text("spend_limit_reset"),
        kind: text("kind"),
        addresses: text("addresses"),
        models: fields.all("models").map(str::to_owned).collect(),
        ..Form::default()
    };
    if form.name.is_empty() || form.name.chars().count() > NAME_LEN_MAX || form.name.chars().any(char::is_control) {
        form.name_error = Some("A name has 1 to 100 characters.");
    }
    let expires_at = match form.expires.as_str() {
        "" => None,
        // To the end of that day: a key that says the 30th works on the 30th.
        date => match times::parse_day(date).map(|day| UnixMillis((i64::from(day) + 1).saturating_mul(86_400_000))) {
            Some(at) if at > now => Some(at),
            Some(_) => {
                form.expires_error = Some("This day is over.");
                None
            }
            None => {
                form.expires_error = Some("Give a date such as 2027-01-31.");
                None
            }
        },
    };
    let spend_limit = match form.spend_limit.trim_start_matches('$') {
        "" => None,
        amount => match amount.parse::<NanoUsd>() {
            Ok(limit) if limit.is_positive() => Some(limit),
            _ => {
                form.spend_limit_error = Some("Give an amount of dollars above zero, such as 25.00.");
                None
            }
        },
    };
    let kind = chosen(&form.kind).unwrap_or_else(|| {
        form.kind_error = Some("Choose one of these.");
        KeyKind::default()
    });
    let spend_limit_reset = chosen(&form.reset).unwrap_or_else(|| {
        form.reset_error = Some("Choose one of these.");
        SpendReset::default()
    });
    if spend_limit_reset != SpendReset::None && form.spend_limit.is_empty() {
        form.spend_limit_error = Some("Give the amount that is to start anew, such as 25.00.");
    }
    let split = form.addresses.split([',', ' ', '\n', '\r', ';']).map(str::trim).filter(|text| !text.is_empty());
    let addresses: Result<Vec<Network>, _> = split.map(str::parse).collect();
    let ip_allow = match addresses {
        Ok(addresses) if addresses.len() <= ADDRESSES_MAX => Some(addresses).filter(|addresses| !addresses.is_empty()),
        _ => {
            form.addresses_error = Some("Give up to 100 addresses or networks such as 203.0.113.7 or 10.0.0.0/8.");
            None
        }
    };
    let chosen: Vec<Arc<str>> = models.iter().filter(|model| form.has(model)).cloned().collect();
    if chosen.len() != form.models.len() {
        form.models_error = Some("One of these models is not there any more.");
    }
    if form.is_wrong() {
        return Err(Box::new(form));
    }
    let models = Some(chosen).filter(|chosen| !chosen.is_empty());
    Ok(Settings { name: form.name, kind, expires_at, spend_limit, spend_limit_reset, models, ip_allow })
}

/// One of several choices; the usual one where the form has none.
fn chosen<T: std::str::FromStr + Default>(text: &str) -> Option<T> {
    if text.is_empty() { Some(T::default()) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::query::encoded;

    fn read_form(pairs: &[(&str, &str)]) -> Result<Settings, Box<Form>> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let models: Vec<Arc<str>> = vec!["opus".into(), "flash".into()];
        read(&Fields::of_form(pairs.join("&").as_bytes()), &models, UnixMillis(1_800_000_000_000))
    }

    #[test]
    fn a_form_with_a_name_alone_makes_a_key_for_everything() {
        let wanted = read_form(&[("name", " laptop "), ("expires", ""), ("spend_limit", "")]).ok().unwrap();
        assert_eq!(wanted.name, "laptop");
        assert!(wanted.models.is_none() && wanted.ip_allow.is_none() && wanted.expires_at.is_none());
    }

    #[test]
    fn every_field_narrows_the_key() {
        let wanted = read_form(&[
            ("name", "ci"),
            ("expires", "2099-12-31"),
            ("spend_limit", "$12.50"),
            ("spend_limit_reset", "monthly"),
            ("kind", "management"),
            ("addresses", "203.0.113.7, 10.0.0.0/8\n2001:db8::/32"),
            ("models", "flash"),
        ]);
        let wanted = wanted.ok().unwrap();
        assert_eq!(wanted.expires_at.map(times::rfc3339).as_deref(), Some("2100-01-01T00:00:00Z"), "to its end");
        assert_eq!(wanted.spend_limit.unwrap().to_string(), "12.50");
        assert_eq!((wanted.spend_limit_reset, wanted.kind), (SpendReset::Monthly, KeyKind::Management));
        assert_eq!(wanted.ip_allow.unwrap().len(), 3);
        assert_eq!(wanted.models.unwrap(), ["flash".into()]);
    }

    #[test]
    fn mistakes_are_named_beside_their_field_and_what_was_typed_stays() {
        let wrong = |pairs: &[(&str, &str)]| read_form(pairs).err().unwrap();
        let form = wrong(&[
            ("name", ""),
            ("expires", "2001-01-01"),
            ("spend_limit", "-1"),
            ("addresses", "everywhere"),
            ("models", "gpt"),
            ("kind", "root"),
            ("spend_limit_reset", "hourly"),
        ]);
        assert!(form.kind_error.is_some() && form.reset_error.is_some());
        assert!(form.name_error.is_some() && form.expires_error == Some("This day is over."));
        assert!(form.spend_limit_error.is_some() && form.addresses_error.is_some() && form.models_error.is_some());
        assert_eq!((form.spend_limit.as_str(), form.addresses.as_str()), ("-1", "everywhere"));
        let nothing_to_reset = wrong(&[("name", "x"), ("spend_limit_reset", "daily")]);
        assert!(nothing_to_reset.spend_limit_error.is_some() && nothing_to_reset.is_reset(SpendReset::Daily));
        assert!(wrong(&[("name", &"x".repeat(101))]).name_error.is_some());
    }
}
