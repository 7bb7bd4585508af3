//! The body of a caller of `/v1/chat/completions`, parsed once and borrowed.
//!
//! [`Body::read`] is the only parse and the only place where a body is refused for every kind of upstream;
//! then the body is summed up for admission, forwarded as it came, or turned into our own request. Whether
//! a model takes a parameter is decided by the adapter of the model's provider, not here.

mod check;
mod forward;
mod media;
mod names;
pub(super) mod object;
mod parts;
pub(super) mod position;
mod settings;
mod speech;
mod summary;
mod tools;
mod top;
mod turns;
mod wire;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{RawText, Text};
use crate::adapters::fault::BodyError;
use names::PartKind;
use wire::{MessageFields, PartList, ToolFields};

pub use forward::Forwardable;
pub use position::json_depth;
pub use speech::read_speech;

/// A caller's body: what we interpret, and the raw text of everything else that we know.
#[derive(Debug)]
pub struct Body<'a> {
    /// Known top-level keys that are not null, in the caller's order.
    fields: Vec<Field<'a>>,
    messages: Vec<MessageFields<'a>>,
    /// The content of each message.
    contents: Vec<Content<'a>>,
    tools: Vec<ToolFields<'a>>,
    /// Anthropic's top-level `system`.
    system: Content<'a>,
    model: Cow<'a, str>,
    stream: bool,
    include_usage: bool,
}

/// A top-level key and the text of its value.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    name: &'static str,
    raw: &'a str,
}

/// A message and its content.
#[derive(Clone, Copy, Debug)]
struct Message<'b, 'a> {
    fields: &'b MessageFields<'a>,
    content: &'b Content<'a>,
}

/// What a message, a system prompt or a tool result holds.
#[derive(Debug)]
enum Content<'a> {
    None,
    Text(RawText<'a>),
    Parts(PartList<'a>),
}

impl<'a> Content<'a> {
    /// Reads a value that is a string, an array of parts, or absent. `path` names it in errors.
    fn read(raw: Option<&'a RawValue>, path: impl Fn() -> String) -> Result<Self, BodyError> {
        let Some(raw) = raw else { return Ok(Self::None) };
        if let Some(text) = RawText::of(raw) {
            return Ok(Self::Text(text));
        }
        if raw.get().starts_with('[') {
            return parse(raw.get(), &path()).map(Self::Parts);
        }
        Err(BodyError::invalid(path(), "expected a string or an array of parts"))
    }

    fn parts(&self) -> &[wire::Part<'a>] {
        match self {
            Self::Parts(parts) => &parts.0,
            Self::None | Self::Text(_) => &[],
        }
    }
}

impl<'a> Body<'a> {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// [`BodyError`] names the field: what is not JSON or has a key twice, what cannot be, and what no
    /// upstream of ours is ever sent (other people's file ids, several choices, audio answers).
    pub fn read(bytes: &'a [u8]) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| BodyError::invalid_json("the body is not UTF-8"))?;
        let top = top::read(text)?;
        let Some(list) = top.messages else {
            return Err(BodyError::invalid("messages", "messages is required"));
        };
        let mut contents = Vec::with_capacity(list.0.len());
        for (index, fields) in list.0.iter().enumerate() {
            contents.push(Content::read(fields.content, || format!("messages[{index}].content"))?);
        }
        let mut body = Self {
            fields: top.fields,
            messages: list.0,
            contents,
            tools: top.tools.unwrap_or_default().0,
            system: Content::None,
            model: Cow::Borrowed(""),
            stream: false,
            include_usage: false,
        };
        body.system = body.field::<&RawValue>("system").and_then(|raw| Content::read(raw, || "system".to_owned()))?;
        match body.field::<Text<'_>>("model")? {
            Some(Text(model)) if !model.is_empty() => body.model = model,
            _ => return Err(BodyError::invalid("model", "model is required")),
        }
        body.stream = body.field("stream")?.unwrap_or(false);
        let options = body.field::<wire::StreamOptions<'_>>("stream_options")?;
        body.include_usage = options.and_then(|options| options.include_usage).unwrap_or(false);
        body.check()?;
        Ok(body)
    }

    /// The model that was asked for, as the caller wrote it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The caller's own name for its user, to be hashed before anybody else sees it.
    pub fn end_user(&self) -> Option<String> {
        let text = |name| self.field::<Text<'_>>(name).ok().flatten().map(|text| text.as_str().to_owned());
        text("user").or_else(|| text("safety_identifier")).or_else(|| {
            let metadata = self.field::<wire::Metadata<'_>>("metadata").ok().flatten()?;
            metadata.user_id.map(|user| user.as_str().to_owned())
        })
    }

    /// The caller's own name for what it wants cached, to be hashed before anybody else sees it.
    ///
    /// # Errors
    /// It is no text.
    pub fn cache_key(&self) -> Result<Option<String>, BodyError> {
        Ok(self.field::<Text<'_>>("prompt_cache_key")?.map(|text| text.as_str().to_owned()))
    }

    /// The caller uses the legacy `functions`: the answer has a `function_call` instead of `tool_calls`.
    pub fn uses_legacy_functions(&self) -> bool {
        self.tools.is_empty() && self.raw("functions").is_some()
    }

    /// Something in the body is Anthropic's: it cannot be forwarded as it came, but [`Body::to_chat`]
    /// understands it.
    pub fn is_anthropic_shaped(&self) -> bool {
        let choice = || {
            let choice = self.field::<wire::ChoiceFields<'_>>("tool_choice").ok().flatten();
            let kind = choice.as_ref().and_then(|choice| choice.kind.as_ref()).map(Text::as_str);
            matches!(kind, Some("auto" | "any" | "tool" | "none"))
        };
        ["system", "stop_sequences", "output_config"].into_iter().any(|name| self.raw(name).is_some())
            || self.tools.iter().any(|tool| tool.function.is_none() && tool.name.is_some())
            || self.contents.iter().flat_map(Content::parts).any(|part| part.kind.is_some_and(PartKind::is_anthropic))
            || choice()
    }

    fn messages(&self) -> impl Iterator<Item = Message<'_, 'a>> {
        self.messages.iter().zip(&self.contents).map(|(fields, content)| Message { fields, content })
    }

    /// The text of a known top-level value.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.raw)
    }

    /// A known top-level value, read as a `T`.
    fn field<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, BodyError> {
        self.raw(name).map(|raw| parse(raw, name)).transpose()
    }
}

/// Reads a value that stands at `path`.
fn parse<'a, T: Deserialize<'a>>(raw: &'a str, path: &str) -> Result<T, BodyError> {
    serde_json::from_str(raw).map_err(|error| position::refusal(raw, path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::Target;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn refused(json: &str) -> (Option<String>, String) {
        let error = Body::read(json.as_bytes()).unwrap_err();
        (error.param, error.message)
    }

    #[test]
    fn a_body_is_read_whatever_the_order_of_its_keys() {
        let body = Body::read(br#"{ "messages" : [ {"role":"user","content":"hi"} ] , "stream":null, "model" : "m" }"#);
        let body = body.unwrap();
        assert_eq!(body.model(), "m");
        assert_eq!(body.raw("messages"), Some(r#"[ {"role":"user","content":"hi"} ]"#));
        assert!(!body.is_anthropic_shaped() && !body.uses_legacy_functions());
    }

    #[test]
    fn errors_name_the_field_without_its_content() {
        let cases = [
            (r#"{"messages":[]}"#, Some("model")),
            (r#"{"model":"m"}"#, Some("messages")),
            (r#"{"model":"m","messages":null}"#, Some("messages")),
            (r#"{"model":7,"messages":[]}"#, Some("model")),
            (r#"{"model":"m","stream":"yes","messages":[]}"#, Some("stream")),
            (r#"{"model":"m","messages":{}}"#, Some("messages")),
            (r#"{"model":"m","messages":[{"role":"user","content":7}]}"#, Some("messages[0].content")),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#,
                Some("messages[0].content[0].text"),
            ),
            (
                r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":5}}]}]}"#,
                Some("messages[0].tool_calls[0].function.name"),
            ),
            (r#"{"model":"m","messages":[],"tools":[1]}"#, Some("tools[0]")),
            (r"[]", Some("body")),
        ];
        for (json, param) in cases {
            let (found, message) = refused(json);
            assert_eq!(found.as_deref(), param, "{json}: {message}");
        }
    }

    #[test]
    fn a_key_twice_is_refused_at_every_level_that_is_interpreted() {
        let cases = [
            (r#"{"model":"m","model":"n","messages":[]}"#, "model"),
            (r#"{"model":"m","mod\u0065l":"n","messages":[]}"#, "mod?"),
            (r#"{"model":"m","other":1,"other":2,"messages":[]}"#, "other"),
            (r#"{"model":"m","messages":[{"role":"user","role":"system"}]}"#, "messages[0].role"),
            (r#"{"model":"m","messages":[{"role":"user","x":1,"x":2}]}"#, "messages[0].x"),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
                "messages[0].content[0].text",
            ),
            (
                r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a","name":"b"}}]}"#,
                "tools[0].function.name",
            ),
            (
                r#"{"model":"m","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#,
                "stream_options.include_usage",
            ),
        ];
        for (json, param) in cases {
            let error = Body::read(json.as_bytes()).unwrap_err();
            assert_eq!(error.code, crate::adapters::fault::BodyErrorCode::InvalidJson, "{json}");
            let found = error.param.unwrap();
            assert!(found == param || param == "mod?", "{json}: {found}");
        }
    }

    #[test]
    fn what_is_not_json_says_where() {
        let (param, message) = refused("{\"model\":\n x}");
        assert_eq!((param, message.as_str()), (None, "the body is not valid JSON (line 2, column 2)"));
        assert!(Body::read(b"{\"model\":\"\xff\"}").is_err());
        assert!(Body::read(br#"{"model":"m","messages":[]} trailing"#).is_err());
    }

    #[test]
    fn anthropic_fields_are_recognised_one_by_one() {
        let user = r#"{"role":"user","content":"hi"}"#;
        for extra in [
            r#""system":"be brief""#,
            r#""stop_sequences":["x"]"#,
            r#""tools":[{"name":"f","input_schema":{"type":"object"}}]"#,
            r#""tool_choice":{"type":"any"}"#,
        ] {
            let json = format!(r#"{{"model":"m","messages":[{user}],{extra}}}"#);
            assert!(Body::read(json.as_bytes()).unwrap().is_anthropic_shaped(), "{extra}");
        }
        let json = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}"#;
        assert!(Body::read(json.as_bytes()).unwrap().is_anthropic_shaped());
    }

    proptest! {
        #[test]
        fn any_body_is_served_or_refused(
            edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut: prop::sample::Index,
        ) {
            let mut bytes = include_bytes!("../fixtures/request_anthropic_shaped.json").to_vec();
            for (at, byte) in &edits {
                *at.get_mut(&mut bytes) = *byte;
            }
            if edits.len() % 2 == 1 {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(body) = Body::read(&bytes) {
                prop_assert!(body.summary().input.text_bytes > 0);
                if let Ok(forwardable) = body.forwardable() {
                    let target = Target { model: "m", upstream_model: "u", output_limit: 5, end_user: None, cache_key: None };
                    let written: serde_json::Value = serde_json::from_slice(&forwardable.write(&target, &bytes::Bytes::new()).concat()).unwrap();
                    prop_assert_eq!(&written["model"], "u");
                }
                if let Ok(request) = body.to_chat() {
                    prop_assert!(request.turns.iter().all(|turn| !turn.parts.is_empty()));
                    prop_assert!(request.turns.windows(2).all(|pair| pair[0].role != pair[1].role));
                }
            }
        }
    }
}
