//! `/app/keys`: keys listed, made and revoked. A new key's secret is on the page that answers its creation and nowhere else.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::account::KeyState;
use lmhaven_actors::domain::fact::{AuditRow, KeyCreated, KeyPurpose, KeyRevoked, Network};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, digest_text, fresh};
use lmhaven_actors::workspace::RevokeKey;

use super::{May, Trouble, Visit};
use crate::dashboard::format;
use crate::dashboard::page::{self, Notice, Shell, Tab, Tone};
use crate::dashboard::query::Fields;
use crate::dashboard::snippets::{Snippet, quick_starts};
use crate::relay::Worker;
use crate::times;

const NAME_LEN_MAX: usize = 100;
/// Addresses and networks of one key.
const ADDRESSES_MAX: usize = 100;

#[derive(Template)]
#[template(path = "app/keys.html")]
struct List {
    shell: Shell,
    may: May,
    keys: Vec<KeyRow>,
    revoked: Vec<KeyRow>,
    models: Vec<Arc<str>>,
    form: Form,
}

#[derive(Template)]
#[template(path = "app/key_created.html")]
struct Created {
    shell: Shell,
    name: String,
    secret: String,
    snippets: Vec<Snippet>,
}

/// One key of the list.
struct KeyRow {
    id: String,
    name: String,
    /// What is left of its secret to be seen.
    shown: String,
    created: String,
    last_used: String,
    spent: String,
    limit: String,
    expires: String,
    expired: bool,
    scope: String,
    revoked: String,
}

impl KeyRow {
    fn of(key: &KeyState, now: UnixMillis) -> Self {
        let created = &key.created;
        let models = created.models.as_ref().map(|models| models.join(", "));
        let addresses = created.ip_allow.as_ref().map(|addresses| {
            let addresses: Vec<_> = addresses.iter().map(Network::to_string).collect();
            format!("from {}", addresses.join(", "))
        });
        let scope: Vec<_> = models.into_iter().chain(addresses).collect();
        Self {
            id: created.key.to_string(),
            name: created.name.clone(),
            shown: match created.purpose {
                KeyPurpose::Requests => format!("sk-lmh-…{}", created.last_four),
                KeyPurpose::Playground => "this dashboard".to_owned(),
            },
            created: format::day(created.at),
            last_used: key.last_used_at.map_or_else(|| "never".to_owned(), format::moment),
            spent: format::usd(key.spent),
            limit: created.spend_limit.map(format::usd).unwrap_or_default(),
            expires: created.expires_at.map(format::moment).unwrap_or_default(),
            expired: created.expires_at.is_some_and(|at| at <= now),
            scope: scope.join("; "),
            revoked: key.revoked_at.map(format::moment).unwrap_or_default(),
        }
    }
}

/// What was typed, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Form {
    name: String,
    expires: String,
    spend_limit: String,
    addresses: String,
    models: Vec<String>,
    name_error: Option<&'static str>,
    expires_error: Option<&'static str>,
    spend_limit_error: Option<&'static str>,
    addresses_error: Option<&'static str>,
    models_error: Option<&'static str>,
}

impl Form {
    fn has(&self, model: &str) -> bool {
        self.models.iter().any(|chosen| chosen == model)
    }

    fn is_wrong(&self) -> bool {
        let errors =
            [self.name_error, self.expires_error, self.spend_limit_error, self.addresses_error, self.models_error];
        errors.iter().any(Option::is_some)
    }
}

/// A key that may be made.
struct Wanted {
    name: String,
    expires_at: Option<UnixMillis>,
    spend_limit: Option<NanoUsd>,
    models: Option<Vec<Arc<str>>>,
    ip_allow: Option<Vec<Network>>,
}

/// Reads the form: a key that may be made, or the form with its mistakes.
fn read(fields: &Fields, models: &[Arc<str>], now: UnixMillis) -> Result<Wanted, Box<Form>> {
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let mut form = Form {
        name: text("name"),
        expires: text("expires"),
        spend_limit: text("spend_limit"),
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
    Ok(Wanted { name: form.name, expires_at, spend_limit, models, ip_allow })
}

fn models(worker: &Worker) -> Vec<Arc<str>> {
    worker.gateway.catalogue.models().iter().map(|model| model.id.clone()).collect()
}

fn list(worker: &Worker, visit: &Visit, form: Form, status: StatusCode) -> HttpResponse {
    let now = worker.gateway.core.clock.now().wall;
    // The newest first: a key that was just made is at the top.
    let rows = |revoked: bool| {
        let keys = visit.view.keys.iter().rev().filter(move |key| key.revoked_at.is_some() == revoked);
        keys.map(|key| KeyRow::of(key, now)).collect()
    };
    let page = List {
        shell: visit.shell(Tab::Keys),
        may: visit.may,
        keys: rows(false),
        revoked: rows(true),
        models: models(worker),
        form,
    };
    page::private(status, &page)
}

/// The list, with the form for a new key.
pub(super) fn keys(worker: &Worker, visit: &mut Visit, fields: &Fields) -> HttpResponse {
    if fields.get("done") == Some("revoked") {
        visit.shell.flash = Some(Notice::new(Tone::Done, "The key is revoked. It was refused from that moment on."));
    }
    list(worker, visit, Form::default(), StatusCode::OK)
}

pub(super) fn audit(
    visit: &Visit,
    at: UnixMillis,
    action: &str,
    key: KeyId,
    after: Option<serde_json::Value>,
) -> AuditRow {
    AuditRow {
        at,
        actor: visit.shell.email.clone(),
        action: action.to_owned(),
        target: key.to_string(),
        reason: None,
        before: None,
        after,
    }
}

pub(super) fn failed(error: &ChangeError) -> Trouble {
    tracing::error!(%error, "a key could not be changed");
    Trouble::Unavailable
}

/// Makes a key and shows it, once.
///
/// # Errors
/// [`Trouble`].
pub(super) async fn create(worker: &Worker, visit: Visit, fields: &Fields) -> Result<HttpResponse, Trouble> {
    if !visit.may.keys {
        return Err(Trouble::Forbidden);
    }
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let wanted = match read(fields, &models(worker), at) {
        Ok(wanted) => wanted,
        Err(form) => return Ok(list(worker, &visit, *form, StatusCode::UNPROCESSABLE_ENTITY)),
    };
    let secret = fresh::secret();
    let created = KeyCreated {
        workspace: visit.workspace.id(),
        key: fresh::key_id(at),
        at,
        name: wanted.name.clone(),
        digest: digest_text(&secret.digest()),
        last_four: secret.last_four().to_owned(),
        expires_at: wanted.expires_at,
        spend_limit: wanted.spend_limit,
        models: wanted.models,
        ip_allow: wanted.ip_allow,
        purpose: KeyPurpose::Requests,
    };
    let after = serde_json::json!({ "name": created.name, "last_four": created.last_four });
    let audit = audit(&visit, at, "key.create", created.key, Some(after));
    core.create_key(&visit.workspace, &secret, created, audit).await.map_err(|error| failed(&error))?;
    let page = Created {
        shell: visit.shell(Tab::Keys),
        name: wanted.name,
        snippets: quick_starts(&worker.gateway.config.server.public_url, secret.expose()),
        secret: secret.expose().to_owned(),
    };
    Ok(page::private(StatusCode::CREATED, &page))
}

/// Revokes a key of this workspace. Revoking it again is no mistake.
///
/// # Errors
/// [`Trouble::Missing`] for a key of another workspace, as for one that never was.
pub(super) async fn revoke(worker: &Worker, visit: Visit, key: &str) -> Result<HttpResponse, Trouble> {
    if !visit.may.keys {
        return Err(Trouble::Forbidden);
    }
    let key: KeyId = key.parse().map_err(|_| Trouble::Missing)?;
    if !visit.view.keys.iter().any(|known| known.created.key == key) {
        return Err(Trouble::Missing);
    }
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let revoked = KeyRevoked { workspace: visit.workspace.id(), key, at };
    let message = RevokeKey { revoked, audit: audit(&visit, at, "key.revoke", key, None) };
    core.revoke_key(&visit.workspace, message).await.map_err(|error| failed(&error))?;
    Ok(page::see_other("/app/keys?done=revoked"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::query::encoded;

    fn read_form(pairs: &[(&str, &str)]) -> Result<Wanted, Box<Form>> {
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
            ("addresses", "203.0.113.7, 10.0.0.0/8\n2001:db8::/32"),
            ("models", "flash"),
        ]);
        let wanted = wanted.ok().unwrap();
        assert_eq!(wanted.expires_at.map(times::rfc3339).as_deref(), Some("2100-01-01T00:00:00Z"), "to its end");
        assert_eq!(wanted.spend_limit.unwrap().to_string(), "12.50");
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
        ]);
        assert!(form.name_error.is_some() && form.expires_error == Some("This day is over."));
        assert!(form.spend_limit_error.is_some() && form.addresses_error.is_some() && form.models_error.is_some());
        assert_eq!((form.spend_limit.as_str(), form.addresses.as_str()), ("-1", "everywhere"));
        assert!(wrong(&[("name", &"x".repeat(101))]).name_error.is_some());
    }
}
