//! Our request as the body for an OpenAI-compatible provider: for callers of another dialect.
//!
//! Borrowed from the request and serialised once, since images may be large. What the dialect has no place
//! for is dropped where that is harmless (cache breakpoints, `top_k`, thoughts of other providers) and
//! refused where it would change the answer unseen.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::adapters::Target;
use crate::adapters::fault::BodyError;
use crate::chat::{
    Dialect, Effort, Format, Media, MediaKind, MediaSource, Part, Request, Role, Signature, Thinking, Tool, ToolChoice,
    Turn,
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolWire<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    max_completion_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// Absent is `null`, which an assistant message with nothing but tool calls has.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Absent(()),
    Text(String),
    Parts(Vec<PartWire<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PartWire<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Url<'a> },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
}

/// A data URL, written without being joined in memory first, or an address.
struct DataUrl<'a> {
    media_type: &'a str,
    source: &'a str,
    is_data: bool,
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_data {
            serializer.collect_str(&format_args!("data:{};base64,{}", self.media_type, self.source))
        } else {
            serializer.serialize_str(self.source)
        }
    }
}

#[derive(Serialize)]
struct Url<'a> {
    url: DataUrl<'a>,
}

#[derive(Serialize)]
struct Audio<'a> {
    data: &'a str,
    format: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    filename: &'a str,
    file_data: DataUrl<'a>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: String,
}

#[derive(Serialize)]
struct ToolWire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionTool<'a>,
}

#[derive(Serialize)]
struct FunctionTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the body to send.
///
/// # Errors
/// [`BodyError`] for media that the dialect cannot carry.
pub fn render(request: &Request, target: &Target<'_>) -> Result<Vec<u8>, BodyError> {
    let mut messages = Vec::with_capacity(request.turns.len() + 1);
    if !request.system.is_empty() {
        messages.push(message("system", Content::Text(joined(&request.system, "\n\n"))));
    }
    for turn in &request.turns {
        push_turn(turn, target, &mut messages)?;
    }
    let body = Body {
        model: target.upstream_model,
        messages,
        tools: request.tools.iter().map(tool).collect(),
        tool_choice: request.tool_choice.as_ref().filter(|_| !request.tools.is_empty()).map(tool_choice),
        parallel_tool_calls: request.parallel_tools.filter(|_| !request.tools.is_empty()),
        max_completion_tokens: target.output_limit,
        temperature: request.sampling.temperature,
        top_p: request.sampling.top_p,
        presence_penalty: request.sampling.presence_penalty,
        frequency_penalty: request.sampling.frequency_penalty,
        seed: request.sampling.seed,
        stop: &request.stop,
        reasoning_effort: reasoning_effort(request.thinking),
        response_format: response_format(&request.format),
        stream: request.stream,
        stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
        user: target.end_user,
    };
    serde_json::to_vec(&body).map_err(|_| BodyError::invalid("messages", "the request cannot be written as JSON"))
}

const fn message<'a>(role: &'static str, content: Content<'a>) -> Message<'a> {
    Message { role, content, tool_calls: Vec::new(), tool_call_id: None }
}

fn joined(parts: &[Part], separator: &str) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(separator)
}

fn push_turn<'a>(turn: &'a Turn, target: &Target<'_>, messages: &mut Vec<Message<'a>>) -> Result<(), BodyError> {
    match turn.role {
        Role::Assistant => {
            let text = joined(&turn.parts, "");
            let tool_calls: Vec<_> = turn.parts.iter().filter_map(|part| call(part, target)).collect();
            if text.is_empty() && tool_calls.is_empty() {
                return Ok(()); // nothing but thoughts, which are another provider's
            }
            let content = if text.is_empty() { Content::Absent(()) } else { Content::Text(text) };
            messages.push(Message { tool_calls, ..message("assistant", content) });
        }
        Role::User => {
            // A tool message holds text only: media in results follow as the user's own.
            let mut rest = Vec::new();
            for part in &turn.parts {
                if let Part::ToolResult { call_id, parts, .. } = part {
                    let content = Content::Text(joined(parts, "\n"));
                    messages.push(Message { tool_call_id: Some(call_id), ..message("tool", content) });
                    for media in parts.iter().filter(|part| matches!(part, Part::Media { .. })) {
                        rest.extend(part_wire(media)?);
                    }
                }
            }
            for part in &turn.parts {
                rest.extend(part_wire(part)?);
            }
            if let [PartWire::Text { text }] = rest.as_slice() {
                messages.push(message("user", Content::Text((*text).to_owned())));
            } else if !rest.is_empty() {
                messages.push(message("user", Content::Parts(rest)));
            }
        }
    }
    Ok(())
}

fn call<'a>(part: &'a Part, target: &Target<'_>) -> Option<Call<'a>> {
    let Part::ToolCall { id, name, arguments, signature, .. } = part else { return None };
    let fits = |signature: &&Signature| signature.fits(Dialect::Openai, target.model);
    let signature = signature.as_ref().filter(fits);
    Some(Call {
        id,
        kind: "function",
        function: Function { name, arguments: arguments.to_string() },
        extra_content: signature.map(|it| serde_json::json!({"google": {"thought_signature": &*it.value}})),
    })
}

fn part_wire(part: &Part) -> Result<Option<PartWire<'_>>, BodyError> {
    Ok(match part {
        Part::Text { text, .. } => Some(PartWire::Text { text }),
        Part::Media { media, .. } => Some(media_wire(media)?),
        Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Thinking { .. } | Part::RedactedThinking { .. } => None,
    })
}

fn media_wire(media: &Media) -> Result<PartWire<'_>, BodyError> {
    let url = |source, is_data| DataUrl { media_type: &media.media_type, source, is_data };
    match (media.kind, &media.source) {
        (_, MediaSource::Text(text)) => Ok(PartWire::Text { text }),
        (MediaKind::Image, MediaSource::Base64(data)) => {
            Ok(PartWire::ImageUrl { image_url: Url { url: url(data, true) } })
        }
        (MediaKind::Image, MediaSource::Url(address)) => {
            Ok(PartWire::ImageUrl { image_url: Url { url: url(address, false) } })
        }
        (MediaKind::Document, MediaSource::Base64(data)) => {
            let filename = media.title.as_deref().unwrap_or("document.pdf");
            Ok(PartWire::File { file: File { filename, file_data: url(data, true) } })
        }
        (MediaKind::Audio, MediaSource::Base64(data)) => {
            let format = media.media_type.strip_prefix("audio/").unwrap_or("wav");
            Ok(PartWire::InputAudio { input_audio: Audio { data, format } })
        }
        (MediaKind::Document | MediaKind::Audio, MediaSource::Url(_)) => {
            Err(BodyError::invalid("messages", "documents and audio by address are not served; send the data itself"))
        }
    }
}

fn tool(tool: &Tool) -> ToolWire<'_> {
    let function = FunctionTool {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: tool.parameters.as_ref(),
        strict: tool.strict,
    };
    ToolWire { kind: "function", function }
}

fn tool_choice(choice: &ToolChoice) -> Value {
    let named = |name: &String| serde_json::json!({"type": "function", "function": {"name": name}});
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<_> = names.iter().map(named).collect();
            serde_json::json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        }
    }
}

/// An effort where one was asked for. Switched off is left out: models that cannot think refuse the field,
/// and models that can differ in the name of their least.
const fn reasoning_effort(thinking: Thinking) -> Option<&'static str> {
    match thinking {
        Thinking::Unset | Thinking::Off | Thinking::Adaptive(None) => None,
        Thinking::Adaptive(Some(effort)) => Some(match effort {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }),
        Thinking::Budget(tokens) => Some(match tokens.get() {
            0..2_000 => "low",
            2_000..8_000 => "medium",
            _ => "high",
        }),
    }
}

fn response_format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::JsonObject => Some(serde_json::json!({"type": "json_object"})),
        Format::JsonSchema { name, schema, strict } => Some(serde_json::json!({
            "type": "json_schema",
            "json_schema": {"name": name.as_deref().unwrap_or("answer"), "schema": schema, "strict": strict},
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Body as Read;
    use super::*;

    const TARGET: Target<'_> =
        Target { model: "ours", upstream_model: "theirs", output_limit: 64, end_user: Some("u-1"), cache_key: None };

    fn rendered(json: &str) -> Value {
        let request = Read::read(json.as_bytes()).unwrap().to_chat().unwrap();
        serde_json::from_slice(&render(&request, &TARGET).unwrap()).unwrap()
    }

    #[test]
    fn an_anthropic_conversation_in_openai_terms() {
        insta::assert_json_snapshot!(rendered(include_str!("fixtures/request_anthropic_shaped.json")));
    }

    #[test]
    fn an_openai_conversation_comes_out_as_it_went_in() {
        let json = include_str!("fixtures/request_openai.json");
        let mut expected: Value = serde_json::from_str(json).unwrap();
        expected["model"] = "theirs".into();
        expected["max_completion_tokens"] = 64.into();
        expected["user"] = "u-1".into();
        expected["stream_options"] = serde_json::json!({"include_usage": true});
        assert_eq!(rendered(json), expected);
    }

    #[test]
    fn signatures_of_other_providers_do_not_pass() {
        let with = |signature: &str| {
            rendered(&format!(
                r#"{{"model":"ours","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{{"id":"a","function":{{"name":"f"}},
                "extra_content":{{"google":{{"thought_signature":"{signature}"}}}}}}]}},{{"role":"tool","tool_call_id":"a","content":"1"}}]}}"#
            ))["messages"][1]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
                .clone()
        };
        assert_eq!(with("lmh1:openai:4:ours:SIG"), "SIG");
        assert_eq!(with("lmh1:gemini:4:ours:SIG"), Value::Null);
        assert_eq!(with("lmh1:openai:5:other:SIG"), Value::Null);
        assert_eq!(with("SIG"), "SIG");
    }
}
