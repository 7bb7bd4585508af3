//! A real Prometheus in a folder of its own, on a free port, for as long as a test needs it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::files;

pub(crate) struct Prometheus {
    child: Child,
    url: String,
    client: reqwest::Client,
    folder: TempDir,
}

impl Prometheus {
    /// Starts it with the repository's scrape file and rules, every second instead of every fifteen.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let rules = files::folder().join("rules.yml");
        let config = files::read("prometheus.yml");
        let ours = config
            .replace("15s", "1s")
            .replace("127.0.0.1:8081", &target.to_string())
            .replace("- rules.yml", &format!("- {}", rules.display()));
        assert!(ours.contains(&target.to_string()) && ours.contains("scrape_interval: 1s"), "{ours}");
        std::fs::write(folder.path().join("prometheus.yml"), ours).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(File::create(log(&folder)).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus cannot run ({error}): apt-get install prometheus"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}"), client, folder }
    }

    /// One call of its API; `None` while it is starting.
    pub(crate) async fn get(&mut self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("prometheus ended with {status}:\n{}", std::fs::read_to_string(log(&self.folder)).unwrap());
        }
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        self.client.get(url).send().await.ok()?.json().await.ok()
    }

    /// Whether an expression has a sample with a number now. An error of Prometheus ends the test.
    pub(crate) async fn answers(&mut self, expression: &str) -> bool {
        let Some(answer) = self.get("/api/v1/query", &[("query", expression)]).await else { return false };
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().iter().any(|sample| sample["value"][1] != "NaN")
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("prometheus.log")
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // By its own id, and reaped, so that nothing is left behind even by a test that fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
