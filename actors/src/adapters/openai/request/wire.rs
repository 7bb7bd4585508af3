//! The shapes that we interpret inside a caller's body: messages, parts, tools, and what stands in them.
//!
//! Both OpenAI's fields and Anthropic's stand here side by side, since clients mix them on this endpoint.
//! Only shapes: what they mean is decided in the files beside this one.

use serde_json::value::RawValue;

use super::names::{PartKind, RoleName};
use super::object::{List, object};
use crate::adapters::openai::raw::{RawText, Text};

/// Messages in one request.
pub(super) const MESSAGES_MAX: usize = 100_000;
/// Tools in one request.
pub(super) const TOOLS_MAX: usize = 1_024;
/// Parts in one message: the 32 MiB of a body of empty parts would take many times that in memory.
pub(super) const PARTS_MAX: usize = 10_000;

/// Content parts in order.
pub(super) type PartList<'a> = List<Part<'a>, PARTS_MAX>;

object! {
    /// One message. What is rare is boxed: histories are long, and messages are moved as they are read.
    struct MessageFields<'a> {
        "role" => role: RoleName,
        "content" => content: &'a RawValue,
        "name" => name: RawText<'a>,
        "refusal" => refusal: RawText<'a>,
        "tool_calls" => tool_calls: Box<List<ToolCall<'a>, TOOLS_MAX>>,
        "tool_call_id" => tool_call_id: RawText<'a>,
        "function_call" => function_call: Box<Function<'a>>,
        "audio" => audio: &'a RawValue,
        "thinking_blocks" => thinking_blocks: Box<PartList<'a>>,
        "reasoning_details" => reasoning_details: Box<List<ReasoningDetail<'a>, PARTS_MAX>>,
        "reasoning_content" => reasoning_content: RawText<'a>,
        "cache_control" => cache_control: Box<CacheControl<'a>>,
    }
}

object! {
    /// One content part of either dialect.
    struct Part<'a> {
        "type" => kind: PartKind,
        "text" => text: RawText<'a>,
        "refusal" => refusal: RawText<'a>,
        "image_url" => image_url: Box<ImageUrl<'a>>,
        "input_audio" => input_audio: Box<InputAudio<'a>>,
        "file" => file: Box<FilePart<'a>>,
        "source" => source: Box<Source<'a>>,
        "title" => title: RawText<'a>,
        "context" => context: RawText<'a>,
        "cache_control" => cache_control: Box<CacheControl<'a>>,
        "prompt_cache_breakpoint" => prompt_cache_breakpoint: Box<CacheControl<'a>>,
        "id" => id: RawText<'a>,
        "name" => name: RawText<'a>,
        "input" => input: &'a RawValue,
        "tool_use_id" => tool_use_id: RawText<'a>,
        "content" => content: &'a RawValue,
        "is_error" => is_error: bool,
        "thinking" => thinking: RawText<'a>,
        "signature" => signature: RawText<'a>,
        "data" => data: RawText<'a>,
    }
}

object! {
    /// `image_url` of a part.
    struct ImageUrl<'a> {
        "url" => url: RawText<'a>,
    }
}

object! {
    /// `input_audio` of a part.
    struct InputAudio<'a> {
        "data" => data: RawText<'a>,
        "format" => format: Text<'a>,
    }
}

object! {
    /// `file` of a part.
    struct FilePart<'a> {
        "file_data" => file_data: RawText<'a>,
        "file_id" => file_id: &'a RawValue,
        "filename" => filename: RawText<'a>,
    }
}

object! {
    /// `source` of an Anthropic image or document.
    struct Source<'a> {
        "type" => kind: Text<'a>,
        "media_type" => media_type: Text<'a>,
        "data" => data: RawText<'a>,
        "url" => url: RawText<'a>,
        "file_id" => file_id: &'a RawValue,
    }
}

object! {
    /// `cache_control`, and OpenAI's `prompt_cache_breakpoint` and `prompt_cache_options`.
    struct CacheControl<'a> {
        "ttl" => ttl: Text<'a>,
    }
}

object! {
    /// One call in `tool_calls`.
    struct ToolCall<'a> {
        "id" => id: RawText<'a>,
        "function" => function: Function<'a>,
        "custom" => custom: Custom<'a>,
        "extra_content" => extra_content: Box<ExtraContent<'a>>,
    }
}

object! {
    /// What a call calls. `arguments` is a string of JSON; some clients send the object itself.
    struct Function<'a> {
        "name" => name: RawText<'a>,
        "arguments" => arguments: &'a RawValue,
    }
}

object! {
    /// A call of a tool that takes free text.
    struct Custom<'a> {
        "name" => name: RawText<'a>,
        "input" => input: RawText<'a>,
    }
}

object! {
    /// Where Google's convention keeps a signature.
    struct ExtraContent<'a> {
        "google" => google: Google<'a>,
    }
}

object! {
    /// See [`ExtraContent`].
    struct Google<'a> {
        "thought_signature" => thought_signature: RawText<'a>,
    }
}

object! {
    /// One entry of `OpenRouter`'s `reasoning_details`.
    struct ReasoningDetail<'a> {
        "type" => kind: Text<'a>,
        "format" => format: Text<'a>,
        "text" => text: RawText<'a>,
        "signature" => signature: RawText<'a>,
        "data" => data: RawText<'a>,
    }
}

object! {
    /// One tool of either dialect.
    struct ToolFields<'a> {
        "type" => kind: Text<'a>,
        "function" => function: FunctionTool<'a>,
        "custom" => custom: &'a RawValue,
        "name" => name: RawText<'a>,
        "description" => description: RawText<'a>,
        "input_schema" => input_schema: &'a RawValue,
        "strict" => strict: bool,
        "cache_control" => cache_control: CacheControl<'a>,
    }
}

object! {
    /// `function` of a tool, and an entry of the legacy `functions`.
    struct FunctionTool<'a> {
        "name" => name: RawText<'a>,
        "description" => description: RawText<'a>,
        "parameters" => parameters: &'a RawValue,
        "strict" => strict: bool,
        "cache_control" => cache_control: CacheControl<'a>,
    }
}

object! {
    /// `tool_choice` where it is an object, of either dialect.
    struct ChoiceFields<'a> {
        "type" => kind: Text<'a>,
        "name" => name: Text<'a>,
        "function" => function: NamedChoice<'a>,
        "custom" => custom: NamedChoice<'a>,
        "allowed_tools" => allowed_tools: AllowedTools<'a>,
        "disable_parallel_tool_use" => disable_parallel_tool_use: bool,
    }
}

object! {
    /// The name in a `tool_choice`.
    struct NamedChoice<'a> {
        "name" => name: Text<'a>,
    }
}

object! {
    /// `allowed_tools` of a `tool_choice`.
    struct AllowedTools<'a> {
        "mode" => mode: Text<'a>,
        "tools" => tools: List<ChoiceFields<'a>, TOOLS_MAX>,
    }
}

object! {
    /// `stream_options`.
    struct StreamOptions<'a> {
        "include_usage" => include_usage: bool,
        "include_obfuscation" => include_obfuscation: &'a RawValue,
    }
}

object! {
    /// `response_format`.
    struct ResponseFormat<'a> {
        "type" => kind: Text<'a>,
        "json_schema" => json_schema: JsonSchema<'a>,
    }
}

object! {
    /// `json_schema` of a `response_format`, and Anthropic's `output_config.format`.
    struct JsonSchema<'a> {
        "name" => name: RawText<'a>,
        "schema" => schema: &'a RawValue,
        "strict" => strict: bool,
    }
}

object! {
    /// `thinking` (Anthropic) and `reasoning` (`OpenRouter`).
    struct ThinkingFields<'a> {
        "type" => kind: Text<'a>,
        "budget_tokens" => budget_tokens: u32,
        "display" => display: Text<'a>,
        "effort" => effort: Text<'a>,
        "max_tokens" => max_tokens: u32,
        "enabled" => enabled: bool,
        "exclude" => exclude: bool,
    }
}

object! {
    /// Anthropic's `output_config`.
    struct OutputConfig<'a> {
        "effort" => effort: Text<'a>,
        "format" => format: JsonSchema<'a>,
    }
}

object! {
    /// Anthropic's `metadata`.
    struct Metadata<'a> {
        "user_id" => user_id: Text<'a>,
    }
}
