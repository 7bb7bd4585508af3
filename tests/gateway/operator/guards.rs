//! Who gets in, and what every form needs besides.

use lmhaven_actors::domain::people::Role;

use super::{Desk, MINUTE, OPERATOR, PASSWORD, SCRIPT, start};
use crate::harness::{Haven, Workspace};

const PAGES: [&str; 8] = ["", "?q=x", "/prices", "/providers", "/mail", "/webhooks", "/payments", "/audit"];

/// Every form that changes something, for a workspace.
fn forms(workspace: &Workspace) -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    let at = |form: &str| format!("/workspaces/{}/{form}", workspace.id);
    vec![
        (at("credit"), vec![("amount", "5"), ("reason", "r"), ("key", "k"), ("direction", "give")]),
        (at("suspend"), vec![("suspended", "yes"), ("reason", "r")]),
        (at("features"), vec![("reason", "r")]),
        (at("limits"), vec![("requests_per_minute", "7"), ("reason", "r")]),
        ("/prices/publish".to_owned(), vec![("book", "model,ratio\ngpt-sim,11"), ("base", "1"), ("reason", "r")]),
        ("/prices/1/roll-back".to_owned(), vec![("base", "1"), ("reason", "r")]),
        ("/providers/sim/0".to_owned(), vec![("enabled", "no"), ("reason", "r")]),
    ]
}

/// What none of those forms may have changed.
async fn untouched(haven: &Haven, workspace: &Workspace) {
    let view = haven.admin_ok("GET", &format!("/workspaces/{}", workspace.id), &serde_json::Value::Null).await;
    assert_eq!((view["balance_usd"].as_str(), view["suspended"].as_bool()), (Some("10.00"), Some(false)));
    assert_eq!(
        (view["features"]["text"].as_bool(), view["limits"]["requests_per_minute"].as_u64()),
        (Some(true), Some(600))
    );
    assert_eq!(haven.server.gateway.core.prices.all().len(), 1);
    assert!(haven.server.gateway.core.switches().is_empty());
}

#[actix_web::test]
async fn nobody_and_no_customer_gets_in() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    let (nobody, customer) = (Desk::empty(&haven), Desk::empty(&haven));
    // A customer's token under the operators' name is a session of the other realm.
    customer.cookies.borrow_mut().insert("lmhaven-operator".to_owned(), owner.cookie.1.clone());
    customer.cookies.borrow_mut().insert(owner.cookie.0.clone(), owner.cookie.1.clone());
    for desk in [&nobody, &customer] {
        for path in PAGES.iter().map(|path| (*path).to_owned()).chain([format!("/workspaces/{}", workspace.id)]) {
            let reply = desk.get(&path).await;
            assert_eq!((reply.status, reply.header("location")), (303, "/operator/sign-in"), "{path}");
        }
        for (path, fields) in forms(&workspace) {
            let reply = desk.form(&path, &fields).await;
            assert_eq!((reply.status, reply.header("location")), (303, "/operator/sign-in"), "{path}");
        }
    }
    untouched(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_customers_right_password_is_answered_like_a_wrong_one() {
    let (haven, _) = start().await;
    drop(Desk::open(&haven).await);
    let gateway = &haven.server.gateway;
    let customer = "customer@lmhaven.test";
    let (email, password) = (customer.parse().unwrap(), PASSWORD.to_owned());
    lmhaven::accounts::make_confirmed(&gateway.core, &gateway.accounts, email, password).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        (customer, PASSWORD),
        (customer, "wrong horse battery"),
        ("nobody@lmhaven.test", PASSWORD),
        (OPERATOR, "wrong"),
    ] {
        let desk = Desk::empty(&haven);
        let before = gateway.accounts.passwords.work();
        let reply = desk.form("/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(gateway.accounts.passwords.work() - before, 1, "{email}: the same work");
        assert!(reply.header("set-cookie").is_empty());
        answers.push((reply.status, reply.text.replace(email, "")));
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
    let desk = Desk::empty(&haven);
    let entered = desk.form("/sign-in", &[("email", OPERATOR), ("password", PASSWORD)]).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/operator"));
    assert_eq!(desk.form("/sign-out", &[]).await.status, 303);
    assert_eq!(desk.get("").await.status, 303, "signed out");
    for _ in 0..5 {
        desk.form("/sign-in", &[("email", OPERATOR), ("password", "wrong")]).await;
    }
    assert_eq!(desk.form("/sign-in", &[("email", OPERATOR), ("password", PASSWORD)]).await.status, 429);
    haven.finish().await;
}

#[actix_web::test]
async fn an_operators_session_is_none_of_a_customer_and_ends_after_an_idle_hour() {
    let (haven, stopped) = start().await;
    let desk = Desk::open(&haven).await;
    let token = desk.cookies.borrow()["lmhaven-operator"].clone();
    let request = desk.client.get(format!("{}/app/account", haven.base));
    let reply = crate::harness::Reply::to(request.header("cookie", format!("__Host-lmhaven={token}"))).await;
    assert_eq!(reply.status, 303);
    stopped.pass(60 * MINUTE - 1);
    assert_eq!(desk.get("/audit").await.status, 200);
    stopped.pass(60 * MINUTE);
    assert_eq!(desk.get("/audit").await.status, 303);
    haven.finish().await;
}

#[actix_web::test]
async fn the_public_port_has_none_of_it() {
    let (haven, _) = start().await;
    let desk = Desk::open(&haven).await;
    for path in PAGES.iter().copied().chain(["/sign-in", "/set-up?token=x"]) {
        let reply = desk.send(desk.client.get(format!("{}/operator{path}", haven.base))).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    let request = desk.client.post(format!("{}/operator/sign-in", haven.base)).header("origin", "https://lmhaven.test");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(desk.send(request.body(format!("email={OPERATOR}&password={PASSWORD}"))).await.status, 404);
    assert_eq!(desk.get("/nothing").await.status, 404, "a page, not the API's 401");
    haven.finish().await;
}

#[actix_web::test]
async fn where_both_ports_are_one_the_pages_are_there_under_the_public_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let one = port.to_string();
    let haven = Haven::start_with(&[("SERVER__LISTEN", &one), ("SERVER__ADMIN_LISTEN", &one)]).await;
    let gateway = &haven.server.gateway;
    let link = gateway.accounts.begin_set_up(&gateway.core).await.unwrap().unwrap();
    assert!(link.url.starts_with("https://lmhaven.test/operator/set-up?token="), "{}", link.url);
    let token = link.url.split_once("token=").unwrap().1;
    let desk = Desk::empty(&haven);
    let fields = [("token", token), ("email", OPERATOR), ("password", PASSWORD)];
    let made = desk.send(desk.bare_form("/set-up", &fields).header("origin", "https://lmhaven.test")).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let cookie = made.header("set-cookie");
    assert!(cookie.starts_with("__Secure-lmhaven-operator=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(desk.get("").await.status, 200);
    haven.finish().await;
}

#[actix_web::test]
async fn forms_of_other_sites_and_of_other_sessions_are_refused() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    let csrf = desk.csrf();
    for (path, fields) in forms(&workspace) {
        let with: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        // Without an origin, from elsewhere, and from the customers' pages.
        for origin in [None, Some("https://evil.example"), Some(haven.base.as_str()), Some("https://lmhaven.test")] {
            let request = desk.bare_form(&path, &with);
            let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            assert_eq!(desk.send(request).await.status, 403, "{path} from {origin:?}");
        }
        let own = || [("origin", haven.admin_base.as_str())];
        for wrong in ["", "x"] {
            let with: Vec<_> = fields.iter().copied().chain([("csrf", wrong)]).collect();
            let [(name, value)] = own();
            assert_eq!(desk.send(desk.bare_form(&path, &with).header(name, value)).await.status, 403, "{path}");
        }
    }
    untouched(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn every_write_needs_a_reason() {
    let (haven, _) = start().await;
    let workspace = haven.workspace("10.00").await;
    let desk = Desk::open(&haven).await;
    for (path, fields) in forms(&workspace) {
        for reason in ["", "   "] {
            let without = fields.iter().map(|(name, value)| (*name, if *name == "reason" { reason } else { *value }));
            let reply = desk.form(&path, &without.collect::<Vec<_>>()).await;
            assert_eq!(reply.status, 422, "{path}: {}", reply.text);
            assert!(reply.text.contains("a reason has 1 to 500 characters"), "{path}");
        }
    }
    untouched(&haven, &workspace).await;
    haven.finish().await;
}

#[actix_web::test]
async fn what_people_wrote_is_text_on_every_page() {
    let (haven, _) = start().await;
    let desk = Desk::open(&haven).await;
    let email = "owner@example.com";
    let body = serde_json::json!({ "name": SCRIPT, "owner_email": email, "email_verified": true });
    let id = haven.admin_ok("POST", "/workspaces", &body).await["id"].as_str().unwrap().to_owned();
    haven.key(&id, &serde_json::json!({ "name": SCRIPT })).await;
    let credit = serde_json::json!({ "amount_usd": "10.00", "reason": SCRIPT, "idempotency_key": SCRIPT });
    haven.admin_ok("POST", &format!("/workspaces/{id}/credits"), &credit).await;
    let encoded = lmhaven::dashboard::query::encoded(SCRIPT);
    let mut pages = Vec::new();
    let paths = [
        format!("/workspaces/{id}?done={encoded}"),
        format!("?q={encoded}"),
        format!("?q={}", lmhaven::dashboard::query::encoded("alert(1)")),
        format!("/audit?actor={encoded}&action={encoded}&target={encoded}&from={encoded}&to={encoded}"),
        "/audit".to_owned(),
        format!("/mail?state={encoded}"),
        format!("/prices?done={encoded}"),
    ];
    for path in paths {
        pages.push((path.clone(), desk.get(&path).await));
    }
    let at = |form: &str| format!("/workspaces/{id}/{form}");
    for (path, fields) in [
        (at("credit"), vec![("amount", SCRIPT), ("reason", SCRIPT), ("key", SCRIPT), ("direction", SCRIPT)]),
        (at("limits"), vec![("requests_per_minute", SCRIPT), ("concurrent_streams", SCRIPT), ("reason", SCRIPT)]),
        ("/prices/preview".to_owned(), vec![("book", SCRIPT)]),
        ("/prices/preview".to_owned(), vec![("book", "model,ratio\n<script>alert(1)</script>,3")]),
        ("/prices/publish".to_owned(), vec![("book", SCRIPT), ("base", SCRIPT), ("reason", SCRIPT)]),
        ("/sign-in".to_owned(), vec![("email", SCRIPT), ("password", SCRIPT)]),
        ("/set-up".to_owned(), vec![("token", SCRIPT), ("email", SCRIPT), ("password", SCRIPT)]),
    ] {
        let reply = desk.form(&path, &fields).await;
        assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
        pages.push((path, reply));
    }
    for (path, reply) in &pages {
        assert!(!reply.text.contains("<script>alert"), "{path}: {}", reply.text);
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
    assert!(pages[0].1.text.matches("alert(1)").count() >= 3, "name and key are shown as text");
    haven.finish().await;
}
