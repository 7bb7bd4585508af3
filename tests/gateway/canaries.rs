//! Nothing of a request and no key is written down: canaries are planted in everything that is private, and looked for
//! in the log, the metrics, the store, the admin API, the ledger's export and the errors that callers get.
//!
//! `calls` drives the gateway through successes, `refused` through refusals, `upstream` through faults, and `search` finds a canary in every form. The same
//! search must find a canary that was planted to be found: the name of a workspace, and one line of the log.

mod calls;
mod refused;
mod search;
mod upstream;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lmhaven_actors::ledger::export::export;
use lmhaven_actors::ledger::sled::SledLedger;
use serde_json::json;

use crate::harness::{ADMIN_TOKEN, Haven, Reply, Workspace, copy_folder};
use search::{Canary, Search};

/// What was written down by anyone, and where.
type Places = Vec<(String, Vec<u8>)>;

/// One canary for every private thing, as each leaks in its own way.
struct Planted {
    prompt: Canary,
    system: Canary,
    tool_result: Canary,
    image_prompt: Canary,
    speech: Canary,
    user: Canary,
    header: Canary,
    query: Canary,
    /// A value of a field that does not take it, and a field that there is not.
    field: Canary,
    path: Canary,
    /// What a model answers.
    answer: Canary,
    /// What a model of the caller's own is called; an error may name it.
    model: Canary,
    /// Keys and tokens that are not known.
    wrong_key: Canary,
    upstream_key: Canary,
    admin_token: Canary,
    /// What the gateway made: keys of customers, and signatures of links.
    keys: Vec<Canary>,
}

impl Planted {
    fn new() -> Self {
        Self {
            prompt: Canary::new("prompt"),
            system: Canary::new("system prompt"),
            tool_result: Canary::new("tool result"),
            image_prompt: Canary::new("image prompt"),
            speech: Canary::new("speech input"),
            user: Canary::new("user"),
            header: Canary::new("header"),
            query: Canary::new("query"),
            field: Canary::new("field"),
            path: Canary::new("path"),
            answer: Canary::new("answer"),
            model: Canary::new("model"),
            wrong_key: Canary::new("unknown key"),
            upstream_key: Canary::new("upstream key"),
            admin_token: Canary::of("admin token", ADMIN_TOKEN),
            keys: Vec::new(),
        }
    }

    /// The same key as the gateway made it, without what all keys begin with.
    fn plant_key(&mut self, workspace: &Workspace) {
        self.keys.push(Canary::of("customer's key", workspace.key.trim_start_matches("sk-lmh-")));
    }

    /// All that no error may say. What a caller wrote may come back to the same caller, where a provider says what is wrong
    /// with it, or where we name the field; what nobody but us or another knows may not.
    fn secret(&self) -> impl Iterator<Item = &Canary> {
        [&self.header, &self.query, &self.answer, &self.wrong_key, &self.upstream_key, &self.admin_token]
            .into_iter()
            .chain(&self.keys)
    }

    /// All that nobody may write down.
    fn private(&self) -> impl Iterator<Item = &Canary> {
        [
            &self.prompt,
            &self.system,
            &self.tool_result,
            &self.image_prompt,
            &self.speech,
            &self.user,
            &self.header,
            &self.query,
            &self.field,
            &self.path,
            &self.answer,
            &self.wrong_key,
            &self.upstream_key,
            &self.admin_token,
        ]
        .into_iter()
        .chain(&self.keys)
    }
}

/// What callers got that is no answer of a model: headers of everything, and the bodies of errors.
#[derive(Default)]
struct Told(RefCell<Places>);

impl Told {
    /// Keeps the headers, and the body where it is an error. Answers the status.
    fn keep(&self, what: &str, reply: &Reply) -> u16 {
        self.note(format!("the headers of {what}"), format!("{:?}", reply.headers).into_bytes());
        if reply.status >= 400 {
            self.note(format!("the {} of {what}", reply.status), reply.text.clone().into_bytes());
        }
        reply.status
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// What was kept after the first so many.
    fn since(&self, len: usize) -> Places {
        self.0.borrow()[len..].to_vec()
    }

    fn note(&self, place: String, bytes: Vec<u8>) {
        self.0.borrow_mut().push((place, bytes));
    }
}

/// Where every line of the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Begins to listen, for the whole process: a test runner gives each test its own.
    fn listen() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let filter = lmhaven::telemetry::log_filter("lmhaven=trace,lmhaven_actors=trace,lmhaven_simulator=off,debug");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).with_ansi(false).init();
        log
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

#[actix_web::test]
async fn no_prompt_and_no_key_is_written_down_anywhere() {
    let log = Log::listen();
    let mut planted = Planted::new();
    let keys = upstream_keys(&planted);
    let mut settings: Vec<_> = keys.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    settings.push(("LIMITS__REQUESTS_PER_MINUTE", "100000"));
    settings.push(("LIMITS__EDGE__BODY_BYTES_MAX", "64 KiB"));
    let haven = Haven::start_with(&settings).await;
    let (workspace, poor) = (haven.workspace("20").await, haven.workspace("0").await);
    planted.plant_key(&workspace);
    planted.plant_key(&poor);

    // The controls: names of workspaces are there to be shown, and this line is there to be found.
    let control = Canary::new("control");
    for (_, form) in control.forms() {
        let body = json!({ "name": form, "owner_email": "owner@example.com", "email_verified": true });
        haven.admin_ok("POST", "/workspaces", &body).await;
        tracing::info!("{form}");
    }

    let told = Told::default();
    let made = calls::drive(&haven, &planted, &told, &workspace, &poor).await;
    planted.keys.extend(made);
    haven.settled_balance(&workspace).await;
    haven.ledger(&workspace).await;

    let shown = shown(&haven, &workspace).await;
    let metrics = vec![("the metrics".to_owned(), metrics(&haven).await)];
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&haven.folder.path().join("store"), copy.path());
    let stored = files(copy.path());
    let exported = vec![("the ledger's export".to_owned(), exported(copy.path()))];
    haven.finish().await;
    let logged = vec![("the log".to_owned(), log.bytes())];
    assert!(String::from_utf8_lossy(&log.bytes()).contains("a workspace actor ended"));

    // What was planted to be found is found, in every form, by the same search in the same places.
    let control_search = Search::of([&control]);
    for (where_, places) in [("log", &logged), ("store", &stored), ("export", &exported), ("admin API", &shown)] {
        let found = places.iter().flat_map(|(place, bytes)| control_search.find(place, bytes)).collect::<Vec<_>>();
        for (form, needle) in control.forms() {
            // A backslash is escaped in JSON, and so it is another form.
            if needle.contains('\\') && where_ != "log" {
                continue;
            }
            assert!(
                found.iter().any(|found| found.contains(&format!("({form})"))),
                "{form} in the {where_}: {found:?}"
            );
        }
    }

    let everywhere = Search::of(planted.private().chain([&planted.model]));
    let errors = Search::of(planted.secret());
    let mut found = Vec::new();
    for (search, places) in [
        (&everywhere, &logged),
        (&everywhere, &metrics),
        (&everywhere, &stored),
        (&everywhere, &shown),
        (&everywhere, &exported),
        (&errors, &told.0.into_inner()),
    ] {
        assert!(places.iter().any(|(_, bytes)| !bytes.is_empty()), "nothing to look in");
        found.extend(places.iter().flat_map(|(place, bytes)| search.find(place, bytes)));
    }
    assert!(found.is_empty(), "{} canaries were written down:\n{}", found.len(), found.join("\n"));
}

/// Accounts of all providers with a key that is a canary.
fn upstream_keys(planted: &Planted) -> Vec<(String, String)> {
    let providers = ["sim", "anthropic", "gemini", "ark", "novelai", "pixai", "elevenlabs"];
    providers
        .map(|id| {
            let name = format!("PROVIDERS__{}__API_KEYS", id.to_uppercase());
            (name, planted.upstream_key.word())
        })
        .to_vec()
}

/// Every view of the admin API, and what a customer may see of their usage.
async fn shown(haven: &Haven, workspace: &Workspace) -> Places {
    let mut places = Places::new();
    let id = &workspace.id;
    for path in [
        "/workspaces",
        &format!("/workspaces/{id}"),
        &format!("/workspaces/{id}/keys"),
        &format!("/workspaces/{id}/ledger?limit=1000"),
        "/providers",
        "/prices",
        "/audit",
    ] {
        let reply = haven.admin("GET", path, &serde_json::Value::Null).await.ok();
        places.push((format!("/admin/v1{path}"), reply.text.into_bytes()));
    }
    for path in ["/v1/usage", "/v1/usage?group_by=day,model,key", "/v1/balance", "/v1/models"] {
        let reply = haven.get(&workspace.key, path).await.ok();
        places.push((path.to_owned(), reply.text.into_bytes()));
    }
    places
}

async fn metrics(haven: &Haven) -> Vec<u8> {
    let reply = Reply::to(haven.client.get(format!("{}/metrics", haven.admin_base))).await.ok();
    assert!(reply.text.contains("lmhaven_requests_total"), "{}", reply.text);
    reply.text.into_bytes()
}

/// Every line of `lmhaven ledger export`.
fn exported(store: &Path) -> Vec<u8> {
    let ledger = SledLedger::open_for_reading(store).unwrap();
    let mut lines = Vec::new();
    assert!(export(&ledger, &mut lines).unwrap() > 0);
    lines
}

/// Every file of the store, but the images: what a model made of a prompt may well show it.
fn files(folder: &Path) -> Places {
    let mut places = Places::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path: &PathBuf| *path != folder.join("images")) {
            if path.is_dir() {
                folders.push(path);
            } else {
                places.push((format!("{}", path.display()), std::fs::read(&path).unwrap()));
            }
        }
    }
    places
}
