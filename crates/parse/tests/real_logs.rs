//! Real logs, read as a whole. The data lies beside the project; where it is absent these tests say so and return.

use std::path::PathBuf;

use bytes::Bytes;
use lapwing_model::{Clock, Detail, Event, Origin, Position, Record, Timestamp};
use lapwing_parse::{Parser, Understood};

fn data(path: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    let text = std::fs::read(&path).ok();
    if text.is_none() {
        println!("skipped: {} is absent", path.display());
    }
    text
}

fn read(text: &[u8]) -> Vec<(Understood, Event)> {
    let origin = Origin::new("test.log");
    let mut parser = Parser::new();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        let received = Timestamp::from_seconds(1_763_700_000);
        let record =
            Record { body: Bytes::copy_from_slice(line), origin: origin.clone(), position: Position::default(), received };
        let mut events = Vec::new();
        let understood = parser.parse(&record, &mut events);
        assert_eq!(events.len(), 1);
        (understood, events.remove(0))
    });
    parsed.collect()
}

#[test]
fn every_line_of_a_real_access_log_is_combined_with_client_time_and_status() {
    let Some(text) = data("web/access-logs/apache-10k.log") else { return };
    let read = read(&text);
    assert_eq!(read.len(), 10_000);
    for (understood, event) in read {
        assert_eq!(understood, Understood::As("combined"), "{:?}", event.raw);
        let Detail::Web(web) = event.detail else { panic!("{:?}", event.raw) };
        assert!(
            (200..=599).contains(&web.status) && event.clock == Clock::Stated && event.text(web.target).starts_with(b"/"),
            "{:?}",
            event.raw
        );
        assert!(!event.client_text.is_empty() && event.decoded.is_empty() && event.others.is_empty(), "{:?}", event.raw);
    }
}

/// The column `Content` of a file of comma-separated values (RFC 4180).
fn contents(csv: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(csv);
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    for character in text.chars() {
        let row = rows.last_mut().expect("starts with one");
        let field = row.last_mut().expect("starts with one");
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            '\r' if !quoted => {}
            _ => field.push(character),
        }
    }
    let column = rows[0].iter().position(|name| name == "Content").expect("has that column");
    rows[1..].iter().filter_map(|row| row.get(column).cloned()).collect()
}

#[test]
fn the_message_of_ten_systems_is_what_stands_behind_the_header() {
    let systems = ["Apache", "BGL", "HDFS", "HPC", "Hadoop", "Linux", "OpenSSH", "Spark", "Thunderbird", "Zookeeper"];
    for system in systems {
        let Some(text) = data(&format!("logs/templates/{system}_2k.log")) else { return };
        let Some(csv) = data(&format!("logs/templates/{system}_2k.log_structured.csv")) else { return };
        let plain = |text: &str| text.replace('"', "").trim().to_owned();
        let read = read(&text);
        let expected = contents(&csv);
        assert_eq!(read.len(), expected.len(), "{system}");
        let (mut same, mut shown) = (0, 0);
        for ((_, event), expected) in read.iter().zip(&expected) {
            let Detail::Log(log) = event.detail else { panic!("{:?}", event.raw) };
            let message = plain(&String::from_utf8_lossy(event.text(log.message)));
            if message == plain(expected) {
                same += 1;
            } else if shown < 6 {
                shown += 1;
                println!("{system}: {message:?} instead of {expected:?}");
            }
        }
        let timed = read.iter().filter(|(_, event)| matches!(event.clock, Clock::Stated | Clock::Yearless)).count();
        println!("{system}: {same} of 2000 messages, {timed} times");
        assert!(same >= 1_900, "{system}: only {same} messages are as they should be");
        assert_eq!(timed, 2_000, "{system}");
    }
}
