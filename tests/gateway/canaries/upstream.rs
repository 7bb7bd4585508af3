//! Providers that repeat the request and their key in every kind of failure, and answers that break.
//!
//! The caller reads a provider's words only where they blame the request: in a 400, and in the error event of a stream
//! that stands for one. Nobody reads the key there, and no log and no metric has any of it.

use lmhaven_simulator::{Fault, Rule, Status};
use serde_json::{Value, json};

use super::Planted;
use super::calls::{Drive, MODELS, PATHS};
use super::search::{Canary, Search};

/// A failure that repeats something.
struct Repeat {
    /// It blames the request, so that the caller may read the words.
    blames: bool,
    /// The models whose callers must read them, in a stream too.
    told: &'static [&'static str],
    rule: Rule,
}

impl Drive<'_> {
    /// All that a provider can know of a request and of us, as it would stand in an error of its own. The key stands at both
    /// ends, as long words are cut short.
    fn repeated(&self) -> String {
        let Planted { prompt, system, tool_result, image_prompt, speech, user, upstream_key, .. } = self.planted;
        let texts = [prompt, system, tool_result, image_prompt, speech, user].map(Canary::text).join(" ");
        let key = upstream_key.word();
        format!("{} refused by {key}: {texts} Incorrect API key provided: {key} {}", prompt.word(), self.key)
    }

    /// A status in which a provider repeats all that it was sent.
    fn status(&self, code: u16, body: Option<Value>) -> Rule {
        let (kind, message) = (Some(self.planted.prompt.word()), Some(self.repeated()));
        let status = Status { code, error_type: None, error_code: kind, message, body, ..Status::default() };
        Rule { status: Some(status), ..Rule::new() }
    }

    /// Every failure that repeats something.
    fn repeats(&self) -> Vec<Repeat> {
        let (repeated, word) = (self.repeated(), self.planted.prompt.word());
        let mut repeats = Vec::new();
        for code in [400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 504, 529] {
            let told = if code == 400 { &MODELS[..] } else { &[] };
            let blames = matches!(code, 400 | 422);
            repeats.push(Repeat { blames, told, rule: self.status(code, None) });
            let mut rule = self.status(code, None);
            let waits = rule.status.as_mut().unwrap();
            waits.retry_after = Some(format!("{word} {}", self.planted.upstream_key.word()));
            waits.error_type = Some(repeated.clone());
            repeats.push(Repeat { blames, told: &[], rule });
        }
        for code in [400, 500] {
            for body in [
                json!(repeated),
                json!(format!("<html>{repeated}</html>")),
                json!({ "detail": repeated, "message": repeated, "error": repeated }),
                json!({ "error": { "type": repeated, "code": repeated, "status": repeated, "param": repeated } }),
            ] {
                repeats.push(Repeat { blames: code == 400, told: &[], rule: self.status(code, Some(body)) });
            }
        }
        let event = |after, error_type: Option<&str>| Fault::ErrorEvent {
            after,
            error_type: error_type.map(str::to_owned),
            message: Some(repeated.clone()),
        };
        let [openai, anthropic, gemini] = [&MODELS[..1], &MODELS[1..2], &MODELS[2..]];
        for (blames, told, fault) in [
            (false, &[][..], Fault::Cut { after: 3 }),
            (false, &[], Fault::Close { after: 3 }),
            (false, &[], Fault::Reset { after: 3 }),
            (false, &[], Fault::ResetBeforeHeaders),
            (false, &[], Fault::Malformed { event: 1 }),
            (false, &[], Fault::Malformed { event: 3 }),
            (false, &[], Fault::Html),
            (false, &[], event(2, None)),
            (false, &[], event(0, Some(&word))),
            (true, anthropic, event(0, Some("invalid_request_error"))),
            (true, anthropic, event(3, Some("invalid_request_error"))),
            (true, gemini, event(0, Some("INVALID_ARGUMENT"))),
            (true, gemini, event(2, Some("INVALID_ARGUMENT"))),
            (true, openai, event(0, Some("context_length_exceeded"))),
            (true, openai, event(3, Some("context_length_exceeded"))),
        ] {
            let rule = Rule::new().text(&self.planted.answer.text()).fault(fault);
            repeats.push(Repeat { blames, told, rule });
        }
        repeats
    }

    /// Errors that repeat the request and the key, and answers that break, in conversations and in counts.
    pub(super) async fn upstream(&self) {
        let words = Search::of([&self.planted.prompt]);
        for Repeat { blames, told, mut rule } in self.repeats() {
            let what = format!("{:?} {:?}", rule.status, rule.fault);
            rule.headers.insert("x-request-echo".to_owned(), self.key.to_owned());
            rule.headers.insert("x-api-key".to_owned(), self.planted.upstream_key.word());
            self.haven.control.script(rule);
            let (before, told_before) = (self.haven.control.stats().calls, self.told.len());
            let good = self.converse_in_all_ways().await;
            assert!(good < 12, "the script broke nothing: {what}");
            assert!(self.haven.control.stats().calls > before, "nobody was asked: {what}");
            self.heal().await;
            self.count().await;
            let repeated =
                self.told.since(told_before).into_iter().filter(|(place, bytes)| !words.find(place, bytes).is_empty());
            let repeated: Vec<_> = repeated.map(|(place, _)| place).collect();
            assert!(blames || repeated.is_empty(), "{repeated:?} of {what}");
            for model in told {
                // Those who must read the words do: a search for the key in them is no search in nothing.
                for path in PATHS {
                    let name = format!("{model} on {path}, streamed: true");
                    assert!(repeated.iter().any(|place| place.ends_with(&name)), "{name} over {what}: {repeated:?}");
                }
            }
            self.haven.control.reset();
            self.heal().await;
        }
    }

    /// The same where pictures and speech are made: the words of those providers reach nobody.
    pub(super) async fn speech_and_images_that_fail(&self) {
        let words = Search::of([&self.planted.image_prompt, &self.planted.speech]);
        let repeated = self.repeated();
        let mut rules = vec![Rule::new().fault(Fault::Html), Rule::new().fault(Fault::ResetBeforeHeaders)];
        for code in [400, 401, 402, 403, 404, 413, 422, 429, 500, 503] {
            rules.push(self.status(code, None));
            rules.push(self.status(code, Some(json!({ "detail": repeated, "message": repeated, "error": repeated }))));
        }
        for rule in rules {
            let what = format!("{:?} {:?}", rule.status, rule.fault);
            self.haven.control.script(rule);
            let told_before = self.told.len();
            for model in ["nano-banana-pro", "seedream-5", "novelai-v4", "pixai-v4"] {
                let request = self.request(self.key, "/v1/images/generations").json(&self.drawing(model, "url"));
                assert!(self.send(model, request).await >= 400, "{model} over {what}");
            }
            let request = self.request(self.key, "/v1/audio/speech").json(&self.speaking());
            assert!(self.send("speech", request).await >= 400, "{what}");
            for (place, bytes) in self.told.since(told_before) {
                assert_eq!(words.find(&place, &bytes), [""; 0], "{what}");
            }
            self.haven.control.reset();
            self.heal().await;
        }
    }

    /// All accounts as new, so that the next call reaches its provider.
    pub(super) async fn heal(&self) {
        for provider in ["sim", "anthropic", "gemini", "ark", "novelai", "pixai", "elevenlabs"] {
            let path = format!("/providers/{provider}/accounts/0/enable");
            self.haven.admin_ok("POST", &path, &Value::Null).await;
        }
    }
}
