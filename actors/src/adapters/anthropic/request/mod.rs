//! The body of `POST /v1/messages` as a client sends it.
//!
//! Read once, into borrowing types, and with the raw value of every top-level key beside. The relay asks the result for a `Summary`, and then for the bytes of an Anthropic
//! upstream ([`Body::forward`]) or for our own request ([`Body::to_chat`]). Which keys may pass stands in
//! `keys`; what a message may hold in `blocks`. Nothing here knows prices or providers.

mod blocks;
mod forward;
mod keys;
mod object;
mod options;
mod replay;
mod summary;
mod to_chat;

use std::num::NonZeroU32;

use serde::Deserialize;

use self::blocks::{CacheControl, Content, Message};
use self::keys::{Key, Top};
use self::object::{List, body_error};
use self::options::{Format, MetadataFields, OutputConfig, Thinking, Tool, ToolChoice};
use super::text::Text;
use crate::adapters::fault::{BodyError, BodyErrorCode};

/// Tools in one request.
pub const TOOLS_MAX: usize = 1_024;
/// Messages in one request.
pub const MESSAGES_MAX: usize = 100_000;
const STOP_SEQUENCES_MAX: usize = 1_024;

/// A body that was read and may be served.
#[derive(Debug)]
pub struct Body<'a> {
    fields: Vec<(Key, &'a str)>,
    model: Text<'a>,
    max_tokens: Option<NonZeroU32>,
    stream: bool,
    system: Option<Content<'a>>,
    messages: Vec<Message<'a>>,
    tools: Vec<Tool<'a>>,
    tool_choice: Option<ToolChoice>,
    thinking: Option<Thinking>,
    output_config: Option<OutputConfig<'a>>,
    output_format: Option<Format<'a>>,
    stop_sequences: Vec<Text<'a>>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    cache: Option<CacheControl>,
    user_id: Option<Text<'a>>,
}

impl<'a> Body<'a> {
    /// Reads the body of `/v1/messages`.
    ///
    /// # Errors
    /// A [`BodyError`] that names the field.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BodyError> {
        let body = Self::read_fields(bytes, true)?;
        if body.max_tokens.is_none() {
            return Err(BodyError::invalid("max_tokens", "this field is required"));
        }
        Ok(body)
    }

    /// Reads the body of `/v1/messages/count_tokens`: the same without an output limit.
    ///
    /// # Errors
    /// A [`BodyError`] that names the field.
    pub fn read_for_count(bytes: &'a [u8]) -> Result<Self, BodyError> {
        Self::read_fields(bytes, false)
    }

    fn read_fields(bytes: &'a [u8], with_limit: bool) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| BodyError::invalid_json("the body is not UTF-8"))?;
        let top = Top::read(text).map_err(|error| body_error(&error, ""))?;
        let mut model = None;
        let mut body = Self {
            fields: Vec::new(),
            model: Text::default(),
            max_tokens: None,
            stream: false,
            system: top.system,
            messages: Vec::new(),
            tools: top.tools.unwrap_or_default(),
            tool_choice: None,
            thinking: None,
            output_config: None,
            output_format: None,
            stop_sequences: Vec::new(),
            temperature: None,
            top_p: None,
            top_k: None,
            cache: None,
            user_id: None,
        };
        for &(key, raw) in &top.fields {
            match key {
                Key::Model => model = Some(value::<Text<'_>>(key, raw)?),
                Key::MaxTokens if with_limit => body.max_tokens = Some(output_limit(raw)?),
                // The large ones were read with the top level; a count has no limit.
                Key::Messages | Key::System | Key::Tools | Key::MaxTokens => {}
                Key::Stream => body.stream = value(key, raw)?,
                Key::ToolChoice => body.tool_choice = Some(value(key, raw)?),
                Key::Thinking => body.thinking = Some(value(key, raw)?),
                Key::OutputConfig => body.output_config = Some(value(key, raw)?),
                Key::OutputFormat => body.output_format = Some(value(key, raw)?),
                Key::StopSequences => {
                    body.stop_sequences = value::<List<Text<'_>, STOP_SEQUENCES_MAX>>(key, raw)?.0;
                }
                Key::Temperature => body.temperature = Some(value(key, raw)?),
                Key::TopP => body.top_p = Some(value(key, raw)?),
                Key::TopK => body.top_k = Some(value(key, raw)?),
                Key::CacheControl => body.cache = Some(value(key, raw)?),
                Key::Metadata => body.user_id = value::<MetadataFields<'_>>(key, raw)?.user_id,
                Key::ServiceTier
                | Key::Speed
                | Key::InferenceGeo
                | Key::Container
                | Key::McpServers
                | Key::ContextManagement
                | Key::Diagnostics => keys::check_priced(key, raw)?,
            }
        }
        body.fields = top.fields;
        body.model = model.ok_or_else(|| BodyError::invalid("model", "this field is required"))?;
        if body.model.is_empty() {
            return Err(BodyError::invalid("model", "expected the name of a model"));
        }
        body.messages = top.messages.ok_or_else(|| BodyError::invalid("messages", "this field is required"))?;
        if body.messages.is_empty() {
            return Err(BodyError::invalid("messages", "expected at least one message"));
        }
        Ok(body)
    }

    /// The model that was asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The answer is to be streamed.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The caller wants to read the model's thoughts.
    pub fn show_thoughts(&self) -> bool {
        self.thinking.is_some_and(|thinking| thinking.shown)
    }

    /// The caller's own name of its user, as written: to be hashed before anyone else sees it.
    pub fn end_user(&self) -> Option<&str> {
        self.user_id.as_deref()
    }
}

/// The value of one top-level field. The whole body was found to be JSON before, so an error is one of type.
fn value<'a, T: Deserialize<'a>>(key: Key, raw: &'a str) -> Result<T, BodyError> {
    serde_json::from_str(raw).map_err(|error| body_error(&error, key.name()))
}

fn output_limit(raw: &str) -> Result<NonZeroU32, BodyError> {
    let limit = serde_json::from_str::<u64>(raw).ok().and_then(|limit| u32::try_from(limit).ok());
    limit.and_then(NonZeroU32::new).ok_or_else(|| BodyError {
        code: BodyErrorCode::InvalidRequest,
        message: "expected a whole number of at least 1".to_owned(),
        param: Some("max_tokens".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> (BodyErrorCode, String) {
        let error = Body::read(json.as_bytes()).unwrap_err();
        (error.code, error.param.unwrap_or(error.message))
    }

    fn with(extra: &str) -> String {
        format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}],{extra}}}"#)
    }

    #[test]
    fn what_is_required_is_required_and_null_is_absent() {
        use BodyErrorCode::InvalidRequest;
        assert_eq!(error(r#"{"max_tokens":1,"messages":[]}"#), (InvalidRequest, "model".into()));
        assert_eq!(error(r#"{"model":null,"max_tokens":1,"messages":[]}"#), (InvalidRequest, "model".into()));
        assert_eq!(error(r#"{"model":"m","max_tokens":1}"#), (InvalidRequest, "messages".into()));
        assert_eq!(error(r#"{"model":"m","max_tokens":1,"messages":[]}"#), (InvalidRequest, "messages".into()));
        let hi = r#""messages":[{"role":"user","content":"hi"}]"#;
        for limit in
            ["", r#""max_tokens":0,"#, r#""max_tokens":-1,"#, r#""max_tokens":1e9,"#, r#""max_tokens":4294967296,"#]
        {
            assert_eq!(error(&format!(r#"{{"model":"m",{limit}{hi}}}"#)), (InvalidRequest, "max_tokens".into()));
        }
        let nulls =
            with(r#""system":null,"temperature":null,"tools":null,"thinking":null,"stream":null,"metadata":null"#);
        assert!(Body::read(nulls.as_bytes()).is_ok());
        assert!(Body::read_for_count(format!(r#"{{"model":"m",{hi}}}"#).as_bytes()).is_ok());
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_wherever_we_read() {
        for twice in [
            r#""model":"other""#,
            r#""\u006dodel":"other""#,
            r#""x":1,"x":2"#,
            r#""thinking":{"type":"disabled","type":"adaptive"}"#,
            r#""tools":[{"name":"a","name":"b","input_schema":{}}]"#,
            r#""tool_choice":{"type":"auto","type":"any"}"#,
            r#""output_config":{"effort":"low","effort":"max"}"#,
            r#""metadata":{"user_id":"a","user_id":"b"}"#,
            r#""system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"5m","\u0074tl":"1h"}}]"#,
            r#""temperature":null,"temperature":1"#,
        ] {
            assert_eq!(error(&with(twice)).0, BodyErrorCode::InvalidJson, "{twice}");
        }
        let block = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
            {"type":"image","source":{"type":"url","url":"https://a","url":"https://b"}}]}]}"#;
        assert_eq!(error(block), (BodyErrorCode::InvalidJson, "messages[0].content[0].source.url".into()));
    }

    #[test]
    fn what_would_change_the_price_is_refused_by_name() {
        for (extra, param) in [
            (r#""speed":"fast""#, "speed"),
            (r#""service_tier":"priority""#, "service_tier"),
            (r#""inference_geo":"us""#, "inference_geo"),
            (r#""container":"container_1""#, "container"),
            (r#""mcp_servers":[{"type":"url","url":"https://x"}]"#, "mcp_servers"),
            (r#""context_management":{"edits":[]}"#, "context_management"),
            (r#""diagnostics":{"previous_message_id":"msg_1"}"#, "diagnostics"),
            (
                r#""tools":[{"name":"a","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}]"#,
                "tools[1].type",
            ),
            (r#""output_config":{"task_budget":{"type":"tokens"}}"#, "output_config.task_budget"),
            (r#""cache_control":{"type":"ephemeral","ttl":"2h"}"#, "cache_control.ttl"),
        ] {
            assert_eq!(error(&with(extra)), (BodyErrorCode::UnsupportedParameter, param.into()), "{extra}");
        }
        for extra in [r#""speed":"standard""#, r#""service_tier":"auto""#, r#""mcp_servers":[]"#, r#""container":null"#]
        {
            assert!(Body::read(with(extra).as_bytes()).is_ok(), "{extra}");
        }
    }

    #[test]
    fn a_broken_body_is_told_by_its_place() {
        let broken = Body::read(br#"{"model":"m",}"#).unwrap_err();
        assert_eq!(broken.message, "the body is not valid JSON at line 1 column 14");
        assert_eq!(error("[]").0, BodyErrorCode::InvalidRequest);
        assert_eq!(Body::read(b"{\"model\":\"\xff\"}").unwrap_err().message, "the body is not UTF-8");
        assert_eq!(error(&format!("{} x", with(r#""x":1"#))).0, BodyErrorCode::InvalidJson, "trailing characters");
    }

    #[test]
    fn limits_hold() {
        let tools = vec![r#"{"name":"a","input_schema":{}}"#; TOOLS_MAX + 1].join(",");
        assert_eq!(error(&with(&format!(r#""tools":[{tools}]"#))), (BodyErrorCode::InvalidRequest, "tools".into()));
        let messages = vec![r#"{"role":"user","content":"a"}"#; MESSAGES_MAX + 1].join(",");
        let body = format!(r#"{{"model":"m","max_tokens":9,"messages":[{messages}]}}"#);
        assert_eq!(error(&body), (BodyErrorCode::InvalidRequest, "messages".into()));
    }
}
