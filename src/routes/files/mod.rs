//! `GET /v1/files/{id}.{ext}?exp&kid&sig`: a stored image, for whoever has its link (INTERFACE §3).
//!
//! The link is the whole authority: no key is read, no limit counted, no balance shown. Bytes stream from the store
//! to the caller; HEAD, 304 and 416 read none of them. Headers keep a browser from making anything of the bytes but
//! a picture (`wire/media.md` §10). The query holds the signature and goes nowhere but into the check.

mod conditions;

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::http::header::{self, EntityTag, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::StreamExt;
use lmhaven_actors::chat::Dialect;
use lmhaven_actors::domain::ids::RequestId;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::system::fresh;

use super::WorkerData;
use super::openapi::errors::Link;
use crate::error::{ApiError, Code};
use crate::headers;
use crate::images::format::Format;
use crate::images::link::Named;
use crate::images::store::{StoreError, Stored};
use crate::relay::{Gateway, Worker};
use conditions::Answer;

/// Everything below `/v1/files/`: what is no link of ours is refused as a bad one.
pub(super) const PATTERN: &str = "/v1/files/{link:.*}";

const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// What a browser's script may read of an answer, beside what it may read of every answer.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("accept-ranges, content-length, content-range, etag, request-id, x-request-id");

/// What every answer has, errors included: anybody may show the picture, and it is nothing but a picture.
const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// GET and HEAD.
#[utoipa::path(
    get, path = "/v1/files/{link}", tag = "generation", operation_id = "file", summary = "A stored image, by its link",
    params(
        ("link" = String, Path, description = "`{id}.{ext}`"),
        ("exp" = Option<i64>, Query, description = "When the link ends"),
        ("kid" = Option<String>, Query, description = "The key of the signature"),
        ("sig" = Option<String>, Query, description = "The signature"),
    ),
    responses(
        (status = 200, description = "The image", content_type = "image/*", body = String),
        (status = 206, description = "A part of it", content_type = "image/*", body = String),
        (status = 304, description = "The caller has it"),
        Link,
    ),
    security(()),
)]
pub(super) async fn serve(worker: WorkerData, request: HttpRequest) -> HttpResponse {
    let gateway = &worker.gateway;
    let now = gateway.core.clock.now().wall;
    let id = fresh::request_id(now);
    let mut response = match answer(&worker, &request, now).await {
        Ok(mut response) => {
            headers::request_id(&mut response.0, id);
            response.0.body(response.1)
        }
        Err(refused) => refused.respond(id),
    };
    always(response.headers_mut());
    response
}

/// What a browser asks before a script may add headers such as `Range` to its request. Says nothing about the link.
pub(super) async fn preflight() -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "range, if-range, if-match, if-none-match"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"));
    let mut response = response.finish();
    always(response.headers_mut());
    response
}

/// Every other method. No key is due here, so it is not asked for either.
pub(super) async fn not_allowed(worker: WorkerData) -> HttpResponse {
    let id = fresh::request_id(worker.gateway.core.clock.now().wall);
    let error = ApiError::new(Code::MethodNotAllowed, "this route takes GET, HEAD, OPTIONS");
    let mut response = Refused::from(error).respond(id);
    response.headers_mut().insert(header::ALLOW, ALLOWED);
    always(response.headers_mut());
    response
}

fn always(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
}

/// An error, and what it says about the image.
struct Refused {
    error: ApiError,
    content_range: Option<String>,
}

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), content_range: None }
    }
}

impl Refused {
    fn respond(self, id: RequestId) -> HttpResponse {
        let mut response = self.error.start_response(Dialect::Openai);
        headers::request_id(&mut response, id);
        // A link that is refused now may have been good a moment ago, and an image that is missing be back.
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(range) = self.content_range {
            response.insert_header((header::CONTENT_RANGE, range));
        }
        response.body(self.error.envelope(id))
    }
}

async fn answer(
    worker: &Worker,
    request: &HttpRequest,
    now: UnixMillis,
) -> Result<(HttpResponseBuilder, FileBody), Refused> {
    let gateway = &worker.gateway;
    if gateway.is_draining() {
        return Err(ApiError::new(Code::Draining, "this gateway is shutting down").closing().into());
    }
    // As it came: what was decoded has more than one spelling.
    let uri = request.uri();
    let named = gateway.images.check(uri.path(), uri.query().unwrap_or_default(), now)?;
    let stored = gateway.images.find(&named).await?;
    let tag = EntityTag::new_strong(hex(&stored.sha256));
    let whole = || (StatusCode::OK, None);
    let (status, part) = match conditions::decide(request.method(), request, &tag, stored.length) {
        Answer::Whole => whole(),
        Answer::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Answer::NotModified => {
            let mut response = HttpResponse::NotModified();
            describe(&mut response, &named, tag, now);
            return Ok((response, FileBody::Empty(BodySize::None)));
        }
        Answer::PreconditionFailed => {
            return Err(ApiError::new(Code::PreconditionFailed, "If-Match names another image").into());
        }
        Answer::NotSatisfiable => {
            let error = ApiError::new(Code::RangeNotSatisfiable, "the range begins behind the end of the image");
            return Err(Refused { error, content_range: Some(format!("bytes */{}", stored.length)) });
        }
    };
    let mut response = HttpResponse::build(status);
    describe(&mut response, &named, tag, now);
    response
        .insert_header((header::CONTENT_TYPE, stored.format.content_type()))
        .insert_header((header::CONTENT_DISPOSITION, disposition(stored.format)));
    if let Some(part) = &part {
        let (first, last) = (part.start(), part.end());
        response.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", stored.length)));
    }
    let body = if *request.method() == Method::HEAD {
        FileBody::Empty(BodySize::Sized(stored.length))
    } else {
        read(gateway, &named, &stored, part).await?
    };
    Ok((response, body))
}

/// What 200, 206 and 304 say alike.
fn describe(response: &mut HttpResponseBuilder, named: &Named, tag: EntityTag, now: UnixMillis) {
    // Rounded down: no cache may show the image when its link is over.
    let left = named.expires_at.saturating_mul(1000).saturating_sub(now.0).div_euclid(1000).max(0);
    response
        .insert_header((header::CACHE_CONTROL, format!("private, max-age={left}, immutable")))
        .insert_header(header::ETag(tag))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
}

const fn disposition(format: Format) -> &'static str {
    match format {
        Format::Png => "inline; filename=\"image.png\"",
        Format::Jpeg => "inline; filename=\"image.jpg\"",
        Format::Webp => "inline; filename=\"image.webp\"",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes as they are read. A download counts as running, so that draining lets it finish.
async fn read(
    gateway: &Arc<Gateway>,
    named: &Named,
    stored: &Stored,
    part: Option<RangeInclusive<u64>>,
) -> Result<FileBody, Refused> {
    let (first, end) = part.map_or((0, stored.length), |part| (*part.start(), part.end().saturating_add(1)));
    let running = gateway.count_running();
    let bytes = gateway.images.read(named, first..end).await?.map(move |read| {
        let _ = &running;
        // The length is already sent: an answer that breaks off is all that can be said.
        read.inspect_err(|error| tracing::error!(%error, "a stored image broke off while it was read"))
    });
    Ok(FileBody::Stream(SizedStream::new(end.saturating_sub(first), bytes.boxed_local())))
}

type Reading = futures_util::stream::LocalBoxStream<'static, Result<Bytes, StoreError>>;

/// The body of an answer with an image, or with the length of one.
enum FileBody {
    Stream(SizedStream<Reading>),
    /// Nothing, where headers tell the size: of HEAD, and of 304.
    Empty(BodySize),
}

impl MessageBody for FileBody {
    type Error = actix_web::Error;

    fn size(&self) -> BodySize {
        match self {
            Self::Stream(stream) => stream.size(),
            Self::Empty(size) => *size,
        }
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.get_mut() {
            Self::Stream(stream) => Pin::new(stream)
                .poll_next(context)
                .map_err(|error| actix_web::error::ErrorInternalServerError(error.to_string())),
            Self::Empty(_) => Poll::Ready(None),
        }
    }
}
