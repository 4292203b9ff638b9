//! Times that cannot be true.

use std::io::Write;

use super::support::{assert_lives, await_metric, fed, metric, send};
use crate::common::Service;

/// Two that are absurd, and others around one that is not.
const LINES: &str = "\
{\"timestamp\":\"1970-01-01T00:00:05Z\",\"level\":\"fatal\",\"service\":\"a\",\"message\":\"x\"}
{\"timestamp\":\"2025-01-01T00:10:00Z\",\"level\":\"fatal\",\"service\":\"b\",\"message\":\"x\"}
{\"timestamp\":\"2025-01-01T00:00:00Z\",\"level\":\"fatal\",\"service\":\"b\",\"message\":\"x\"}
{\"timestamp\":\"2100-01-01T00:00:05Z\",\"level\":\"fatal\",\"service\":\"c\",\"message\":\"x\"}
{\"timestamp\":\"2025-01-01T00:05:00Z\",\"level\":\"fatal\",\"service\":\"b\",\"message\":\"x\"}
";

fn year(time: &serde_json::Value) -> i32 {
    time.as_str().and_then(|time| time.get(..4)?.parse().ok()).unwrap_or_else(|| panic!("{time} is no time"))
}

fn assert_sane(anomaly: &serde_json::Value) {
    // RFC 3339 in UTC with seconds: texts compare as the times do.
    let (time, last) = (&anomaly["time"], &anomaly["last"]);
    assert!(time.as_str() <= last.as_str(), "a negative span: {anomaly}");
    assert!((2025..2100).contains(&year(time)) && (2025..2100).contains(&year(last)), "{anomaly}");
}

#[test]
fn times_in_1970_and_2100_are_clamped_and_counted_in_a_scan() {
    let scan = fed(&["scan", "-", "--output", "json"], |stdin, _| stdin.write_all(LINES.as_bytes()));
    let report = scan.json();
    let summary = &report["summary"];
    assert_eq!((&summary["parsed"], &summary["losses"]["clamped-times"]), (&5.into(), &2.into()), "{summary}");
    assert!((2025..2100).contains(&year(&summary["first"])) && (2025..2100).contains(&year(&summary["last"])), "{summary}");
    let anomalies = report["anomalies"].as_array().expect("a list");
    assert_eq!(anomalies.len(), 3, "{anomalies:?}");
    anomalies.iter().for_each(assert_sane);
    let pretty = fed(&["scan", "-"], |stdin, _| stdin.write_all(LINES.as_bytes()));
    assert!(pretty.stdout.contains("clamped-times 2") && !pretty.stdout.contains("(-"), "{}", pretty.stdout);
}

#[test]
fn times_in_1970_and_2100_are_clamped_and_counted_in_the_service_which_goes_on_in_the_present() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[]);
    send(&service, LINES.as_bytes());
    await_metric(&mut service, "lapwing_events_received_total", 5);
    assert_eq!(metric(&mut service, "lapwing_events_clamped_total"), 2);
    service.settle();
    let anomalies = service.anomalies();
    assert_eq!(anomalies.len(), 3, "{anomalies:?}");
    anomalies.iter().for_each(assert_sane);
    assert_lives(&mut service);
    service.stop();
}
