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
fn score_and_scan_continue_from_a_model_and_know_nothing_without() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    succeeds(directory.path(), &["learn", "--out", "shop", "history.log"]);
    assert_eq!(severities(&succeeds(directory.path(), &["score", "today.log"])), ["info", "info"]);
    assert_eq!(severities(&succeeds(directory.path(), &["score", "--model", "shop", "today.log"])), ["info", "medium"]);
    let found = succeeds(directory.path(), &["scan", "--model", "shop", "-o", "ndjson", "today.log"]);
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
fn a_damaged_model_is_refused_with_a_reason_while_everything_else_goes_on() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    succeeds(directory.path(), &["learn", "--out", "shop", "history.log"]);
    assert!(succeeds(directory.path(), &["model", "verify", "shop"]).contains("shop: sound"));
    let state = directory.path().join("shop/state.snapshot");
    let mut bytes = std::fs::read(&state).expect("a state");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&state, bytes).expect("written");
    let output = lapwing(directory.path(), &["score", "--model", "shop", "today.log"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("shop is refused") && said.contains("state.snapshot is damaged"), "{said}");
    assert_eq!(severities(&String::from_utf8_lossy(&output.stdout)), ["info", "info"]);
    assert!(!lapwing(directory.path(), &["model", "verify", "shop"]).status.success());
    let nowhere = lapwing(directory.path(), &["score", "--model", "nowhere", "today.log"]);
    assert!(!nowhere.status.success() && String::from_utf8_lossy(&nowhere.stderr).contains("there is no model nowhere"));
}

#[test]
fn a_service_continues_from_a_model_that_changes_and_refuses_one_that_is_damaged() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path();
    let strange = history(path);
    succeeds(path, &["learn", "--out", "shop", "today.log"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(path).stdout(std::process::Stdio::null()).args(["run", "--model", "shop"]);
    let mut service = Service::launch(command, &[("LAPWING__RULES__RELOAD_SECONDS", "1")]).expect("it starts");
    let asked = json!({ "log_line": strange }).to_string();
    let mut is_strange = || service.post("/detect", asked.as_bytes()).expect("an answer").1.contains("unexpected-value");
    assert!(!is_strange(), "the first model knows next to nothing");
    succeeds(path, &["learn", "--out", "shop", "history.log"]);
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_strange() {
        assert!(std::time::Instant::now() < soon, "the new model is not taken");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    std::fs::write(path.join("shop/state.snapshot"), "damaged").expect("written");
    let manifest = std::fs::read_to_string(path.join("shop/model.json")).expect("a manifest");
    std::fs::write(path.join("shop/model.json"), manifest + "\n").expect("written");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert!(is_strange(), "what was known before is still known");
    let attack =
        json!({ "log_line": line(7, "/shop/list.php?sort=1'%20UNION%20SELECT%20password%20FROM%20users--") }).to_string();
    let (_, answer) = service.post("/detect", attack.as_bytes()).expect("an answer");
    assert!(answer.contains("signatures"), "{answer}");
    service.stop();
}

/// Jobs of three steps, one after another; some lack the last.
fn jobs(directory: &Path, name: &str, count: usize, broken: impl Fn(usize) -> bool) -> Vec<String> {
    let (mut log, mut odd) = (String::new(), Vec::new());
    for n in 0..count {
        let job = format!("{name}-{n}");
        let at = |second: usize| format!("2025-05-17T{:02}:{:02}:{second:02}Z INFO", 10 + n / 60, n % 60);
        let _ = writeln!(log, "{} worker took job {job} from the queue", at(1));
        let _ = writeln!(log, "{} files of {job} were copied", at(5));
        if broken(n) {
            odd.push(job);
        } else {
            let _ = writeln!(log, "{} done with {job}, all is well", at(9));
        }
    }
    std::fs::write(directory.join(format!("{name}.log")), log).expect("written");
    odd
}

#[test]
fn sessions_are_scored_learned_and_measured_by_a_key_in_their_text() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path();
    jobs(path, "old", 300, |_| false);
    let odd = jobs(path, "new", 200, |n| n % 60 == 7);
    succeeds(path, &["learn", "--out", "jobs", "--session", r"(?:old|new)-\d+", "old.log"]);
    let rows = succeeds(path, &["score", "--by", "session", "--model", "jobs", "new.log"]);
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    assert_eq!(rows.len(), 200);
    let told: Vec<_> = rows.iter().filter(|row| row["anomalous"] == true).collect();
    assert_eq!(told.iter().map(|row| row["session"].as_str().unwrap_or_default()).collect::<Vec<_>>(), odd);
    assert!(told.iter().all(|row| row["why"].as_str().is_some_and(|why| why.contains("all is well") && why.contains("missing"))));
    let mut labels = "session,label\n".to_owned();
    for n in 0..250 {
        let job = format!("new-{n}");
        let _ = writeln!(labels, "{job},{}", if odd.contains(&job) { "cut short" } else { "normal" });
    }
    std::fs::write(path.join("labels.csv"), labels).expect("written");
    let args = ["eval", "--labels", "labels.csv", "--model", "jobs", "--json", "--svg", "curve.svg", "new.log"];
    let report: Value = serde_json::from_str(&succeeds(path, &args)).expect("JSON");
    assert_eq!((&report["without_labels"]["f1"], &report["auc"]), (&json!(1.0), &json!(1.0)), "{report}");
    assert_eq!((&report["measured"], &report["labelled_but_not_found"]), (&json!(200), &json!(50)));
    assert_eq!(report["classes"]["cut short"]["told"], json!(odd.len()));
    assert!(path.join("curve.svg").exists());
}

#[test]
fn learning_twice_from_the_same_gives_the_same_files() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    for out in ["one", "two"] {
        succeeds(directory.path(), &["learn", "--out", out, "history.log"]);
    }
    for file in ["model.json", "state.snapshot"] {
        let read = |out: &str| std::fs::read(directory.path().join(out).join(file)).expect("a file");
        assert_eq!(read("one"), read("two"), "{file}");
    }
}

#[test]
fn replay_judges_by_a_model_without_a_service() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    history(directory.path());
    succeeds(directory.path(), &["learn", "--out", "shop", "history.log"]);
    let rows = succeeds(directory.path(), &["replay", "--model", "shop", "-o", "json", "today.log"]);
    assert_eq!(severities(&rows), ["info", "medium"]);
    let pretty = succeeds(directory.path(), &["replay", "--model", "shop", "today.log"]);
    assert!(pretty.starts_with("NORMAL") && pretty.contains("\nANOMALY"), "{pretty}");
    let both = lapwing(directory.path(), &["replay", "--model", "shop", "--to", "http://127.0.0.1:1", "today.log"]);
    assert!(!both.status.success(), "one of them answers");
}

#[test]
fn a_service_takes_a_changed_model_of_what_comes_after_what_and_goes_on_with_it_where_the_next_is_damaged() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path();
    jobs(path, "old", 400, |_| false);
    let learn = |steps: &str| {
        let session = r"(?:old|new)-\d+";
        succeeds(path, &["learn", "--out", "jobs", "--session", session, "--steps", steps, "old.log"]);
    };
    learn("0");
    assert!(!path.join("jobs/sequence.json").exists());
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(path).stdout(std::process::Stdio::null()).args(["run", "--model", "jobs"]);
    let mut service = Service::launch(command, &[("LAPWING__RULES__RELOAD_SECONDS", "1")]).expect("it starts");
    let mut job = 0;
    let mut is_told = || {
        job += 1;
        let line = format!("2025-05-17T20:00:01Z INFO done with new-{job}, all is well");
        let asked = json!({ "log_line": line }).to_string();
        service.post("/detect", asked.as_bytes()).expect("an answer").1.contains("transformer")
    };
    assert!(!is_told(), "there is no model of what comes after what");
    learn("200");
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_told() {
        assert!(std::time::Instant::now() < soon, "the new model is not taken");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    std::fs::write(path.join("jobs/sequence.safetensors"), "damaged").expect("written");
    let manifest = std::fs::read_to_string(path.join("jobs/model.json")).expect("a manifest");
    std::fs::write(path.join("jobs/model.json"), manifest + "\n").expect("written");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert!(is_told(), "what was known before is still known");
    learn("0");
    assert!(!path.join("jobs/sequence.json").exists(), "what was learned without it has none");
    service.stop();
}

#[test]
fn what_ships_is_general_sound_and_can_be_left_out() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let shown = succeeds(directory.path(), &["model", "verify", "builtin"]);
    assert!(shown.contains("builtin: sound") && shown.contains("general: ") && shown.contains("response_time"), "{shown}");
    history(directory.path());
    let args = ["learn", "--general", "--out", "general", "history.log"];
    succeeds(directory.path(), &args);
    let shown = succeeds(directory.path(), &["model", "show", "general"]);
    assert!(shown.contains("states of: ensemble\n"), "of requests without times nothing is general: {shown}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(directory.path()).env("LAPWING__MODEL__BUILTIN", "false").args(["check", "--all"]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.lines().any(|line| line.contains("model.builtin") && line.contains("false")), "{said}");
}
