//! Pages for anybody.

use serde_json::json;

use super::{BROWSER, assert_protected};
use crate::harness::{Haven, Reply, ask};

const PAGES: [&str; 4] = ["/", "/models", "/status", "/docs"];

#[actix_web::test]
async fn public_pages_need_no_session_and_are_protected() {
    let haven = Haven::start().await;
    for path in PAGES {
        let reply = haven.page(path).await.ok();
        assert_protected(&reply);
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(reply.header("cache-control"), "public, max-age=60", "{path}");
        for part in ["<html lang=\"en\">", " · LMHaven</title>", "<h1>", "<main id=\"main\"", "href=\"#main\""] {
            assert_eq!(reply.text.matches(part).count(), 1, "{part} in {path}");
        }
        let head = Reply::to(haven.client.head(format!("{}{path}", haven.base)).header("accept", BROWSER)).await.ok();
        assert_protected(&head);
        assert_eq!(head.text, "", "{path}");
        let post = Reply::to(haven.client.post(format!("{}{path}", haven.base))).await;
        assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn assets_are_kept_for_ever_under_their_digest() {
    let haven = Haven::start().await;
    let front = haven.page("/").await.ok().text;
    let urls: Vec<&str> = front.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(urls.len(), 4, "stylesheet, icon and two scripts: {urls:?}");
    for url in urls {
        let asset = haven.page(url).await.ok();
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable", "{url}");
        assert_eq!(asset.header("x-content-type-options"), "nosniff", "{url}");
        let tag = asset.header("etag").to_owned();
        let again = haven.client.get(format!("{}{url}", haven.base)).header("if-none-match", &tag);
        let again = Reply::to(again).await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag.as_str()), "{url}");
        let (_, name) = url.rsplit_once('/').unwrap();
        let old = haven.page(&format!("/assets/0123456789abcdef/{name}")).await;
        assert_eq!((old.status, old.header("cache-control")), (404, "no-store"), "{url}");
    }
    assert_eq!(haven.page("/assets/0123456789abcdef/..%2f..%2fCargo.toml").await.status, 404);
    haven.finish().await;
}

#[actix_web::test]
async fn a_new_price_stands_beside_the_one_before_it() {
    let haven = Haven::start().await;
    let first = haven.page("/models").await.ok().text;
    assert!(first.contains("claude-opus-4-7") && first.contains("$0.178572"), "5.00 ÷ 28");
    assert!(!first.contains("Before"), "nothing was before");
    let row = json!({ "id": "claude-opus-4-7", "ratio": 25, "list_price": { "input": "5.00", "output": "25.00" } });
    let publish = json!({ "effective_at": "2020-01-01T00:00:00Z", "models": [row], "reason": "tests" });
    haven.admin_ok("POST", "/prices", &publish).await;
    let row = json!({ "id": "claude-opus-4-7", "ratio": 20, "list_price": { "input": "5.00", "output": "25.00" } });
    let publish = json!({ "effective_at": "2100-01-01T00:00:00Z", "models": [row], "reason": "tests" });
    haven.admin_ok("POST", "/prices", &publish).await;
    let later = haven.page("/models").await.ok().text;
    assert!(later.contains("From 2100-01-01 on: list price ÷ 20"), "{later}");
    haven.finish().await;
}

#[actix_web::test]
async fn status_counts_what_customers_asked() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let before = haven.page("/status").await.ok().text;
    assert!(before.contains("no recent requests"), "{before}");
    haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    let row = |page: &str| {
        let (_, row) = page.split_once("<code>gpt-sim</code>").unwrap();
        row.split("</tr>").next().unwrap().to_owned()
    };
    let after = row(&haven.page("/status").await.ok().text);
    assert!(after.contains("operational") && after.contains("100.0%"), "{after}");
    let wrong = haven.chat(&workspace.key, &json!({ "model": "gpt-sim", "messages": [] })).await;
    assert_eq!(wrong.status, 400);
    assert!(row(&haven.page("/status").await.ok().text).contains("100.0%"), "what the caller got wrong does not count");
    haven.finish().await;
}

#[actix_web::test]
async fn docs_name_the_public_address_and_never_the_host_header() {
    let haven = Haven::start().await;
    for path in ["/docs", "/llms.txt", "/"] {
        let request = haven.client.get(format!("{}{path}", haven.base)).header("host", "evil.example");
        let text = Reply::to(request.header("accept", BROWSER)).await.ok().text;
        assert!(text.contains("https://lmhaven.test/v1"), "{path}: {text}");
        assert!(!text.contains("evil.example"), "{path}");
    }
    let llms = haven.page("/llms.txt").await.ok();
    assert_eq!(llms.header("content-type"), "text/plain; charset=utf-8");
    assert!(llms.text.contains("elevenlabs-v3 (voice), list price divided by 22"), "{}", llms.text);
    haven.finish().await;
}

#[actix_web::test]
async fn a_page_that_is_not_there_is_a_page_and_a_route_that_is_not_there_is_json() {
    let haven = Haven::start().await;
    let page = haven.page("/nothing/<script>").await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert_protected(&page);
    assert!(!page.text.contains("nothing"), "what was asked for is not repeated");
    let program = Reply::to(haven.client.get(format!("{}/nothing", haven.base))).await;
    assert_eq!(program.refusal(), (404, "not_found"));
    let sdk = Reply::to(haven.client.get(format!("{}/models", haven.base)).header("accept", "application/json")).await;
    assert_eq!(sdk.refusal(), (401, "missing_api_key"), "an SDK without /v1 in its base URL");
    let keyed = haven.client.get(format!("{}/models", haven.base)).header("accept", BROWSER).bearer_auth("sk-lmh-x");
    assert_eq!(Reply::to(keyed).await.refusal(), (401, "invalid_api_key"));
    haven.finish().await;
}
