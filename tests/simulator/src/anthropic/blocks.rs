//! Content blocks: which there are, what they hold, and who may send them.

use super::invalid;
use crate::{
    chance::is_sealed,
    dialect::Refusal,
    json::{given, text, unknown_key},
};
use serde_json::Value;

const SERVER_BLOCKS: &[&str] = &[
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
];

/// Where a block stands.
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) is_user: bool,
    pub(super) model: &'a str,
    pub(super) seed: u64,
}

/// `^[a-zA-Z0-9_-]+$`
pub(super) fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

pub(super) fn check_system(body: &Value) -> Result<(), Refusal> {
    let place = Place { path: "system", is_user: true, model: "", seed: 0 };
    match given(body, "system") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(blocks)) => blocks.iter().enumerate().try_for_each(|(at, block)| {
            let path = format!("system.{at}");
            match text(block, "type") {
                Some("text") => check(block, &Place { path: &path, ..place }),
                _ => Err(invalid(&format!("{path}.type"), "Input should be 'text'")),
            }
        }),
        Some(_) => Err(invalid("system", "Input should be a valid string or list")),
    }
}

pub(super) fn check(block: &Value, place: &Place<'_>) -> Result<(), Refusal> {
    let path = place.path;
    let Some(kind) = text(block, "type") else { return Err(invalid(&format!("{path}.type"), "Field required")) };
    let (known, users, assistants): (&[&str], bool, bool) = match kind {
        "text" => (&["type", "text", "cache_control", "citations"], true, true),
        "image" => (&["type", "source", "cache_control"], true, false),
        "document" => (&["type", "source", "title", "context", "citations", "cache_control"], true, false),
        "search_result" => (&["type", "source", "title", "content", "citations", "cache_control"], true, false),
        "tool_use" => (&["type", "id", "name", "input", "cache_control", "caller"], false, true),
        "tool_result" => (&["type", "tool_use_id", "content", "is_error", "cache_control"], true, false),
        "thinking" => (&["type", "thinking", "signature"], false, true),
        "redacted_thinking" => (&["type", "data"], false, true),
        server if SERVER_BLOCKS.contains(&server) => return Ok(()),
        other => {
            return Err(invalid(
                path,
                format!("Input tag '{other}' found using 'type' does not match any of the expected tags"),
            ));
        }
    };
    if !(if place.is_user { users } else { assistants }) {
        let role = if place.is_user { "user" } else { "assistant" };
        return Err(invalid(path, format!("`{kind}` blocks are not allowed in `{role}` messages")));
    }
    if let Some(key) = unknown_key(block, known) {
        return Err(invalid(&format!("{path}.{kind}.{key}"), "Extra inputs are not permitted"));
    }
    check_cache_control(block, path)?;
    let field =
        |name: &str| text(block, name).ok_or_else(|| invalid(&format!("{path}.{kind}.{name}"), "Field required"));
    match kind {
        "text" => check_text(field("text")?, path),
        "image" | "document" => check_source(block, kind, path),
        "tool_use" => check_tool_use(block, field("id")?, field("name")?, path),
        "tool_result" => check_tool_result(block, field("tool_use_id")?, place),
        "thinking" => {
            let sealed = is_sealed(place.seed, field("signature")?, &[place.model, "thinking", field("thinking")?]);
            if sealed { Ok(()) } else { Err(invalid(path, "Invalid `signature` in `thinking` block")) }
        }
        "redacted_thinking" => {
            let sealed = is_sealed(place.seed, field("data")?, &[place.model, "redacted"]);
            if sealed { Ok(()) } else { Err(invalid(path, "Invalid `data` in `redacted_thinking` block")) }
        }
        _ => Ok(()),
    }
}

fn check_text(text: &str, path: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(invalid(path, "text content blocks must be non-empty"));
    }
    if text.trim().is_empty() {
        return Err(invalid(path, "text content blocks must contain non-whitespace text"));
    }
    Ok(())
}

fn check_tool_use(block: &Value, id: &str, name: &str, path: &str) -> Result<(), Refusal> {
    if !is_identifier(id) {
        return Err(invalid(&format!("{path}.tool_use.id"), "String should match pattern '^[a-zA-Z0-9_-]+$'"));
    }
    if name.is_empty() || name.len() > 200 {
        return Err(invalid(&format!("{path}.tool_use.name"), "String should have between 1 and 200 characters"));
    }
    match block.get("input") {
        Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(invalid(&format!("{path}.tool_use.input"), "Input should be a valid dictionary")),
        None => Err(invalid(&format!("{path}.tool_use.input"), "Field required")),
    }
}

fn check_tool_result(block: &Value, id: &str, place: &Place<'_>) -> Result<(), Refusal> {
    let path = place.path;
    if !is_identifier(id) {
        let message = "String should match pattern '^[a-zA-Z0-9_-]+$'";
        return Err(invalid(&format!("{path}.tool_result.tool_use_id"), message));
    }
    match given(block, "content") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => parts.iter().enumerate().try_for_each(|(at, part)| {
            let path = format!("{path}.tool_result.content.{at}");
            match text(part, "type") {
                Some("text" | "image" | "document" | "search_result" | "tool_reference") => {
                    check(part, &Place { path: &path, ..*place })
                }
                _ => Err(invalid(&path, "Input tag does not match any of the expected tags")),
            }
        }),
        Some(_) => Err(invalid(&format!("{path}.tool_result.content"), "Input should be a valid string or list")),
    }
}

fn check_source(block: &Value, kind: &str, path: &str) -> Result<(), Refusal> {
    let path = format!("{path}.{kind}.source");
    let Some(source) = given(block, "source") else { return Err(invalid(&path, "Field required")) };
    let media = text(source, "media_type").unwrap_or_default();
    match (text(source, "type").unwrap_or_default(), kind) {
        ("base64", "image") if !["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media) => {
            let message = "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'";
            Err(invalid(&format!("{path}.base64.media_type"), message))
        }
        ("base64", "document") if media != "application/pdf" => {
            Err(invalid(&format!("{path}.base64.media_type"), "Input should be 'application/pdf'"))
        }
        ("base64", _) => check_base64(text(source, "data").unwrap_or_default(), media, &path),
        ("url", _) if text(source, "url").is_some_and(|url| url.starts_with("https://")) => Ok(()),
        ("url", _) => Err(invalid(&format!("{path}.url.url"), "Only HTTPS URLs are supported.")),
        ("file", _) | ("content", "document") => Ok(()),
        ("text", "document") if media == "text/plain" => Ok(()),
        (other, _) => Err(invalid(&path, format!("Input tag '{other}' does not match any of the expected tags"))),
    }
}

/// The data must be base64, and begin as its media type does.
fn check_base64(data: &str, media: &str, path: &str) -> Result<(), Refusal> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Ok(bytes) = STANDARD.decode(data) else {
        return Err(invalid(&format!("{path}.base64.data"), "invalid base64 data"));
    };
    let begins: &[u8] = match media {
        "image/jpeg" => &[0xff, 0xd8, 0xff],
        "image/png" => b"\x89PNG",
        "image/gif" => b"GIF8",
        "image/webp" => b"RIFF",
        _ => b"%PDF",
    };
    if bytes.starts_with(begins) {
        return Ok(());
    }
    let message = if media == "application/pdf" {
        "The PDF specified was not valid.".to_owned()
    } else {
        format!("The image was specified using the {media} media type, but the data does not look like it")
    };
    Err(invalid(path, message))
}

pub(super) fn check_cache_control(block: &Value, path: &str) -> Result<(), Refusal> {
    let Some(control) = given(block, "cache_control") else { return Ok(()) };
    let path = format!("{path}.cache_control");
    if let Some(key) = unknown_key(control, &["type", "ttl"]) {
        return Err(invalid(&format!("{path}.{key}"), "Extra inputs are not permitted"));
    }
    if text(control, "type") != Some("ephemeral") {
        return Err(invalid(&format!("{path}.type"), "Input should be 'ephemeral'"));
    }
    match given(control, "ttl").map(Value::as_str) {
        None | Some(Some("5m" | "1h")) => Ok(()),
        Some(_) => Err(invalid(&format!("{path}.ttl"), "Input should be '5m' or '1h'")),
    }
}
