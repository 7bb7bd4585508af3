//! Every way through the gateway with canaries in it, and what succeeds of it. `refused` has what the gateway refuses,
//! `upstream` what breaks at providers.

use std::cell::RefCell;

use lmhaven_simulator::{Fault, Rule};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::search::Canary;
use super::{Planted, Told};
use crate::harness::{Haven, Reply, Sse, Workspace, within};
use crate::panic::end_actor;

/// A model of each protocol of providers.
pub(super) const MODELS: [&str; 3] = ["gpt-sim", "claude-haiku-4-5", "gemini-3-flash"];

/// The paths of conversations.
pub(super) const PATHS: [&str; 2] = ["/v1/chat/completions", "/v1/messages"];

/// Sends everything; keeps what callers are told. Answers the secrets that were made on the way.
pub(super) async fn drive(
    haven: &Haven,
    planted: &Planted,
    told: &Told,
    workspace: &Workspace,
    poor: &Workspace,
) -> Vec<Canary> {
    let drive = Drive { haven, planted, told, key: &workspace.key, made: RefCell::default() };
    drive.successes().await;
    drive.media().await;
    drive.refusals(poor).await;
    drive.limits().await;
    drive.unreadable().await;
    drive.keys().await;
    drive.upstream().await;
    drive.speech_and_images_that_fail().await;
    drive.an_actor_that_panics(workspace).await;
    drive.made.into_inner()
}

/// Whoever sends it.
pub(super) struct Drive<'a> {
    /// The gateway.
    pub(super) haven: &'a Haven,
    /// What must not be written down.
    pub(super) planted: &'a Planted,
    /// What callers were told.
    pub(super) told: &'a Told,
    /// The key of a workspace with money.
    pub(super) key: &'a str,
    /// Keys and signatures that the gateway made on the way.
    made: RefCell<Vec<Canary>>,
}

impl Drive<'_> {
    /// A request with canaries in its headers and its query.
    pub(super) fn request(&self, key: &str, path: &str) -> RequestBuilder {
        let (header, query) = (self.planted.header.word(), self.planted.query.word());
        let mut request = self.haven.request(key, "POST", &format!("{path}?key={query}&{query}=%22{query}"));
        for name in
            ["x-canary", "user-agent", "referer", "cookie", "x-request-id", "idempotency-key", "x-forwarded-for"]
        {
            request = request.header(name, &header);
        }
        request
    }

    /// A conversation in a dialect with a canary in each of its parts.
    pub(super) fn conversation(&self, path: &str, model: &str, streamed: bool) -> Value {
        let Planted { prompt, system, tool_result, user, .. } = self.planted;
        let city = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let description = system.text();
        if path == "/v1/messages" {
            return json!({
                "model": model, "max_tokens": 64, "stream": streamed, "system": system.text(),
                "metadata": { "user_id": user.word() },
                "tools": [{ "name": "weather", "description": description, "input_schema": city }],
                "messages": [
                    { "role": "user", "content": prompt.text() },
                    { "role": "assistant", "content": [
                        { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "city": prompt.text() } },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "toolu_1", "content": tool_result.text() },
                    ] },
                ],
            });
        }
        let arguments = json!({ "city": prompt.text() }).to_string();
        json!({
            "model": model, "max_tokens": 64, "stream": streamed, "user": user.word(),
            "tools": [{ "type": "function",
                "function": { "name": "weather", "description": description, "parameters": city } }],
            "messages": [
                { "role": "system", "content": system.text() },
                { "role": "user", "content": prompt.text() },
                { "role": "assistant", "tool_calls": [{ "id": "call_1", "type": "function",
                    "function": { "name": "weather", "arguments": arguments } }] },
                { "role": "tool", "tool_call_id": "call_1", "content": tool_result.text() },
            ],
        })
    }

    pub(super) async fn send(&self, what: &str, request: RequestBuilder) -> u16 {
        self.told.keep(what, &Reply::to(request).await)
    }

    /// Sends a conversation, and reads what comes, whole or as a stream. Answers whether it was in order.
    async fn converse(&self, path: &str, model: &str, streamed: bool) -> bool {
        let what = format!("{model} on {path}, streamed: {streamed}");
        let request = self.request(self.key, path).header("anthropic-version", "2023-06-01");
        let request = request.json(&self.conversation(path, model, streamed));
        let response = within("an answer", request.send()).await.unwrap();
        if !streamed || response.status() != 200 {
            return self.told.keep(&what, &Reply::of(response).await) == 200;
        }
        let mut stream = Sse::of(response).await;
        self.told.note(format!("the headers of {what}"), format!("{:?}", stream.headers).into_bytes());
        let events = stream.rest().await;
        let mut errors = 0;
        for event in events.iter().filter(|event| event.is_error()) {
            errors += 1;
            self.told.note(format!("an error of {what}"), event.data.clone().into_bytes());
        }
        errors == 0 && !stream.is_broken()
    }

    /// Every dialect, protocol and form, whatever the script says. Answers how many were in order.
    pub(super) async fn converse_in_all_ways(&self) -> usize {
        let mut good = 0;
        for path in PATHS {
            for model in MODELS {
                for streamed in [false, true] {
                    good += usize::from(self.converse(path, model, streamed).await);
                }
            }
        }
        good
    }

    async fn successes(&self) {
        // First the simulator's own answers, which repeat the results of tools; then ours.
        assert_eq!(self.converse_in_all_ways().await, 12);
        self.haven.control.script(Rule::new().text(&self.planted.answer.text()));
        assert_eq!(self.converse_in_all_ways().await, 12);
        self.haven.control.reset();
        self.count().await;
    }

    /// A count of every model's.
    pub(super) async fn count(&self) {
        for model in MODELS {
            let request = self.request(self.key, "/v1/messages/count_tokens").header("anthropic-version", "2023-06-01");
            let mut body = self.conversation("/v1/messages", model, false);
            body.as_object_mut().unwrap().retain(|name, _| !["max_tokens", "stream", "metadata"].contains(&&**name));
            self.send("a count", request.json(&body)).await;
        }
    }

    /// A secret that the gateway made: it belongs to its caller and to nothing that is written down.
    pub(super) fn plant_key(&self, name: &'static str, key: &str) {
        self.made.borrow_mut().push(Canary::of(name, key.trim_start_matches("sk-lmh-")));
    }

    /// The link of an image opens it for whoever has it, so its signature is as secret as the image.
    async fn follow(&self, link: &str) {
        let path = link.strip_prefix("https://lmhaven.test").unwrap();
        self.made.borrow_mut().push(Canary::of("signature", path.split_once("sig=").unwrap().1));
        let get = |path: &str| self.haven.client.get(format!("{}{path}", self.haven.base));
        assert_eq!(self.send("an image", get(path)).await, 200);
        assert_eq!(self.send("an image that is not there", get(&path.replace("img_", "img_0"))).await, 403);
    }

    /// A request whose workspace's actor ends while it runs.
    async fn an_actor_that_panics(&self, workspace: &Workspace) {
        self.haven.control.script(Rule::new().fault(Fault::HangBeforeHeaders { ms: None }));
        let running = self.converse(PATHS[0], "gpt-sim", false);
        let ended = async {
            self.haven.control.wait_until(|stats| stats.open == 1).await;
            end_actor(self.haven, workspace).await;
            self.haven.balance(workspace).await;
            self.haven.control.end_stalls();
        };
        assert!(tokio::join!(running, ended).0, "it is served all the same");
        self.haven.control.reset();
    }

    pub(super) fn drawing(&self, model: &str, format: &str) -> Value {
        let Planted { image_prompt, user, .. } = self.planted;
        json!({ "model": model, "prompt": image_prompt.text(), "n": 1, "response_format": format, "user": user.word() })
    }

    pub(super) fn speaking(&self) -> Value {
        let input = self.planted.speech.text();
        json!({ "model": "elevenlabs-v3", "voice": "alloy", "input": input, "response_format": "wav" })
    }

    async fn media(&self) {
        for model in ["nano-banana-pro", "seedream-5", "novelai-v4", "pixai-v4"] {
            for format in ["url", "b64_json"] {
                let request = self.request(self.key, "/v1/images/generations").json(&self.drawing(model, format));
                let reply = Reply::to(request).await;
                assert_eq!(self.told.keep(model, &reply), 200, "{model}: {}", reply.text);
                if let Some(link) = reply.body["data"][0]["url"].as_str() {
                    self.follow(link).await;
                }
            }
        }
        let response = within("an answer", self.request(self.key, "/v1/audio/speech").json(&self.speaking()).send());
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        self.told.note("the headers of speech".to_owned(), format!("{:?}", response.headers()).into_bytes());
        within("the audio", response.bytes()).await.unwrap();
    }
}
