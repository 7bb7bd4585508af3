//! The dashboard with somebody on it: a person with a session, in a role in a workspace.
//!
//! The session is made as the gateway itself notes one, without passwords and mails: signing in has tests of its own.

use lmhaven::accounts::token::SessionToken;
use lmhaven_actors::domain::fact::Fact;
use lmhaven_actors::domain::ids::{PersonId, WorkspaceId};
use lmhaven_actors::domain::people::{PasswordHash, PeopleFact, Realm, Role};
use lmhaven_actors::system::{ChangeError, fresh};
use reqwest::RequestBuilder;

use super::{Haven, Reply};

/// Somebody on the dashboard.
pub(crate) struct Stage {
    /// The gateway's address.
    pub(crate) base: String,
    /// The name and value of the session's cookie.
    pub(crate) cookie: (String, String),
    /// What forms of the session carry.
    pub(crate) csrf: String,
    /// Who it is.
    #[allow(dead_code, reason = "only the browser's tests ask")]
    pub(crate) person: PersonId,
    origin: String,
    client: reqwest::Client,
}

impl Haven {
    /// Signs somebody in who has this role in this workspace.
    pub(crate) async fn stage(&self, workspace: &str, role: Role) -> Stage {
        self.stage_from(workspace, role, "a test").await
    }

    /// The same with a browser that calls itself `client`.
    pub(crate) async fn stage_from(&self, workspace: &str, role: Role, client: &str) -> Stage {
        let client = client.to_owned();
        let gateway = &self.server.gateway;
        let workspace: WorkspaceId = workspace.parse().unwrap();
        let token = SessionToken::fresh();
        let digest = token.digest();
        let signed_in = gateway.core.decide(move |_, at| {
            let (person, session) = (fresh::person_id(at), fresh::session_id(at));
            let email = format!("{person}@example.com").parse().unwrap();
            let address = "127.0.0.0/24".to_owned();
            let facts = [
                PeopleFact::Registered { person, at, email, password: PasswordHash("none".to_owned()) },
                PeopleFact::Verified { person, at },
                PeopleFact::MemberJoined { workspace, person, role, at },
                PeopleFact::SessionOpened { session, person, at, digest, address, client, realm: Realm::Customers },
            ];
            Ok::<_, ChangeError>((person, facts.into_iter().map(Fact::People).collect()))
        });
        let person = signed_in.await.unwrap();
        let cookie = gateway.accounts.cookies.keep_session(&token);
        let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
        let value = rest.split(';').next().unwrap();
        Stage {
            base: self.base.clone(),
            cookie: (name.to_owned(), value.to_owned()),
            person,
            csrf: gateway.accounts.keys.csrf(&token),
            origin: gateway.config.server.public_url.to_string(),
            client: reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        }
    }
}

impl Stage {
    fn with_session(&self, request: RequestBuilder) -> RequestBuilder {
        let (name, value) = &self.cookie;
        request.header("cookie", format!("{name}={value}")).header("accept", "text/html")
    }

    /// A page.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::to(self.with_session(self.client.get(format!("{}{path}", self.base)))).await
    }

    /// A form of a page of ours.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let fields = fields.iter().copied().chain([("csrf", self.csrf.as_str())]);
        let encoded = fields.map(|(name, value)| format!("{name}={}", lmhaven::dashboard::query::encoded(value)));
        self.send(path, &self.origin, &encoded.collect::<Vec<_>>().join("&")).await
    }

    /// A form from anywhere.
    pub(crate) async fn send(&self, path: &str, origin: &str, body: &str) -> Reply {
        let request = self.with_session(self.client.post(format!("{}{path}", self.base))).header("origin", origin);
        Reply::to(request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())).await
    }

    /// What the playground's script sends.
    pub(crate) fn playground(&self, modality: &str, body: &serde_json::Value) -> RequestBuilder {
        let request = self.client.post(format!("{}/app/playground/{modality}", self.base)).json(body);
        self.with_session(request).header("x-csrf-token", &self.csrf).header("origin", &self.origin)
    }
}
