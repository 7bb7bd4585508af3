//! Somebody new: an account, the link in the mail, a workspace, the first key and the first answer.

use std::path::Path;

use crate::browser::{Browser, at_home};
use crate::harness::{Haven, ask, until};

/// The first mail that is in the folder.
async fn first_mail(folder: &Path) -> String {
    until("a mail", async || {
        let entries = std::fs::read_dir(folder).ok()?;
        let mut mails = entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>();
        mails.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        let text = std::fs::read_to_string(mails.first()?).ok()?;
        text.contains("/app/verify").then_some(text)
    })
    .await
}

/// The link of a mail's text. Long lines of quoted-printable text are folded with a `=`, and a `=` is `=3D`.
fn link_of(mail: &str) -> String {
    let text = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let (before, after) = text.split_once("/app/verify?token=").expect("a link to confirm the address");
    let origin = &before[before.rfind("http://").unwrap()..];
    let is_token = |letter: &char| letter.is_ascii_alphanumeric() || "._-~%".contains(*letter);
    format!("{origin}/app/verify?token={}", after.chars().take_while(is_token).collect::<String>())
}

#[actix_web::test]
async fn somebody_signs_up_confirms_by_the_mailed_link_and_makes_their_first_key() {
    let home = at_home();
    let settings = home.each_ref().map(|(name, value)| (*name, value.as_str()));
    let haven = Haven::start_with(&settings).await;
    let browser = Browser::open().await;
    browser.goto(&haven.base).await;
    browser.find("a[href='/app/sign-up']").await.click().await.unwrap();
    browser.find("#email").await.send_keys("ann@example.com").await.unwrap();
    browser.find("#password").await.send_keys("correct horse battery").await.unwrap();
    browser.find("#workspace").await.send_keys("Ann & Co").await.unwrap();
    browser.look("sign-up").await;
    browser.find("main form button").await.click().await.unwrap();
    browser.text_with("h1", "Check your mail").await;
    let link = link_of(&first_mail(&haven.folder.path().join("store").join("mail")).await);
    assert!(link.starts_with(&haven.base), "{link} leads to this gateway");
    browser.goto(&link).await;
    browser.look("verify").await;
    browser.find("#password").await.send_keys("correct horse battery").await.unwrap();
    browser.find("main form button").await.click().await.unwrap();
    browser.text_with(".switcher summary", "Ann & Co").await;
    browser.look("first-overview").await;
    browser.goto(&format!("{}/app/keys", haven.base)).await;
    browser.find("a[href='#create']").await.click().await.unwrap();
    browser.find("#name").await.send_keys("first").await.unwrap();
    browser.find("#create button.button").await.click().await.unwrap();
    let secret = browser.text_with("#secret", "sk-lmh-").await;
    let refused = haven.chat(&secret, &ask("gpt-sim", "Hello")).await;
    assert_eq!(refused.refusal(), (402, "insufficient_balance"), "all it lacks is money");
    let workspaces = haven.admin_get("/workspaces").await;
    haven.credit(workspaces["data"][0]["id"].as_str().unwrap(), "1.00", "first").await;
    haven.chat(&secret, &ask("gpt-sim", "Hello")).await.ok();
    browser.check("arriving").await;
    browser.close().await;
    haven.finish().await;
}
