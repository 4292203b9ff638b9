//! Log in, anomalies out: each folder of `scenarios/` holds `*.log` files, what `lapwing scan` must find in them, and a line on
//! what it is about. `UPDATE=1 cargo test --test scenarios` writes the expectations anew, for review.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn logs(folder: &Path) -> Vec<String> {
    let mut logs: Vec<_> = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".log"))
        .collect();
    logs.sort();
    logs
}

/// Where and what somebody is, and by which part of the score that mattered.
fn known(known: &Value) -> String {
    let said = [&known["country"], &known["asset"]["name"]].map(Value::as_str);
    let said: Vec<_> = said.into_iter().flatten().collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// One anomaly as a line that a person can review.
fn line(anomaly: &Value) -> String {
    let text = |key: &str| anomaly[key].as_str().unwrap_or_default().to_owned();
    let evidence = &anomaly["evidence"][0];
    let place = match evidence["line"].as_u64() {
        Some(line) => format!("{}:{line}", evidence["file"].as_str().unwrap_or_default()),
        None => "no line".to_owned(),
    };
    format!(
        "{} {} {} {}{} x{} [{} .. {}] {place}\n    {}\n",
        text("severity"),
        text("class"),
        text("scope"),
        text("entity"),
        known(&anomaly["known"]),
        anomaly["count"],
        text("time"),
        text("last"),
        text("reason"),
    )
}

fn scan(folder: &Path, workers: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(folder).env("LAPWING__WORKERS", workers).args(["scan", "--output", "ndjson"]).args(logs(folder));
    if folder.join("lapwing.yaml").exists() {
        command.args(["--config", "lapwing.yaml"]);
    }
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|row| line(&serde_json::from_str(row).expect("a JSON row"))).collect()
}

#[test]
fn every_scenario_gives_the_anomalies_it_says_for_any_number_of_workers() {
    let mut folders: Vec<_> = fs::read_dir(scenarios())
        .expect("scenarios")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 8, "only {} scenarios", folders.len());
    for folder in folders {
        let found = scan(&folder, "1");
        let expected = folder.join("expected.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &found).expect("written");
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(found, wanted, "{}: if this is right, UPDATE=1 accepts it", folder.display());
        for workers in ["2", "7"] {
            assert_eq!(scan(&folder, workers), wanted, "{} with {workers} workers", folder.display());
        }
    }
}
