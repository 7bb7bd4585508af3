//! `/docs/api`: the description of the API as a page to try it on, with Swagger UI out of the binary.
//!
//! The page and its own content policy are ours; the files beside it are Swagger UI's. They know no outside address: the
//! badge of a validator, which would be one, is off.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use askama::Template;
use utoipa_swagger_ui::Config;

use crate::dashboard::page;

/// Where the routing table puts [`file()`].
pub const PATTERN: &str = "/docs/api/{name}";
/// Swagger UI's files that the page names. The distribution has more: an index of its own, maps, a page for `OAuth`.
const FILES: [&str; 4] =
    ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-initializer.js"];
/// As for every page, but that Swagger UI writes `style` attributes. Scripts are files of ours here as everywhere.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; script-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'none'",
);

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json").use_base_layout();
    Arc::new(config.validator_url("none").deep_linking(true).persist_authorization(false))
});

#[derive(Template)]
#[template(path = "public/api.html")]
struct Api;

/// The page.
pub async fn api() -> HttpResponse {
    let mut response = page::public(&Api);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    response
}

/// A file of Swagger UI.
pub async fn file(name: web::Path<String>) -> HttpResponse {
    let found = FILES.contains(&name.as_str()).then(|| utoipa_swagger_ui::serve(&name, CONFIG.clone()).ok().flatten());
    let Some(found) = found.flatten() else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no such file\n");
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    if found.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    response.content_type(found.content_type).body(found.bytes.into_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn the_page_names_files_that_are_there_and_nothing_from_elsewhere() {
        let body = to_bytes(api().await.into_body()).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        for name in FILES {
            assert!(html.contains(&format!("/docs/api/{name}\"")), "{name} in {html}");
            assert_eq!(file(name.to_owned().into()).await.status(), 200, "{name}");
        }
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<style"), "{html}");
        assert_eq!(html.matches("<script").count(), html.matches("<script src=").count());
    }

    #[actix_web::test]
    async fn the_initializer_is_a_file_that_asks_nobody_else() {
        let body = to_bytes(file("swagger-initializer.js".to_owned().into()).await.into_body()).await.unwrap();
        let script = String::from_utf8(body.to_vec()).unwrap();
        assert!(script.contains("/openapi.json") && script.contains(r#""validatorUrl": "none""#), "{script}");
        assert!(!script.contains("https://"), "{script}");
        assert_eq!(file("index.html".to_owned().into()).await.status(), 404);
    }

    #[actix_web::test]
    async fn its_policy_lets_no_inline_script_in() {
        let response = api().await;
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"), "{policy}");
    }
}
