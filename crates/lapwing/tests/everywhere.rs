//! The same lines mean the same to `scan`, `score`, the engine, `/detect/batch`, `replay` and `run`.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use common::Service;
use lapwing::cli::config::Config;
use lapwing::pipeline::Engine;
use lapwing_model::{Origin, Position, Record, Timestamp};
use serde_json::{Value, json};

/// Everyday requests; among them a scan, a login that is guessed, and injection.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for n in 0..240 {
        let at = format!("[01/Mar/2025:10:{:02}:{:02} +0000]", n / 60, n % 60);
        let calm = format!(r#"192.0.2.{} - - {at} "GET /blog/{} HTTP/1.1" 200 5120 "-" "Mozilla/5.0""#, 1 + n % 9, n % 5);
        lines.push(match n {
            60..80 => format!(r#"203.0.113.9 - - {at} "GET /old/{n} HTTP/1.1" 404 157 "-" "x""#),
            120..140 => format!(r#"198.51.100.7 - - {at} "POST /login HTTP/1.1" 401 157 "-" "x""#),
            180..186 => format!(r#"203.0.113.77 - - {at} "GET /p?id=1%27+or+{n}={n}-- HTTP/1.1" 200 157 "-" "x""#),
            _ => calm,
        });
    }
    lines
}

/// The classes of each line.
type Classes = Vec<BTreeSet<String>>;

fn classes(row: &Value) -> BTreeSet<String> {
    row["classes"].as_array().expect("classes").iter().map(|class| class.as_str().expect("text").to_owned()).collect()
}

fn lapwing(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing")).current_dir(folder).args(arguments).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|row| !row.is_empty())
        .map(|row| serde_json::from_slice(row).expect("JSON"))
        .collect()
}

/// What the engine found of each line, at it or later.
fn by_engine(lines: &[String]) -> Classes {
    let blueprint = Config::default().blueprint().expect("the defaults are valid");
    let mut engine = Engine::new(&blueprint).expect("an engine");
    let origin = Origin::new("log");
    let record = |(number, line): (usize, &String)| Record {
        body: Bytes::copy_from_slice(line.as_bytes()),
        origin: origin.clone(),
        position: Position { offset: number as u64, line: number as u64 },
        received: Timestamp::from_seconds(2_000_000_000),
    };
    let records: Vec<_> = lines.iter().enumerate().map(record).collect();
    let mut classes = vec![BTreeSet::new(); lines.len()];
    for records in records.chunks(17) {
        let judged = engine.judge(records);
        for found in judged.found.iter().filter(|found| found.tick.is_none()) {
            let own = judged.batch.events[usize::from(found.at)].position;
            for position in found.earlier.iter().map(|(_, position)| *position).chain([own]) {
                classes[position.line as usize].insert(found.finding.class.to_string());
            }
        }
    }
    classes
}

/// What is the same about an anomaly wherever it is told.
fn anomaly(anomaly: &Value) -> String {
    format!("{} {} {} {} {}", anomaly["class"], anomaly["scope"], anomaly["entity"], anomaly["severity"], anomaly["count"])
}

#[test]
fn the_same_lines_mean_the_same_through_every_door() {
    let lines = lines();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("log"), lines.join("\n") + "\n").expect("written");
    let wanted = by_engine(&lines);
    for (at, class) in [(60, "scanning"), (79, "scanning"), (120, "brute-force"), (180, "sql-injection")] {
        assert!(wanted[at].contains(class), "line {at}: {:?}", wanted[at]);
    }

    let scored: Classes = lapwing(folder.path(), &["score", "log"]).iter().map(classes).collect();
    assert_eq!(scored, wanted, "score");

    let data = folder.path().join("data").display().to_string();
    let mut service = Service::start(folder.path(), &[("LAPWING__STORE__DIRECTORY", &data)]);
    let asked = json!({"log_lines": lines}).to_string();
    let (status, answered) = service.post("/detect/batch", asked.as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{answered}");
    let answered: Value = serde_json::from_str(&answered).expect("JSON");
    let batch: Classes = answered["results"].as_array().expect("results").iter().map(classes).collect();
    assert_eq!(batch, wanted, "/detect/batch");
    let beginning = &answered["results"][60];
    assert!(beginning["is_anomaly"] == true && beginning["class"] == "scanning" && beginning["score"].as_f64() > Some(0.5));

    service.post("/reset/all", b"").expect("an answer");
    let to = format!("http://{}", service.http);
    let replayed: Classes = lapwing(folder.path(), &["replay", "--to", &to, "-o", "json", "log"]).iter().map(classes).collect();
    assert_eq!(replayed, wanted, "replay");

    let scanned: BTreeSet<String> = lapwing(folder.path(), &["scan", "-o", "ndjson", "log"]).iter().map(anomaly).collect();
    let (status, said) = service.post("/logs", (lines.join("\n") + "\n").as_bytes()).expect("an answer");
    assert_eq!(status, 202, "{said}");
    service.settle();
    let run: BTreeSet<String> = service.anomalies().iter().map(anomaly).collect();
    let of_clients = |all: BTreeSet<String>| all.into_iter().filter(|told| told.contains("client")).collect::<BTreeSet<_>>();
    let (scanned, run) = (of_clients(scanned), of_clients(run));
    assert!(scanned.len() >= 3, "{scanned:?}");
    assert_eq!(run, scanned, "run");
    service.stop();
}
