//! The descriptions of both APIs, and the page that shows the customers' one.

use serde_json::Value;

use crate::harness::{Haven, Reply};

/// What a port has beside the described methods of a path: HEAD where there is GET, and the preflight of links.
const UNDESCRIBED: [&str; 2] = ["HEAD", "OPTIONS"];

fn operations(document: &Value) -> Vec<(String, Vec<String>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    path.split('{').map(|part| part.split_once('}').map_or(part.to_owned(), |(_, rest)| format!("1{rest}"))).collect()
}

#[actix_web::test]
async fn described_methods_are_those_that_a_route_takes() {
    let haven = Haven::start().await;
    let key = haven.workspace("0").await.key;
    let customers = haven.get(&key, "/openapi.json").await.ok();
    assert_eq!(customers.header("content-type"), "application/json");
    let operators = haven.admin_get("/openapi.json").await;
    for (document, admin) in [(&customers.body, false), (&operators, true)] {
        let operations = operations(document);
        assert!(operations.len() > 12, "{operations:?}");
        for (path, methods) in operations {
            let path = filled(&path);
            let refused = match path.strip_prefix("/admin/v1") {
                Some(path) => haven.admin("PROPFIND", path, &Value::Null).await,
                None if admin => continue,
                None => Reply::to(haven.request(&key, "PROPFIND", &path)).await,
            };
            assert_eq!(refused.refusal(), (405, "method_not_allowed"), "{path}");
            let taken = refused.header("allow").split(", ").filter(|method| !UNDESCRIBED.contains(method));
            let mut taken: Vec<_> = taken.map(str::to_owned).collect();
            let mut methods = methods;
            taken.sort_unstable();
            methods.sort_unstable();
            assert_eq!(taken, methods, "{path}");
        }
    }
    haven.finish().await;
}

#[actix_web::test]
async fn the_operators_description_is_for_operators() {
    let haven = Haven::start().await;
    let url = format!("{}/admin/v1/openapi.json", haven.admin_base);
    let stranger = Reply::to(haven.client.get(&url)).await;
    assert_eq!(stranger.refusal(), (401, "missing_api_key"));
    let public = Reply::to(haven.client.get(format!("{}/openapi.json", haven.base))).await.ok();
    assert!(!public.text.contains("/admin/") && !public.text.contains("admin_token"));
    assert!(haven.admin_get("/openapi.json").await["paths"]["/admin/v1/workspaces"]["post"].is_object());
    haven.finish().await;
}

#[actix_web::test]
async fn every_error_of_a_description_is_the_envelope_with_its_closed_list_of_codes() {
    let haven = Haven::start().await;
    let key = haven.workspace("0").await.key;
    let document = haven.get(&key, "/openapi.json").await.ok().body;
    let schemas = &document["components"]["schemas"];
    let codes: Vec<&str> = schemas["ErrorCode"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (status, response) in item.as_object().unwrap().values().flat_map(|it| it["responses"].as_object().unwrap())
        {
            if status.starts_with(['4', '5']) {
                assert_eq!(
                    response["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Error",
                    "{path} {status}"
                );
                let named = response["description"].as_str().unwrap();
                assert!(named.split(", ").all(|code| codes.contains(&code)), "{path} {status}: {named}");
            }
        }
    }
    let refused = haven.get("sk-lmh-nobody", "/v1/balance").await;
    assert!(codes.contains(&refused.code()));
    haven.finish().await;
}

#[actix_web::test]
async fn programs_that_read_find_the_description() {
    let haven = Haven::start().await;
    let key = haven.workspace("0").await.key;
    let text = haven.get(&key, "/llms.txt").await.ok().text;
    assert!(text.contains("https://lmhaven.test/openapi.json"), "{text}");
    let docs = haven.get(&key, "/docs").await.ok().text;
    assert!(docs.contains("href=\"/docs/api\"") && docs.contains("href=\"/openapi.json\""));
    let page = haven.get(&key, "/docs/api").await.ok();
    assert!(page.header("content-security-policy").contains("script-src 'self';"), "{:?}", page.headers);
    assert_eq!(haven.get(&key, "/docs/api/swagger-ui-bundle.js").await.status, 200);
    assert_eq!(haven.get(&key, "/docs/api/oauth2-redirect.html").await.status, 404);
    haven.finish().await;
}
