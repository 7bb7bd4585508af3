//! One browser for one test: its own driver on a free port, a fresh profile, and what every page owes its reader.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;

use crate::harness::{Stage, until};

/// Wide and narrow windows, in CSS pixels.
const WIDE: u32 = 1280;
const NARROW: u32 = 360;

/// Settings of a gateway that a browser opens: its address, which is of this machine, whatever its port.
pub(crate) const LOOPBACK: &[(&str, &str)] = &[("SERVER__PUBLIC_URL", "http://127.0.0.1:1")];

/// Settings of a gateway whose links lead back to it: those in its mails, and the one by which a payment page sends back.
pub(crate) fn at_home() -> [(&'static str, String); 2] {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    [("SERVER__LISTEN", format!("127.0.0.1:{port}")), ("SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}"))]
}

/// A browser that is open.
pub(crate) struct Browser {
    /// How it is driven.
    pub(crate) driver: WebDriver,
    address: String,
    // After the driver: it says goodbye to this process when it is dropped.
    process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Opens one.
    pub(crate) async fn open() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: install the Debian packages chromium and chromium-driver");
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ] {
            capabilities.add_arg(flag).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        let logging = json!({ "browser": "ALL", "performance": "ALL" });
        capabilities.set("goog:loggingPrefs", logging).unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let opened = until("the browser to start", async || WebDriver::new(&address, capabilities.clone()).await.ok());
        let (driver, process) = (opened.await, Process(process));
        Self { driver, address, process, _profile: profile }
    }

    /// Opens a page.
    pub(crate) async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Takes somebody's session.
    pub(crate) async fn sign_in(&self, stage: &Stage) {
        self.goto(&format!("{}/status", stage.base)).await;
        let (name, value) = &stage.cookie;
        self.driver.add_cookie(Cookie::new(name.clone(), value.clone())).await.unwrap();
    }

    /// The first element there is for a selector, waited for.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        until(css, async || self.driver.find(By::Css(css)).await.ok()).await
    }

    /// The text of an element once it has this part.
    pub(crate) async fn text_with(&self, css: &str, part: &str) -> String {
        until(part, async || {
            let text = self.driver.find(By::Css(css)).await.ok()?.text().await.ok()?;
            text.contains(part).then_some(text)
        })
        .await
    }

    /// What a script in the page answers.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, Vec::<Value>::new()).await.unwrap().json().clone()
    }

    /// Answers the page's question with yes.
    pub(crate) async fn say_yes(&self) {
        until("a question", async || self.driver.accept_alert().await.ok()).await;
    }

    async fn show(&self, theme: &str, width: u32, height: u32) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.command("goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": media })).await;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("goog/cdp/execute", &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }))
            .await;
    }

    /// Looks at the page that is open, light and dark, wide and narrow: screenshots, and nothing wider than the window.
    pub(crate) async fn look(&self, name: &str) {
        for (theme, width) in [("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)] {
            self.show(theme, width, 900).await;
            let sizes = self
                .run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth, document.documentElement.scrollHeight]")
                .await;
            assert!(sizes[0].as_u64() <= sizes[1].as_u64(), "{name} at {width} pixels is {} wide", sizes[0]);
            self.show(theme, width, sizes[2].as_u64().unwrap().clamp(500, 4000) as u32).await;
            let size = if width == WIDE { "wide" } else { "narrow" };
            let file = folder().join(format!("{name}-{theme}-{size}.png"));
            self.driver.screenshot(&file).await.unwrap();
        }
        self.show("light", WIDE, 900).await;
        self.check(name).await;
    }

    /// Forgets what the console said, where a page was to answer with an error.
    pub(crate) async fn forget_console(&self) {
        self.log("browser").await;
    }

    /// Nothing in the console, and no request beyond loopback.
    pub(crate) async fn check(&self, name: &str) {
        let console = self.log("browser").await;
        assert!(console.is_empty(), "{name} says in the console: {console:?}");
        for entry in self.log("performance").await {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if message["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned();
            let local = ["http://127.0.0.1:", "data:", "blob:", "chrome:"].iter().any(|start| url.starts_with(start));
            assert!(local, "{name} asks {url}");
        }
    }

    /// What was logged since it was last read.
    async fn log(&self, kind: &str) -> Vec<Value> {
        self.command("se/log", &json!({ "type": kind })).await.as_array().expect("a log").clone()
    }

    /// A command of chromedriver's own.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/session/{}/{path}", self.address, self.driver.handle().session_id());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer: Value = client.post(url).json(body).send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }

    /// Closes it.
    pub(crate) async fn close(self) {
        let Self { driver, process, .. } = self;
        driver.quit().await.unwrap();
        drop(process);
    }
}

/// A chromedriver, which ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where screenshots are written.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let folder = target.join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
