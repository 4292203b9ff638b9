//! What the profile alone finds: `profile_quality LEARN TEST...` prints, for each TEST, the number of lines and of those told.
//! With PROFILE_SHOW=1 it also prints what was told.

use std::io::BufRead;
use std::time::Instant;

use lapwing_detect::{Detector, Events, Findings, Kind, Setup};
use lapwing_model::{Event, Origin, Position, Record, Scope, Timestamp};
use lapwing_parse::Parser;

fn events(path: &str) -> Result<Vec<Event>, std::io::Error> {
    let (mut parser, origin, mut events) = (Parser::new(), Origin::new(path), Vec::new());
    for (line, text) in std::io::BufReader::new(std::fs::File::open(path)?).split(b'\n').enumerate() {
        let position = Position { offset: line as u64, line: line as u64 + 1 };
        let received = Timestamp::from_seconds(1_700_000_000 + line as i64);
        parser.parse(&Record { body: text?.into(), origin: origin.clone(), position, received }, &mut events);
    }
    Ok(events)
}

fn judge(detector: &mut dyn Detector, events: &[Event]) -> Findings {
    let mut findings = Findings::default();
    let mine: Vec<u16> = (0..1024).collect();
    for (number, chunk) in events.chunks(1024).enumerate() {
        let before = findings.as_slice().len();
        detector.observe(Events::new(chunk, &mine[..chunk.len()]), &mut findings);
        if std::env::var_os("PROFILE_SHOW").is_some() {
            for found in &findings.as_slice()[before..] {
                println!(
                    "  {} {} {} {}",
                    number * 1024 + usize::from(found.at),
                    found.finding.score,
                    found.finding.class,
                    found.finding.reason
                );
            }
        }
    }
    findings
}

/// Nanoseconds for all events once they are known: block by block, as the pipeline brings them, each the quickest of ten.
fn quickest(detector: &mut dyn Detector, events: &[Event]) -> f64 {
    let block = |block: &[Event]| {
        let rounds = (0..10).map(|_| {
            let start = Instant::now();
            judge(detector, block);
            start.elapsed()
        });
        rounds.min().unwrap_or_default().as_nanos() as f64
    };
    if std::env::var_os("PROFILE_SHOW").is_some() { 0.0 } else { events.chunks(1024).map(block).sum() }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let learn = paths.next().ok_or("usage: profile_quality LEARN|- TEST...")?;
    let kind = Kind::named("profile").ok_or("there is no profile")?;
    let mut setup = Setup::default();
    let mut state = Vec::new();
    if learn != "-" {
        setup.learning = true;
        let mut detector = (kind.build)(&setup, Scope::All);
        judge(&mut *detector, &events(&learn)?);
        detector.save(&mut state);
    }
    setup.learning = false;
    for path in paths {
        let mut detector = (kind.build)(&setup, Scope::All);
        if !state.is_empty() {
            detector.load(&state)?;
        }
        let events = events(&path)?;
        let findings = judge(&mut *detector, &events);
        let nanos = quickest(&mut *detector, &events) / events.len().max(1) as f64;
        let told = findings.as_slice().len();
        let share = 100.0 * told as f64 / events.len().max(1) as f64;
        println!("{path}: {} lines, {told} told ({share:.3} %), {nanos:.0} ns a line", events.len());
    }
    Ok(())
}
