//! Every way through the gateway with canaries in it: what succeeds, what is refused, and what breaks upstream.

use lmhaven_simulator::{Fault, Rule, Status};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Planted, Told};
use crate::harness::{Haven, Reply, Sse, Workspace, within};

/// A model of each protocol of providers.
const MODELS: [&str; 3] = ["gpt-sim", "claude-haiku-4-5", "gemini-3-flash"];

/// Sends everything; keeps what callers are told.
pub(super) async fn drive(haven: &Haven, planted: &Planted, told: &Told, workspace: &Workspace, poor: &Workspace) {
    let drive = Drive { haven, planted, told, key: &workspace.key };
    drive.successes().await;
    drive.media().await;
    drive.refusals(poor).await;
    drive.unreadable().await;
    drive.keys().await;
    drive.upstream().await;
    drive.speech_and_images_that_fail().await;
}

struct Drive<'a> {
    haven: &'a Haven,
    planted: &'a Planted,
    told: &'a Told,
    key: &'a str,
}

impl Drive<'_> {
    /// A request with canaries in its headers and its query.
    fn request(&self, key: &str, path: &str) -> RequestBuilder {
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
    fn conversation(&self, path: &str, model: &str, streamed: bool) -> Value {
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

    async fn send(&self, what: &str, request: RequestBuilder) -> u16 {
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
    async fn converse_in_all_ways(&self) -> usize {
        let mut good = 0;
        for path in ["/v1/chat/completions", "/v1/messages"] {
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
        for model in MODELS {
            let request = self.request(self.key, "/v1/messages/count_tokens").header("anthropic-version", "2023-06-01");
            let mut body = self.conversation("/v1/messages", model, false);
            body.as_object_mut().unwrap().retain(|name, _| !["max_tokens", "stream", "metadata"].contains(&&**name));
            self.send("a count", request.json(&body)).await;
        }
    }

    fn drawing(&self, model: &str, format: &str) -> Value {
        let Planted { image_prompt, user, .. } = self.planted;
        json!({ "model": model, "prompt": image_prompt.text(), "n": 1, "response_format": format, "user": user.word() })
    }

    fn speaking(&self) -> Value {
        let input = self.planted.speech.text();
        json!({ "model": "elevenlabs-v3", "voice": "alloy", "input": input, "response_format": "wav" })
    }

    async fn media(&self) {
        for model in ["nano-banana-pro", "seedream-5", "novelai-v4", "pixai-v4"] {
            for format in ["url", "b64_json"] {
                let request = self.request(self.key, "/v1/images/generations").json(&self.drawing(model, format));
                assert_eq!(self.send(model, request).await, 200, "{model}");
            }
        }
        let response = within("an answer", self.request(self.key, "/v1/audio/speech").json(&self.speaking()).send());
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        self.told.note("the headers of speech".to_owned(), format!("{:?}", response.headers()).into_bytes());
        within("the audio", response.bytes()).await.unwrap();
    }

    /// What is readable, and refused before anybody is asked.
    async fn refusals(&self, poor: &Workspace) {
        let model = self.planted.model.word();
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let request = self.request(&poor.key, path).json(&self.conversation(path, "gpt-sim", false));
            assert_eq!(self.send("a call without money", request).await, 402);
            let request = self.request(self.key, path).json(&self.conversation(path, &model, true));
            assert_eq!(self.send("a call of an unknown model", request).await, 404);
        }
        let request = self.request(self.key, "/v1/images/generations").json(&self.drawing(&model, "url"));
        assert_eq!(self.send("an image of an unknown model", request).await, 404);
        let path = self.planted.path.word();
        for path in
            [format!("/{path}"), format!("/v1/{path}"), format!("/v1/receipts/{path}"), format!("/files/{path}")]
        {
            let request = self.haven.request(self.key, "GET", &path);
            assert!(self.send("a path", request).await >= 400, "{path}");
        }
        let query = self.planted.query.word();
        for query in [format!("group_by={query}"), format!("from={query}"), format!("to=%22{query}")] {
            let request = self.haven.request(self.key, "GET", &format!("/v1/usage?{query}"));
            assert_eq!(self.send("a query", request).await, 400, "{query}");
        }
    }

    /// Bodies that are no JSON, or no request; each with a canary at the place that is wrong.
    async fn unreadable(&self) {
        let (prompt, field) = (self.planted.prompt.word(), self.planted.field.word());
        let paths = ["/v1/chat/completions", "/v1/messages", "/v1/images/generations", "/v1/audio/speech"];
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
        }
        let wrong = json!(field);
        for path in ["/v1/chat/completions", "/v1/messages"] {
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
    async fn keys(&self) {
        let word = self.planted.wrong_key.word();
        let body = self.conversation("/v1/messages", "gpt-sim", false);
        for key in [word.clone(), format!("sk-lmh-{word}"), format!("{}{word}", self.key)] {
            let request = self.request(&key, "/v1/messages").json(&body);
            assert_eq!(self.send("an unknown key", request).await, 401);
        }
        let url = format!("{}/admin/v1/workspaces", self.haven.admin_base);
        let request = self.haven.client.post(url).bearer_auth(&word).json(&body);
        assert_eq!(self.send("an unknown admin token", request).await, 401);
    }

    /// All that a provider can know of a request and of us, as it would stand in an error of its own.
    fn repeated(&self) -> String {
        let Planted { prompt, system, tool_result, image_prompt, speech, user, upstream_key, .. } = self.planted;
        let texts =
            [prompt, system, tool_result, image_prompt, speech, user].map(super::search::Canary::text).join(" ");
        format!("{texts} Incorrect API key provided: {} {}", upstream_key.word(), self.key)
    }

    /// Errors that repeat the request and the key, and answers that break.
    async fn upstream(&self) {
        let repeated = self.repeated();
        let status = |code, body: Option<Value>| {
            let (kind, message) = (Some(self.planted.prompt.word()), Some(repeated.clone()));
            let status = Status { code, error_type: None, error_code: kind, message, body, ..Status::default() };
            Rule { status: Some(status), ..Rule::new() }
        };
        let mut rules = Vec::new();
        for code in [400, 401, 404, 413, 429, 500, 503] {
            rules.push(status(code, None));
        }
        for code in [400, 500] {
            rules.push(status(code, Some(json!(repeated))));
            rules.push(status(
                code,
                Some(json!({ "error": { "type": repeated, "code": repeated, "status": repeated } })),
            ));
        }
        let text = self.planted.answer.text();
        let message = Some(repeated.clone());
        for fault in [
            Fault::Cut { after: 3 },
            Fault::Close { after: 3 },
            Fault::Reset { after: 3 },
            Fault::Malformed { event: 1 },
            Fault::Malformed { event: 3 },
            Fault::ErrorEvent { after: 2, error_type: None, message: message.clone() },
            Fault::ErrorEvent { after: 0, error_type: Some(self.planted.prompt.word()), message },
        ] {
            rules.push(Rule::new().text(&text).fault(fault));
        }
        rules.push(Rule::new().text(&text).fault(Fault::Html));
        for mut rule in rules {
            rule.headers.insert("x-request-echo".to_owned(), self.key.to_owned());
            rule.headers.insert("x-api-key".to_owned(), self.planted.upstream_key.word());
            self.haven.control.script(rule);
            let before = self.haven.control.stats().calls;
            let good = self.converse_in_all_ways().await;
            assert!(good < 12, "the script broke nothing");
            assert!(self.haven.control.stats().calls > before, "nobody was asked");
            self.haven.control.reset();
            self.heal().await;
        }
    }

    async fn speech_and_images_that_fail(&self) {
        for code in [400, 500] {
            let status = Status { code, message: Some(self.repeated()), ..Status::default() };
            self.haven.control.script(Rule { status: Some(status), ..Rule::new() });
            for model in ["nano-banana-pro", "seedream-5", "novelai-v4", "pixai-v4"] {
                let request = self.request(self.key, "/v1/images/generations").json(&self.drawing(model, "url"));
                assert!(self.send(model, request).await >= 400, "{model}");
            }
            let request = self.request(self.key, "/v1/audio/speech").json(&self.speaking());
            assert!(self.send("speech", request).await >= 400);
            self.haven.control.reset();
            self.heal().await;
        }
    }

    /// All accounts as new, so that the next call reaches its provider.
    async fn heal(&self) {
        for provider in ["sim", "anthropic", "gemini", "ark", "novelai", "pixai", "elevenlabs"] {
            let path = format!("/providers/{provider}/accounts/0/enable");
            self.haven.admin_ok("POST", &path, &Value::Null).await;
        }
    }
}
