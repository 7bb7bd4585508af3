//! What stands around an operators' page, how one fails, and what a form that was refused shows again.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use askama::Template;
use lmhaven_actors::domain::people::LinkRefusal;
use lmhaven_actors::system::{ChangeError, fresh};
use lmhaven_actors::workspace::AskError;

use crate::accounts::password::Busy;
use crate::dashboard::page::{self, Notice, Tone};
use crate::dashboard::query::Fields;
use crate::error::{ApiError, Code};
use crate::extract::operator::Operator;
use crate::operations::prices;
use crate::relay::Gateway;

const DAY: i64 = 24 * 60 * 60_000;

/// A page, as the navigation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Workspaces,
    Prices,
    Providers,
    Mail,
    Webhooks,
    Payments,
    Audit,
}

impl Tab {
    const ALL: [Self; 7] =
        [Self::Workspaces, Self::Prices, Self::Providers, Self::Mail, Self::Webhooks, Self::Payments, Self::Audit];

    pub(super) const fn href(self) -> &'static str {
        match self {
            Self::Workspaces => "/operator",
            Self::Prices => "/operator/prices",
            Self::Providers => "/operator/providers",
            Self::Mail => "/operator/mail",
            Self::Webhooks => "/operator/webhooks",
            Self::Payments => "/operator/payments",
            Self::Audit => "/operator/audit",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Workspaces => "Workspaces",
            Self::Prices => "Prices",
            Self::Providers => "Providers",
            Self::Mail => "Mail",
            Self::Webhooks => "Webhooks",
            Self::Payments => "Payment events",
            Self::Audit => "Audit",
        }
    }
}

/// What `operator/layout.html` shows.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    /// The navigation, and the page of it that this is.
    pub(super) tabs: &'static [Tab],
    pub(super) current: Tab,
    pub(super) email: String,
    pub(super) csrf: String,
    /// Money may be moved without giving the password again.
    pub(super) fresh: bool,
    pub(super) notices: Vec<Notice>,
    /// What the form's page was asked with.
    pub(super) done: Option<&'static str>,
}

impl Shell {
    pub(super) fn of(gateway: &Gateway, operator: &Operator, current: Tab, fields: &Fields) -> Self {
        let old = prices::stale_for(gateway).map(|age| {
            let text =
                format!("The price book in force is {} days old. Ratios and list prices change weekly.", age / DAY);
            Notice::new(Tone::Warning, text).linked("/operator/prices", "Import the new ones")
        });
        Self {
            tabs: &Tab::ALL,
            current,
            email: operator.email.to_string(),
            csrf: operator.csrf.clone(),
            fresh: operator.is_fresh(gateway.core.clock.now().wall),
            notices: old.into_iter().collect(),
            done: fields.get("done").and_then(done),
        }
    }
}

/// What a form did, out of the address that it led to: a closed list, so that no link puts words on a page.
fn done(what: &str) -> Option<&'static str> {
    Some(match what {
        "credit" => "The credit is in the ledger.",
        "refund" => "The refund is in the ledger.",
        "suspended" => "The workspace is suspended: its keys are refused from now on.",
        "resumed" => "The workspace is served again.",
        "features" => "The features are set.",
        "limits" => "The limits are set and applied.",
        "published" => "The prices are published.",
        "rolled-back" => "The earlier prices are published again, as a new version.",
        "enabled" => "The account is on.",
        "disabled" => "The account is off. What runs on it goes on.",
        "resent" => "The mail is under way again.",
        "webhook" => "The message is under way again.",
        _ => return None,
    })
}

/// A form as it was sent, where it was refused: what was wrong, and what was written in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    form: String,
    error: String,
    fields: Fields,
}

impl Sent {
    pub(super) fn refused(form: impl Into<String>, error: impl Into<String>, fields: Fields) -> Self {
        Self { form: form.into(), error: error.into(), fields }
    }

    /// What is wrong with this form; nothing where it is another that was sent.
    pub(super) fn error(&self, form: &str) -> &str {
        if self.form == form { &self.error } else { "" }
    }

    /// What was written in a field of this form.
    pub(super) fn value(&self, form: &str, field: &str) -> &str {
        if self.form == form { self.fields.get(field).unwrap_or_default() } else { "" }
    }

    /// The form's key against doing it twice: the one it was sent with, so that sending it again is the same, or a new one.
    pub(super) fn key(&self, form: &str) -> String {
        match self.value(form, "key") {
            "" => format!("op-{:032x}", u128::from_be_bytes(fresh::random())),
            key => key.to_owned(),
        }
    }
}

/// A page cannot be shown, or a form not obeyed for a reason that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Missing,
    Unavailable,
    TooMany(Duration),
    Link,
    Changed,
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        tracing::error!(%error, "an operators' page could not ask a workspace");
        Self::Unavailable
    }
}

impl From<ChangeError> for Trouble {
    fn from(error: ChangeError) -> Self {
        tracing::error!(%error, "an operators' page could not be obeyed");
        Self::Unavailable
    }
}

impl From<Busy> for Trouble {
    fn from(_: Busy) -> Self {
        Self::Unavailable
    }
}

impl From<LinkRefusal> for Trouble {
    fn from(_: LinkRefusal) -> Self {
        Self::Link
    }
}

#[derive(Template)]
#[template(path = "operator/trouble.html")]
struct TroublePage {
    title: &'static str,
    words: &'static str,
    href: &'static str,
    link: &'static str,
}

impl Trouble {
    pub(super) fn respond(self) -> HttpResponse {
        let back = ("/operator", "To the workspaces");
        let (status, title, words, (href, link)) = match self {
            Self::Missing => {
                (StatusCode::NOT_FOUND, "There is no such page", "The address may be old or misspelt.", back)
            }
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available",
                "This cannot be read or written right now. Look whether it was done before you try again.",
                back,
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Please wait",
                "There were too many tries. Please wait a while and try again.",
                back,
            ),
            Self::Link => (
                StatusCode::GONE,
                "This link does not work",
                "It was used already, is too old, or is not complete. Who has the admin token makes another one with \
                 lmhaven admin create; without any operator, a restart prints one.",
                ("/operator/sign-in", "Sign in"),
            ),
            Self::Changed => (
                StatusCode::CONFLICT,
                "Please sign in again",
                "The password was changed a moment ago.",
                ("/operator/sign-in", "Sign in"),
            ),
        };
        let mut response = page::private(status, &TroublePage { title, words, href, link });
        if let Self::TooMany(wait) = self {
            let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The status of a page whose form was refused by `operations`, and what it says; [`Trouble`] where that is no matter of the
/// form.
pub(super) fn refused(error: ApiError) -> Result<(StatusCode, String), Trouble> {
    match error.code {
        Code::NotFound => Err(Trouble::Missing),
        Code::StoreUnavailable | Code::Overloaded | Code::Internal | Code::Draining => Err(Trouble::Unavailable),
        Code::IdempotencyConflict | Code::RefundTooLarge => Ok((StatusCode::CONFLICT, error.message)),
        _ => Ok((StatusCode::UNPROCESSABLE_ENTITY, error.message)),
    }
}
