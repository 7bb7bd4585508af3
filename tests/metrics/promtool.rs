//! Prometheus' own judge on the rules, the scrape file and the metrics.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::files;

/// Runs promtool in `grafana/` and fails with all that it says.
pub(crate) fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(files::folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool cannot run ({error}): apt-get install prometheus"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}\n{said}", output.status);
}

#[test]
fn the_scrape_file_and_the_rules_are_sound() {
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["check", "rules", "--lint-fatal", "rules.yml"], "");
}

#[test]
fn every_alert_fires_when_it_should_and_keeps_quiet_when_not() {
    promtool(&["test", "rules", "rules_test.yml"], "");
}
