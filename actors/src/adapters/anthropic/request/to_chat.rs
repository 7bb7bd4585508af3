//! A body in our own terms, for upstreams of another dialect. The rules are `wire/translation.md` §2 and §3.

use serde_json::Value;

use super::Body;
use super::blocks::{Block, Content, Document, Image, Message, SearchResult, Source, Speaker, ToolResult, ToolUse};
use super::object::body_error;
use super::options::ThinkingMode;
use crate::adapters::anthropic::history::check_pairs;
use crate::adapters::anthropic::text::Text;
use crate::adapters::fault::BodyError;
use crate::adapters::media_type;
use crate::chat::{
    Dialect, Format, Media, MediaKind, MediaSource, Origin, Part, Request, Role, Sampling, Signature, Signed, Thinking,
    Tool, Turn,
};

impl Body<'_> {
    /// The request for an upstream of another dialect.
    ///
    /// # Errors
    /// A [`BodyError`] for what cannot be said there, and for tool calls and results that stand alone.
    pub fn to_chat(&self) -> Result<Request, BodyError> {
        let reader = Reader { model: &self.model };
        let mut system = Vec::new();
        if let Some(content) = &self.system {
            reader.content(content, "system", &mut system)?;
        }
        let mut turns: Vec<Turn> = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            let path = format!("messages[{index}].content");
            match message.speaker {
                Speaker::System => reader.content(&message.content, &path, &mut system)?,
                Speaker::Turn(role) => reader.turn(role, message, &path, &mut turns)?,
            }
        }
        for turn in &mut turns {
            // Results first, then what the user says to them: the order that every provider takes.
            turn.parts.sort_by_key(|part| turn.role == Role::User && !matches!(part, Part::ToolResult { .. }));
        }
        if turns.is_empty() {
            return Err(BodyError::invalid("messages", "expected at least one message that is not empty"));
        }
        check_pairs(&turns)?;
        Ok(Request {
            model: self.model.to_owned_string(),
            system,
            turns,
            tools: self.chat_tools()?,
            tool_choice: self.tool_choice.as_ref().map(|choice| choice.choice.clone()),
            parallel_tools: self.tool_choice.as_ref().and_then(|choice| choice.disable_parallel).map(|off| !off),
            output_limit: self.max_tokens,
            stream: self.stream,
            sampling: Sampling {
                temperature: self.temperature,
                top_p: self.top_p,
                top_k: self.top_k,
                ..Sampling::default()
            },
            stop: self
                .stop_sequences
                .iter()
                .filter(|stop| !stop.trim().is_empty())
                .map(Text::to_owned_string)
                .collect(),
            thinking: self.chat_thinking(),
            show_thoughts: self.show_thoughts(),
            format: self.chat_format()?,
            end_user: None,
        })
    }

    fn chat_tools(&self) -> Result<Vec<Tool>, BodyError> {
        let tools = self.tools.iter().enumerate().map(|(index, tool)| {
            let parameters = match tool.input_schema {
                Some(raw) => Some(json(raw.get(), &format!("tools[{index}].input_schema"))?),
                None => None,
            };
            Ok(Tool {
                name: tool.name.to_owned_string(),
                description: tool.description.as_ref().map(Text::to_owned_string),
                parameters,
                strict: tool.strict,
                cache: tool.cache,
            })
        });
        tools.collect()
    }

    fn chat_thinking(&self) -> Thinking {
        let effort = self.output_config.and_then(|config| config.effort);
        match (self.thinking.map(|thinking| thinking.mode), effort) {
            (Some(ThinkingMode::Adaptive), effort) => Thinking::Adaptive(effort),
            (Some(ThinkingMode::Budget(tokens)), _) => Thinking::Budget(tokens),
            (Some(ThinkingMode::Disabled), _) => Thinking::Off,
            // A model that always thinks is told at least how hard.
            (None, Some(effort)) => Thinking::Adaptive(Some(effort)),
            (None, None) => Thinking::Unset,
        }
    }

    fn chat_format(&self) -> Result<Format, BodyError> {
        let configured = self.output_config.and_then(|config| config.format);
        let (format, path) = match (configured, self.output_format) {
            (Some(format), _) => (format, "output_config.format.schema"),
            (None, Some(format)) => (format, "output_format.schema"),
            (None, None) => return Ok(Format::Text),
        };
        Ok(Format::JsonSchema { name: None, schema: json(format.0.get(), path)?, strict: true })
    }
}

fn json(raw: &str, path: &str) -> Result<Value, BodyError> {
    let value: Value = serde_json::from_str(raw).map_err(|error| body_error(&error, path))?;
    if value.is_object() { Ok(value) } else { Err(BodyError::invalid(path, "expected an object")) }
}

/// Reads the content of one conversation.
struct Reader<'r> {
    model: &'r str,
}

impl Reader<'_> {
    fn turn(&self, role: Role, message: &Message<'_>, path: &str, turns: &mut Vec<Turn>) -> Result<(), BodyError> {
        let mut parts = Vec::new();
        self.content(&message.content, path, &mut parts)?;
        match turns.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == role => last.parts.append(&mut parts),
            _ => turns.push(Turn { role, parts }),
        }
        Ok(())
    }

    fn content(&self, content: &Content<'_>, path: &str, parts: &mut Vec<Part>) -> Result<(), BodyError> {
        let blocks = match content {
            Content::Text(text) => {
                push_text(text, None, parts);
                return Ok(());
            }
            Content::Blocks(blocks) => blocks,
        };
        let mut call_signature = None;
        for (index, block) in blocks.iter().enumerate() {
            let path = || format!("{path}[{index}]");
            match block {
                Block::Text { text, cache } => push_text(text, *cache, parts),
                Block::Image(image) => parts.push(Self::image(image, &path())?),
                Block::Document(document) => self.document(document, &path(), parts)?,
                Block::ToolUse(call) => parts.push(Self::tool_use(call, call_signature.take(), &path())?),
                Block::ToolResult(result) => parts.push(self.tool_result(result, &path())?),
                Block::SearchResult(result) => self.search_result(result, &path(), parts)?,
                Block::Thinking(thought) => {
                    let text = thought.thinking.as_ref().map(Text::to_owned_string).unwrap_or_default();
                    let mut signature = None;
                    if let Some(value) = thought.signature.as_deref().filter(|value| !value.is_empty()) {
                        match self.signature(value) {
                            (found, Signed::Thought) => signature = Some(found),
                            (found, Signed::NextCall) => call_signature = Some(found),
                        }
                    }
                    if !text.is_empty() || signature.is_some() {
                        parts.push(Part::Thinking { text, signature });
                    }
                }
                Block::Redacted(data) => parts.push(Part::RedactedThinking { data: self.signature(data).0 }),
            }
        }
        Ok(())
    }

    /// A signature without our envelope was made by Claude, whose answers reach an Anthropic client as they
    /// came. By which of its models is not known: the one that is asked now is the likeliest.
    fn signature(&self, value: &str) -> (Signature, Signed) {
        let (mut signature, signed) = Signature::read(value);
        signature.origin.get_or_insert_with(|| Origin { protocol: Dialect::Anthropic, model: self.model.into() });
        (signature, signed)
    }

    fn image(image: &Image<'_>, path: &str) -> Result<Part, BodyError> {
        let media = match &image.source {
            Source::Base64 { media_type, data } => {
                let data = without_white_space(data);
                let sniffed = sniffed(&data).filter(|found| found.starts_with("image/"));
                let media_type = sniffed.map_or_else(|| media_type.to_owned_string(), str::to_owned);
                if !media_type.starts_with("image/") {
                    return Err(BodyError::invalid(format!("{path}.source.media_type"), "expected an image type"));
                }
                Media { kind: MediaKind::Image, media_type, source: MediaSource::Base64(data), title: None }
            }
            Source::Url(url) if url.starts_with("https://") => Media {
                kind: MediaKind::Image,
                media_type: type_of_path(url).to_owned(),
                source: MediaSource::Url(url.to_owned_string()),
                title: None,
            },
            Source::Url(_) | Source::Text(_) | Source::Content(_) => {
                return Err(BodyError::invalid(format!("{path}.source.url"), "expected an https URL"));
            }
        };
        Ok(Part::Media { media, cache: image.cache })
    }

    fn document(&self, document: &Document<'_>, path: &str, parts: &mut Vec<Part>) -> Result<(), BodyError> {
        let title = document.title.as_ref().map(Text::to_owned_string);
        if let Some(context) = &document.context {
            push_text(context, None, parts);
        }
        let (media_type, source) = match &document.source {
            Source::Base64 { media_type, data } => {
                let data = without_white_space(data);
                let media_type = sniffed(&data).map_or_else(|| media_type.to_owned_string(), str::to_owned);
                if media_type != "application/pdf" {
                    let path = format!("{path}.source.media_type");
                    return Err(BodyError::invalid(path, "expected application/pdf"));
                }
                (media_type, MediaSource::Base64(data))
            }
            Source::Text(text) => ("text/plain".to_owned(), MediaSource::Text(text.to_owned_string())),
            Source::Content(content) => {
                if let Some(title) = &document.title {
                    push_text(title, None, parts);
                }
                return self.content(content, &format!("{path}.source.content"), parts);
            }
            Source::Url(_) => {
                return Err(BodyError::unsupported(format!("{path}.source"), "documents by URL are not served"));
            }
        };
        let media = Media { kind: MediaKind::Document, media_type, source, title };
        parts.push(Part::Media { media, cache: document.cache });
        Ok(())
    }

    fn tool_use(call: &ToolUse<'_>, signature: Option<Signature>, path: &str) -> Result<Part, BodyError> {
        let arguments = match call.input {
            Some(raw) => json(raw.get(), &format!("{path}.input"))?,
            None => Value::Object(serde_json::Map::new()),
        };
        let (id, name) = (call.id.to_owned_string(), call.name.to_owned_string());
        Ok(Part::ToolCall { id, name, arguments, signature, cache: call.cache })
    }

    fn tool_result(&self, result: &ToolResult<'_>, path: &str) -> Result<Part, BodyError> {
        let mut parts = Vec::new();
        if let Some(content) = &result.content {
            let path = format!("{path}.content");
            self.content(content, &path, &mut parts)?;
            if !parts.iter().all(|part| matches!(part, Part::Text { .. } | Part::Media { .. })) {
                return Err(BodyError::invalid(path, "expected text, images and documents"));
            }
        }
        let call_id = result.tool_use_id.to_owned_string();
        Ok(Part::ToolResult { call_id, parts, is_error: result.is_error, cache: result.cache })
    }

    /// Other providers know no search results: they get the text, under its title and source.
    fn search_result(&self, result: &SearchResult<'_>, path: &str, parts: &mut Vec<Part>) -> Result<(), BodyError> {
        let heading: Vec<&str> = [&result.title, &result.source].into_iter().flatten().map(|text| &**text).collect();
        push_text(&heading.join("\n"), None, parts);
        match &result.content {
            Some(content) => self.content(content, &format!("{path}.content"), parts),
            None => Ok(()),
        }
    }
}

fn push_text(text: &str, cache: crate::chat::Cache, parts: &mut Vec<Part>) {
    if !text.trim().is_empty() {
        parts.push(Part::Text { text: text.to_owned(), cache });
    }
}

fn without_white_space(data: &str) -> String {
    if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        data.split_ascii_whitespace().collect()
    } else {
        data.to_owned()
    }
}

/// What the first bytes of base 64 data say; sixteen characters are enough for every type we know.
fn sniffed(data: &str) -> Option<&'static str> {
    use base64::Engine as _;
    let head = base64::engine::general_purpose::STANDARD.decode(data.get(..16)?).ok()?;
    media_type::sniff(&head)
}

/// The type that the path of a URL names; empty where it names none.
fn type_of_path(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::fault::BodyErrorCode;
    use crate::chat::Effort;

    fn chat(json: &str) -> Result<Request, BodyError> {
        Body::read(json.as_bytes()).unwrap().to_chat()
    }

    fn conversation(messages: &str) -> Result<Request, BodyError> {
        chat(&format!(r#"{{"model":"gemini-3-flash","max_tokens":9,"messages":[{messages}]}}"#))
    }

    #[test]
    fn a_whole_conversation_is_read() {
        let call = Signature {
            origin: Some(Origin { protocol: Dialect::Gemini, model: "gemini-3-flash".into() }),
            value: "CiQB".into(),
        };
        let envelope = call.to_call_envelope();
        let request = chat(&format!(
            r#"{{"model":"gemini-3-flash","max_tokens":300,"stream":true,"temperature":0.5,"top_p":0.9,"top_k":4,
            "stop_sequences":["\n","END"],"metadata":{{"user_id":"u"}},
            "system":[{{"type":"text","text":"Be brief.","cache_control":{{"type":"ephemeral"}}}},{{"type":"text","text":" "}}],
            "thinking":{{"type":"adaptive"}},"output_config":{{"effort":"low","format":{{"type":"json_schema","schema":{{"type":"object"}}}}}},
            "tools":[{{"type":"custom","name":"weather","description":"d","input_schema":{{"type":"object"}},"strict":true}}],
            "tool_choice":{{"type":"any","disable_parallel_tool_use":true}},
            "messages":[
              {{"role":"user","content":"one"}},{{"role":"user","content":[{{"type":"text","text":"two"}},
                {{"type":"image","source":{{"type":"base64","media_type":"image/jpeg","data":"iVBORw0KGgoAAAAN\nSUhEUg=="}}}},
                {{"type":"image","source":{{"type":"url","url":"https://x/y.JPG?z=1.png"}}}},
                {{"type":"document","title":"T","context":"C","source":{{"type":"text","media_type":"text/plain","data":"doc"}}}},
                {{"type":"search_result","source":"https://s","title":"S","content":[{{"type":"text","text":"found"}}]}}]}},
              {{"role":"assistant","content":[{{"type":"thinking","thinking":"hm","signature":"EqQBRaw"}},
                {{"type":"thinking","thinking":"","signature":"{envelope}"}},
                {{"type":"text","text":""}},{{"type":"tool_use","id":"a","name":"weather","input":{{"city":"Bern"}}}},
                {{"type":"tool_use","id":"b","name":"weather"}}]}},
              {{"role":"user","content":[{{"type":"text","text":"and?"}},
                {{"type":"tool_result","tool_use_id":"b","content":"rain","is_error":true}},
                {{"type":"tool_result","tool_use_id":"a","content":[{{"type":"text","text":"sun"}}]}}]}},
              {{"role":"system","content":"late"}}]}}"#
        ));
        insta::assert_debug_snapshot!(request.unwrap());
    }

    #[test]
    fn calls_and_results_that_stand_alone_are_named() {
        let lonely =
            conversation(r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_9","content":"x"}]}"#);
        assert_eq!(lonely.unwrap_err().message, "tool call toolu_9 has a result but was not called in the turn before");
        let unanswered = conversation(
            r#"{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_8","name":"f","input":{}}]},{"role":"user","content":"b"}"#,
        );
        assert_eq!(unanswered.unwrap_err().message, "tool call toolu_8 has no result in the next turn");
    }

    #[test]
    fn what_cannot_be_said_elsewhere_is_told_by_its_path() {
        for (block, path) in [
            (r#"{"type":"image","source":{"type":"url","url":"http://x/y.png"}}"#, "messages[0].content[0].source.url"),
            (
                r#"{"type":"document","source":{"type":"base64","media_type":"text/html","data":"PGh0bWw+PC9odG1sPg=="}}"#,
                "messages[0].content[0].source.media_type",
            ),
            (r#"{"type":"tool_use","id":"a","name":"f","input":[1]}"#, "messages[0].content[0].input"),
            (
                r#"{"type":"tool_result","tool_use_id":"a","content":[{"type":"thinking","thinking":"x"}]}"#,
                "messages[0].content[0].content",
            ),
        ] {
            let error = conversation(&format!(r#"{{"role":"user","content":[{block}]}}"#)).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::InvalidRequest, Some(path)));
        }
        let empty = conversation(r#"{"role":"user","content":" "}"#).unwrap_err();
        assert_eq!(empty.param.as_deref(), Some("messages"));
    }

    #[test]
    fn a_raw_signature_is_one_of_claude_and_fits_no_other_provider() {
        let request = conversation(
            r#"{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EqQB"}]}"#,
        );
        let Part::Thinking { signature: Some(signature), .. } = &request.unwrap().turns[1].parts[0] else {
            panic!("a thought with a signature")
        };
        assert!(!signature.fits(Dialect::Gemini, "gemini-3-flash"));
    }

    #[test]
    fn thinking_is_read_from_either_field() {
        for (fields, thinking, shown) in [
            (r#""x":0"#, Thinking::Unset, false),
            (r#""thinking":{"type":"disabled"}"#, Thinking::Off, false),
            (r#""thinking":{"type":"adaptive","display":"omitted"}"#, Thinking::Adaptive(None), false),
            (r#""output_config":{"effort":"max"}"#, Thinking::Adaptive(Some(Effort::Max)), false),
            (
                r#""thinking":{"type":"enabled","budget_tokens":2048}"#,
                Thinking::Budget(std::num::NonZeroU32::new(2048).unwrap()),
                true,
            ),
        ] {
            let request = chat(&format!(
                r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"a"}}],{fields}}}"#
            ));
            let request = request.unwrap();
            assert_eq!((request.thinking, request.show_thoughts), (thinking, shown), "{fields}");
        }
    }
}
