//! A page on its way out: the shell around it, and every header that pages have.
//!
//! Pages of accounts, payments and the dashboard end here, so the content policy is one text: nothing inline, nothing from
//! elsewhere, no frame around us, forms only to ourselves.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

/// What a page may load and where it may send forms.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// A public page may be a minute old.
const PUBLIC_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-store");

/// The links at the top of public pages: path, name, and whether it is the page `here`.
pub fn public_links(here: &str) -> [(&'static str, &'static str, bool); 3] {
    [("/models", "Models"), ("/docs", "Docs"), ("/status", "Status")].map(|(path, name)| (path, name, path == here))
}

/// A page about somebody: never kept by a browser or a proxy. Signed-in pages and everything with a form of accounts.
pub fn private(status: StatusCode, page: &impl Template) -> HttpResponse {
    respond(status, page, NO_CACHE, "")
}

/// As [`private`], for a page whose form may be sent on to this origin, such as a checkout's. Browsers apply `form-action` to
/// the redirect that follows a form, too.
pub fn private_with_forms_to(status: StatusCode, page: &impl Template, origin: &str) -> HttpResponse {
    respond(status, page, NO_CACHE, origin)
}

/// A page that is the same for everybody.
pub fn public(page: &impl Template) -> HttpResponse {
    respond(StatusCode::OK, page, PUBLIC_CACHE, "")
}

fn respond(status: StatusCode, page: &impl Template, cache: HeaderValue, forms_to: &str) -> HttpResponse {
    match page.render() {
        Ok(html) => {
            let mut response = HttpResponse::build(status);
            response.insert_header((header::CACHE_CONTROL, cache));
            let mut response = response.content_type("text/html; charset=utf-8").body(html);
            protect(&mut response, forms_to);
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            let mut response =
                HttpResponse::InternalServerError().content_type("text/plain; charset=utf-8").body("internal error\n");
            protect(&mut response, "");
            response
        }
    }
}

/// After a form was obeyed: the page to look at. `path` is ours.
pub fn see_other(path: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish();
    protect(&mut response, "");
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    response
}

/// Whether a page is wanted: a browser asks, which takes HTML and presents no key.
pub fn is_wanted(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.split(',').any(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html")));
    html && !headers.contains_key(header::AUTHORIZATION) && !headers.contains_key("x-api-key")
}

/// The headers that a page has whatever it says.
pub fn protect(response: &mut HttpResponse, forms_to: &str) {
    let policy = if is_origin(forms_to) { format!("{CONTENT_POLICY} {forms_to}") } else { CONTENT_POLICY.to_owned() };
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(CONTENT_POLICY));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
}

/// `https://host` or `http://host:port`, with nothing in it that could end a directive.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

/// A page of the dashboard, as its navigation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as its page")]
pub enum Tab {
    Overview,
    Keys,
    Usage,
    Requests,
    Billing,
    Limits,
    Models,
    Playground,
    Members,
    Settings,
    /// A page that the navigation does not name, such as a person's account.
    None,
}

impl Tab {
    /// Those of the navigation, in order.
    pub const ALL: [Self; 10] = [
        Self::Overview,
        Self::Keys,
        Self::Usage,
        Self::Requests,
        Self::Billing,
        Self::Limits,
        Self::Models,
        Self::Playground,
        Self::Members,
        Self::Settings,
    ];

    /// Its path.
    pub const fn href(self) -> &'static str {
        match self {
            Self::Overview | Self::None => "/app",
            Self::Keys => "/app/keys",
            Self::Usage => "/app/usage",
            Self::Requests => "/app/requests",
            Self::Billing => "/app/billing",
            Self::Limits => "/app/limits",
            Self::Models => "/app/models",
            Self::Playground => "/app/playground",
            Self::Members => "/app/members",
            Self::Settings => "/app/settings",
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Keys => "Keys",
            Self::Usage => "Usage",
            Self::Requests => "Requests",
            Self::Billing => "Billing",
            Self::Limits => "Limits",
            Self::Models => "Models",
            Self::Playground => "Playground",
            Self::Members => "Members",
            Self::Settings => "Settings",
            Self::None => "",
        }
    }
}

/// A workspace that the person belongs to, in the switcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceChoice {
    /// `ws_…`.
    pub id: String,
    /// What its members call it.
    pub name: String,
    /// The one this page is about.
    pub current: bool,
}

/// How a sentence at the top of a page is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Something should be looked at.
    Warning,
    /// Something did not work, or does not work any more.
    Failure,
}

/// A sentence at the top of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    tone: Tone,
    text: Cow<'static, str>,
    link: Option<(&'static str, &'static str)>,
}

impl Notice {
    /// A sentence.
    pub fn new(tone: Tone, text: impl Into<Cow<'static, str>>) -> Self {
        Self { tone, text: text.into(), link: None }
    }

    /// With a link after it: where to, and its words.
    #[must_use]
    pub const fn linked(mut self, href: &'static str, words: &'static str) -> Self {
        self.link = Some((href, words));
        self
    }

    /// Its class in the stylesheet.
    pub const fn kind(&self) -> &'static str {
        match self.tone {
            Tone::Done => "ok",
            Tone::Warning => "warn",
            Tone::Failure => "danger",
        }
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The link after it.
    pub const fn link(&self) -> Option<(&'static str, &'static str)> {
        self.link
    }
}

/// What `layout.html` shows around a signed-in page.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The page this is.
    pub current: Tab,
    /// Who is signed in.
    pub email: String,
    /// As what, in this workspace: `owner`, `finance`, `developer` or `viewer`.
    pub role: &'static str,
    /// The workspace's name.
    pub workspace_name: String,
    /// Every workspace of the person.
    pub workspaces: Vec<WorkspaceChoice>,
    /// What forms of this session carry.
    pub csrf: String,
    /// What the last form did.
    pub flash: Option<Notice>,
    /// What holds until it is mended: an address that is not verified, an empty balance.
    pub notices: Vec<Notice>,
}

impl Shell {
    /// The navigation.
    pub const fn tabs(&self) -> &'static [Tab] {
        &Tab::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(
        source = r#"{% extends "layout.html" %}{% block title %}Trial{% endblock %}{% block main %}<h1>Trial</h1>{% endblock %}"#,
        ext = "html"
    )]
    struct Trial {
        shell: Shell,
    }

    #[derive(Template)]
    #[template(
        source = r#"{% extends "bare.html" %}{% block title %}Trial{% endblock %}{% block main %}<h1>Trial</h1>{% endblock %}"#,
        ext = "html"
    )]
    struct BareTrial;

    fn shell(name: &str) -> Shell {
        Shell {
            current: Tab::Keys,
            email: name.to_owned(),
            role: "owner",
            workspace_name: name.to_owned(),
            workspaces: vec![WorkspaceChoice { id: "ws_1".into(), name: name.to_owned(), current: true }],
            csrf: "token".to_owned(),
            flash: Some(Notice::new(Tone::Done, name.to_owned())),
            notices: vec![Notice::new(Tone::Warning, name.to_owned()).linked("/app/billing", "Top up")],
        }
    }

    #[test]
    fn the_shell_escapes_every_name_in_it() {
        let html = Trial { shell: shell("<script>alert(1)</script>\"'") }.render().unwrap();
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(
            html.contains("<title>Trial · LMHaven</title>") && html.contains(r#"href="/app/keys" aria-current="page""#)
        );
        assert_eq!(html.matches(r#"name="csrf" value="token""#).count(), 2, "sign-out and switcher");
    }

    #[test]
    fn signed_out_pages_have_landmarks_and_title() {
        let html = BareTrial.render().unwrap();
        assert!(html.contains("<title>Trial · LMHaven</title>") && html.contains(r#"<main id="main""#), "{html}");
    }

    #[test]
    fn forms_go_to_ourselves_and_to_an_origin_that_is_one() {
        let policy = |forms_to: &str| {
            let response = private_with_forms_to(StatusCode::OK, &BareTrial, forms_to);
            response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().to_owned()
        };
        assert!(policy("https://checkout.stripe.com").ends_with("form-action 'self' https://checkout.stripe.com"));
        for bad in ["", "https://", "https://a; script-src *", "javascript:alert(1)", "https://a b", "*"] {
            assert!(policy(bad).ends_with("form-action 'self'"), "{bad:?}");
        }
        assert!(!policy("").contains("unsafe"));
    }
}
