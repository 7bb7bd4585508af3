//! Which adapter counts a prompt's tokens: Anthropic's and Gemini's providers can, OpenAI's cannot.

use actix_web::http::header::HeaderMap;
use bytes::Bytes;
use lmhaven_actors::adapters::{BodyError, Malformed, Target, anthropic, gemini};
use lmhaven_actors::chat::{Dialect, Summary};
use lmhaven_actors::provider::Call;
use lmhaven_actors::workspace::WorkspaceHandle;
use reqwest::header::HeaderValue;

use crate::config::Model;
use crate::relay::dialects::{ANTHROPIC_VERSION, CALLERS_VERSION};

/// A body of `count_tokens`.
pub struct CountBody<'a> {
    body: anthropic::Body<'a>,
    source: &'a Bytes,
}

impl<'a> CountBody<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(source: &'a Bytes) -> Result<Self, BodyError> {
        Ok(Self { body: anthropic::Body::read_for_count(source)?, source })
    }

    /// What admission needs.
    pub fn summary(&self) -> Summary {
        self.body.summary()
    }

    /// What is sent to a provider of this dialect; `None` where it cannot count.
    ///
    /// # Errors
    /// The body cannot be written in the dialect.
    pub fn call(
        &self,
        upstream: Dialect,
        model: &Model,
        headers: &HeaderMap,
        workspace: &WorkspaceHandle,
    ) -> Result<Option<Call>, BodyError> {
        let target = Target {
            model: &model.id,
            upstream_model: &model.upstream_model,
            output_limit: model.max_output_tokens,
            end_user: Some(workspace.aliases().own()),
            cache_key: None,
        };
        let json = (reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match upstream {
            Dialect::Openai => Ok(None),
            Dialect::Anthropic => {
                let version = headers
                    .get(CALLERS_VERSION)
                    .and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok())
                    .unwrap_or(HeaderValue::from_static(anthropic::VERSION_FOR_TRANSLATION));
                let body = self.body.forward_for_count(&target, self.source).into_iter().collect();
                let headers = vec![json, (ANTHROPIC_VERSION, version)];
                Ok(Some(Call { path: anthropic::COUNT_ENDPOINT.to_owned(), headers, body }))
            }
            Dialect::Gemini => {
                let body = Bytes::from(gemini::render_count(&self.body.to_chat()?, &target)?).into();
                let path = gemini::count_endpoint(&model.upstream_model);
                Ok(Some(Call { path, headers: vec![json], body }))
            }
        }
    }
}

/// A provider's answer to a count.
///
/// # Errors
/// It does not follow the protocol.
pub fn read_count(upstream: Dialect, bytes: &[u8]) -> Result<u64, Malformed> {
    #[derive(serde::Deserialize)]
    struct Count {
        input_tokens: u64,
    }
    if upstream == Dialect::Gemini {
        return gemini::read_count(bytes);
    }
    let count: Count = serde_json::from_slice(bytes).map_err(|_| Malformed { what: "a count of input tokens" })?;
    Ok(count.input_tokens)
}
