//! Bytes that are no text, and JSON that is too deep: read as what they are, counted, and never in the way of others.

use std::io::Write;

use serde_json::Value;

use super::support::{assert_lives, await_metric, fed, metric, post_with, send};
use crate::common::Service;

const LINES: &[u8] = b"caf\xe9 is no UTF-8\na NUL \0 within\nfine\n";

fn deep() -> String {
    format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))
}

#[test]
fn invalid_utf8_and_nul_bytes_are_accepted_judged_and_counted_over_http_and_tcp() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[]);
    let (status, answer) = post_with(&service, "/logs", "content-type: text/plain\r\n", LINES);
    assert_eq!(status, 202, "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!((&body["accepted"], &body["not_understood"]), (&3.into(), &2.into()), "{body}");
    assert_eq!((&body["reasons"]["invalid-utf8"], &body["reasons"]["nul-bytes"]), (&1.into(), &1.into()), "{body}");
    send(&service, LINES);
    await_metric(&mut service, "lapwing_events_received_total", 6);
    for reason in ["invalid-utf8", "nul-bytes"] {
        assert_eq!(metric(&mut service, &format!("lapwing_events_unparsed_total{{reason=\"{reason}\"}}")), 2, "{reason}");
    }
    assert_lives(&mut service);
    service.stop();
}

#[test]
fn invalid_utf8_and_nul_bytes_in_a_file_are_counted() {
    let scan = fed(&["scan", "-", "--output", "json"], |stdin, _| stdin.write_all(LINES));
    let summary = &scan.json()["summary"];
    assert_eq!((&summary["lines"], &summary["unparsed"]), (&3.into(), &2.into()), "{summary}");
    assert_eq!((&summary["losses"]["invalid-utf8"], &summary["losses"]["nul-bytes"]), (&1.into(), &1.into()), "{summary}");
}

#[test]
fn bytes_of_every_kind_end_in_a_report() {
    let mut state = 7_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(1 << 20).collect();
    let scan = fed(&["scan", "-", "--output", "json"], |stdin, _| stdin.write_all(&noise));
    let summary = &scan.json()["summary"];
    assert!(summary["lines"].as_u64() > Some(3000) && summary["unparsed"].as_u64() > Some(3000), "{summary}");
}

#[test]
fn json_ten_thousand_deep_is_a_line_like_any_other() {
    let deep = deep();
    let lines = format!("{deep}\n{}\n{{\"level\":\"info\",\"message\":\"x\"}}\n", "[".repeat(10_000));
    let scan = fed(&["scan", "-", "--output", "json"], |stdin, _| stdin.write_all(lines.as_bytes()));
    assert_eq!(scan.json()["summary"]["lines"], 3, "{scan:?}");

    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[]);
    send(&service, lines.as_bytes());
    await_metric(&mut service, "lapwing_events_received_total", 3);
    for (kind, body) in [("text/plain", &lines), ("application/json", &deep), ("application/json", &format!("[{deep}]"))] {
        let (status, answer) = post_with(&service, "/logs", &format!("content-type: {kind}\r\n"), body.as_bytes());
        assert_eq!(status, 202, "{kind}: {}", &answer[..answer.len().min(600)]);
    }
    await_metric(&mut service, "lapwing_events_received_total", 8);
    let said = format!("{{\"log_line\":{deep}}}");
    for (path, body, expected) in [
        // A record to be judged may hold anything; what must be understood to be answered is refused.
        ("/detect", &said, 200),
        ("/detect/batch", &said, 400),
        ("/detect", &format!("{{\"log_line\":\"x\",\"session_id\":{deep}}}"), 400),
        ("/anomalies", &deep, 400),
        ("/anomalies", &"[".repeat(10_000), 400),
    ] {
        let (status, answer) = post_with(&service, path, "content-type: application/json\r\n", body.as_bytes());
        assert_eq!(status, expected, "{path}: {}", &answer[..answer.len().min(600)]);
    }
    assert_lives(&mut service);
    service.stop();
}
