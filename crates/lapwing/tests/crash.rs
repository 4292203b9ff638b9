//! `kill -9` under load, again and again: nothing acknowledged is lost, what is told again carries the same id, and the
//! detectors go on as if nothing had happened.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::Service;
use lapwing_generate::{Kind, generate};
use serde_json::Value;

const KILLS: usize = 20;

#[test]
fn nothing_acknowledged_is_lost_and_repeats_carry_the_same_id() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let (mut next, mut acknowledged) = (0_u64, BTreeSet::new());
    for _ in 0..KILLS {
        let mut service = Service::start(directory.path(), &[]);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let kill = std::thread::spawn({
            let pid = service.pid();
            let after = Duration::from_millis(20 + random % 180);
            move || {
                std::thread::sleep(after);
                common::kill(pid, "-KILL");
            }
        });
        loop {
            // Each line is an anomaly of its own, so that each can be found again.
            let numbers: Vec<u64> = (next..next + 5).collect();
            let body: String = numbers
                .iter()
                .map(|n| format!("{{\"timestamp\":\"2025-03-01T10:00:00Z\",\"level\":\"fatal\",\"service\":\"svc-{n}\",\"message\":\"down\"}}\n"))
                .collect();
            next += 5;
            match service.post("/logs", body.as_bytes()) {
                Ok((202, _)) => acknowledged.extend(numbers),
                Ok((status, body)) => panic!("status {status}: {body}"),
                Err(_) => break,
            }
        }
        kill.join().expect("killed");
        service.wait();
    }
    assert!(acknowledged.len() > 10 * KILLS, "only {} lines were acknowledged", acknowledged.len());

    let mut service = Service::start(directory.path(), &[]);
    service.settle();
    let stored: BTreeMap<String, String> = service.anomalies().iter().map(|a| (text(a, "entity"), text(a, "id"))).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|n| !stored.contains_key(&format!("svc-{n}"))).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged lines are lost: {lost:?}", lost.len(), acknowledged.len());
    service.stop();

    let told = std::fs::read_to_string(directory.path().join("alerts.json")).expect("alerts were told");
    for line in told.lines() {
        // A line that a kill cut short is the last of its run; the file sink begins the next on a line of its own.
        let Ok(alert) = serde_json::from_str::<Value>(line) else { continue };
        assert_eq!(stored.get(&text(&alert, "entity")), Some(&text(&alert, "id")), "told again under another id");
    }
}

#[test]
fn detectors_continue_after_a_kill_as_if_nothing_had_happened() {
    let settings = lapwing_generate::Settings {
        kind: Kind::Web,
        seed: 3,
        count: 6000,
        start: 1_750_000_000 * 1_000_000_000,
        anomaly_share: 0.05,
        ..Default::default()
    };
    let lines: Vec<_> = generate(settings).map(|line| line.text).collect();
    let found = |kills: usize| {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let mut service = Service::start(directory.path(), &[("LAPWING__STORE__SNAPSHOT_SECONDS", "1")]);
        for (number, batch) in lines.chunks(100).enumerate() {
            let (status, body) = service.post("/logs", batch.join("\n").as_bytes()).expect("an answer");
            assert_eq!(status, 202, "{body}");
            if kills > 0 && number % (60 / kills) == 60 / kills - 1 {
                common::kill(service.pid(), "-KILL");
                service.wait();
                service = Service::start(directory.path(), &[("LAPWING__STORE__SNAPSHOT_SECONDS", "1")]);
            }
        }
        service.settle();
        let mut found: Vec<_> = service.anomalies().iter().map(without_id).collect();
        found.sort();
        service.stop();
        found
    };
    let uninterrupted = found(0);
    assert!(uninterrupted.len() > 3, "{uninterrupted:?}");
    assert_eq!(found(6), uninterrupted);
}

/// Ids and positions of pushed lines count heartbeats too, which follow the clock: all else must be equal.
fn without_id(anomaly: &Value) -> String {
    ["class", "entity", "severity", "time", "last", "count", "reason", "score", "parts"]
        .map(|key| anomaly[key].to_string())
        .join(" ")
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
