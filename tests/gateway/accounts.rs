//! People over real HTTP, with a browser that is a cookie jar: what each form does, and what each guard refuses.
//!
//! Mails are read from the outbox, their tokens made as the mail worker makes them. The clock of a test stands until it is moved.

mod forms;
mod journeys;
mod members;
mod silence;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::ids::LinkId;
use lmhaven_actors::domain::mail::MailContent;
use reqwest::redirect::Policy;

use crate::harness::{Haven, Reply, until};

/// Where the tests' gateway says that people find it.
const ORIGIN: &str = "https://lmhaven.test";
/// A password that may be chosen.
const PASSWORD: &str = "correct horse battery";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A clock that stands until it is moved.
pub(crate) struct Stopped(&'static AtomicI64);

impl Stopped {
    pub(crate) fn new() -> Self {
        Self(Box::leak(Box::new(AtomicI64::new(1_790_000_000_000))))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::given(self.0)
    }

    pub(crate) fn pass(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

async fn start() -> (Haven, Stopped) {
    let stopped = Stopped::new();
    (Haven::start_from("", &[], stopped.clock()).await, stopped)
}

/// A browser: keeps cookies, says where its forms come from, follows nothing by itself.
struct Browser<'a> {
    haven: &'a Haven,
    client: reqwest::Client,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    fn new(haven: &'a Haven) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { haven, client, cookies: RefCell::default() }
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    fn plant(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let reply = Reply::to(request).await;
        for value in reply.headers.get_all("set-cookie") {
            let (pair, flags) = value.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if flags.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.plant(name, value);
            }
        }
        reply
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(self.client.get(format!("{}{path}", self.haven.base)).header("accept", "text/html")).await
    }

    /// A form, with the token that the page has.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = self.csrf().await;
        let mut fields = fields.to_vec();
        if let Some(csrf) = &csrf {
            fields.push(("csrf", csrf));
        }
        self.send(self.bare_form(path, &fields).header("origin", ORIGIN)).await
    }

    /// A form that says nothing of where it comes from.
    fn bare_form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let encode = |text: &str| lmhaven::dashboard::query::encoded(text);
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.client.post(format!("{}{path}", self.haven.base)).header("accept", "text/html");
        request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
    }

    /// The token of the session's forms, as the account's page has it.
    async fn csrf(&self) -> Option<String> {
        self.cookie("__Host-lmhaven").or(self.cookie("lmhaven"))?;
        let page = self.get("/app/account").await;
        let (_, rest) = page.text.split_once("name=\"csrf\" value=\"")?;
        Some(rest.split_once('"').unwrap().0.to_owned())
    }

    async fn sign_up(&self, email: &str) -> Reply {
        self.form("/app/sign-up", &[("email", email), ("password", PASSWORD)]).await
    }

    async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.form("/app/sign-in", &[("email", email), ("password", password)]).await
    }

    /// Signs up, confirms the address, and is signed in by that.
    async fn join(&self, email: &str) {
        assert_eq!(self.sign_up(email).await.status, 200);
        let token = token(self.haven, email, "verify_address");
        let confirmed = self.form("/app/verify", &[("token", &token), ("password", PASSWORD)]).await;
        assert_eq!((confirmed.status, confirmed.header("location")), (303, "/app"), "{}", confirmed.text);
    }

    async fn is_signed_in(&self) -> bool {
        match self.get("/app/account").await.status {
            200 => true,
            303 => false,
            other => panic!("{other}"),
        }
    }
}

/// The mails of one kind to an address, the newest first.
fn mails(haven: &Haven, email: &str, kind: &str) -> Vec<MailContent> {
    let all = haven.server.gateway.core.office(|office| office.outbox.list(None, 1_000));
    let mails = all.into_iter().map(|delivery| delivery.mail);
    mails.filter(|mail| mail.to == email && mail.content.kind() == kind).map(|mail| mail.content).collect()
}

fn token_of(haven: &Haven, link: LinkId) -> String {
    haven.server.gateway.accounts.keys.link_token(link)
}

/// The token of the newest link of one kind to an address.
fn token(haven: &Haven, email: &str, kind: &str) -> String {
    let content = mails(haven, email, kind).into_iter().next().unwrap_or_else(|| panic!("no {kind} to {email}"));
    token_of(haven, content.link().expect("a link").0)
}

/// The token of a link to set a password, which is queued beside the request.
async fn reset_token(haven: &Haven, email: &str, known: usize) -> String {
    until("the mail to be queued", || async {
        (mails(haven, email, "reset_password").len() > known).then(|| token(haven, email, "reset_password"))
    })
    .await
}
