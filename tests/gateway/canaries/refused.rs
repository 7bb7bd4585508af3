//! What the gateway refuses by itself, with a canary at the place that is wrong: bodies, fields, keys, tokens, paths, and
//! workspaces that may not or cannot pay.

use lmhaven_actors::domain::secret::Secret;
use serde_json::{Value, json};

use super::calls::{Drive, MODELS, PATHS};
use crate::harness::Workspace;

impl Drive<'_> {
    /// A request of each kind.
    fn each(&self, model: [&str; 3]) -> [(&'static str, Value); 4] {
        let [text, image, speech] = model;
        let mut speaking = self.speaking();
        speaking["model"] = speech.into();
        let [chat, messages] = PATHS.map(|path| (path, self.conversation(path, text, false)));
        [chat, messages, ("/v1/images/generations", self.drawing(image, "url")), ("/v1/audio/speech", speaking)]
    }

    async fn refused(&self, what: &str, key: &str, status: u16) {
        for (path, body) in self.each(["gpt-sim", "seedream-5", "elevenlabs-v3"]) {
            assert_eq!(self.send(what, self.request(key, path).json(&body)).await, status, "{what} on {path}");
        }
    }

    /// What is readable, and refused before anybody is asked.
    pub(super) async fn refusals(&self, poor: &Workspace) {
        self.refused("a call without money", &poor.key, 402).await;
        let model = self.planted.model.word();
        for (path, body) in self.each([&model; 3]) {
            assert_eq!(self.send("a call of an unknown model", self.request(self.key, path).json(&body)).await, 404);
        }
        let path = self.planted.path.word();
        for (path, status) in [
            (format!("/{path}"), 404),
            (format!("/v1/{path}"), 404),
            (format!("/models/{path}"), 404),
            (format!("/v1/models/{path}"), 404),
            (format!("/v1/receipts/{path}"), 404),
            (format!("/v1/files/{path}.png?exp=1&kid=0&sig={path}"), 403),
            (format!("/v1/chat/completions?{path}"), 405),
        ] {
            let request = self.haven.request(self.key, "GET", &path);
            assert_eq!(self.send("a path", request).await, status, "{path}");
        }
        let query = self.planted.query.word();
        for query in [format!("group_by={query}"), format!("from={query}"), format!("to=%22{query}")] {
            let request = self.haven.request(self.key, "GET", &format!("/v1/usage?{query}"));
            assert_eq!(self.send("a query", request).await, 400, "{query}");
        }
    }

    /// Workspaces that may not or cannot, and keys that may no longer.
    pub(super) async fn limits(&self) {
        let workspace = self.haven.workspace("1").await;
        self.haven.change(&workspace.id, &json!({ "requests_per_minute": 1 })).await;
        let body = self.conversation(PATHS[0], "gpt-sim", false);
        assert_eq!(self.send("the one request", self.request(&workspace.key, PATHS[0]).json(&body)).await, 200);
        self.refused("a request beyond the limit", &workspace.key, 429).await;
        self.haven.change(&workspace.id, &json!({ "suspended": true })).await;
        self.refused("a suspended workspace", &workspace.key, 403).await;
        self.haven.change(&workspace.id, &json!({ "suspended": false })).await;
        let scoped = self.haven.key(&workspace.id, &json!({ "name": "scoped", "models": ["pixai-v4"] })).await;
        let scoped_key = scoped["secret"].as_str().unwrap();
        self.plant_key("a key of little scope", scoped_key);
        self.refused("a key of little scope", scoped_key, 403).await;
        let path = format!("/workspaces/{}/keys/{}", workspace.id, scoped["id"].as_str().unwrap());
        self.haven.admin("DELETE", &path, &Value::Null).await.ok();
        self.refused("a revoked key", scoped_key, 401).await;
        self.plant_key("another workspace's key", &workspace.key);
    }

    /// Bodies that are no JSON, or no request; each with a canary at the place that is wrong.
    pub(super) async fn unreadable(&self) {
        let (prompt, field) = (self.planted.prompt.word(), self.planted.field.word());
        let paths = [PATHS[0], PATHS[1], "/v1/images/generations", "/v1/audio/speech", "/v1/messages/count_tokens"];
        for path in paths {
            for body in [
                format!("{{\"model\":\"gpt-sim\",\"prompt\":\"{prompt}"),
                format!("{{\"model\":\"gpt-sim\",\"messages\":{prompt}}}"),
                prompt.clone(),
                format!("\"{prompt}\""),
                format!("{{\"{field}\":1,\"{field}\":2}}"),
            ] {
                let request = self.request(self.key, path).header("content-type", "application/json").body(body);
                assert_eq!(self.send("a body that cannot be read", request).await, 400, "{path}");
            }
            let large = format!("{{\"prompt\":\"{}\"}}", self.planted.prompt.word().repeat(4_096));
            let request = self.request(self.key, path).header("content-type", "application/json").body(large);
            assert_eq!(self.send("a body that is too large", request).await, 413, "{path}");
            let request = self.request(self.key, path).header("content-type", self.planted.header.word()).body("{}");
            assert_eq!(self.send("a body of no type", request).await, 415, "{path}");
        }
        let wrong = json!(field);
        for path in PATHS {
            for name in [
                "max_tokens",
                "temperature",
                "messages",
                "tools",
                "tool_choice",
                "stop",
                "stream",
                "metadata",
                "thinking",
                "response_format",
                "reasoning_effort",
                &field,
            ] {
                for value in
                    [&wrong, &json!([wrong]), &json!({ "type": wrong }), &json!([{ "type": wrong, &field: wrong }])]
                {
                    let mut body = self.conversation(path, "claude-haiku-4-5", false);
                    body[name] = value.clone();
                    self.send("a field that is wrong", self.request(self.key, path).json(&body)).await;
                }
            }
            for message in [
                json!({ "role": field, "content": "Hi" }),
                json!({ "role": "user", "content": [{ "type": field, "text": "Hi" }] }),
                json!({ "role": "user", "content": [{ "type": "text", &field: "Hi" }] }),
                json!({ "role": "tool", "tool_call_id": field, "content": "Hi" }),
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": field, "content": "Hi" }] }),
                json!({ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": format!("ftp://{field}") } }] }),
                json!({ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": format!("data:{field};base64,{field}") } }] }),
            ] {
                for model in MODELS {
                    let body = json!({ "model": model, "max_tokens": 9, "messages": [message] });
                    self.send("a message that is wrong", self.request(self.key, path).json(&body)).await;
                }
            }
        }
        for (path, body) in [(paths[2], self.drawing("nano-banana-pro", "url")), (paths[3], self.speaking())] {
            for name in ["size", "n", "response_format", "voice", "speed", "quality", "instructions", &field] {
                let mut body = body.clone();
                body[name] = wrong.clone();
                self.send("a field that is wrong", self.request(self.key, path).json(&body)).await;
            }
        }
    }

    /// Keys and tokens that open nothing.
    pub(super) async fn keys(&self) {
        let word = self.planted.wrong_key.word();
        let body = self.conversation("/v1/messages", "gpt-sim", false);
        let mut random = [0_u8; 25];
        getrandom::fill(&mut random).unwrap();
        // Well made, with its checksum, and nobody's.
        let unknown = Secret::from_random(random).expose().to_owned();
        self.plant_key("a key of nobody's", &unknown);
        for key in [word.clone(), format!("sk-lmh-{word}"), format!("{}{word}", self.key), unknown] {
            let request = self.request(&key, "/v1/messages").json(&body);
            assert_eq!(self.send("an unknown key", request).await, 401);
            let request = self.request(self.key, "/v1/messages").header("x-api-key", &key).json(&body);
            self.send("two keys", request).await;
            for path in ["/v1/balance", "/v1/nothing"] {
                assert_eq!(self.send("an unknown key", self.haven.request(&key, "GET", path)).await, 401, "{path}");
            }
        }
        let url = format!("{}/admin/v1/workspaces", self.haven.admin_base);
        let request = self.haven.client.post(url).bearer_auth(&word).json(&body);
        assert_eq!(self.send("an unknown admin token", request).await, 401);
    }
}
