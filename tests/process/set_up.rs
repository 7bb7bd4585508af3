//! The first start of a store: it says once how the first operator is set up, and no more when there is one.

use rustix::process::Signal;

use crate::harness::Site;

const SAID: &str = "there is no operator yet: this link sets one up, once, within 30 minutes";

#[actix_web::test]
async fn a_start_without_an_operator_logs_a_link_that_works() {
    let site = Site::new("5s").await;
    let process = site.start().await;
    let line = process.logged(SAID).await;
    let link = line["fields"]["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/operator/set-up?token=", process.admin_base)), "{link}");
    assert_eq!(process.client.get(&link).send().await.unwrap().status(), 200);
    let token = link.split_once("token=").unwrap().1;
    let form = process.client.post(format!("{}/operator/set-up", process.admin_base));
    let form = form.header("origin", &process.admin_base).header("content-type", "application/x-www-form-urlencoded");
    let body = format!("token={token}&email=op%40lmhaven.test&password=correct+horse+battery");
    let made = form.body(body).send().await.unwrap();
    // The client follows nothing by itself or to the sign-in: what matters is that the link has done its work.
    assert!(made.status().is_success() || made.status().is_redirection(), "{}", made.status());
    assert_eq!(process.client.get(&link).send().await.unwrap().status(), 410);
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, 0);

    let process = site.start().await;
    process.signal(Signal::TERM);
    let log = process.log();
    assert_eq!(process.exit_code().await, 0);
    assert!(!log.contains(SAID), "{log}");
    site.finish().await;
}
