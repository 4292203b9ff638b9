//! What attackers send to make a detector stall: values that regexes and decoders fear, on the whole path.

use bytes::Bytes;
use lapwing::cli::config::Config;
use lapwing::pipeline::Engine;
use lapwing_model::{Origin, Position, Record, Timestamp};

/// The bound on one value, in milliseconds of CPU time; many times that where the compiler did not optimise.
const BOUND: f64 = if cfg!(debug_assertions) { 2000.0 } else { 50.0 };

/// Milliseconds that this thread was on a CPU.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

fn record(line: u64, body: String) -> Record {
    let position = Position { offset: line, line };
    Record {
        body: Bytes::from(body),
        origin: Origin::new("hostile.log"),
        position,
        received: Timestamp::from_seconds(1_431_857_100),
    }
}

#[test]
fn no_value_takes_longer_than_the_bound_on_the_whole_path() {
    let mega = 1 << 20;
    let values = [
        ("parentheses", "(".repeat(mega)),
        ("nested percent", format!("%{}41", "25".repeat(mega / 2))),
        ("a", "a".repeat(mega)),
        ("parameters", "a=1'&".repeat(mega / 5)),
        ("comments", "/*".repeat(mega / 2)),
        ("quotes", "'\"".repeat(mega / 2)),
        ("tags", "<a on".repeat(mega / 5)),
        ("steps", "../".repeat(mega / 3)),
        ("select", "select ".repeat(mega / 7)),
        ("entities", "&#x26;".repeat(mega / 6)),
        ("brackets", "[{".repeat(mega / 2)),
        ("base64", "QUFB".repeat(mega / 4)),
        ("commands", ";a|".repeat(mega / 3)),
    ];
    let mut engine = Engine::new(&Config::default().blueprint().unwrap()).unwrap();
    // Regexes are compiled when they are first needed.
    for (line, (_, value)) in (0..).zip(&values) {
        engine.judge(&[record(line, access(&value[..2000]))]);
    }
    let mut slow = Vec::new();
    for (line, (what, value)) in (100..).step_by(2).zip(&values) {
        for (form, body) in [("access log", access(value)), ("JSON", json(value))] {
            let before = cpu();
            engine.judge(&[record(line + u64::from(form == "JSON"), body)]);
            let took = cpu() - before;
            if took > BOUND {
                slow.push(format!("{what} in {form}: {took:.0} ms"));
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

fn access(value: &str) -> String {
    format!("203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /search?q={value} HTTP/1.1\" 200 12 \"-\" \"x\"")
}

fn json(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"{{"@timestamp":"2015-05-17T10:05:03Z","http":{{"request":{{"method":"POST","body":{{"content":"{value}"}}}}}},"url":{{"original":"/"}},"source":{{"ip":"203.0.113.9"}}}}"#
    )
}
