//! Lines per CPU second of `Parser::parse`: `cargo run --release -p lapwing-parse --example parse_speed -- FILE [--ndjson]`.
//!
//! The file is read into memory, cut into lines, and parsed 20 times over. `--ndjson` first turns each access line into
//! nginx's JSON. Hashing the skeletons is also timed alone, so that reading can be told without it. Needs Linux: CPU time is
//! read from `/proc/thread-self/schedstat`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use bytes::Bytes;
use lapwing_model::{Detail, Event, Origin, Position, Record, Timestamp, printable};
use lapwing_parse::{Parser, Understood, template};

const ROUNDS: u32 = 20;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_json = arguments.iter().position(|argument| argument == "--ndjson").map(|at| arguments.remove(at)).is_some();
    let [path] = arguments.as_slice() else {
        eprintln!("usage: parse_speed FILE [--ndjson]");
        return ExitCode::FAILURE;
    };
    let text = match std::fs::read(path) {
        Ok(text) => Bytes::from(text),
        Err(error) => {
            eprintln!("cannot read {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut records = records(&text);
    let mut parser = Parser::new();
    let mut events = Vec::with_capacity(1024);
    if as_json {
        records.iter().for_each(|record| drop(parser.parse(record, &mut events)));
        let lines: String = events.iter().map(to_json).collect();
        records = self::records(&Bytes::from(lines));
    }
    tell_outcomes(&mut parser, &records);
    let (mut parsing, mut hashing) = (0, 0);
    for batch in (0..ROUNDS).flat_map(|_| records.chunks(1024)) {
        events.clear();
        let begun = cpu_nanos();
        batch.iter().for_each(|record| drop(parser.parse(record, &mut events)));
        let parsed = cpu_nanos();
        std::hint::black_box(events.iter().fold(0, |sum, event| sum ^ skeleton(event)));
        hashing += cpu_nanos() - parsed;
        parsing += parsed - begun;
    }
    let lines = f64::from(ROUNDS) * records.len() as f64;
    println!("{:.2} M lines per CPU second with skeletons, {:.2} without ({:.0} and {:.0} ns per line)", lines * 1e3 / parsing as f64,
        lines * 1e3 / (parsing - hashing) as f64, parsing as f64 / lines, (parsing - hashing) as f64 / lines);
    ExitCode::SUCCESS
}

fn skeleton(event: &Event) -> u64 {
    match &event.detail {
        Detail::Web(web) => template::path_skeleton(event.text(web.method), event.path(web)),
        Detail::Log(log) => template::skeleton(event.text(log.message)),
    }
}

fn records(text: &Bytes) -> Vec<Record> {
    let origin = Origin::new("parse_speed");
    let received = Timestamp::from_seconds(1_763_700_000);
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Record { body: text.slice_ref(line), origin: origin.clone(), position: Position::default(), received }).collect()
}

fn tell_outcomes(parser: &mut Parser, records: &[Record]) {
    let mut outcomes = BTreeMap::new();
    let mut events = Vec::new();
    for record in records {
        let name = match parser.parse(record, &mut events) {
            Understood::As(name) | Understood::Broken(name) => name,
            Understood::AsText => "text",
        };
        *outcomes.entry(name).or_insert(0_u64) += 1;
    }
    println!("{outcomes:?}");
}

/// A web event as nginx writes it with `escape=json`.
fn to_json(event: &Event) -> String {
    let Some(web) = event.web() else { return String::new() };
    let text = |text| printable(event.text(text)).to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "{{\"time\":\"{}\",\"remote_addr\":\"{}\",\"remote_user\":\"\",\"request\":\"{} {} {}\",\"status\":{},\"body_bytes_sent\":{},\
         \"http_referer\":\"{}\",\"http_user_agent\":\"{}\",\"request_time\":0.005}}\n",
        event.at, text(event.client_text), text(web.method), text(web.target), text(web.protocol), web.status, web.bytes.unwrap_or(0),
        text(web.referrer), text(web.user_agent)
    )
}

/// CPU time of this thread.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}
