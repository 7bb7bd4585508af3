//! What admission needs to know of a body: the bound of its prompt, summed without copying a byte.
//!
//! Everything that is forwarded and could become prompt text counts: known texts at their unescaped size,
//! and keys that we do not know at the size they are written in. Roles are part of what every message costs.

use std::num::NonZeroU32;

use serde_json::value::RawValue;

use super::media::DataUrl;
use super::names::PartKind;
use super::object::Measured;
use super::wire::{CacheControl, MessageFields, Part, Source, ThinkingFields};
use super::{Body, Content};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};
use crate::chat::{CacheTtl, InputBound, Summary};

impl Body<'_> {
    /// What the quote is made from.
    pub fn summary(&self) -> Summary {
        let mut bound = Bound::default();
        bound.content(&self.system);
        for message in self.messages() {
            bound.message(message.fields);
            bound.content(message.content);
        }
        for name in ["tools", "functions", "response_format", "output_config", "tool_choice"] {
            bound.bytes(self.raw(name).map_or(0, str::len));
        }
        for tool in &self.tools {
            bound.cache(tool.cache_control.as_ref());
            bound.cache(tool.function.as_ref().and_then(|function| function.cache_control.as_ref()));
        }
        for name in ["cache_control", "prompt_cache_options"] {
            bound.cache(self.field::<CacheControl<'_>>(name).ok().flatten().as_ref());
        }
        bound.input.messages = u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
        bound.input.tools = !self.tools.is_empty() || self.raw("functions").is_some();
        bound.input.tool_definitions = u64::try_from(self.tools.len()).unwrap_or(u64::MAX);
        Summary {
            model: self.model.to_string(),
            stream: self.stream,
            include_usage: self.include_usage,
            output_limit: self.output_limit().ok().flatten(),
            thinking_budget: self.thinking_budget(),
            prompt_bytes: bound.input.text_bytes,
            input: bound.input,
        }
    }

    /// `max_completion_tokens`, else `max_tokens`.
    pub(super) fn output_limit(&self) -> Result<Option<NonZeroU32>, BodyError> {
        for name in ["max_completion_tokens", "max_tokens"] {
            let wrong = |_| BodyError::invalid(name, "expected a whole number of at least 1");
            if let Some(limit) = self.field::<NonZeroU32>(name).map_err(wrong)? {
                return Ok(Some(limit));
            }
        }
        Ok(None)
    }

    fn thinking_budget(&self) -> u32 {
        let thinking = self.field::<ThinkingFields<'_>>("thinking").ok().flatten();
        let reasoning = self.field::<ThinkingFields<'_>>("reasoning").ok().flatten();
        let budget = thinking.and_then(|fields| fields.budget_tokens);
        budget.or_else(|| reasoning.and_then(|fields| fields.max_tokens)).unwrap_or(0)
    }
}

#[derive(Default)]
struct Bound {
    input: InputBound,
}

impl Bound {
    fn bytes(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.input.text_bytes = self.input.text_bytes.saturating_add(bytes);
    }

    fn text(&mut self, text: Option<RawText<'_>>) {
        self.bytes(text.map_or(0, RawText::text_bytes));
    }

    fn value(&mut self, value: Option<&RawValue>) {
        match value.and_then(RawText::of) {
            Some(text) => self.text(Some(text)),
            None => self.bytes(value.map_or(0, |value| value.get().len())),
        }
    }

    fn unknown(&mut self, object: Option<&impl Measured>) {
        self.bytes(object.map_or(0, Measured::unknown_bytes));
    }

    fn cache(&mut self, control: Option<&CacheControl<'_>>) {
        self.input.cache_write = self.input.cache_write.max(control.map(ttl));
    }

    fn message(&mut self, fields: &MessageFields<'_>) {
        for text in [fields.name, fields.refusal, fields.tool_call_id, fields.reasoning_content] {
            self.text(text);
        }
        for call in fields.tool_calls.iter().flat_map(|calls| &calls.0) {
            self.text(call.id);
            let custom = call.custom.as_ref();
            self.text(custom.and_then(|custom| custom.name));
            self.text(custom.and_then(|custom| custom.input));
            self.unknown(Some(call));
            self.unknown(custom);
        }
        let calls = fields.tool_calls.iter().flat_map(|calls| &calls.0).filter_map(|call| call.function.as_ref());
        for function in calls.chain(fields.function_call.as_deref()) {
            self.text(function.name);
            self.value(function.arguments);
            self.unknown(Some(function));
        }
        for block in fields.thinking_blocks.iter().flat_map(|blocks| &blocks.0) {
            self.part(block);
        }
        for detail in fields.reasoning_details.iter().flat_map(|details| &details.0) {
            self.text(detail.text);
            self.text(detail.data);
            self.unknown(Some(detail));
        }
        self.cache(fields.cache_control.as_deref());
        self.unknown(Some(fields));
    }

    fn content(&mut self, content: &Content<'_>) {
        match content {
            Content::None => {}
            Content::Text(text) => self.text(Some(*text)),
            Content::Parts(parts) => parts.0.iter().for_each(|part| self.part(part)),
        }
    }

    fn part(&mut self, part: &Part<'_>) {
        for text in [part.text, part.refusal, part.title, part.context, part.id, part.name, part.tool_use_id] {
            self.text(text);
        }
        self.text(part.thinking);
        // What only the provider reads: the thoughts in it are prompt tokens, and fewer than its bytes.
        self.text(part.data);
        self.value(part.input);
        self.unknown(Some(part));
        self.cache(part.cache_control.as_deref());
        self.cache(part.prompt_cache_breakpoint.as_deref());
        self.unknown(part.image_url.as_deref());
        self.unknown(part.input_audio.as_deref());
        self.unknown(part.file.as_deref());
        if let Some(url) = part.image_url.as_ref().and_then(|image| image.url) {
            self.url(url);
        }
        if let Some(audio) = &part.input_audio {
            let data = audio.data.and_then(RawText::decode).unwrap_or_default();
            DataUrl { declared: "audio/any", base64: &data }.bound(&mut self.input);
        }
        if let Some(file) = &part.file {
            self.text(file.filename);
            let data = file.file_data.and_then(RawText::decode).unwrap_or_default();
            file_data(&data).bound(&mut self.input);
        }
        if let Some(source) = &part.source {
            self.source(source, part.kind);
        }
        match Content::read(part.content, String::new) {
            Ok(content) => self.content(&content),
            Err(_) => self.value(part.content),
        }
    }

    fn source(&mut self, source: &Source<'_>, part: Option<PartKind>) {
        match source.kind.as_ref().map(Text::as_str) {
            Some("base64") => {
                let data = source.data.and_then(RawText::decode).unwrap_or_default();
                let declared = source.media_type.as_ref().map_or("", Text::as_str);
                let declared =
                    if declared.is_empty() && part == Some(PartKind::Document) { "application/pdf" } else { declared };
                DataUrl { declared, base64: &data }.bound(&mut self.input);
            }
            Some("url") => self.input.images = self.input.images.saturating_add(1),
            _ => self.text(source.data),
        }
        self.unknown(Some(source));
    }

    fn url(&mut self, url: RawText<'_>) {
        let url = url.decode().unwrap_or_default();
        match DataUrl::of(&url) {
            Some(data) => data.bound(&mut self.input),
            None => self.input.images = self.input.images.saturating_add(1),
        }
    }
}

/// The data of a `file` part: a data URL, or bare base 64 as some clients send it.
pub(super) fn file_data(data: &str) -> DataUrl<'_> {
    DataUrl::of(data).unwrap_or(DataUrl { declared: "application/pdf", base64: data })
}

/// How long a cache breakpoint asks to keep the prefix: an hour for anything longer than minutes.
pub(super) fn ttl(control: &CacheControl<'_>) -> CacheTtl {
    match control.ttl.as_ref().map(Text::as_str) {
        Some(ttl) if ttl.ends_with('h') => CacheTtl::OneHour,
        _ => CacheTtl::FiveMinutes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(rest: &str) -> Summary {
        let json = format!(r#"{{"model":"m",{rest}}}"#);
        Body::read(json.as_bytes()).unwrap().summary()
    }

    #[test]
    fn every_text_counts_at_its_own_size() {
        let plain = summary(r#""messages":[{"role":"user","content":"h\u00e9\n"}]"#);
        assert_eq!(plain.input.text_bytes, 4);
        assert_eq!(plain.input.messages, 1);
        let parts =
            summary(r#""messages":[{"role":"user","name":"bo","content":[{"type":"text","text":"abc"}],"x":12}]"#);
        assert_eq!(parts.input.text_bytes, 2 + 3 + 3);
        let calls = summary(
            r#""messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
            "function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"ok"}]"#,
        );
        let kind = "type\"function\"".len() as u64;
        assert_eq!(calls.input.text_bytes, 2 + kind + 1 + 7 + 2 + 2);
    }

    #[test]
    fn tools_and_formats_count_as_they_are_written() {
        let tools = r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
        let summary = summary(&format!(r#""messages":[],"tools":{tools},"response_format":{{"type":"text"}}"#));
        assert_eq!(summary.input.text_bytes, u64::try_from(tools.len() + 15).unwrap());
        assert!(summary.input.tools);
    }

    #[test]
    fn media_is_not_text() {
        let summary = summary(
            r#""messages":[{"role":"user","content":[
            {"type":"image_url","image_url":{"url":"https://example.com/a.png"}},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},
            {"type":"file","file":{"filename":"a","file_data":"data:application/pdf;base64,JVBERi0xLjcK"}},
            {"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},
            {"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","data":"R0lGODlh"}}]}
            ]}]"#,
        );
        let expected = InputBound {
            text_bytes: 1 + 1,
            messages: 1,
            images: 3,
            document_pages: crate::chat::PDF_PAGES_MAX,
            audio_seconds: 1,
            ..InputBound::default()
        };
        assert_eq!(summary.input, expected);
    }

    #[test]
    fn the_dearest_cache_write_counts() {
        let text = |ttl: &str| format!(r#"{{"type":"text","text":"a","cache_control":{{"type":"ephemeral"{ttl}}}}}"#);
        let with =
            |parts: &str| summary(&format!(r#""messages":[{{"role":"user","content":[{parts}]}}]"#)).input.cache_write;
        assert_eq!(with(&text("")), Some(CacheTtl::FiveMinutes));
        assert_eq!(with(&format!("{},{}", text(r#","ttl":"1h""#), text(""))), Some(CacheTtl::OneHour));
        assert_eq!(with(""), None);
        let tools =
            r#""messages":[],"tools":[{"type":"function","function":{"name":"f"},"cache_control":{"ttl":"1h"}}]"#;
        assert_eq!(summary(tools).input.cache_write, Some(CacheTtl::OneHour));
    }

    #[test]
    fn limits_are_read_from_either_name() {
        let limit = |rest: &str| summary(&format!(r#""messages":[],{rest}"#)).output_limit.map(NonZeroU32::get);
        assert_eq!(limit(r#""max_tokens":5"#), Some(5));
        assert_eq!(limit(r#""max_tokens":5,"max_completion_tokens":7"#), Some(7));
        assert_eq!(limit(r#""max_tokens":null"#), None);
        for bad in ["0", "-1", "1.5", "99999999999", "\"5\""] {
            let json = format!(r#"{{"model":"m","messages":[],"max_tokens":{bad}}}"#);
            let error = Body::read(json.as_bytes()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("max_tokens"));
        }
        assert_eq!(
            summary(r#""messages":[],"thinking":{"type":"enabled","budget_tokens":2048}"#).thinking_budget,
            2048
        );
        assert_eq!(summary(r#""messages":[],"reasoning":{"max_tokens":9}"#).thinking_budget, 9);
    }
}
