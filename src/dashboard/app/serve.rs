//! The dashboard's handlers: who visits, which page, and what a page that cannot be shown looks like.
//!
//! The routing table names them; who visits is what `extract::session` found.

use std::rc::Rc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{Trouble, Visit};
use super::{auto_top_up as auto_top_up_section, billed_to as billed_to_section, receipt as receipt_page};
use super::{billing as billing_page, keys as keys_page, limits as limits_page, models as models_page};
use super::{overview as overview_page, playground as playground_page, requests as requests_page};
use super::{settings as settings_page, topup as topup_page, usage as usage_page, webhooks as webhooks_page};
use crate::dashboard::query::Fields;
use crate::extract::session::SignedIn;
use crate::relay::Worker;

type WorkerData = web::Data<Rc<Worker>>;

/// Answers a GET.
async fn show(
    worker: WorkerData,
    who: SignedIn,
    request: HttpRequest,
    page: impl AsyncFnOnce(&Rc<Worker>, Visit, &Fields) -> Result<HttpResponse, Trouble>,
) -> HttpResponse {
    let fields = Fields::of_query(&request);
    let answer = match Visit::of(&worker, who).await {
        Ok(visit) => page(worker.get_ref(), visit, &fields).await,
        Err(trouble) => Err(trouble),
    };
    answer.unwrap_or_else(Trouble::respond)
}

/// Answers a POST, which has passed the guard around `/app`.
async fn obey(
    worker: WorkerData,
    who: SignedIn,
    act: impl AsyncFnOnce(&Rc<Worker>, Visit) -> Result<HttpResponse, Trouble>,
) -> HttpResponse {
    let answer = match Visit::of(&worker, who).await {
        Ok(visit) => act(worker.get_ref(), visit).await,
        Err(trouble) => Err(trouble),
    };
    answer.unwrap_or_else(Trouble::respond)
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident = |$worker:ident, $visit:pat_param, $fields:pat_param| $page:expr;)*) => {$(
        $(#[$doc])*
        pub async fn $name(worker: WorkerData, who: SignedIn, request: HttpRequest) -> HttpResponse {
            show(worker, who, request, async |$worker, $visit, $fields| $page).await
        }
    )*};
}

pages! {
    /// `GET /app`.
    overview = |worker, visit, _| overview_page::overview(worker, visit).await;
    /// `GET /app/keys`.
    keys = |worker, mut visit, fields| Ok(keys_page::keys(worker, &mut visit, fields));
    /// `GET /app/usage`.
    usage = |worker, visit, fields| Ok(usage_page::usage(worker, &visit, fields));
    /// `GET /app/usage.csv`.
    usage_csv = |worker, visit, fields| Ok(usage_page::usage_csv(worker, &visit, fields));
    /// `GET /app/requests`.
    requests = |worker, visit, fields| requests_page::requests(worker, visit, fields).await;
    /// `GET /app/requests.csv`.
    requests_csv = |worker, visit, fields| requests_page::requests_csv(worker, visit, fields).await;
    /// `GET /app/billing`.
    billing = |worker, visit, fields| Ok(billing_page::billing(worker, &visit, fields));
    /// `GET /app/billing.csv`.
    billing_csv = |worker, visit, _| Ok(billing_page::billing_csv(worker, &visit));
    /// `GET /app/billing/events.csv`.
    billing_events_csv = |worker, visit, _| Ok(billing_page::events_csv(worker, &visit));
    /// `GET /app/billing/paid?checkout=chk_…`.
    paid = |worker, visit, fields| topup_page::paid(worker, visit, fields).await;
    /// `GET /app/billing/paid.json?checkout=chk_…`.
    paid_json = |worker, visit, fields| topup_page::paid_json(worker, visit, fields).await;
    /// `GET /app/limits`.
    limits = |worker, visit, _| Ok(limits_page::limits(worker, &visit));
    /// `GET /app/models`.
    models = |worker, visit, _| Ok(models_page::models(worker, &visit));
    /// `GET /app/playground`.
    playground = |worker, visit, _| Ok(playground_page::playground(worker, &visit));
    /// `GET /app/playground/cost?id=req_…`.
    playground_cost = |worker, visit, fields| playground_page::cost(worker, visit, fields.get("id")).await;
    /// `GET /app/webhooks`.
    webhooks = |worker, visit, fields| webhooks_page::webhooks(worker, &visit, fields);
    /// `GET /app/settings`.
    settings = |worker, visit, fields| Ok(settings_page::settings(worker, &visit, fields));
}

/// `GET /app/billing/receipts/{number}`.
pub async fn receipt(
    worker: WorkerData,
    who: SignedIn,
    request: HttpRequest,
    number: web::Path<String>,
) -> HttpResponse {
    show(worker, who, request, async |worker, visit, _| receipt_page::receipt(worker, visit, &number).await).await
}

/// `POST /app/billing/top-up`.
pub async fn top_up(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| topup_page::begin(worker, visit, &fields).await).await
}

/// `POST /app/billing/auto-top-up`.
pub async fn set_auto_top_up(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| auto_top_up_section::set(worker, visit, &fields).await).await
}

/// `POST /app/settings/low-balance`.
pub async fn set_notice_line(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| settings_page::set_notice_line(worker, visit, &fields).await).await
}

/// `POST /app/settings/billed-to`.
pub async fn set_billed_to(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| billed_to_section::set(worker, visit, &fields).await).await
}

/// `POST /app/settings/name`.
pub async fn rename_workspace(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| settings_page::rename(worker, visit, &fields).await).await
}

/// `POST /app/webhooks`.
pub async fn set_webhooks(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| webhooks_page::set(worker, visit, &fields).await).await
}

/// `POST /app/webhooks/remove`.
pub async fn remove_webhooks(worker: WorkerData, who: SignedIn) -> HttpResponse {
    obey(worker, who, async |worker, visit| webhooks_page::remove(worker, visit).await).await
}

/// `POST /app/webhooks/rotate`.
pub async fn rotate_webhook_secret(worker: WorkerData, who: SignedIn) -> HttpResponse {
    obey(worker, who, async |worker, visit| webhooks_page::rotate(worker, visit).await).await
}

/// `POST /app/webhooks/test`.
pub async fn test_webhooks(worker: WorkerData, who: SignedIn) -> HttpResponse {
    obey(worker, who, async |worker, visit| webhooks_page::test(worker, visit).await).await
}

/// `POST /app/webhooks/{event}/resend`.
pub async fn resend_webhook(worker: WorkerData, who: SignedIn, event: web::Path<String>) -> HttpResponse {
    obey(worker, who, async |worker, visit| webhooks_page::resend(worker, visit, &event).await).await
}

/// `POST /app/keys`.
pub async fn create_key(worker: WorkerData, who: SignedIn, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| keys_page::create(worker, visit, &fields).await).await
}

/// `POST /app/keys/{id}/revoke`.
pub async fn revoke_key(worker: WorkerData, who: SignedIn, key: web::Path<String>) -> HttpResponse {
    obey(worker, who, async |worker, visit| keys_page::revoke(worker, visit, &key).await).await
}

/// `GET /app/keys/{id}/rotate`.
pub async fn rotate_key_page(
    worker: WorkerData,
    who: SignedIn,
    request: HttpRequest,
    key: web::Path<String>,
) -> HttpResponse {
    show(worker, who, request, async |worker, visit, _| keys_page::rotate_page(worker, &visit, &key)).await
}

/// `POST /app/keys/{id}/rotate`.
pub async fn rotate_key(worker: WorkerData, who: SignedIn, key: web::Path<String>, form: Bytes) -> HttpResponse {
    let fields = Fields::of_form(&form);
    obey(worker, who, async |worker, visit| keys_page::rotate(worker, visit, &key, &fields).await).await
}

/// `POST /app/playground/{modality}`.
pub async fn ask_playground(
    worker: WorkerData,
    who: SignedIn,
    request: HttpRequest,
    modality: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    obey(worker, who, async |worker, visit| playground_page::ask(worker, visit, request, &modality, &body).await).await
}
