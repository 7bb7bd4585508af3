//! One running `lmhaven`: its addresses as it logs them, its log, signals to it, and how it ended.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

use super::within;

/// A child process. Dropping it kills it.
pub(crate) struct Process {
    /// The public port, without a path.
    pub(crate) base: String,
    /// The admin port, without a path.
    pub(crate) admin_base: String,
    /// The client of all helpers. Its connections belong to this process alone.
    pub(crate) client: reqwest::Client,
    pid: Pid,
    lines: watch::Receiver<Vec<String>>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts it. Its log is read from the first line.
    pub(crate) fn launch(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (log, lines) = watch::channel(Vec::new());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.send_modify(|lines: &mut Vec<String>| lines.push(line));
            }
        });
        let (end, ended) = watch::channel(None);
        std::thread::spawn(move || end.send_replace(child.wait().ok()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base: String::new(), admin_base: String::new(), client, pid, lines, ended }
    }

    /// Waits until it listens, and learns where.
    pub(crate) async fn listening(&mut self) {
        let line = self.logged("listening").await;
        let address = |field: &str| format!("http://{}", line["fields"][field].as_str().unwrap());
        (self.base, self.admin_base) = (address("public"), address("admin"));
    }

    /// Waits for a line of the log with this message.
    pub(crate) async fn logged(&self, message: &str) -> Value {
        let find = |lines: &Vec<String>| {
            let mut parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            parsed.find(|line| line["fields"]["message"] == message)
        };
        let mut lines = self.lines.clone();
        let found = within(message, lines.wait_for(|lines| find(lines).is_some())).await;
        let Ok(found) = found else { panic!("it ended without saying {message:?}: {:#?}", self.lines.borrow()) };
        find(&found).unwrap()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.is_running(), "it has ended: {}", self.log());
        kill_process(self.pid, signal).unwrap();
    }

    /// Bytes of memory that it has now, and the most it had since [`Process::forget_peak`].
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).unwrap();
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }

    /// From here on the peak is counted anew.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid.as_raw_nonzero()), "5").unwrap();
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits until it is gone by the `kill -9` that it was sent.
    pub(crate) async fn killed(mut self) {
        let status = self.exited().await;
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}: {}", self.log());
    }

    /// Waits for its end, and answers its exit code.
    pub(crate) async fn exit_code(mut self) -> i32 {
        let status = self.exited().await;
        status.code().unwrap_or_else(|| panic!("{status}: {}", self.log()))
    }

    /// Waits for its end in order, and answers all that it logged.
    pub(crate) async fn log_to_the_end(mut self) -> String {
        let status = self.exited().await;
        assert_eq!(status.code(), Some(0), "{status}: {}", self.log());
        // Whoever reads the lines is gone after the last of them.
        within("the last line", async { while self.lines.changed().await.is_ok() {} }).await;
        self.log()
    }

    async fn exited(&mut self) -> ExitStatus {
        let ended = within("the end of the process", self.ended.wait_for(Option::is_some)).await;
        ended.unwrap().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}
