//! What detectors say of a log, read by hand: `cargo run --release -p lapwing-detect --example statistical_alarms -- FILE rate rarity`
//!
//! Prints each finding with its time, and how long the detectors took. Templates are the events' skeletons.

use std::io::Read;
use std::time::Instant;

use bytes::Bytes;
use lapwing_detect::{Batch, Findings, Kind, Settings, Setup, Shard};
use lapwing_model::{Origin, Position, Record, Timestamp};

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
    let setup = Setup { settings: Settings::default(), ..Setup::default() };
    let mut shard = Shard::whole(&setup);
    let (mut events, origin) = (Vec::new(), Origin::new(path.as_str()));
    let mut parser = lapwing_parse::Parser::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let position = Position { offset: number as u64, line: number as u64 + 1 };
        let received = Timestamp::from_seconds(1_900_000_000);
        parser.parse(&Record { body: Bytes::copy_from_slice(line), origin: origin.clone(), position, received }, &mut events);
    }
    let (mut ticked, mut told, start) = (Timestamp::MIN, 0, Instant::now());
    for (sequence, chunk) in events.chunks_mut(1024).enumerate() {
        let mut ticks = Vec::new();
        for (at, event) in chunk.iter_mut().enumerate() {
            event.template = event.skeleton;
            if event.at.seconds() > ticked.seconds() {
                ticked = Timestamp::from_seconds(event.at.seconds());
                ticks.push((at as u16, ticked));
            }
        }
        let mut findings = Findings::default();
        shard.judge(&Batch::new(sequence as u64, chunk.to_vec(), ticks), &mut findings);
        for found in findings.as_slice().iter().filter(|found| wanted.iter().any(|name| name == found.finding.detector)) {
            told += 1;
            let finding = &found.finding;
            println!(
                "{} {} {} {:.2} {}",
                finding.since.unwrap_or(ticked),
                finding.class,
                finding.entity,
                finding.score.value(),
                finding.reason
            );
        }
    }
    println!("{} events, {told} findings, {:.2} s for all detectors", events.len(), start.elapsed().as_secs_f64());
    Ok(())
}
