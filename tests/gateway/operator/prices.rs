//! The price book by import, difference, publication and return.

use serde_json::json;

use super::{Desk, MINUTE, OPERATOR, PASSWORD, audited, start};
use crate::harness::Haven;

const DAY: i64 = 24 * 60 * MINUTE;
const TABLE: &str = "model,ratio,input,output,cache_read\ngpt-sim,8,1.00,2.50,0.10\nclaude-haiku-4-5,50,,,\n";

fn ratio(haven: &Haven, model: &str) -> String {
    let core = &haven.server.gateway.core;
    let book = core.prices.in_force(core.clock.now().wall).unwrap();
    book.rows[model].ratio.to_string()
}

#[actix_web::test]
async fn an_import_is_a_difference_before_it_is_published_and_can_be_taken_back() {
    let (haven, stopped) = start().await;
    let desk = Desk::open(&haven).await;
    let page = desk.form("/prices/preview", &[("book", TABLE)]).await.ok().text;
    for part in ["output, per million tokens", "$2.00 →", "$2.50", "10 →", "+56.3 %", "+25.0 %", "claude-haiku-4-5"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let unchanged = page.split_once("Unchanged: ").unwrap().1.split_once('.').unwrap().0;
    assert!(unchanged.contains("claude-haiku-4-5") && !unchanged.contains("gpt-sim"), "{unchanged}");
    assert_eq!(ratio(&haven, "gpt-sim"), "10", "nothing is published by looking");

    let publish = [("book", TABLE), ("base", "1"), ("effective_at", ""), ("reason", "week 48")];
    let done = desk.form("/prices/publish", &publish).await;
    assert_eq!((done.status, done.header("location")), (303, "/operator/prices?done=published"), "{}", done.text);
    assert_eq!(ratio(&haven, "gpt-sim"), "8");
    let row = audited(&haven, "price.publish").await;
    assert_eq!((row["actor"].as_str(), row["reason"].as_str()), (Some(OPERATOR), Some("week 48")));
    assert_eq!(row["after"]["models"].as_array().unwrap().len(), 1, "what differs");
    assert_eq!(row["before"]["version"], 1);
    let again = desk.form("/prices/publish", &publish).await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("another version was published meanwhile"), "it was compared with version 1");

    let back = desk.page("/prices/1").await;
    assert!(back.contains("From version 2 back to version 1") && back.contains("−36.0 %"), "{back}");
    // The list price falls by a fifth and the ratio rises by a quarter.
    let later = [("base", "2"), ("effective_at", "2026-09-23T00:00"), ("reason", "a mistake")];
    let done = desk.form("/prices/1/roll-back", &later).await;
    assert_eq!((done.status, done.header("location")), (303, "/operator/prices?done=rolled-back"), "{}", done.text);
    assert_eq!(ratio(&haven, "gpt-sim"), "8", "not before its time");
    stopped.pass(3 * DAY);
    assert_eq!(ratio(&haven, "gpt-sim"), "10");
    let books = haven.server.gateway.core.prices.all();
    assert_eq!((books.len(), &books[2].rows), (3, &books[0].rows));
    assert_eq!(audited(&haven, "price.roll_back").await["after"]["roll_back_to"], 1);
    haven.finish().await;
}

#[actix_web::test]
async fn what_cannot_be_published_is_named() {
    let (haven, _) = start().await;
    let desk = Desk::open(&haven).await;
    let preview = async |text: &str| desk.form("/prices/preview", &[("book", text)]).await;
    for (text, named) in [
        ("model,ratio\nnone-such,3\ngpt-sim,9", "none-such"),
        ("model,input\ngpt-sim,1.00", "gpt-sim: missing field `output`"),
        ("model,ratio,input,output\ngpt-sim,3,-1,1", "gpt-sim: a list price is not negative"),
        ("model,ratio\ngpt-sim,0", "line 2: ratio 0"),
        ("model,ratio\ngpt-sim,10", "Nothing would change."),
        ("{\"models\":[{\"id\":\"gpt-sim\",\"ratio\":9,\"prices\":{}}]}", "unknown field"),
        ("", "paste a price book"),
    ] {
        let reply = preview(text).await;
        assert_eq!(reply.status, 422, "{text}");
        let shown = reply.text.replace("&#96;", "`");
        assert!(shown.contains(named), "{text}: {shown}");
        assert!(!shown.contains("action=\"/operator/prices/publish\""), "{text}: there is no button");
        let fields = [("book", text), ("base", "1"), ("reason", "r")];
        let status = desk.form("/prices/publish", &fields).await.status;
        assert!(status == 422 || text.ends_with(",10"), "{text}: {status}");
    }
    let json = json!({ "models": [{ "id": "gpt-sim", "ratio": 9 }] }).to_string();
    assert!(preview(&json).await.ok().text.contains("+11.1 %"));
    for path in ["/prices/99", "/prices/x", "/prices/0"] {
        assert_eq!(desk.get(path).await.status, 404, "{path}");
    }
    haven.finish().await;
}

#[actix_web::test]
async fn prices_move_only_with_a_fresh_password() {
    let (haven, stopped) = start().await;
    let desk = Desk::open(&haven).await;
    stopped.pass(10 * MINUTE);
    let publish = [("book", TABLE), ("base", "1"), ("reason", "week 48")];
    let stale = desk.form("/prices/publish", &publish).await;
    assert_eq!(stale.status, 403);
    assert!(stale.text.contains("publish-password") && stale.text.contains("week 48"), "{}", stale.text);
    assert_eq!(desk.form("/prices/1/roll-back", &[("base", "1"), ("reason", "r")]).await.status, 403);
    assert_eq!(haven.server.gateway.core.prices.all().len(), 1);
    let with = publish.iter().copied().chain([("password", PASSWORD)]).collect::<Vec<_>>();
    assert_eq!(desk.form("/prices/publish", &with).await.status, 303);
    haven.finish().await;
}

#[actix_web::test]
async fn a_book_of_more_than_eight_days_is_warned_of_on_every_page() {
    let (haven, stopped) = start().await;
    let gateway = &haven.server.gateway;
    let (email, password) = (OPERATOR.parse().unwrap(), PASSWORD.to_owned());
    lmhaven::accounts::make_operator(&gateway.core, &gateway.accounts, email, password).await.unwrap();
    let desk = Desk::empty(&haven);
    stopped.pass(8 * DAY);
    let sign_in = [("email", OPERATOR), ("password", PASSWORD)];
    assert_eq!(desk.form("/sign-in", &sign_in).await.status, 303);
    assert!(!desk.page("").await.contains("The price book in force is"));
    stopped.pass(1);
    for path in ["", "/prices", "/audit"] {
        assert!(desk.page(path).await.contains("The price book in force is 8 days old."), "{path}");
    }
    let publish = [("book", TABLE), ("base", "1"), ("reason", "week 48")];
    assert_eq!(desk.form("/prices/publish", &publish).await.status, 303);
    assert!(!desk.page("").await.contains("The price book in force is"));
    haven.finish().await;
}
