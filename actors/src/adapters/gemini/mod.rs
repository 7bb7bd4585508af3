//! The Gemini generateContent dialect, spoken to an upstream only: no client of ours speaks it.
//!
//! | side | file |
//! |---|---|
//! | our request | `render/` |
//! | names of tools, both ways | `tool_names` |
//! | its answer, whole and streamed | `wire`, `reader`, `response`, `stream` |
//! | its errors | `errors` |
//! | images, both ways | `image/` |
//!
//! Everything is pure: the relay sends, waits and charges. Facts and their sources: `wire/gemini.md` and
//! `wire/translation.md`.

mod errors;
pub mod image;
mod reader;
mod render;
mod response;
mod stream;
mod tool_names;
mod wire;

pub use errors::fault;
pub use render::{render, render_count};
pub use response::{AnswerFault, read_answer, read_count};
pub use stream::StreamDecoder;

/// Where answers are made, below the provider's base URL. Without `alt=sse` a stream would be one array.
pub fn endpoint(upstream_model: &str, streamed: bool) -> String {
    let method = if streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
    format!("/v1beta/{}:{method}", resource(upstream_model))
}

/// Where tokens are counted.
pub fn count_endpoint(upstream_model: &str) -> String {
    format!("/v1beta/{}:countTokens", resource(upstream_model))
}

/// The model as a resource name.
fn resource(upstream_model: &str) -> String {
    format!("models/{}", upstream_model.strip_prefix("models/").unwrap_or(upstream_model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_name_the_model() {
        let model = "gemini-3.1-pro-preview";
        assert_eq!(endpoint(model, false), "/v1beta/models/gemini-3.1-pro-preview:generateContent");
        assert_eq!(endpoint(model, true), "/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse");
        assert_eq!(count_endpoint("models/x"), "/v1beta/models/x:countTokens");
    }
}
