//! Payments over `kill -9`: what a webhook was told is there, and no card is asked twice.

use std::path::Path;

use futures_util::future::{join, join_all};
use lmhaven_simulator::stripe::{Desk, FakeStripe};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::{Process, Site, Workspace, ask, nano, ok, until, usd, within};

/// Who the workspaces of these tests are opened for.
const OWNER: &str = "email=owner%40example.com&password=correct+horse+battery";
const PASSWORD: &str = "correct+horse+battery";
/// What tests give a workspace to begin with.
const FIRST: &str = "0.01";
const PAYMENTS: usize = 12;
/// Webhooks that are answered before the process is killed.
const ANSWERED: usize = 3;

/// A provider of payments, and processes that ask it.
async fn start() -> (Site, FakeStripe, Desk) {
    let fake = FakeStripe::start(([127, 0, 0, 1], 0).into(), "sk_test_fake", "whsec_fake").await.unwrap();
    let payments = format!(
        r#"
[payments]
stripe_secret_key = "sk_test_fake"
stripe_webhook_secrets = ["whsec_fake"]
stripe_base_url = "{}"
livemode = false
"#,
        fake.url()
    );
    let desk = fake.desk();
    (Site::with_more("10s", |_| payments).await, fake, desk)
}

/// A process whose webhooks come to it.
async fn launch(site: &Site, desk: &Desk) -> Process {
    let process = site.start().await;
    desk.send_webhooks_to(&format!("{}/webhooks/stripe", process.base));
    process
}

async fn kill(process: Process) {
    process.signal(Signal::KILL);
    process.killed().await;
}

async fn end(process: Process, site: Site, fake: FakeStripe) {
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    site.verified().await;
    site.finish().await;
    fake.stop().await;
}

/// The owner of the workspace, whose session outlives processes.
struct Owner {
    client: reqwest::Client,
    cookie: String,
    csrf: String,
}

impl Owner {
    /// Signs up, reads the mail, and confirms the address.
    async fn join(process: &Process, site: &Site) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let mut owner = Self { client, cookie: String::new(), csrf: String::new() };
        assert_eq!(owner.form(process, "/app/sign-up", OWNER).await.status(), 200);
        let folder = site.store().join("mail");
        let token = until("the mail", || async { token_in(&folder) }).await;
        let confirmed = owner.form(process, "/app/verify", &format!("token={token}&password={PASSWORD}")).await;
        let cookies = confirmed.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        owner.cookie = cookies.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
        let page = owner.client.get(format!("{}/app/account", process.base)).header(COOKIE, &owner.cookie);
        let page = page.send().await.unwrap().text().await.unwrap();
        let (_, rest) =
            page.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("nobody is signed in: {page}"));
        Self { csrf: rest.split('"').next().unwrap().to_owned(), ..owner }
    }

    async fn form(&self, process: &Process, path: &str, fields: &str) -> Response {
        let form = self.client.post(format!("{}{path}", process.base)).header(ORIGIN, "https://lmhaven.test");
        let form = form.header("content-type", "application/x-www-form-urlencoded").header(COOKIE, &self.cookie);
        within("a page", form.body(format!("{fields}&csrf={}", self.csrf)).send()).await.unwrap()
    }

    /// Goes to pay; answers the session at the provider.
    async fn open_checkout(&self, process: &Process, amount: &str) -> String {
        let sent_on = self.form(process, "/app/billing/top-up", &format!("custom={amount}&keep=yes")).await;
        assert_eq!(sent_on.status(), 303);
        sent_on.headers()[LOCATION].to_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

/// The token of the link in the mail that asks to confirm the address, once it is there.
fn token_in(folder: &Path) -> Option<String> {
    let mails = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|file| file.path());
    mails.filter(|path| path.extension().is_some_and(|kind| kind == "eml")).find_map(|path| {
        // Lines are cut and signs encoded as mails have it.
        let text = std::fs::read_to_string(path).ok()?.replace("=\r\n", "").replace("=3D", "=");
        let (_, rest) = text.split_once("/app/verify?token=")?;
        Some(rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter)).collect())
    })
}

/// The top-ups of a workspace, as its ledger has them.
async fn topups(process: &Process, workspace: &Workspace) -> Vec<Value> {
    let path = format!("/workspaces/{}/ledger?limit=1000", workspace.id);
    let entries = ok(process.admin(Method::GET, &path)).await["data"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| entry["kind"] == "topup").collect()
}

#[actix_web::test]
async fn a_payment_whose_webhook_was_answered_is_on_the_balance_after_a_kill() {
    let (site, fake, desk) = start().await;
    let process = launch(&site, &desk).await;
    let workspace = process.workspace(FIRST).await;
    let owner = Owner::join(&process, &site).await;
    let mut sessions = Vec::new();
    for _ in 0..PAYMENTS {
        sessions.push(owner.open_checkout(&process, "10.00").await);
    }
    let answered = watch::Sender::new(0);
    let pay = join_all(sessions.iter().map(async |session| {
        let good = desk.pay(session).await.contains(&200);
        answered.send_modify(|count| *count += usize::from(good));
        good
    }));
    let mut count = answered.subscribe();
    let end_it = async {
        count.wait_for(|count| *count >= ANSWERED).await.unwrap();
        process.signal(Signal::KILL);
    };
    let (good, ()) = within("the kill", join(pay, end_it)).await;
    let good = good.into_iter().filter(|good| *good).count();
    process.killed().await;
    site.verified().await;

    // Nobody is there to ask: what is on the balance now is what the first process kept.
    let process = site.start_with(&[("LMHAVEN__PAYMENTS__STRIPE_BASE_URL", "http://127.0.0.1:1")]).await;
    let kept = topups(&process, &workspace).await.len();
    assert!((good..=PAYMENTS).contains(&kept), "{kept} are there and {good} were answered");
    let expected = nano(FIRST) + nano("10.00") * kept as i128;
    assert_eq!(usd(process.balance(&workspace).await.balance), usd(expected));
    kill(process).await;

    let process = launch(&site, &desk).await;
    for _ in 0..2 {
        assert!(desk.resend().await.iter().all(|status| *status == 200));
    }
    assert_eq!(topups(&process, &workspace).await.len(), PAYMENTS, "each once, whoever told of it");
    end(process, site, fake).await;
}

#[actix_web::test]
async fn an_auto_top_up_that_was_asked_for_before_a_kill_is_credited_once_and_asked_for_under_one_key() {
    let (site, fake, desk) = start().await;
    let process = launch(&site, &desk).await;
    let workspace = process.workspace(FIRST).await;
    let owner = Owner::join(&process, &site).await;
    let session = owner.open_checkout(&process, "5.00").await;
    assert_eq!(desk.pay(&session).await, [200, 200]);
    // The provider takes the money, and nobody ever hears of it.
    desk.script(|script| (script.lose_answers, script.never) = (u32::MAX, true));
    let set = owner.form(&process, "/app/billing/auto-top-up", "threshold=6.00&amount=30.00").await;
    assert_eq!(set.status(), 303);
    let intents = || desk.state()["intents"].as_object().unwrap().len();
    until("the provider to be asked", || async { (intents() == 2).then_some(()) }).await;
    kill(process).await;
    site.verified().await;

    desk.script(|script| script.lose_answers = 0);
    let process = launch(&site, &desk).await;
    until("the credit", || async { (process.balance(&workspace).await.available > nano("35")).then_some(()) }).await;
    ok(process.post(&workspace.keys[0], "/v1/chat/completions", &ask("Hello"))).await;
    kill(process).await;

    let process = launch(&site, &desk).await;
    assert!(desk.resend().await.iter().all(|status| *status == 200));
    assert_eq!(topups(&process, &workspace).await.len(), 2);
    assert_eq!(intents(), 2, "one payment at the checkout, one without the customer");
    let calls = desk.state()["calls"].as_array().unwrap().clone();
    let mut keys: Vec<_> = calls.iter().filter(|call| call["path"] == "/v1/payment_intents").collect();
    let asked = keys.len();
    keys.dedup_by_key(|call| call["idempotency_key"].clone());
    assert!(asked >= 2 && keys.len() == 1, "{calls:?}");
    end(process, site, fake).await;
}
