//! THE routing table: every route of both ports, grouped by who calls it.

mod account;
pub mod admin;
mod count;
pub mod fallback;
mod files;
mod generate;
mod health;
mod keys;
mod models;
mod openapi;
mod webhooks;

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use crate::accounts::csrf;
use crate::accounts::pages::{account as account_pages, members, reset, sign_in, sign_up, verify};
use crate::dashboard::{app, assets, operator, public};
use crate::relay::Worker;

pub use account::limits_view;
pub use models::list_price;

/// This thread's worker, as handlers get it.
pub type WorkerData = web::Data<Rc<Worker>>;

/// The public port.
pub fn public(routes: &mut ServiceConfig) {
    // What SDKs call. The doubled path is permanent: Anthropic SDKs call it when their base URL ends in /v1.
    post(routes, "/v1/chat/completions", generate::chat_completions);
    for prefix in ["/v1", "/v1/v1"] {
        post(routes, &format!("{prefix}/messages"), generate::messages);
        post(routes, &format!("{prefix}/messages/count_tokens"), count::count_tokens);
        get(routes, &format!("{prefix}/models"), models::list);
        get(routes, &format!("{prefix}/models/{{id:.*}}"), models::show);
    }
    post(routes, "/v1/images/generations", generate::images);
    post(routes, "/v1/audio/speech", generate::speech);
    // What customers ask about themselves.
    get(routes, "/v1/balance", account::balance);
    get(routes, "/v1/usage", account::usage);
    // What a management key does about keys, and what every key is told about itself.
    get(routes, "/v1/keys/self", keys::show_self);
    let all_keys = web::resource("/v1/keys").route(web::get().to(keys::list)).route(web::post().to(keys::create));
    routes.service(all_keys.default_service(fallback::not_allowed("GET, POST")));
    let one_key = web::resource("/v1/keys/{id}").route(web::delete().to(keys::revoke));
    routes.service(one_key.default_service(fallback::not_allowed("DELETE")));
    post(routes, "/v1/keys/{id}/rotate", keys::rotate);
    // What the payment provider calls.
    post(routes, "/webhooks/stripe", webhooks::stripe);
    // What anybody opens who has the link.
    routes.service(
        web::resource(files::PATTERN)
            .route(web::get().to(files::serve))
            .route(web::head().to(files::serve))
            .route(web::method(Method::OPTIONS).to(files::preflight))
            .default_service(web::to(files::not_allowed)),
    );
    // What anybody reads, and what pages are made of.
    get(routes, "/", public::front);
    get(routes, "/models", public::models);
    get(routes, "/status", public::status);
    get(routes, "/docs", public::docs);
    get(routes, "/docs/api", public::api);
    get(routes, public::API_FILES, public::api_file);
    get(routes, "/llms.txt", public::llms);
    get(routes, "/openapi.json", openapi::customer);
    get(routes, assets::PATTERN, assets::serve);
    // What whoever signs in opens. Every form passes one guard.
    let guarded = web::scope("/app").wrap(from_fn(csrf::guard));
    routes.service(guarded.configure(people).configure(dashboard).default_service(web::to(fallback::not_found)));
    // What load balancers and people open.
    get(routes, "/healthz", health::alive);
    get(routes, "/readyz", health::ready);
    routes.default_service(web::to(fallback::not_found));
}

/// How people sign in, and who they are; paths begin after `/app`.
fn people(routes: &mut ServiceConfig) {
    get_and_post(routes, "/sign-up", sign_up::page, sign_up::send);
    get_and_post(routes, "/sign-in", sign_in::page, sign_in::send);
    post(routes, "/sign-out", sign_in::out);
    get_and_post(routes, "/verify", verify::page, verify::send);
    post(routes, "/verify/again", verify::again);
    get_and_post(routes, "/forgot", reset::forgot_page, reset::forgot_send);
    get_and_post(routes, "/reset", reset::page, reset::send);
    get(routes, "/account", account_pages::page);
    post(routes, "/account/name", account_pages::rename);
    post(routes, "/account/password", account_pages::change_password);
    post(routes, "/account/sessions/end-others", account_pages::end_others);
    post(routes, "/account/sessions/{session}/end", account_pages::end_one);
    post(routes, "/workspace", account_pages::choose_workspace);
    get_and_post(routes, "/members", members::page, members::invite);
    post(routes, "/members/{person}/role", members::change_role);
    post(routes, "/members/{person}/remove", members::remove);
    post(routes, "/members/invitations/{link}/withdraw", members::withdraw);
    get_and_post(routes, "/invite", members::invitation_page, members::accept);
}

/// The pages below `/app`; paths here begin after it.
fn dashboard(routes: &mut ServiceConfig) {
    get(routes, "", app::overview);
    get_and_post(routes, "/keys", app::keys, app::create_key);
    post(routes, "/keys/{key}/revoke", app::revoke_key);
    get_and_post(routes, "/keys/{key}/rotate", app::rotate_key_page, app::rotate_key);
    get(routes, "/usage", app::usage);
    get(routes, "/usage.csv", app::usage_csv);
    get(routes, "/requests", app::requests);
    get(routes, "/requests.csv", app::requests_csv);
    get(routes, "/billing", app::billing);
    get(routes, "/billing.csv", app::billing_csv);
    get(routes, "/billing/events.csv", app::billing_events_csv);
    get(routes, "/billing/receipts/{number}", app::receipt);
    post(routes, "/billing/top-up", app::top_up);
    post(routes, "/billing/auto-top-up", app::set_auto_top_up);
    get(routes, "/billing/paid", app::paid);
    get(routes, "/billing/paid.json", app::paid_json);
    get(routes, "/limits", app::limits);
    get(routes, "/models", app::models);
    get(routes, "/playground", app::playground);
    get(routes, "/playground/cost", app::playground_cost);
    post(routes, "/playground/{modality}", app::ask_playground);
    get_and_post(routes, "/webhooks", app::webhooks, app::set_webhooks);
    post(routes, "/webhooks/remove", app::remove_webhooks);
    post(routes, "/webhooks/rotate", app::rotate_webhook_secret);
    post(routes, "/webhooks/test", app::test_webhooks);
    post(routes, "/webhooks/{event}/resend", app::resend_webhook);
    get(routes, "/settings", app::settings);
    post(routes, "/settings/name", app::rename_workspace);
    post(routes, "/settings/low-balance", app::set_notice_line);
    post(routes, "/settings/billed-to", app::set_billed_to);
}

/// What operators open, on the admin port; paths begin after `/operator`.
fn operator_pages(routes: &mut ServiceConfig) {
    get_and_post(routes, "/set-up", operator::set_up_page, operator::set_up_send);
    get_and_post(routes, "/sign-in", operator::sign_in_page, operator::sign_in_send);
    post(routes, "/sign-out", operator::sign_out);
    get(routes, "", operator::workspaces);
    get(routes, "/workspaces/{id}", operator::workspace);
    post(routes, "/workspaces/{id}/credit", operator::credit);
    post(routes, "/workspaces/{id}/payments/{payment}/refund", operator::refund);
    post(routes, "/workspaces/{id}/suspend", operator::suspend);
    post(routes, "/workspaces/{id}/features", operator::features);
    post(routes, "/workspaces/{id}/limits", operator::limits);
    get(routes, "/prices", operator::prices);
    post(routes, "/prices/preview", operator::preview);
    post(routes, "/prices/publish", operator::publish);
    get(routes, "/prices/{version}", operator::compare);
    post(routes, "/prices/{version}/roll-back", operator::roll_back);
    get(routes, "/providers", operator::providers);
    post(routes, "/providers/{id}/{n}", operator::switch);
    get(routes, "/mail", operator::mail);
    post(routes, "/mail/{id}/resend", operator::resend);
    get(routes, "/webhooks", operator::webhooks);
    post(routes, "/webhooks/{id}/resend", operator::resend_webhook);
    get(routes, "/payments", operator::payments);
    get(routes, "/audit", operator::audit);
}

/// The operators' pages with the guard of their forms.
fn operators(routes: &mut ServiceConfig) {
    let guarded = web::scope("/operator").wrap(from_fn(csrf::guard_operators));
    routes.service(guarded.configure(operator_pages).default_service(web::to(operator::missing)));
}

/// The admin port.
pub fn admin(routes: &mut ServiceConfig) {
    admin::configure(routes);
    operators(routes);
    get(routes, assets::PATTERN, assets::serve);
    get(routes, "/healthz", health::alive);
    get(routes, "/readyz", health::ready);
    get(routes, "/metrics", health::metrics);
    routes.default_service(web::to(admin::not_found));
}

/// What the admin port has besides health, where both ports are one.
pub fn admin_on_public(routes: &mut ServiceConfig) {
    admin::configure(routes);
    operators(routes);
    get(routes, "/metrics", health::metrics);
}

fn post<F, Args>(routes: &mut ServiceConfig, path: &str, handler: F)
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let resource = web::resource(path).route(web::post().to(handler));
    routes.service(resource.default_service(fallback::not_allowed("POST")));
}

fn get<F, Args>(routes: &mut ServiceConfig, path: &str, handler: F)
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let resource = web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler));
    routes.service(resource.default_service(fallback::not_allowed("GET, HEAD")));
}

fn get_and_post<G, GetArgs, P, PostArgs>(routes: &mut ServiceConfig, path: &str, page: G, form: P)
where
    G: actix_web::Handler<GetArgs> + Clone,
    GetArgs: actix_web::FromRequest + 'static,
    G::Output: actix_web::Responder + 'static,
    P: actix_web::Handler<PostArgs>,
    PostArgs: actix_web::FromRequest + 'static,
    P::Output: actix_web::Responder + 'static,
{
    let resource = web::resource(path).route(web::get().to(page.clone())).route(web::head().to(page));
    routes.service(resource.route(web::post().to(form)).default_service(fallback::not_allowed("GET, HEAD, POST")));
}
