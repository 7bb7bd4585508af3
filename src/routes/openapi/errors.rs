//! The errors of a route: which statuses it gives, with the codes of each from the one table of `error.rs`.

#![expect(dead_code, reason = "fields are described, not read")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::error::Code;

/// The envelope of every error.
#[derive(ToSchema)]
#[schema(as = Error)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Envelope {
    /// Always `error`.
    #[schema(pattern = "^error$")]
    pub r#type: String,
    /// What is wrong.
    pub error: Detail,
    /// `req_…`, also in the header x-request-id.
    pub request_id: String,
}

/// What is wrong.
#[derive(ToSchema)]
#[schema(as = ErrorDetail)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Detail {
    /// The kind that SDKs choose their exception by.
    pub r#type: String,
    /// Which error it is, of a closed list.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// The field that is at fault.
    #[schema(required)]
    pub param: Option<String>,
}

/// Every code there is.
pub(in crate::routes) struct ErrorCode;

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        codes.sort_unstable();
        codes.dedup();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ErrorCode")
    }
}

/// Statuses as a type, so that a handler's description can name them.
macro_rules! sets {
    ($($(#[$meta:meta])* $name:ident => [$($status:literal),*];)*) => {
        $(
            $(#[$meta])*
            pub(in crate::routes) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$($status),*].into_iter().map(|status| (status.to_string(), response(status).into())).collect()
                }
            }
        )*
    };
}

sets! {
    /// Of every route that takes a key.
    WithKey => [401, 403, 429, 431, 500, 503];
    /// Of every route that reads a body and asks a provider, beside those of [`WithKey`].
    Asking => [400, 404, 408, 413, 415, 502, 504];
    /// Of every route that charges.
    Charging => [402];
    /// Where Anthropic's SDKs listen for overload.
    Overload => [529];
    /// A query or a body that is wrong.
    BadRequest => [400];
    /// What the path names is not there.
    Missing => [404];
    /// Done before, or not possible now.
    Conflict => [409];
    /// A body that is too large.
    TooLarge => [413];
    /// A body that is not sent as JSON.
    NotJson => [415];
    /// A body that comes too slowly.
    Slow => [408];
    /// Of every route that takes the operators' token.
    WithToken => [401, 500, 503];
    /// Of a link.
    Link => [403, 404, 412, 416, 500, 503];
    /// A token for metrics that is missing or wrong, where one is set.
    BadToken => [401];
    /// While the gateway is not ready.
    NotReady => [503];
}

/// One status with its codes.
fn response(status: u16) -> Response {
    let mut codes: Vec<&str> = Vec::new();
    for code in Code::ALL.iter().filter(|code| code.statuses().contains(&status)) {
        if !codes.contains(&code.text()) {
            codes.push(code.text());
        }
    }
    let schema = Ref::from_schema_name("Error");
    let mut response = ResponseBuilder::new()
        .description(codes.join(", "))
        .content("application/json", ContentBuilder::new().schema(Some(schema)).build());
    if matches!(status, 429 | 503 | 529) {
        for (name, text) in
            [("retry-after", "Whole seconds, 1 to 60"), ("retry-after-ms", "The same, to the millisecond")]
        {
            let schema = ObjectBuilder::new().schema_type(Type::String).build();
            response = response.header(name, HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build());
        }
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_names_the_codes_of_the_table() {
        assert_eq!(response(402).description, "insufficient_balance, key_spend_limit");
        assert_eq!(response(529).description, "overloaded");
        assert!(response(503).headers.contains_key("retry-after"));
    }

    #[test]
    fn every_status_has_a_code() {
        for set in [WithKey::responses(), Asking::responses(), Link::responses(), Conflict::responses()] {
            for (status, response) in set {
                let RefOr::T(response) = response else { panic!("not a reference") };
                assert!(!response.description.is_empty(), "{status} has no code");
            }
        }
    }
}
