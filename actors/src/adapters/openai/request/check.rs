//! What no upstream is ever sent, whatever the model: refused by name right after the parse.
//!
//! Files that belong to our own account upstream, several choices, audio answers, media that cannot be
//! bounded, and tools that providers charge for. What one upstream takes and another does not is not here.

use serde_json::value::RawValue;

use super::media::{DataUrl, kind_of};
use super::names::{PartKind, RoleName};
use super::object::List;
use super::wire::{CacheControl, ChoiceFields, FunctionTool, Part, ResponseFormat, Source, TOOLS_MAX};
use super::{Body, Content};
use crate::adapters::fault::BodyError;
use crate::adapters::openai::raw::{RawText, Text};

impl Body<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        self.check_top_level()?;
        self.output_limit()?;
        for (index, tool) in self.tools.iter().enumerate() {
            let kind = tool.kind.as_ref().map_or("function", Text::as_str);
            let known = match kind {
                "function" | "custom" => tool.function.is_some() || tool.custom.is_some() || tool.name.is_some(),
                _ => false,
            };
            if !known {
                let message = "only tools that you run yourself are served";
                return Err(BodyError::unsupported(format!("tools[{index}].type"), message));
            }
        }
        check_content(&self.system, &|| "system".to_owned(), 0)?;
        for (index, message) in self.messages().enumerate() {
            if matches!(message.fields.role, None | Some(RoleName::Unknown)) {
                let message = "expected system, developer, user, assistant, tool or function";
                return Err(BodyError::invalid(format!("messages[{index}].role"), message));
            }
            if message.fields.audio.is_some_and(|audio| audio.get() != "null") {
                let message = "audio answers are not served";
                return Err(BodyError::unsupported(format!("messages[{index}].audio"), message));
            }
            check_content(message.content, &|| format!("messages[{index}].content"), 0)?;
        }
        Ok(())
    }

    fn check_top_level(&self) -> Result<(), BodyError> {
        if self.field::<u64>("n")?.is_some_and(|choices| choices != 1) {
            return Err(BodyError::unsupported("n", "one choice per request is served"));
        }
        if self.raw("audio").is_some() {
            return Err(BodyError::unsupported("audio", "audio answers are not served"));
        }
        if self.field::<Vec<Text<'_>>>("modalities")?.is_some_and(|list| list.iter().any(|it| it.as_str() != "text")) {
            return Err(BodyError::unsupported("modalities", "only text answers are served here"));
        }
        // Read for their shape, duplicate keys included: these are forwarded as they came.
        self.field::<ResponseFormat<'_>>("response_format")?;
        self.field::<List<FunctionTool<'_>, TOOLS_MAX>>("functions")?;
        for name in ["tool_choice", "function_call"] {
            if self.raw(name).is_some_and(|raw| raw.starts_with('{')) {
                self.field::<ChoiceFields<'_>>(name)?;
            }
        }
        for name in ["cache_control", "prompt_cache_options"] {
            self.field::<CacheControl<'_>>(name)?;
        }
        Ok(())
    }
}

/// How deep tool results may stand in parts: a part, and the parts of its result or document.
const NESTING_MAX: usize = 1;

fn check_content(content: &Content<'_>, path: &dyn Fn() -> String, nesting: usize) -> Result<(), BodyError> {
    for (index, part) in content.parts().iter().enumerate() {
        check_part(part, &|| format!("{}[{index}]", path()), nesting)?;
    }
    Ok(())
}

fn check_part(part: &Part<'_>, path: &dyn Fn() -> String, nesting: usize) -> Result<(), BodyError> {
    let required = |present: bool, field: &str| {
        if present {
            Ok(())
        } else {
            Err(BodyError::invalid(format!("{}.{field}", path()), format!("{field} is required")))
        }
    };
    match part.kind {
        Some(PartKind::Text) => required(part.text.is_some(), "text"),
        Some(PartKind::Refusal) => required(part.refusal.is_some(), "refusal"),
        Some(PartKind::ImageUrl) => {
            let url = part.image_url.as_ref().and_then(|image| image.url);
            required(url.is_some(), "image_url.url")?;
            let url = url.and_then(RawText::decode).unwrap_or_default();
            check_address(&url, &|| format!("{}.image_url.url", path()))
        }
        Some(PartKind::InputAudio) => {
            required(part.input_audio.as_ref().is_some_and(|audio| audio.data.is_some()), "input_audio.data")
        }
        Some(PartKind::File) => {
            let file = part.file.as_ref();
            refuse_file_id(file.and_then(|file| file.file_id), &|| format!("{}.file.file_id", path()))?;
            let data = file.and_then(|file| file.file_data);
            required(data.is_some(), "file.file_data")?;
            let data = data.and_then(RawText::decode).unwrap_or_default();
            let file_path = || format!("{}.file.file_data", path());
            if is_web_address(&data) {
                return Err(BodyError::unsupported(file_path(), DATA_ONLY));
            }
            check_address(&data, &file_path)
        }
        Some(kind @ (PartKind::Image | PartKind::Document)) => match &part.source {
            Some(source) => check_source(source, kind == PartKind::Image, &|| format!("{}.source", path())),
            None => required(false, "source"),
        },
        Some(PartKind::ToolUse) => {
            required(part.id.is_some(), "id").and_then(|()| required(part.name.is_some(), "name"))
        }
        Some(PartKind::ToolResult) if nesting < NESTING_MAX => {
            required(part.tool_use_id.is_some(), "tool_use_id")?;
            let inner = || format!("{}.content", path());
            check_content(&Content::read(part.content, inner)?, &inner, nesting + 1)
        }
        Some(PartKind::Thinking) => required(part.thinking.is_some(), "thinking"),
        Some(PartKind::RedactedThinking) => required(part.data.is_some(), "data"),
        Some(PartKind::ToolResult | PartKind::Unknown) => {
            Err(BodyError::unsupported(format!("{}.type", path()), "this type of part is not served here"))
        }
        None => required(false, "type"),
    }
}

/// Why a document has to come as data: its pages could not be counted before they are paid for.
const DATA_ONLY: &str = "documents and videos by address are not served; send a data: URL";

/// Refuses data that is no medium of ours, and addresses of what is priced by its length.
fn check_address(url: &str, path: &dyn Fn() -> String) -> Result<(), BodyError> {
    if let Some(data) = DataUrl::of(url) {
        return match kind_of(&data.media_type()) {
            Some(_) => Ok(()),
            None => Err(BodyError::invalid(path(), "expected an image, a PDF, plain text or audio")),
        };
    }
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let ending = address.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_long = ["pdf", "mp4", "mov", "webm", "mpeg", "avi", "mp3", "wav"];
    if is_web_address(url) && is_long.iter().any(|it| ending.eq_ignore_ascii_case(it)) {
        return Err(BodyError::unsupported(path(), DATA_ONLY));
    }
    Ok(())
}

fn is_web_address(url: &str) -> bool {
    url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
}

fn check_source(source: &Source<'_>, is_image: bool, path: &dyn Fn() -> String) -> Result<(), BodyError> {
    refuse_file_id(source.file_id, &|| format!("{}.file_id", path()))?;
    match source.kind.as_ref().map(Text::as_str) {
        Some("base64" | "text") if source.data.is_some() => Ok(()),
        Some("url") if !is_image => Err(BodyError::unsupported(format!("{}.url", path()), DATA_ONLY)),
        Some("url") if source.url.is_some() => {
            let url = source.url.and_then(RawText::decode).unwrap_or_default();
            check_address(&url, &|| format!("{}.url", path()))
        }
        Some("base64" | "text") => Err(BodyError::invalid(format!("{}.data", path()), "data is required")),
        Some("url") => Err(BodyError::invalid(format!("{}.url", path()), "url is required")),
        _ => Err(BodyError::unsupported(format!("{}.type", path()), "send the data itself, as base64, text or url")),
    }
}

fn refuse_file_id(id: Option<&RawValue>, path: &dyn Fn() -> String) -> Result<(), BodyError> {
    match id {
        Some(_) => Err(BodyError::unsupported(path(), "files by id are not served; send the data itself")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::fault::BodyErrorCode;

    fn refused(extra: &str, part: &str) -> BodyError {
        let json = format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]{extra}}}"#);
        Body::read(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_no_upstream_is_sent_is_refused_by_name() {
        for (extra, param) in [
            (r#","n":2"#, "n"),
            (r#","audio":{"voice":"x"}"#, "audio"),
            (r#","modalities":["text","audio"]"#, "modalities"),
            (r#","tools":[{"type":"web_search"}]"#, "tools[0].type"),
        ] {
            let error = refused(extra, "");
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::UnsupportedParameter, Some(param)));
        }
        for (part, param) in [
            (r#"{"type":"file","file":{"file_id":"file-1"}}"#, "messages[0].content[0].file.file_id"),
            (r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#, "messages[0].content[0].source.file_id"),
            (r#"{"type":"video_url","video_url":{"url":"https://x"}}"#, "messages[0].content[0].type"),
            (r#"{"type":"file","file":{"file_data":"https://e.com/a.pdf"}}"#, "messages[0].content[0].file.file_data"),
            (
                r#"{"type":"image_url","image_url":{"url":"https:\/\/e.com/a.PDF?x"}}"#,
                "messages[0].content[0].image_url.url",
            ),
            (
                r#"{"type":"document","source":{"type":"url","url":"https://e.com/a"}}"#,
                "messages[0].content[0].source.url",
            ),
            (
                r#"{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]}"#,
                "messages[0].content[0].content[0].type",
            ),
        ] {
            let error = refused("", part);
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::UnsupportedParameter, Some(param)));
        }
    }

    #[test]
    fn what_a_part_needs_is_asked_for() {
        for (part, param) in [
            ("{}", "messages[0].content[0].type"),
            (r#"{"type":"text"}"#, "messages[0].content[0].text"),
            (r#"{"type":"image_url","image_url":{}}"#, "messages[0].content[0].image_url.url"),
            (
                r#"{"type":"image_url","image_url":{"url":"data:video/mp4;base64,AAAA"}}"#,
                "messages[0].content[0].image_url.url",
            ),
        ] {
            let error = refused("", part);
            assert_eq!((error.code, error.param.as_deref()), (BodyErrorCode::InvalidRequest, Some(param)));
        }
    }

    #[test]
    fn there_are_at_most_1024_tools_and_100_000_messages() {
        let tools = |count| vec![r#"{"type":"function","function":{"name":"f"}}"#; count].join(",");
        let with = |count| format!(r#"{{"model":"m","messages":[],"tools":[{}]}}"#, tools(count));
        assert!(Body::read(with(1_024).as_bytes()).is_ok());
        let error = Body::read(with(1_025).as_bytes()).unwrap_err();
        assert!(error.param.unwrap().starts_with("tools") && error.message.contains("at most 1024"));
        let messages = vec![r#"{"role":"user"}"#; 100_001].join(",");
        let error = Body::read(format!(r#"{{"model":"m","messages":[{messages}]}}"#).as_bytes()).unwrap_err();
        assert!(error.param.unwrap().starts_with("messages") && error.message.contains("at most 100000"));
    }

    #[test]
    fn one_choice_and_text_are_the_default_and_pass() {
        let json =
            br#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":1,"modalities":["text"],"audio":null}"#;
        assert!(Body::read(json).is_ok());
    }
}
