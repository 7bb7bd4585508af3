//! What admission needs of a body: true upper bounds, without a tokenizer.
//!
//! Text is bounded by the bytes of its JSON, which are never fewer than those of the text itself, and
//! include every schema, name, argument and unknown field. Data of images and documents is taken out
//! again, since it is counted by the piece.

use super::Body;
use super::blocks::{Block, Content, Source};
use super::keys::Key;
use super::options::ThinkingMode;
use crate::chat::{CacheTtl, InputBound, Summary};

/// Pages that a PDF counts as. A page can take less than a byte of a compressed file, so its size bounds
/// nothing; this is the most that any provider reads of one document, and the context window bounds the
/// cost from above.
pub const PDF_PAGES_MAX: u64 = 1_000;

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
        let prompt_bytes: usize = self
            .fields
            .iter()
            .filter(|(key, _)| {
                matches!(
                    key,
                    Key::System | Key::Messages | Key::Tools | Key::ToolChoice | Key::OutputConfig | Key::OutputFormat
                )
            })
            .map(|(_, raw)| raw.len())
            .sum();
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
                text_bytes: count(prompt_bytes).saturating_sub(pieces.data_bytes),
                messages: count(self.messages.len()) + u64::from(self.system.is_some()),
                tools: !self.tools.is_empty() || pieces.tool_blocks,
                tool_definitions: u64::try_from(self.tools.len()).unwrap_or(u64::MAX),
                images: pieces.images,
                document_pages: pieces.document_pages,
                audio_seconds: 0,
                cache_write: pieces.cache_write,
            },
        }
    }
}

/// What was found among the blocks.
#[derive(Debug, Default)]
struct Pieces {
    data_bytes: u64,
    images: u64,
    document_pages: u64,
    tool_blocks: bool,
    cache_write: Option<CacheTtl>,
}

impl Pieces {
    fn add_content(&mut self, content: &Content<'_>) {
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
                    Source::Text(_) => {}
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
                Block::ToolUse(_) => self.tool_blocks = true,
                Block::Text { .. } | Block::Thinking(_) | Block::Redacted(_) => {}
            }
        }
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
    fn escaped_data_never_makes_the_bound_too_small() {
        let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"\/\/\/\/\/\/\/\/"}},
            {"type":"text","text":"0123456789"}]}]}"#;
        assert!(Body::read(body.as_bytes()).unwrap().summary().input.text_bytes >= 10);
    }
}
