//! Webhooks to customers, against a receiver on this machine: signed, tried again, given up on never in silence.

use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lmhaven_actors::clock::Clock;
use lmhaven_actors::domain::people::Role;
use serde_json::Value;
use sha2::Sha256;

use crate::harness::{Haven, Stage, Workspace, until};

/// What came, as header texts and body.
#[derive(Clone, Debug)]
struct Came {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

#[derive(Clone)]
struct Receiver {
    came: Arc<Mutex<Vec<Came>>>,
    answer: Arc<AtomicU16>,
}

impl Receiver {
    /// A receiver that answers 204, its URL, and how to stop it.
    fn start() -> (Self, String, ServerHandle) {
        let receiver = Self { came: Arc::default(), answer: Arc::new(AtomicU16::new(204)) };
        let shared = Data::new(receiver.clone());
        let take = async |receiver: Data<Self>, request: HttpRequest, body: Bytes| {
            let header = |name| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
            let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
            let (signature, body) = (header("webhook-signature"), String::from_utf8(body.to_vec()).unwrap());
            receiver.came.lock().unwrap().push(Came { id, timestamp, signature, body });
            let status = receiver.answer.load(Ordering::SeqCst);
            HttpResponse::build(status.try_into().unwrap()).insert_header(("location", "/elsewhere")).finish()
        };
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(take)))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        (receiver, url, handle)
    }

    fn answers(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    /// All that came, once there are so many.
    async fn until(&self, count: usize) -> Vec<Came> {
        until("webhooks arrive", || async {
            let came = self.came.lock().unwrap().clone();
            (came.len() >= count).then_some(came)
        })
        .await
    }
}

/// The signature of a message by a secret, computed here.
fn signed(came: &Came, secret: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    assert!((24..=64).contains(&key.len()));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", came.id, came.timestamp, came.body).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// A clock that stands until it is moved.
fn standing() -> (&'static AtomicI64, Clock) {
    let millis: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(1_800_000_000_000)));
    (millis, Clock::given(millis))
}

async fn start() -> (Haven, &'static AtomicI64, Workspace, Stage) {
    let (millis, clock) = standing();
    let haven = Haven::start_from("", &[("WEBHOOKS__ALLOW_LOOPBACK", "true")], clock).await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    (haven, millis, workspace, owner)
}

/// The secret that a page shows.
fn secret_of(text: &str) -> String {
    let start = text.find("whsec_").unwrap_or_else(|| panic!("no secret in {text}"));
    text[start..].split('<').next().unwrap().replace("&#61;", "=").replace("&#x3d;", "=").replace("&#43;", "+")
}

/// What the list of messages says of the newest one.
async fn state(owner: &Stage) -> String {
    owner.get("/app/webhooks").await.text
}

#[actix_web::test]
async fn events_are_told_signed_with_every_secret_in_force() {
    let (haven, _, workspace, owner) = start().await;
    let (receiver, url, handle) = Receiver::start();
    let shown = owner.submit("/app/webhooks", &[("url", &url)]).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let first = secret_of(&shown.text);
    assert!(!state(&owner).await.contains("whsec_"), "shown once");
    haven.credit(&workspace.id, "3.00", "gift").await;
    let came = receiver.until(1).await.remove(0);
    assert_eq!(came.signature, signed(&came, &first));
    assert_eq!(came.timestamp, "1800000000");
    let body: Value = serde_json::from_str(&came.body).unwrap();
    assert_eq!(body["type"], "credit.added");
    assert_eq!(body["timestamp"], "2027-01-15T08:00:00Z");
    assert_eq!((&body["data"]["amount_usd"], &body["data"]["balance_usd"]), (&"3.00".into(), &"3.00".into()));
    assert_eq!(body["data"]["workspace_id"], workspace.id.as_str());
    let second = secret_of(&owner.submit("/app/webhooks/rotate", &[]).await.text);
    assert_ne!(first, second);
    assert_eq!(owner.submit("/app/webhooks/test", &[]).await.status, 303);
    let came = receiver.until(2).await.remove(1);
    assert_eq!(came.signature, format!("{} {}", signed(&came, &second), signed(&came, &first)), "both, newest first");
    assert!(came.body.contains("webhook.test"));
    until("both are listed as delivered", || async {
        (state(&owner).await.matches("delivered</span>").count() == 2).then_some(())
    })
    .await;
    handle.stop(false).await;
    haven.finish().await;
}

#[actix_web::test]
async fn a_message_that_is_not_taken_is_tried_again_and_resent_under_its_id() {
    let (haven, millis, workspace, owner) = start().await;
    let (receiver, url, handle) = Receiver::start();
    owner.submit("/app/webhooks", &[("url", &url)]).await;
    receiver.answers(500);
    haven.credit(&workspace.id, "3.00", "gift").await;
    receiver.until(1).await;
    until("the failure is listed", || async { state(&owner).await.contains("answered 500").then_some(()) }).await;
    // A redirect is a failure too, and nobody follows it.
    receiver.answers(302);
    millis.fetch_add(5_000, Ordering::SeqCst);
    haven.server.gateway.core.webhook_waits.notify_one();
    receiver.until(2).await;
    until("the redirect is listed", || async { state(&owner).await.contains("answered 302").then_some(()) }).await;
    receiver.answers(200);
    let first = receiver.until(2).await.remove(0);
    let id = first.id.clone();
    assert_eq!(owner.submit(&format!("/app/webhooks/{id}/resend"), &[]).await.status, 303);
    let came = receiver.until(3).await;
    assert!(came.iter().all(|came| came.id == id && came.body == first.body), "{came:?}");
    until("it is delivered", || async { state(&owner).await.contains("delivered</span>").then_some(()) }).await;
    // The receiver wants no more: webhooks are off, and the owner hears of it.
    receiver.answers(410);
    haven.credit(&workspace.id, "1.00", "more").await;
    until("webhooks are off", || async { state(&owner).await.contains("Webhooks are off").then_some(()) }).await;
    let core = &haven.server.gateway.core;
    let told = core.office(|office| office.outbox.list(None, 9));
    assert!(told.iter().any(|known| known.mail.content.kind() == "webhooks_off"), "{told:?}");
    handle.stop(false).await;
    haven.finish().await;
}

#[actix_web::test]
async fn only_owners_set_webhooks_only_outside_and_only_their_own() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("0").await;
    let owner = haven.stage(&workspace.id, Role::Owner).await;
    for url in
        ["http://127.0.0.1:9/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "http://example.com/"]
    {
        let refused = owner.submit("/app/webhooks", &[("url", url)]).await;
        assert_eq!(refused.status, 400, "{url}");
    }
    for role in [Role::Finance, Role::Developer, Role::Viewer] {
        let member = haven.stage(&workspace.id, role).await;
        assert_eq!(member.get("/app/webhooks").await.status, 403, "{role:?}");
        for path in ["/app/webhooks", "/app/webhooks/rotate", "/app/webhooks/test", "/app/webhooks/remove"] {
            let fields = [("url", "https://example.com/")];
            assert_eq!(member.submit(path, &fields).await.status, 403, "{role:?} {path}");
        }
    }
    let unknown = "/app/webhooks/evt_00000000000000000000000001/resend";
    assert_eq!(owner.submit(unknown, &[]).await.status, 404);
    assert_eq!(owner.submit("/app/webhooks/rotate", &[]).await.status, 404, "there is none");
    haven.finish().await;
}
