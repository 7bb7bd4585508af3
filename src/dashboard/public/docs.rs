//! `/docs`: quick starts and rules, for people; `/llms.txt`: the same in short, for programs that read.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use askama::Template;

use super::{WorkerData, catalogue};
use crate::dashboard::page;
use crate::dashboard::snippets::{KEY_PLACEHOLDER, More, Snippet, more, quick_starts};

#[derive(Template)]
#[template(path = "public/docs.html")]
struct Docs {
    here: &'static str,
    base: String,
    quick_starts: Vec<Snippet>,
    more: More,
    requests_per_minute: u32,
    concurrent_streams: u32,
}

/// The documentation.
pub async fn docs(worker: WorkerData) -> HttpResponse {
    let base = worker.gateway.config.server.public_url.to_string();
    let defaults = worker.gateway.config.limits.policy.default;
    page::public(&Docs {
        here: "/docs",
        quick_starts: quick_starts(&base, KEY_PLACEHOLDER),
        more: more(&base, KEY_PLACEHOLDER),
        requests_per_minute: defaults.requests_per_minute.get(),
        concurrent_streams: defaults.concurrent_streams.get(),
        base,
    })
}

/// The whole of it as Markdown for language models (llmstxt.org).
pub async fn llms(worker: WorkerData) -> HttpResponse {
    let base = &worker.gateway.config.server.public_url;
    let mut text = format!(
        "# LMHaven\n\n> A prepaid LLM API gateway: text, image and voice models of several providers with the OpenAI and Anthropic \
         SDKs, at the providers' list price divided by a ratio.\n\n\
         - OpenAI SDKs: base URL {base}/v1\n- Anthropic SDKs: base URL {base}\n- Keys start with sk-lmh- and go into \
         `Authorization: Bearer` or `x-api-key`.\n\n## Routes\n\n\
         - POST {base}/v1/chat/completions: OpenAI chat, streaming by `stream: true`\n\
         - POST {base}/v1/messages: Anthropic messages, streaming by `stream: true`\n\
         - POST {base}/v1/messages/count_tokens: free of charge\n\
         - POST {base}/v1/images/generations: `model`, `prompt`, `size`, `n`, `response_format`\n\
         - POST {base}/v1/audio/speech: `model`, `voice`, `input`, `response_format`\n\
         - GET {base}/v1/models, {base}/v1/balance, {base}/v1/usage\n\n## Models\n\n"
    );
    for model in catalogue(&worker) {
        let _ = write!(text, "- {} ({})", model.id, model.modality);
        if let Some(price) = &model.price {
            let _ = write!(text, ", list price divided by {}", price.ratio);
            for line in &price.lines {
                let _ = write!(text, "; {} {}, list {}", line.ours, line.what, line.list);
            }
        }
        text.push('\n');
    }
    let _ = write!(
        text,
        "\n## Errors\n\nEvery error is `{{\"type\":\"error\",\"error\":{{\"type\",\"code\",\"message\",\"param\"}},\"request_id\"}}`. \
         402 means that money is missing, 429 that a limit was reached (wait for Retry-After), 403 that a feature, model or \
         address is not allowed.\n\n## More\n\n- [Documentation]({base}/docs)\n- [OpenAPI description]({base}/openapi.json)\n\
         - [Models and prices]({base}/models)\n\
         - [Status]({base}/status)\n"
    );
    let mut response = HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text);
    page::protect(&mut response, "");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    response
}
