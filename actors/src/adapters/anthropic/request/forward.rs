//! The body for an Anthropic upstream: the caller's raw values, byte for byte, around the fields we own.

use std::borrow::Cow;

use bytes::Bytes;

use super::Body;
use super::keys::{Key, Passage};
use super::replay;
use crate::adapters::Target;
use crate::adapters::anthropic::text::{put_display, put_string};
use crate::adapters::weave::Weave;

/// Room for the fields that we write ourselves.
const OWN_FIELDS_BYTES: usize = 256;

impl Body<'_> {
    /// The body for `/v1/messages` of the same dialect. Values pass as they came, but for thoughts that
    /// carry another model's signature: those would be refused upstream and are left out. In pieces: long values are parts of `source`, which is what the body
    /// was read from.
    pub fn forward(&self, target: &Target<'_>, source: &Bytes) -> Vec<Bytes> {
        let mut weave = self.passed(target, source, true);
        let out = weave.own();
        out.extend_from_slice(b",\"max_tokens\":");
        put_display(out, target.output_limit);
        out.extend_from_slice(b",\"service_tier\":\"standard_only\"");
        if let Some(end_user) = target.end_user {
            out.extend_from_slice(b",\"metadata\":{\"user_id\":");
            put_string(out, end_user);
            out.push(b'}');
        }
        out.push(b'}');
        weave.finish()
    }

    /// The body for `/v1/messages/count_tokens`, which takes the prompt and nothing else.
    pub fn forward_for_count(&self, target: &Target<'_>, source: &Bytes) -> Vec<Bytes> {
        let mut weave = self.passed(target, source, false);
        weave.own().push(b'}');
        weave.finish()
    }

    fn passed<'s>(&self, target: &Target<'_>, source: &'s Bytes, generate: bool) -> Weave<'s> {
        let bytes: usize = self.fields.iter().map(|(_, raw)| Weave::room(raw) + 24).sum();
        let mut weave = Weave::of(source, bytes + OWN_FIELDS_BYTES);
        weave.own().extend_from_slice(b"{\"model\":");
        put_string(weave.own(), target.upstream_model);
        for &(key, raw) in &self.fields {
            match key.passage() {
                Passage::Forwarded => {}
                Passage::ForwardedToGenerate if generate => {}
                Passage::ForwardedToGenerate | Passage::Ours => continue,
            }
            let raw = match key {
                Key::Messages if replay::is_needed(&self.messages) => {
                    Cow::Owned(replay::rewritten(raw, &self.messages, target.model))
                }
                _ => Cow::Borrowed(raw),
            };
            weave.own().extend_from_slice(b",\"");
            weave.own().extend_from_slice(key.name().as_bytes());
            weave.own().extend_from_slice(b"\":");
            weave.value(&raw);
        }
        weave
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;

    use super::*;

    const TARGET: Target<'_> = Target {
        model: "claude-opus-4-7",
        upstream_model: "claude-opus-4-7-upstream",
        output_limit: 77,
        end_user: Some("u_1"),
        cache_key: None,
    };

    const BODY: &str = r#"{ "max_tokens" : 100, "stream":true,"betas":["x"], "model":"claude-opus-4-7",
        "metadata":{"user_id":"someone@example.com"},"service_tier":"auto","temperature" : 0.70,"top_k":null,
        "system":"Be  brief \u00e9","messages":[ {"role":"user", "content":"1.0e1\/"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"EqQB+/=="},{"type":"redacted_thinking","data":"Em=="},
        {"type":"tool_use","id":"toolu_1","name":"f","input":{"b":1,"a":1.50}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","future":1}]} ] }"#;

    #[test]
    fn values_pass_byte_for_byte_and_our_fields_are_spliced() {
        let forwarded =
            String::from_utf8(Body::read(BODY.as_bytes()).unwrap().forward(&TARGET, &Bytes::new()).concat()).unwrap();
        insta::assert_snapshot!(forwarded);
        let messages = &BODY[BODY.find("[ {").unwrap()..=BODY.rfind(']').unwrap()];
        assert!(forwarded.contains(messages), "messages are untouched");
    }

    #[test]
    fn a_count_takes_the_prompt_only() {
        let target = Target { end_user: None, ..TARGET };
        let forwarded = String::from_utf8(
            Body::read_for_count(BODY.as_bytes()).unwrap().forward_for_count(&target, &Bytes::new()).concat(),
        );
        let parsed: serde_json::Value = serde_json::from_str(&forwarded.unwrap()).unwrap();
        let keys: Vec<_> = parsed.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["model", "system", "messages"]);
    }

    #[test]
    fn without_a_user_of_ours_none_is_sent() {
        let target = Target { end_user: None, ..TARGET };
        let forwarded =
            String::from_utf8(Body::read(BODY.as_bytes()).unwrap().forward(&target, &Bytes::new()).concat()).unwrap();
        assert!(!forwarded.contains("metadata") && !forwarded.contains("example.com"), "{forwarded}");
    }

    proptest::proptest! {
        #[test]
        fn any_order_and_white_space_forwards_the_same_values(
            fields in proptest::sample::subsequence(FIELDS.to_vec(), FIELDS.len()).prop_shuffle(),
            space in "[ \t\n\r]{0,3}",
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}{space}")).collect();
            let body = format!("{space}{{{}}}{space}", fields.join(","));
            let forwarded = Body::read(body.as_bytes()).unwrap().forward(&TARGET, &Bytes::new()).concat();
            let (mine, theirs): (serde_json::Value, serde_json::Value) =
                (serde_json::from_slice(&forwarded).unwrap(), serde_json::from_str(&body).unwrap());
            for key in ["messages", "system", "tools", "stream", "temperature"] {
                proptest::prop_assert_eq!(&mine[key], &theirs[key]);
            }
            proptest::prop_assert_eq!(mine.as_object().unwrap().len(), 9);
        }
    }

    /// Keys, one of them with an escape and one unknown, with values full of what could mislead a search.
    const FIELDS: [(&str, &str); 8] = [
        ("model", r#""claude-opus-4-7""#),
        ("max_tokens", "9"),
        ("messages", r#"[ {"role":"user","content":"\",\"system\":\"x\\"} ]"#),
        ("system", r#""a\"}, {\\""#),
        ("tools", r#"[{"name":"f","input_schema":{"messages":[]}}]"#),
        ("strea\\u006d", "true"),
        ("temperature", "0.5"),
        ("unkn\\u00f6wn", r#"{"model":[1,"}"]}"#),
    ];
}
