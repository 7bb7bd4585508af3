//! The routing table and the descriptions, held against each other.

use std::collections::BTreeSet;

use actix_web::web::ServiceConfig;
use actix_web::{App, test};
use serde_json::Value;

use crate::routes;

/// Routes of pages and of other services, which are no API: what is below `/app` and `/operator`, and these.
const PAGES: [&str; 9] = [
    "/",
    "/models",
    "/status",
    "/docs",
    "/docs/api",
    "/docs/api/{name}",
    "/llms.txt",
    "/assets/{digest}/{name}",
    "/webhooks/stripe",
];

/// Every path of a port, as actix has registered it. Paths of a scope are not among them, only the scope's own.
async fn registered(configure: fn(&mut ServiceConfig)) -> BTreeSet<String> {
    let app = test::init_service(App::new().configure(configure)).await;
    let response = test::call_service(&app, test::TestRequest::get().uri("/assets").to_request()).await;
    // What the map prints is all that can be read of it: a tree of nodes in brackets, each with its pattern.
    let map = format!("{:?}", response.request().resource_map());
    let mut depth = 0_usize;
    let mut paths = BTreeSet::new();
    for (at, character) in map.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            'S' if depth == 1 => {
                let pattern = map[at..].strip_prefix("Single(\"").and_then(|rest| rest.split('"').next());
                paths.extend(pattern.map(without_expressions));
            }
            _ => {}
        }
    }
    paths
}

/// `{id:.*}` as `{id}`.
fn without_expressions(path: &str) -> String {
    let parts = path.split('{').map(|part| match part.split_once('}') {
        Some((name, rest)) => format!("{}}}{rest}", name.split(':').next().unwrap()),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("{")
}

fn described(document: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(document).unwrap();
    document["paths"].as_object().unwrap().keys().cloned().collect()
}

#[actix_web::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let public = registered(routes::public).await;
    assert!(public.contains("/v1/chat/completions") && public.len() > PAGES.len(), "{public:?}");
    let api = public.into_iter().filter(|path| !PAGES.contains(&path.as_str()) && !path.starts_with("/app"));
    assert_eq!(api.collect::<BTreeSet<_>>(), described(&super::CUSTOMERS));
    let admin = registered(routes::admin).await.into_iter();
    let admin = admin.filter(|path| !PAGES.contains(&path.as_str()) && !path.starts_with("/operator"));
    assert_eq!(admin.collect::<BTreeSet<_>>(), described(&super::OPERATORS));
}
