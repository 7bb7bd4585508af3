//! How tests speak to a process: as a customer with a key, or as an operator with the token.

use reqwest::{Method, RequestBuilder};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ADMIN_TOKEN, Balance, Process, within};

/// A workspace with two keys.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Its id.
    pub(crate) id: String,
    /// The secrets of its keys.
    pub(crate) keys: [String; 2],
}

/// The smallest request that both dialects take.
pub(crate) fn ask(text: &str) -> Value {
    json!({ "model": "gpt-sim", "max_tokens": 64, "messages": [{ "role": "user", "content": text }] })
}

/// The same as a stream with usage.
pub(crate) fn streamed(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = true.into();
    body
}

impl Process {
    /// `POST` with a key, still to be sent.
    pub(crate) fn post(&self, key: &str, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(key).json(body)
    }

    /// `GET` with a key, still to be sent.
    pub(crate) fn get(&self, key: &str, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base)).bearer_auth(key)
    }

    /// A request to the admin API, still to be sent; the path begins after `/admin/v1`.
    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/admin/v1{path}", self.admin_base)).bearer_auth(ADMIN_TOKEN)
    }

    /// A verified workspace with this much money and two keys.
    pub(crate) async fn workspace(&self, credit_usd: &str) -> Workspace {
        let body = json!({ "name": "Tests", "owner_email": "owner@example.com", "email_verified": true });
        let created = ok(self.admin(Method::POST, "/workspaces").json(&body)).await;
        let id = created["id"].as_str().unwrap().to_owned();
        ok(self.credit(&id, credit_usd, "first")).await;
        let key = async || {
            let request = self.admin(Method::POST, &format!("/workspaces/{id}/keys"));
            ok(request.json(&json!({ "name": "tests" }))).await["secret"].as_str().unwrap().to_owned()
        };
        let keys = [key().await, key().await];
        Workspace { id, keys }
    }

    /// A credit, still to be sent.
    pub(crate) fn credit(&self, workspace: &str, amount_usd: &str, idempotency_key: &str) -> RequestBuilder {
        let body = json!({ "amount_usd": amount_usd, "reason": "tests", "idempotency_key": idempotency_key });
        self.admin(Method::POST, &format!("/workspaces/{workspace}/credits")).json(&body)
    }

    /// What a workspace has.
    pub(crate) async fn balance(&self, workspace: &Workspace) -> Balance {
        Balance::of(&ok(self.admin(Method::GET, &format!("/workspaces/{}", workspace.id))).await)
    }

    /// A page of a workspace's ledger, each entry in the bytes that it came in. Fails with the connection.
    pub(crate) async fn ledger_page(
        &self,
        workspace: &Workspace,
        after: u64,
    ) -> reqwest::Result<Vec<(u64, Box<RawValue>)>> {
        #[derive(serde::Deserialize)]
        struct Page {
            data: Vec<Box<RawValue>>,
        }
        #[derive(serde::Deserialize)]
        struct Numbered {
            seq: u64,
        }
        let path = format!("/workspaces/{}/ledger?limit=1000&after={after}", workspace.id);
        let response = self.admin(Method::GET, &path).send().await?.error_for_status()?;
        let page: Page = serde_json::from_str(&response.text().await?).unwrap();
        let numbered = |raw: Box<RawValue>| (serde_json::from_str::<Numbered>(raw.get()).unwrap().seq, raw);
        Ok(page.data.into_iter().map(numbered).collect())
    }
}

/// Sends a request that must succeed, and answers the body.
pub(crate) async fn ok(request: RequestBuilder) -> Value {
    let response = within("an answer", request.send()).await.unwrap();
    let status = response.status();
    let text = within("a whole answer", response.text()).await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}
