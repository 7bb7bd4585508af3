//! `/app/keys`: keys listed, made, rotated and revoked. A new secret is on the page that answers its making and nowhere else.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use lmhaven_actors::domain::account::{KeyView, RotateRefused};
use lmhaven_actors::domain::fact::{AuditRow, KeyPurpose, KeyRevoked, Network};
use lmhaven_actors::domain::ids::KeyId;
use lmhaven_actors::domain::key::{KeyKind, SpendReset};
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::{ChangeError, RotateError};
use lmhaven_actors::workspace::RevokeKey;

use super::key_form::{Form, read};
use super::{May, Trouble, Visit};
use crate::dashboard::format;
use crate::dashboard::page::{self, Notice, Shell, Tab, Tone};
use crate::dashboard::query::Fields;
use crate::dashboard::snippets::{Snippet, first_calls};
use crate::keys::overlap::Overlap;
use crate::keys::rotation;
use crate::relay::Worker;

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
    /// What becomes of the secret whose place this one takes; empty for a new key.
    before: String,
    snippets: Vec<Snippet>,
}

#[derive(Template)]
#[template(path = "app/key_rotate.html")]
struct Rotate {
    shell: Shell,
    key: KeyRow,
}

/// One key of the list.
struct KeyRow {
    id: String,
    name: String,
    /// What is left of its secret to be seen.
    shown: String,
    /// What it may do, where that is not to ask models.
    kind: &'static str,
    created: String,
    last_used: String,
    spent: String,
    /// How far it is into its cap.
    cap: String,
    expires: String,
    expired: bool,
    scope: String,
    revoked: String,
    /// The key whose place it takes, or that takes its place.
    link: String,
    rotates: bool,
}

impl KeyRow {
    fn of(key: &KeyView, all: &[KeyView], now: UnixMillis) -> Self {
        let created = &key.created;
        let models = created.models.as_ref().map(|models| models.join(", "));
        let addresses = created.ip_allow.as_ref().map(|addresses| {
            let addresses: Vec<_> = addresses.iter().map(Network::to_string).collect();
            format!("from {}", addresses.join(", "))
        });
        let made_by = created.made_by.map(|id| format!("made by {}", named(all, id)));
        let scope: Vec<_> = models.into_iter().chain(addresses).chain(made_by).collect();
        Self {
            id: created.key.to_string(),
            name: created.name.clone(),
            shown: match created.purpose {
                KeyPurpose::Requests => format!("sk-lmh-…{}", created.last_four),
                KeyPurpose::Playground => "this dashboard".to_owned(),
            },
            kind: match created.kind {
                KeyKind::Inference => "",
                KeyKind::ReadOnly => "read-only",
                KeyKind::Management => "management",
            },
            created: format::day(created.at),
            last_used: key.last_used_at.map_or_else(|| "never".to_owned(), format::moment),
            spent: format::usd(key.spent),
            cap: cap(key),
            expires: key.expires_at.map(format::moment).unwrap_or_default(),
            expired: key.expires_at.is_some_and(|at| at <= now),
            scope: scope.join("; "),
            revoked: key.revoked_at.map(format::moment).unwrap_or_default(),
            link: match (key.rotated_to, created.rotated_from) {
                (Some(to), _) => format!("replaced by {}", named(all, to)),
                (None, Some(from)) => format!("replaces {}", named(all, from)),
                (None, None) => String::new(),
            },
            rotates: key.rotated_to.is_none() && key.is_good(now) && created.purpose == KeyPurpose::Requests,
        }
    }
}

/// A key as another one's row calls it: names are often the same, last characters hardly ever.
fn named(all: &[KeyView], id: KeyId) -> String {
    let found = all.iter().find(|key| key.created.key == id);
    found.map_or_else(|| id.to_string(), |key| format!("…{}", key.created.last_four))
}

/// `$1.50 of $10.00 this month, anew on 2026-12-01`.
fn cap(key: &KeyView) -> String {
    let Some(limit) = key.created.spend_limit else { return String::new() };
    let period = match key.created.spend_limit_reset {
        SpendReset::None => "in all",
        SpendReset::Daily => "today",
        SpendReset::Weekly => "this week",
        SpendReset::Monthly => "this month",
    };
    let spent = format::usd(key.spent_in_period);
    let anew = key.resets_at.map(|at| format!(", anew on {}", format::day(at))).unwrap_or_default();
    format!("{spent} of {} {period}{anew}", format::usd(limit))
}

fn models(worker: &Worker) -> Vec<Arc<str>> {
    worker.gateway.catalogue.models().iter().map(|model| model.id.clone()).collect()
}

fn list(worker: &Worker, visit: &Visit, form: Form, status: StatusCode) -> HttpResponse {
    let now = worker.gateway.core.clock.now().wall;
    // The newest first: a key that was just made is at the top.
    let rows = |revoked: bool| {
        let keys = visit.view.keys.iter().rev().filter(move |key| key.revoked_at.is_some() == revoked);
        keys.map(|key| KeyRow::of(key, &visit.view.keys, now)).collect()
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
    if fields.get("done") == Some("not-rotated") {
        let words = "This key was not rotated: it is revoked, expired, or replaced already.";
        visit.shell.flash = Some(Notice::new(Tone::Warning, words));
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
    let (name, kind) = (wanted.name.clone(), wanted.kind);
    let (secret, created) = wanted.make(visit.workspace.id(), at, KeyPurpose::Requests, None);
    let after = serde_json::json!({ "name": created.name, "last_four": created.last_four, "kind": kind });
    let audit = audit(&visit, at, "key.create", created.key, Some(after));
    core.create_key(&visit.workspace, &secret, created, audit).await.map_err(|error| failed(&error))?;
    let page = Created {
        shell: visit.shell(Tab::Keys),
        name,
        before: String::new(),
        snippets: first_calls(&worker.gateway.config.server.public_url, secret.expose(), kind),
        secret: secret.expose().to_owned(),
    };
    Ok(page::private(StatusCode::CREATED, &page))
}

/// A key of this workspace that the visitor may change.
fn own<'a>(visit: &'a Visit, key: &str) -> Result<&'a KeyView, Trouble> {
    if !visit.may.keys {
        return Err(Trouble::Forbidden);
    }
    let key: KeyId = key.parse().map_err(|_| Trouble::Missing)?;
    visit.view.keys.iter().find(|known| known.created.key == key).ok_or(Trouble::Missing)
}

/// Asks how long the old secret is to stay good.
///
/// # Errors
/// [`Trouble::Missing`] for a key of another workspace, as for one that never was.
pub(super) fn rotate_page(worker: &Worker, visit: &Visit, key: &str) -> Result<HttpResponse, Trouble> {
    let row = KeyRow::of(own(visit, key)?, &visit.view.keys, worker.gateway.core.clock.now().wall);
    if !row.rotates {
        return Ok(page::see_other("/app/keys?done=not-rotated"));
    }
    Ok(page::private(StatusCode::OK, &Rotate { shell: visit.shell(Tab::Keys), key: row }))
}

/// Gives a key a new secret and shows it, once.
///
/// # Errors
/// [`Trouble::Missing`] for a key of another workspace, as for one that never was.
pub(super) async fn rotate(worker: &Worker, visit: Visit, key: &str, fields: &Fields) -> Result<HttpResponse, Trouble> {
    let before = own(&visit, key)?;
    let (key, kind, name) = (before.created.key, before.created.kind, before.created.name.clone());
    let Ok(overlap) = fields.get("overlap").unwrap_or_default().parse::<Overlap>() else {
        return Ok(page::see_other(&format!("/app/keys/{key}/rotate")));
    };
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let (secret, rotation) = rotation(key, overlap, at);
    let after = serde_json::json!({ "key": rotation.new, "last_four": rotation.last_four, "overlap": overlap });
    let audit = audit(&visit, at, "key.rotate", key, Some(after));
    match core.rotate_key(&visit.workspace, &secret, rotation, audit).await {
        Ok(()) => {}
        Err(RotateError::Refused(RotateRefused::Missing)) => return Err(Trouble::Missing),
        // Somebody was quicker, or it ended meanwhile: the list says which.
        Err(RotateError::Refused(_)) => return Ok(page::see_other("/app/keys?done=not-rotated")),
        Err(RotateError::Change(error)) => return Err(failed(&error)),
    }
    let page = Created {
        shell: visit.shell(Tab::Keys),
        name,
        before: match overlap {
            Overlap::None => "The old secret is revoked: programs that still have it are refused.".to_owned(),
            Overlap::Hour | Overlap::Day | Overlap::Week => {
                let until = format::moment(at.plus_millis(overlap.millis()));
                format!("The old secret stays good until {until}: give every program the new one until then.")
            }
        },
        snippets: first_calls(&worker.gateway.config.server.public_url, secret.expose(), kind),
        secret: secret.expose().to_owned(),
    };
    Ok(page::private(StatusCode::CREATED, &page))
}

/// Revokes a key of this workspace. Revoking it again is no mistake.
///
/// # Errors
/// [`Trouble::Missing`] for a key of another workspace, as for one that never was.
pub(super) async fn revoke(worker: &Worker, visit: Visit, key: &str) -> Result<HttpResponse, Trouble> {
    let key = own(&visit, key)?.created.key;
    let core = &worker.gateway.core;
    let at = core.clock.now().wall;
    let revoked = KeyRevoked { workspace: visit.workspace.id(), key, at };
    let message = RevokeKey { revoked, audit: audit(&visit, at, "key.revoke", key, None) };
    core.revoke_key(&visit.workspace, message).await.map_err(|error| failed(&error))?;
    Ok(page::see_other("/app/keys?done=revoked"))
}
