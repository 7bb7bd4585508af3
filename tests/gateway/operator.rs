//! The operators' pages over real HTTP: who gets in, what each form does and writes down, and what each guard refuses.

mod guards;
mod money;
mod prices;
mod queues;
mod set_up;

use std::cell::RefCell;
use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use serde_json::Value;

use crate::accounts::Stopped;
use crate::harness::{Haven, Reply};

/// The first operator.
const OPERATOR: &str = "operator@lmhaven.test";
const PASSWORD: &str = "correct horse battery";
const MINUTE: i64 = 60_000;
/// What must come out as text wherever it is shown.
const SCRIPT: &str = "\"><script>alert(1)</script>";

async fn start() -> (Haven, Stopped) {
    let stopped = Stopped::new();
    (Haven::start_from("", &[], stopped.clock()).await, stopped)
}

/// An operator's browser: keeps cookies, says where its forms come from, follows nothing by itself.
struct Desk<'a> {
    haven: &'a Haven,
    client: reqwest::Client,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Desk<'a> {
    /// With nobody at it.
    fn empty(haven: &'a Haven) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { haven, client, cookies: RefCell::default() }
    }

    /// With the first operator, who was set up just now.
    async fn open(haven: &'a Haven) -> Self {
        let desk = Self::empty(haven);
        let token = set_up_token(haven).await;
        let made = desk.form("/set-up", &[("token", &token), ("email", OPERATOR), ("password", PASSWORD)]).await;
        assert_eq!((made.status, made.header("location")), (303, "/operator"), "{}", made.text);
        desk
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let reply = Reply::to(request.header("cookie", cookies.join("; ")).header("accept", "text/html")).await;
        for value in reply.headers.get_all("set-cookie") {
            let (pair, flags) = value.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(
                flags.contains("Path=/operator") && flags.contains("HttpOnly") && flags.contains("SameSite=Strict")
            );
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        reply
    }

    fn url(&self, path: &str) -> String {
        format!("{}/operator{path}", self.haven.admin_base)
    }

    /// A page below `/operator`.
    async fn get(&self, path: &str) -> Reply {
        self.send(self.client.get(self.url(path))).await
    }

    /// A page that is there.
    async fn page(&self, path: &str) -> String {
        self.get(path).await.ok().text
    }

    /// A form of one of our pages, with the token of the session.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = self.csrf();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.send(self.bare_form(path, &fields).header("origin", &self.haven.admin_base)).await
    }

    /// A form that says nothing of where it comes from.
    fn bare_form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let encode = |text: &str| lmhaven::dashboard::query::encoded(text);
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.client.post(self.url(path));
        request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
    }

    /// What forms of the session carry.
    fn csrf(&self) -> String {
        let token = self.cookies.borrow().get("lmhaven-operator").cloned().unwrap_or_default();
        let token = lmhaven::accounts::token::SessionToken::parse(&token);
        token.map(|token| self.haven.server.gateway.accounts.keys.csrf(&token)).unwrap_or_default()
    }
}

/// The token of a fresh link that sets up the first operator.
async fn set_up_token(haven: &Haven) -> String {
    let gateway = &haven.server.gateway;
    let link = gateway.accounts.begin_set_up(&gateway.core).await.unwrap().expect("no operator yet");
    assert!(link.url.starts_with(&format!("{}/operator/set-up?token=", haven.admin_base)), "{}", link.url);
    link.url.split_once("token=").unwrap().1.to_owned()
}

/// The newest audit row of an action.
async fn audited(haven: &Haven, action: &str) -> Value {
    let rows = haven.admin_ok("GET", "/audit?limit=1000", &Value::Null).await;
    let rows = rows["data"].as_array().unwrap().clone();
    rows.into_iter().rfind(|row| row["action"] == action).unwrap_or(Value::Null)
}
