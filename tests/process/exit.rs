//! Exit codes: 0 done, 1 failed, 2 usage, 78 configuration; what is wrong goes to stderr, stdout stays for results.

use std::net::TcpListener;
use std::process::{Command, Output};

use lmhaven_actors::domain::entry::{AccountName, Entry, EntryKind, Postings, TxId};
use lmhaven_actors::domain::ids::WorkspaceId;
use lmhaven_actors::domain::money::NanoUsd;
use lmhaven_actors::domain::time::UnixMillis;
use lmhaven_actors::ledger::sled::SledLedger;
use lmhaven_actors::ledger::{Appended, Ledger, Record};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{ADMIN_TOKEN, Site, lmhaven, within};

/// How a command ended: its code, its results, its problems.
async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output());
    let Output { status, stdout, stderr } = within("the end of the command", output).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or_else(|| panic!("{status}")), text(stdout), text(stderr))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = lmhaven();
    command.args(arguments);
    command
}

#[actix_web::test]
async fn a_bad_configuration_is_78_and_named_by_file_key_and_reason() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bad.toml").display().to_string();
    let cases = [
        ("[server]\nlissten = \"127.0.0.1:0\"\n", "server.lissten: unknown key"),
        ("[server]\nlisten = \"here\"\n", "server.listen: expected an IP address and a port"),
        ("[server]\nadmin_token = \"env:NOWHERE_TO_BE_FOUND\"\n", "server.admin_token: the environment variable"),
        ("[limits]\nrequests_per_minute = 0\n", "limits.requests_per_minute: expected a whole number"),
        ("[server\n", "line 1"),
    ];
    for (text, problem) in cases {
        std::fs::write(&file, text).unwrap();
        for verb in ["serve", "check"] {
            let (code, stdout, stderr) = run(command(&[verb, "-c", &file])).await;
            assert_eq!((code, stdout.as_str()), (78, ""), "{verb}: {stderr}");
            assert!(stderr.contains(&format!("{file}: {problem}")), "{verb}: {stderr}");
        }
    }
    let missing = folder.path().join("missing.toml").display().to_string();
    for verb in ["serve", "check"] {
        let (code, _, stderr) = run(command(&[verb, "-c", &missing])).await;
        assert!(code == 78 && stderr.contains(&missing), "{code}: {stderr}");
    }
    // What the environment says is named by its variable.
    let mut by_variable = command(&["check"]);
    by_variable.current_dir(folder.path()).env("LMHAVEN__SERVER__DRAIN_TIMEOUT", "soon");
    let (code, _, stderr) = run(by_variable).await;
    assert!(code == 78 && stderr.contains("LMHAVEN__SERVER__DRAIN_TIMEOUT"), "{code}: {stderr}");
}

#[actix_web::test]
async fn serving_needs_an_admin_token_and_checking_does_not() {
    let folder = TempDir::new().unwrap();
    let (code, _, stderr) = run({
        let mut serve = command(&["serve"]);
        serve.current_dir(folder.path());
        serve
    })
    .await;
    assert!(code == 78 && stderr.contains("server.admin_token"), "{code}: {stderr}");
    let site = Site::new("1s").await;
    let (code, stdout, stderr) = run(command(&["check", "-c", &site.configuration().display().to_string()])).await;
    assert_eq!(code, 0, "{stderr}");
    let effective: toml::Value = toml::from_str(&stdout).unwrap();
    assert_eq!(effective["server"]["drain_timeout"].as_str(), Some("1s"), "{stdout}");
    assert!(
        stdout.contains("gpt-sim") && !stdout.contains(ADMIN_TOKEN) && !stdout.contains("upstream-sim"),
        "{stdout}"
    );
    site.finish().await;
}

#[actix_web::test]
async fn what_cannot_be_typed_is_2() {
    for arguments in [
        &[][..],
        &["serve", "--no-such-flag"],
        &["no-such-verb"],
        &["ledger", "verify"],
        &["workspace", "show"],
        &["workspace", "list", "--url", "not a url"],
    ] {
        let mut command = command(arguments);
        command.env("LMHAVEN_ADMIN_TOKEN", ADMIN_TOKEN);
        let (code, stdout, stderr) = run(command).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--version"][..], &["--help"], &["serve", "--help"]] {
        let (code, stdout, stderr) = run(command(arguments)).await;
        assert!(code == 0 && !stdout.is_empty() && stderr.is_empty(), "{arguments:?}: {code} {stderr}");
    }
}

#[actix_web::test]
async fn an_operators_verb_that_fails_is_1_and_one_that_succeeds_0() {
    let verb = |url: &str, token: &str, arguments: &[&str]| {
        let mut command = command(arguments);
        command.args(["--json", "--url", url]).env("LMHAVEN_ADMIN_TOKEN", token);
        run(command)
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, stderr) = verb(&format!("http://{nobody}"), ADMIN_TOKEN, &["workspace", "list"]).await;
    assert!(code == 1 && !stderr.is_empty(), "{code}: {stderr}");

    let site = Site::new("1s").await;
    let process = site.start().await;
    let admin = process.admin_base.as_str();
    let (code, _, stderr) = verb(admin, "wrong", &["workspace", "list"]).await;
    assert!(code == 1 && !stderr.contains("wrong"), "{code}: {stderr}");
    let unknown = "ws_00000000000000000000000000";
    let (code, _, stderr) = verb(admin, ADMIN_TOKEN, &["workspace", "show", unknown]).await;
    assert!(code == 1 && stderr.contains("not_found"), "{code}: {stderr}");
    let create = ["workspace", "create", "--name", "acme", "--owner-email", "ops@acme.example"];
    let (code, stdout, stderr) = verb(admin, ADMIN_TOKEN, &create).await;
    assert_eq!(code, 0, "{stderr}");
    let created: Value = serde_json::from_str(&stdout).unwrap();
    let (code, stdout, _) = verb(admin, ADMIN_TOKEN, &["workspace", "show", created["id"].as_str().unwrap()]).await;
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &shown["name"]), (0, &created["name"]));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    site.finish().await;
}

#[actix_web::test]
async fn a_port_that_is_taken_is_1() {
    let site = Site::new("1s").await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut serve = command(&["serve", "-c", &site.configuration().display().to_string()]);
    serve.env("LMHAVEN__SERVER__LISTEN", &address);
    let (code, _, stderr) = run(serve).await;
    assert!(code == 1 && stderr.contains(&format!("cannot listen on {address}")), "{code}: {stderr}");
    site.finish().await;
}

#[actix_web::test]
async fn a_store_is_used_by_one_process_at_a_time() {
    let site = Site::new("1s").await;
    let process = site.start().await;
    let second = command(&["serve", "-c", &site.configuration().display().to_string()]);
    let (code, _, stderr) = run(second).await;
    assert_eq!(code, 1, "{stderr}");
    let (output, _) = site.verify().await;
    assert_eq!(output.status.code(), Some(1), "the store is in use");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    site.finish().await;
}

#[actix_web::test]
async fn a_ledger_that_does_not_add_up_is_1_and_its_first_bad_entry_is_named() {
    let site = Site::new("1s").await;
    let (output, _) = site.verify().await;
    assert_eq!(output.status.code(), Some(1), "there is no store yet");
    let process = site.start().await;
    let workspace = process.workspace("1.00").await;
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    let sound = site.verified().await;

    let bad = write_an_entry_that_no_gateway_writes(&site, workspace.id.parse().unwrap());
    let (output, report) = site.verify().await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(report["first_bad"]["id"], bad.id().to_string(), "{report}");
    assert!(stderr.contains(&bad.id().to_string()), "{stderr}");
    assert_eq!(report["entries"].as_u64().unwrap(), sound["entries"].as_u64().unwrap() + 1);
    // And nobody is served from it.
    let (code, _, stderr) = run(command(&["serve", "-c", &site.configuration().display().to_string()])).await;
    assert!(code == 1 && stderr.contains("damaged"), "{code}: {stderr}");
    site.finish().await;
}

/// Takes back two dollars where one was given.
fn write_an_entry_that_no_gateway_writes(site: &Site, workspace: WorkspaceId) -> Entry {
    let ledger = SledLedger::open(&site.store()).unwrap();
    let two = NanoUsd::from_nano(2_000_000_000);
    let entry = Entry {
        workspace,
        seq: ledger.claim(workspace).unwrap().head + 1,
        txid: TxId::Credit("too much".into()),
        kind: EntryKind::Refund,
        at: UnixMillis(1_795_348_800_000),
        postings: Postings::transfer(AccountName::Available, AccountName::Adjustment, two).unwrap(),
        request: None,
        usage: None,
        reason: Some("too much".into()),
    };
    assert_eq!(ledger.append(&[Record::Entry(entry.clone())]).unwrap(), [Appended::Committed]);
    entry
}

#[actix_web::test]
async fn a_store_whose_bytes_were_changed_is_1() {
    let site = Site::new("1s").await;
    let process = site.start().await;
    for _ in 0..20 {
        process.workspace("1.00").await;
    }
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);
    site.verified().await;
    let file = site.store().join("mirror/00000000.seg");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = b"owner@example.com";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("what was written is there");
    bytes[at] ^= 0x20;
    std::fs::write(&file, bytes).unwrap();
    let (output, _) = site.verify().await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let (code, _, stderr) = run(command(&["serve", "-c", &site.configuration().display().to_string()])).await;
    assert_eq!(code, 1, "{stderr}");
    site.finish().await;
}
