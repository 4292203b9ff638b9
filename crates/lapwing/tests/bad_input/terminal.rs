//! Log text is attacker text: nothing in it acts in the terminal of whoever looks.

use std::io::Write;
use std::process::{Command, Stdio};

use super::support::{Ended, assert_lives, await_metric, fed, send};
use crate::common::Service;

/// Everything that acts: title, clear screen, colours, C1, DEL, direction of writing, hidden characters, line breaks, a bell.
const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{8}\r\u{202e}gpj\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}\u{ad}";

fn lines() -> Vec<u8> {
    let mut lines = Vec::new();
    // In the address, user, path, query, agent and referrer of requests that are found; often enough for a burst.
    for n in 0..40 {
        let line = format!(
            "203.0.113.{n} - {HOSTILE} [17/May/2015:10:05:{n:02} +0000] \"GET /cart{HOSTILE}/../../etc/passwd?a={HOSTILE} HTTP/1.1\" 500 7 \"{HOSTILE}\" \"sqlmap {HOSTILE}\"\n"
        );
        lines.extend(line.into_bytes());
        lines.extend(
            format!("host{HOSTILE} - - [17/May/2015:10:06:{n:02} +0000] \"GET /wp-login.php HTTP/1.1\" 404 7 \"-\" \"x\"\n")
                .bytes(),
        );
    }
    // In every field of JSON, escaped and not; in text; as bytes that are no UTF-8.
    let escaped: String = HOSTILE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    for text in [escaped.as_str(), &HOSTILE.replace(|c: char| c < ' ', "?")] {
        lines.extend(
            format!("{{\"level\":\"fatal\",\"service\":\"{text}\",\"user\":\"{text}\",\"host\":\"{text}\",\"message\":\"attack {text}\",\"{text}\":\"{text}\"}}\n")
                .bytes(),
        );
    }
    lines.extend(format!("2015-05-17T10:07:00Z FATAL {HOSTILE} unauthorized breach\n").bytes());
    lines.extend(b"2015-05-17T10:07:00Z FATAL attack \xff\xfe\x9b31m \xc2 \x00\n");
    lines
}

fn assert_harmless(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty");
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let line = text.lines().find(|line| line.contains(acts));
    assert!(line.is_none(), "{what}: {line:?}");
}

fn scanned(arguments: &[&str]) -> Ended {
    let ended = fed(arguments, |stdin, _| stdin.write_all(&lines()));
    assert!(ended.status.success(), "{ended:?}");
    ended
}

#[test]
fn escape_sequences_in_a_log_reach_no_terminal_by_any_output_of_any_command() {
    let report = scanned(&["scan", "-", "--output", "json"]).json();
    let anomalies = report["anomalies"].as_array().expect("a list");
    assert!(anomalies.len() > 4, "{report}");
    // A time of receipt is part of what tells anomalies apart, so only those whose times are stated have the same id again.
    let id = anomalies.iter().find(|anomaly| anomaly["time"].as_str() < Some("2016")).expect("one of 2015")["id"].as_str();
    for arguments in [
        &["scan", "-"] as &[_],
        &["scan", "-", "--top", "100"],
        &["scan", "-", "--output", "json"],
        &["scan", "-", "--output", "ndjson"],
        &["scan", "-", "--explain", id.expect("an id")],
        &["score", "-"],
        &["patterns", "-"],
        &["patterns", "-", "--json"],
        &["patterns", "-", "--per-line"],
    ] {
        let ended = scanned(arguments);
        assert_harmless(&format!("the output of {arguments:?}"), &ended.stdout);
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
    // RFC 4180 ends its lines with a carriage return and a newline.
    let csv = scanned(&["scan", "-", "--output", "csv"]).stdout.replace("\r\n", "\n");
    assert_harmless("the output of csv", &csv);
    assert!(csv.lines().skip(1).all(|line| line.starts_with('"') && line.ends_with('"')), "a field was torn: {csv}");
}

#[test]
fn a_name_of_a_file_does_not_act_either() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("a\u{1b}[2J\u{202e}.log");
    std::fs::write(&file, lines()).expect("written");
    for arguments in [&["scan"] as &[_], &["scan", "--output", "ndjson"], &["score"], &["patterns"]] {
        let ended = super::support::ended(&[arguments, &[super::support::name(&file)]].concat());
        assert_harmless(&format!("{arguments:?}"), &ended.stdout);
    }
    let missing = super::support::ended(&["scan", "/no/such\u{1b}[2J\u{202e}.log"]);
    assert_harmless("an error", &missing.stderr);
}

#[test]
fn escape_sequences_reach_no_terminal_from_the_service() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let out = directory.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(directory.path()).stdout(Stdio::from(std::fs::File::create(&out).expect("made")));
    let mut service = Service::launch(command, &[("LAPWING_LOG", "debug")]).expect("it starts");
    let lines = lines();
    send(&service, &lines);
    let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
    await_metric(&mut service, "lapwing_events_received_total", count);
    service.settle();
    let (file, to) = (directory.path().join("x.log"), format!("http://{}", service.http));
    std::fs::write(&file, &lines).expect("written");
    let replay = super::support::ended(&["replay", super::support::name(&file), "--to", &to]);
    assert!(replay.status.success() && replay.stdout.contains("ANOMALY"), "{replay:?}");
    assert_harmless("the output of replay", &replay.stdout);
    assert_lives(&mut service);
    service.stop();
    for file in ["out", "alerts.json"] {
        let text = std::fs::read(directory.path().join(file)).expect("written");
        assert_harmless(file, &String::from_utf8(text).expect("UTF-8"));
    }
}
