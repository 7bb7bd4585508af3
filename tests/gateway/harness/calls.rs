//! How tests speak to the gateway: as a customer with a key, or as an operator with the token.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{ADMIN_TOKEN, Balance, Haven, Sse, Workspace, within};

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body as JSON; `null` where it is none.
    pub(crate) body: Value,
    /// Its body as it came.
    pub(crate) text: String,
}

impl Reply {
    /// Sends a request and reads the answer.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        Self::of(within("an answer", request.send()).await.expect("an answer")).await
    }

    /// Reads an answer that has begun.
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = within("a whole answer", response.text()).await.expect("a whole answer");
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The same answer, which must be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        self
    }

    /// The `code` of an error, which must be in the envelope of both SDK families.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        assert!(self.status >= 400 && self.body["type"] == "error", "{}: {}", self.status, self.text);
        assert!(self.body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text);
        assert_eq!(self.body["request_id"], self.header("x-request-id"), "{}", self.text);
        self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("no code in {}", self.text))
    }

    /// Status and code of an error.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    /// Waits for as long as a refusal asks its caller to: a part of the protocol, not a hope that something is done.
    pub(crate) async fn wait_as_told(&self) {
        let millis = self.header("retry-after-ms").parse().unwrap_or_else(|_| panic!("no wait: {:?}", self.headers));
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// What a charged answer says that it cost, in nano-dollars.
    pub(crate) fn cost(&self) -> i128 {
        super::nano(self.header("lmhaven-cost-usd"))
    }
}

// --- As a customer ------------------------------------------------------------------------------------------------

impl Haven {
    /// A request with a key, its body still to come.
    pub(crate) fn request(&self, key: &str, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(key)
    }

    /// `GET` with a key.
    pub(crate) async fn get(&self, key: &str, path: &str) -> Reply {
        Reply::to(self.request(key, "GET", path)).await
    }

    /// `POST` with a key.
    pub(crate) async fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(key, "POST", path).json(body)).await
    }

    /// `POST /v1/chat/completions`.
    pub(crate) async fn chat(&self, key: &str, body: &Value) -> Reply {
        self.post(key, "/v1/chat/completions", body).await
    }

    /// `POST /v1/messages`, as Anthropic's SDKs send it.
    pub(crate) async fn messages(&self, key: &str, body: &Value) -> Reply {
        Reply::to(self.messages_request(key, body)).await
    }

    /// `POST /v1/chat/completions` as a stream with usage.
    pub(crate) async fn chat_stream(&self, key: &str, body: &Value) -> Sse {
        let mut body = body.clone();
        body["stream"] = true.into();
        body["stream_options"] = json!({ "include_usage": true });
        let request = self.request(key, "POST", "/v1/chat/completions").json(&body);
        Sse::of(within("a stream", request.send()).await.unwrap()).await
    }

    /// `POST /v1/messages` as a stream.
    pub(crate) async fn messages_stream(&self, key: &str, body: &Value) -> Sse {
        let mut body = body.clone();
        body["stream"] = true.into();
        Sse::of(within("a stream", self.messages_request(key, &body).send()).await.unwrap()).await
    }

    /// `POST /v1/messages` with the headers of Anthropic's SDKs, still to be sent.
    pub(crate) fn messages_request(&self, key: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}/v1/messages", self.base)).header("x-api-key", key);
        request.header("anthropic-version", "2023-06-01").json(body)
    }
}

/// The smallest request that both dialects take.
pub(crate) fn ask(model: &str, text: &str) -> Value {
    json!({ "model": model, "max_tokens": 64, "messages": [{ "role": "user", "content": text }] })
}

// --- As an operator -----------------------------------------------------------------------------------------------

impl Haven {
    /// A request to the admin API; the path begins after `/admin/v1`.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &Value) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}/admin/v1{path}", self.admin_base));
        let request = request.bearer_auth(ADMIN_TOKEN);
        Reply::to(if body.is_null() { request } else { request.json(body) }).await
    }

    /// A request to the admin API that must succeed; answers the body.
    pub(crate) async fn admin_ok(&self, method: &str, path: &str, body: &Value) -> Value {
        self.admin(method, path, body).await.ok().body
    }

    /// A GET of the admin API that must succeed.
    pub(crate) async fn admin_get(&self, path: &str) -> Value {
        self.admin_ok("GET", path, &Value::Null).await
    }

    /// What a workspace has.
    pub(crate) async fn balance(&self, workspace: &Workspace) -> Balance {
        Balance::of(&self.admin_get(&format!("/workspaces/{}", workspace.id)).await)
    }

    /// What a workspace has once none of it is reserved.
    pub(crate) async fn settled_balance(&self, workspace: &Workspace) -> Balance {
        super::until("every hold to close", || async {
            Some(self.balance(workspace).await).filter(|balance| balance.reserved == 0)
        })
        .await
    }

    /// All entries of a workspace, in order, once they say the same as the account: entries are shown when they are
    /// durable, which is a moment after they were decided.
    pub(crate) async fn ledger(&self, workspace: &Workspace) -> Vec<Value> {
        super::until("the ledger to say what the account says", || async {
            let account = self.balance(workspace).await;
            let entries = self.read_ledger(workspace).await;
            Some(entries).filter(|entries| Balance::after(entries) == account)
        })
        .await
    }

    async fn read_ledger(&self, workspace: &Workspace) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/workspaces/{}/ledger?limit=1000&after={after}", workspace.id);
            let page = self.admin_get(&path).await;
            entries.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_after"].as_u64() {
                Some(next) => after = next,
                None => return entries,
            }
        }
    }

    /// The entries of one kind.
    pub(crate) async fn entries(&self, workspace: &Workspace, kind: &str) -> Vec<Value> {
        let entries = self.ledger(workspace).await;
        entries.into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    /// The newest `settle`.
    pub(crate) async fn last_settle(&self, workspace: &Workspace) -> Value {
        self.entries(workspace, "settle").await.pop().expect("a settle")
    }
}
