//! What the APIs are, in `OpenAPI` 3.1: `/openapi.json` for customers, `/admin/v1/openapi.json` for operators.
//!
//! Each handler is described where it stands; here the descriptions are put together, the doubled path is added, and
//! documents are written once. Bodies that only pass through us are described in `bodies`, answers in `shapes`, errors
//! (from the one table of codes) in `errors`. A test holds the routing table against this; schemathesis holds answers.

pub(super) mod bodies;
pub(super) mod errors;
pub(super) mod shapes;
#[cfg(test)]
mod table;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr};
use utoipa::{Modify, OpenApi};

/// The paths that Anthropic SDKs call when their base URL ends in `/v1`: the same routes a second time.
const DOUBLED: [&str; 4] = ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/{id}"];
/// Headers of every reply to a key, and what they say.
const KEY_HEADERS: [(&str, &str); 9] = [
    ("x-request-id", "The request's id; also as request-id"),
    ("x-ratelimit-limit-requests", "Requests a minute"),
    ("x-ratelimit-remaining-requests", "Requests that may be sent now"),
    ("x-ratelimit-reset-requests", "Until the bucket is full: 350ms, 6s, 1m30s"),
    ("x-ratelimit-limit-streams", "Streams at once"),
    ("x-ratelimit-remaining-streams", "Streams that may be opened now"),
    ("ratelimit-policy", "The limits as the IETF draft writes them"),
    ("ratelimit", "What is left of them as the IETF draft writes it"),
    ("lmhaven-balance-usd", "Money not yet charged, after this request"),
];

/// The customers' API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "LMHaven",
        description = "A prepaid gateway to text, image and voice models for the OpenAI and Anthropic SDKs. Amounts of money \
            are decimal strings of US dollars, times are RFC 3339 in UTC. GET routes answer HEAD too.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        super::generate::chat_completions,
        super::generate::messages,
        super::count::count_tokens,
        super::generate::images,
        super::generate::speech,
        super::models::list,
        super::models::show,
        super::account::balance,
        super::account::usage,
        super::keys::show_self,
        super::keys::list,
        super::keys::create,
        super::keys::rotate,
        super::keys::revoke,
        super::files::serve,
        super::health::alive,
        super::health::ready,
        customer,
    ),
    tags(
        (name = "generation", description = "What is charged"),
        (name = "models", description = "What can be asked for"),
        (name = "account", description = "What a key may know of its own workspace"),
        (name = "keys", description = "Keys of a workspace, for a management key"),
        (name = "service", description = "About the gateway itself"),
    ),
    components(schemas(errors::Envelope, errors::Detail, errors::ErrorCode)),
    modifiers(&Keys)
)]
struct Customers;

/// The security schemes of the customers' API, its doubled paths and its headers.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("sk-lmh-…");
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("x_api_key", header);
        for item in document.paths.paths.values_mut() {
            for operation in operations(item).filter(|operation| operation.responses.responses.contains_key("401")) {
                add_headers(operation);
            }
        }
        for path in DOUBLED {
            let Some(mut item) = document.paths.paths.get(path).cloned() else { continue };
            for operation in operations(&mut item) {
                operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_doubled"));
                operation.summary = operation.summary.take().map(|text| format!("{text} (alias)"));
            }
            document.paths.paths.insert(format!("/v1{path}"), item);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete, &mut item.head, &mut item.options]
        .into_iter()
        .filter_map(Option::as_mut)
}

fn add_headers(operation: &mut Operation) {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with('2') {
            for (name, description) in KEY_HEADERS {
                let header = HeaderBuilder::new().schema(Some(text())).description(Some(description)).build();
                response.headers.insert(name.to_owned(), RefOr::T(header));
            }
        }
    }
}

static CUSTOMERS: LazyLock<String> = LazyLock::new(|| write(&Customers::openapi()));
static OPERATORS: LazyLock<String> = LazyLock::new(|| write(&super::admin::openapi::description()));

/// A document as JSON. Its values are strings, numbers and lists of them, which always serialise.
fn write(document: &Document) -> String {
    document.to_json().unwrap_or_default()
}

/// The description of the customers' API
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "openapi",
    responses((status = 200, description = "This document", body = Object)),
    security(()),
)]
pub(super) async fn customer() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .content_type("application/json")
        .body(CUSTOMERS.as_str())
}

/// The text of the operators' document.
pub(super) fn operators() -> &'static str {
    &OPERATORS
}
