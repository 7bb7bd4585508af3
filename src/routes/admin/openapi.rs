//! The operators' API in `OpenAPI`, on the admin port and for whoever has its token.

use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{WorkerData, answer_text};
use crate::routes::openapi;
use crate::routes::openapi::errors::{self, WithToken};

/// The operators' API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "LMHaven, for operators",
        description = "Workspaces, money, keys, prices and providers. Every write has an audit row. Amounts of money are \
            decimal strings of US dollars, times are RFC 3339 in UTC. GET routes of one method answer HEAD too.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        super::workspaces::create,
        super::workspaces::list,
        super::workspaces::show,
        super::workspaces::change,
        super::money::credit,
        super::payments::list,
        super::payments::refund,
        super::keys::create,
        super::keys::list,
        super::keys::revoke,
        super::keys::rotate,
        super::ledger::list,
        super::prices::list,
        super::prices::publish,
        super::providers::list,
        super::providers::enable,
        super::providers::disable,
        super::audit::list,
        super::operators::list,
        super::operators::invite,
        show,
        crate::routes::health::alive,
        crate::routes::health::ready,
        crate::routes::health::metrics,
    ),
    tags(
        (name = "workspaces", description = "Customers, their limits and features"),
        (name = "money", description = "Credits, refunds, payments and the ledger"),
        (name = "keys", description = "Keys of a workspace"),
        (name = "prices", description = "The price book"),
        (name = "providers", description = "Accounts upstream"),
        (name = "service", description = "About the gateway itself"),
    ),
    components(schemas(errors::Envelope, errors::Detail, errors::ErrorCode)),
    modifiers(&Token)
)]
struct Operators;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("server.admin_token"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin_token", SecurityScheme::Http(bearer.build()));
    }
}

/// The document.
pub(in crate::routes) fn description() -> Document {
    Operators::openapi()
}

/// The description of the operators' API
#[utoipa::path(
    get, path = "/admin/v1/openapi.json", tag = "service", operation_id = "openapi",
    responses((status = 200, description = "This document", body = Object), WithToken),
    security(("admin_token" = [])),
)]
pub(super) async fn show(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    answer_text(&worker, &request, openapi::operators()).await
}
