//! The whole path, from lines to anomalies, with the rules that come with Lapwing.
#![no_main]

use std::sync::OnceLock;

use lapwing::pipeline::{Blueprint, Engine};
use lapwing_alert::Desk;
use lapwing_fuzz::assert_harmless;
use lapwing_model::Verdict;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
enum Line<'a> {
    Raw(&'a [u8]),
    Request { client: u8, second: u16, status: u16, path: &'a [u8], agent: &'a [u8] },
    Message { second: u16, level: u8, message: &'a [u8] },
}

static BLUEPRINT: OnceLock<Blueprint> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<Line<'_>>)| {
    let (times, lines) = input;
    let blueprint = BLUEPRINT.get_or_init(|| Blueprint { detectors: lapwing_fuzz::setup(), ..Blueprint::default() });
    let mut engine = Engine::new(blueprint).expect("no state to continue from");
    let mut desk = Desk::new(Default::default());
    let lines: Vec<_> = lines.iter().take(64).map(text).collect();
    // What is said again and again is what thresholds and windows look for.
    for _ in 0..=times % 8 {
        for lines in lines.chunks(7) {
            let record = |line: &Vec<u8>| lapwing_fuzz::record(line, Default::default(), lapwing_fuzz::RECEIVED);
            let records: Vec<_> = lines.iter().map(record).collect();
            let judged = engine.judge(&records);
            assert_eq!(judged.batch.events.len(), records.len());
            judged.verdicts.iter().for_each(|verdict| look_at(verdict, &mut desk));
        }
    }
    desk.tick(engine.sequencer().watermark());
});

fn text(line: &Line<'_>) -> Vec<u8> {
    match *line {
        Line::Raw(bytes) => bytes.to_vec(),
        Line::Request { client, second, status, path, agent } => {
            let (minute, second) = (second / 60 % 60, second % 60);
            let head = format!("10.0.0.{client} - - [17/May/2015:10:{minute:02}:{second:02} +0000] \"GET /");
            [head.as_bytes(), path, format!(" HTTP/1.1\" {status} 12 \"-\" \"").as_bytes(), agent, b"\""].concat()
        }
        Line::Message { second, level, message } => {
            let level = ["INFO", "WARN", "ERROR", "FATAL"][usize::from(level) % 4];
            let (minute, second) = (second / 60 % 60, second % 60);
            [format!("2015-05-17T10:{minute:02}:{second:02}Z {level} ").as_bytes(), message].concat()
        }
    }
}

fn look_at(verdict: &Verdict, desk: &mut Desk) {
    assert!((0.0..=1.0).contains(&verdict.score.value()));
    assert!(verdict.since <= verdict.at && verdict.count > 0 && !verdict.findings.is_empty());
    for finding in &verdict.findings {
        assert!(!finding.reason.is_empty() && !finding.entity.name.is_empty());
        for text in [&finding.reason, &finding.expected, &finding.observed] {
            assert_harmless(text);
            assert!(text.len() < 4096, "{} bytes", text.len());
        }
    }
    if let Some((anomaly, _)) = desk.take(verdict) {
        assert!(anomaly.time <= anomaly.last && anomaly.evidence.len() <= 5);
    }
}
