//! Lines per CPU second of `Parser::parse`: `cargo run --release -p lapwing-parse --example parse_speed -- FILE [--ndjson]`.
//!
//! The file is read into memory, cut into lines, and parsed over and over: 20 times and 4 million lines at least. `--ndjson` first turns each access line into
//! nginx's JSON. Hashing the skeletons is also timed alone, so that the reading alone can be estimated by subtraction. Needs Linux: CPU time is
//! read from `/proc/thread-self/schedstat`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use bytes::Bytes;
use lapwing_model::{Detail, Event, Origin, Position, Record, Timestamp, printable};
use lapwing_parse::{Parser, Understood, template};

const LINES: usize = 4_000_000;

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
        parse_all(&mut parser, &records, &mut events);
        let lines: String = events.iter().map(to_json).collect();
        records = self::records(&Bytes::from(lines));
    }
    tell_outcomes(&mut parser, &records);
    let rounds = (LINES / records.len().max(1)).max(20);
    let lines = rounds as f64 * records.len() as f64;
    let parsing = timed(|| {
        for batch in (0..rounds).flat_map(|_| records.chunks(1024)) {
            events.clear();
            parse_all(&mut parser, batch, &mut events);
        }
    });
    events.clear();
    parse_all(&mut parser, &records, &mut events);
    let hashing = timed(|| {
        for _ in 0..rounds {
            std::hint::black_box(events.iter().fold(0, |sum, event| sum ^ skeleton(event)));
        }
    });
    println!(
        "parse, skeletons included: {:.2} M lines per CPU second ({:.0} ns per line, {parsing:.2} s)",
        lines / parsing / 1e6,
        parsing * 1e9 / lines
    );
    println!("skeletons alone: {:.0} ns per line ({hashing:.2} s)", hashing * 1e9 / lines);
    ExitCode::SUCCESS
}

/// CPU seconds of this thread that `work` takes. The kernel counts them in ticks of some milliseconds, so only work that
/// lasts for hundreds of them is measured well.
fn timed(work: impl FnOnce()) -> f64 {
    let begun = cpu_nanos();
    work();
    cpu_nanos().saturating_sub(begun) as f64 / 1e9
}

fn parse_all(parser: &mut Parser, records: &[Record], events: &mut Vec<Event>) {
    for record in records {
        let _ = parser.parse(record, events);
    }
}

fn skeleton(event: &Event) -> u64 {
    match &event.detail {
        Detail::Web(web) => template::path_skeleton(event.text(web.method), event.path(web)),
        Detail::Log(log) => template::skeleton(event.text(log.message)),
        Detail::Flow(flow) => template::skeleton(event.text(flow.message)),
    }
}

fn records(text: &Bytes) -> Vec<Record> {
    let origin = Origin::new("parse_speed");
    let received = Timestamp::from_seconds(1_763_700_000);
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| Record { body: text.slice_ref(line), origin: origin.clone(), position: Position::default(), received })
        .collect()
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
        event.at,
        text(event.client_text),
        text(web.method),
        text(web.target),
        text(web.protocol),
        web.status,
        web.bytes.unwrap_or(0),
        text(web.referrer),
        text(web.user_agent)
    )
}

/// CPU time of this thread.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}
