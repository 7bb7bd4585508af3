//! What admission needs of a body: true upper bounds, without a tokenizer.
//!
//! Text is bounded by the bytes of its JSON, which are never fewer than those of the text itself, and
//! include every schema, name, argument and unknown field. Data of images and documents is taken out
//! again, since it is counted by the piece. An estimate is made from the text alone: nobody pays for the
//! JSON around it.

use super::Body;
use super::blocks::{Block, Content, Source};
use super::keys::Key;
use super::options::ThinkingMode;
use crate::chat::{CacheTtl, InputBound, PDF_PAGES_MAX, Summary};

impl Body<'_> {
    /// What admission, routing and relay need to know.
    pub fn summary(&self) -> Summary {
        let mut pieces = Pieces { cache_write: self.cache.map(|control| control.0), ..Pieces::default() };
        if let Some(system) = &self.system {
            pieces.add_content(system);
        }
        for message in &self.messages {
            pieces.add_content(&message.content);
        }
        for tool in &self.tools {
            pieces.cache_write = pieces.cache_write.max(tool.cache);
        }
        let written = |key: &Key| matches!(key, Key::Tools | Key::ToolChoice | Key::OutputConfig | Key::OutputFormat);
        let bytes_of = |wanted: &dyn Fn(&Key) -> bool| -> u64 {
            count(self.fields.iter().filter(|(key, _)| wanted(key)).map(|(_, raw)| raw.len()).sum())
        };
        let bound_bytes = bytes_of(&|key| written(key) || matches!(key, Key::System | Key::Messages));
        let thinking_budget = match self.thinking.map(|thinking| thinking.mode) {
            Some(ThinkingMode::Budget(tokens)) => tokens.get(),
            Some(ThinkingMode::Adaptive | ThinkingMode::Disabled) | None => 0,
        };
        Summary {
            model: self.model.to_owned_string(),
            stream: self.stream,
            include_usage: true,
            output_limit: self.max_tokens,
            thinking_budget,
            input: InputBound {
                text_bytes: bound_bytes.saturating_sub(pieces.data_bytes),
                messages: count(self.messages.len()) + u64::from(self.system.is_some()),
                tools: !self.tools.is_empty() || pieces.tool_blocks,
                tool_definitions: u64::try_from(self.tools.len()).unwrap_or(u64::MAX),
                images: pieces.images,
                document_pages: pieces.document_pages,
                audio_seconds: 0,
                cache_write: pieces.cache_write,
            },
            prompt_bytes: pieces.text_bytes.saturating_add(bytes_of(&written)),
        }
    }
}

/// What was found among the blocks.
#[derive(Debug, Default)]
struct Pieces {
    data_bytes: u64,
    text_bytes: u64,
    images: u64,
    document_pages: u64,
    tool_blocks: bool,
    cache_write: Option<CacheTtl>,
}

impl Pieces {
    fn add_content(&mut self, content: &Content<'_>) {
        if let Content::Text(text) = content {
            self.add_text(text);
        }
        for block in content.blocks() {
            self.cache_write = self.cache_write.max(block.cache());
            match block {
                Block::Image(image) => {
                    self.images += 1;
                    self.add_data(&image.source);
                }
                Block::Document(document) => match &document.source {
                    Source::Base64 { .. } | Source::Url(_) => {
                        self.document_pages += PDF_PAGES_MAX;
                        self.add_data(&document.source);
                    }
                    Source::Content(content) => self.add_content(content),
                    Source::Text(text) => self.add_text(text),
                },
                Block::ToolResult(result) => {
                    self.tool_blocks = true;
                    if let Some(content) = &result.content {
                        self.add_content(content);
                    }
                }
                Block::SearchResult(result) => {
                    if let Some(content) = &result.content {
                        self.add_content(content);
                    }
                }
                Block::ToolUse(call) => {
                    self.tool_blocks = true;
                    self.add_text(&call.name);
                    self.text_bytes += call.input.map_or(0, |input| count(input.get().len()));
                }
                Block::Text { text, .. } => self.add_text(text),
                Block::Thinking(thought) => {
                    if let Some(thinking) = &thought.thinking {
                        self.add_text(thinking);
                    }
                }
                Block::Redacted(_) => {}
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        self.text_bytes += count(text.len());
    }

    /// Escapes make the JSON longer than the data, never shorter, so what is left stays a bound.
    fn add_data(&mut self, source: &Source<'_>) {
        if let Source::Base64 { data, .. } = source {
            self.data_bytes += count(data.len());
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_its_bytes_and_media_by_the_piece() {
        let data = "A".repeat(4_000);
        let body = format!(
            r#"{{"model":"claude-opus-4-7","max_tokens":64,"stream":true,"thinking":{{"type":"enabled","budget_tokens":32}},
            "system":[{{"type":"text","text":"S","cache_control":{{"type":"ephemeral"}}}}],
            "tools":[{{"name":"t","description":"{0}","input_schema":{{"type":"object"}},"cache_control":{{"type":"ephemeral","ttl":"1h"}}}}],
            "messages":[{{"role":"user","content":[
              {{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}},
              {{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"{data}"}}}},
              {{"type":"document","source":{{"type":"content","content":[{{"type":"image","source":{{"type":"url","url":"https://x/y.png"}}}}]}}}},
              {{"type":"document","source":{{"type":"text","media_type":"text/plain","data":"{0}"}}}},
              {{"type":"tool_result","tool_use_id":"t1","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}},
              {{"type":"text","text":"漢字\n"}}]}}]}}"#,
            "d".repeat(500)
        );
        let summary = Body::read(body.as_bytes()).unwrap().summary();
        assert_eq!((summary.stream, summary.thinking_budget), (true, 32));
        assert_eq!((summary.input.images, summary.input.document_pages), (3, PDF_PAGES_MAX));
        assert_eq!(summary.input.cache_write, Some(CacheTtl::OneHour));
        assert_eq!((summary.input.messages, summary.input.tools), (2, true));
        assert!((1_000..2_500).contains(&summary.input.text_bytes), "{}", summary.input.text_bytes);
    }

    #[test]
    fn an_estimate_counts_text_and_not_the_json_around_it() {
        let bytes = |body: &str| Body::read(body.as_bytes()).unwrap().summary().prompt_bytes;
        let plain = r#"{"model":"m","max_tokens":1,"system":"be\n","messages":[{"role":"user","content":"h\u00e9"}]}"#;
        assert_eq!(bytes(plain), 3 + 3);
        let blocks = r#"{"model":"m","max_tokens":1,"tools":[{"name":"t","input_schema":{"type":"object"}}],"messages":[
            {"role":"user","content":[{"type":"text","text":"abcd"},
              {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
              {"type":"document","source":{"type":"text","media_type":"text/plain","data":"12345"}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"ssssssss"},
              {"type":"tool_use","id":"u1","name":"t","input":{"a":1}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"u1","content":"ok."}]}]}"#;
        let tools = r#"[{"name":"t","input_schema":{"type":"object"}}]"#.len() as u64;
        assert_eq!(bytes(blocks), 4 + 5 + 2 + (1 + 7) + 3 + tools);
    }

    #[test]
    fn escaped_data_never_makes_the_bound_too_small() {
        let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"\/\/\/\/\/\/\/\/"}},
            {"type":"text","text":"0123456789"}]}]}"#;
        assert!(Body::read(body.as_bytes()).unwrap().summary().input.text_bytes >= 10);
    }
}
