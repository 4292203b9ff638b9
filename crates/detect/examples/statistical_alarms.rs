//! What detectors say of a log, read by hand: `cargo run --release -p lapwing-detect --example statistical_alarms -- FILE rate rarity`
//!
//! Prints each finding with its time, and how long the detectors took; for detectors of scope all. Templates are the events'
//! skeletons.

use std::io::Read;
use std::time::Instant;

use bytes::Bytes;
use lapwing_detect::{Events, Findings, Kind, Setup};
use lapwing_model::{Origin, Position, Record, Scope, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("no file; give the path of a log, or - for standard input")?;
    let wanted: Vec<String> = arguments.collect();
    if let Some(unknown) = wanted.iter().find(|name| Kind::named(name).is_none()) {
        return Err(format!("no detector is called {unknown}").into());
    }
    let mut text = Vec::new();
    if path == "-" {
        std::io::stdin().read_to_end(&mut text)?
    } else {
        std::fs::File::open(&path)?.read_to_end(&mut text)?
    };
    let setup = Setup::default();
    let kinds = wanted.iter().filter_map(|name| Kind::named(name));
    let mut detectors: Vec<_> = kinds.map(|kind| (kind.build)(&setup, Scope::All)).collect();
    let (mut events, origin) = (Vec::new(), Origin::new(path.as_str()));
    let mut parser = lapwing_parse::Parser::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let position = Position { offset: number as u64, line: number as u64 + 1 };
        let received = Timestamp::from_seconds(1_900_000_000);
        parser.parse(&Record { body: Bytes::copy_from_slice(line), origin: origin.clone(), position, received }, &mut events);
    }
    let (mut now, mut findings, start) = (Timestamp::MIN, Findings::default(), Instant::now());
    for chunk in events.chunks_mut(1024) {
        chunk.iter_mut().for_each(|event| event.template = event.skeleton);
        for (at, event) in chunk.iter().enumerate() {
            for detector in &mut detectors {
                if event.at.seconds() > now.seconds() {
                    detector.tick(Timestamp::from_seconds(event.at.seconds()), &mut findings);
                }
                detector.observe(Events::new(chunk, &[at as u16]), &mut findings);
            }
            now = now.max(event.at);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    for found in findings.as_slice() {
        let lapwing_model::Finding { class, entity, score, reason, since, .. } = &found.finding;
        println!("{} {class} {entity} {:.2} {reason}", since.map_or_else(String::new, |since| since.to_string()), score.value());
    }
    let told = findings.as_slice().len();
    println!("{} events, {told} findings, {:.0} ns per event", events.len(), seconds * 1e9 / events.len().max(1) as f64);
    Ok(())
}
