//! `lapwing learn`: what it learned is known to `score`, `scan`, `run` and `/detect` from the first line on.

mod common;

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

use common::Service;
use serde_json::{Value, json};

fn lapwing(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(directory).args(args).output().expect("it runs")
}

fn succeeds(directory: &Path, args: &[&str]) -> String {
    let output = lapwing(directory, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn line(number: usize, target: &str) -> String {
    let (client, second) = (number % 50, number % 60);
    format!(
        r#"10.0.0.{client} - - [17/May/2025:10:{:02}:{second:02} +0000] "GET {target} HTTP/1.1" 200 512 "-" "Mozilla/5.0""#,
        number / 60 % 60
    )
}

/// A day on which nothing was wrong, and one request after it that the shop does not know.
fn history(directory: &Path) -> String {
    let mut log = String::new();
    for n in 0..2000 {
        let _ = writeln!(log, "{}", line(n, &format!("/shop/list.php?sort={}&page={}", ["asc", "desc"][n % 2], n % 90)));
    }
    std::fs::write(directory.join("history.log"), log).expect("written");
    let strange = line(2000, "/shop/list.php?sort=price&page=1");
    std::fs::write(directory.join("today.log"), format!("{}\n{strange}\n", line(1999, "/shop/list.php?sort=asc&page=7")))
        .expect("written");
    strange
}

fn severities(rows: &str) -> Vec<String> {
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("JSON"));
    rows.map(|row| row["severity"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn score_and_scan_continue_from_a_state_and_know_nothing_without() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    succeeds(directory.path(), &["learn", "--state", "shop.state", "history.log"]);
    assert_eq!(severities(&succeeds(directory.path(), &["score", "today.log"])), ["info", "info"]);
    assert_eq!(severities(&succeeds(directory.path(), &["score", "--state", "shop.state", "today.log"])), ["info", "medium"]);
    let found = succeeds(directory.path(), &["scan", "--state", "shop.state", "-o", "ndjson", "today.log"]);
    assert!(found.contains("unexpected-value") && found.contains("none of its values"), "{found}");
}

#[test]
fn run_and_detect_continue_from_what_was_learned() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let strange = history(directory.path());
    succeeds(directory.path(), &["learn", "history.log"]);
    let mut service = Service::start(directory.path(), &[]);
    let asked = json!({ "log_line": strange }).to_string();
    let (status, answer) = service.post("/detect", asked.as_bytes()).expect("an answer");
    assert!(status == 200 && answer.contains("unexpected-value"), "{status} {answer}");
    let (status, _) = service.post("/logs", strange.as_bytes()).expect("an answer");
    assert_eq!(status, 202);
    service.settle();
    let classes: Vec<_> = service.anomalies().iter().map(|anomaly| anomaly["class"].clone()).collect();
    assert_eq!(classes, ["unexpected-value"]);
    let busy = lapwing(directory.path(), &["learn", "history.log"]);
    assert!(!busy.status.success(), "a service that runs is not written into");
    service.stop();
}

#[test]
fn what_is_no_state_is_refused_with_advice() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    std::fs::write(directory.path().join("broken.state"), "no state").expect("written");
    let output = lapwing(directory.path(), &["score", "--state", "broken.state", "today.log"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("broken.state") && said.contains("damaged"), "{said}");
    assert!(!lapwing(directory.path(), &["score", "--state", "nowhere.state", "today.log"]).status.success());
}
