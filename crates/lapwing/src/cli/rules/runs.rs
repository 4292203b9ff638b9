//! The runs of lines that behaviours carry: those that must overflow a bucket, and those that must not.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_detect::behaviour::{Behaviours, KIND};
use lapwing_detect::{BATCH_EVENTS, Events, Findings, Rulebook, Setup};
use lapwing_model::{Event, Origin, Position, Record, printable};
use lapwing_parse::Parser;

/// What came of all runs.
#[derive(Debug, Default)]
pub struct Ran {
    pub runs: usize,
    pub failed: usize,
    /// The buckets that have no runs.
    pub without: Vec<String>,
}

/// Runs all of them, each with buckets that are empty.
///
/// # Errors
/// Where output cannot be written.
pub fn test(out: &mut impl Write, behaviours: Behaviours) -> std::io::Result<Ran> {
    let behaviours = Arc::new(behaviours);
    let rulebook = Rulebook { behaviours: behaviours.clone(), ..Rulebook::default() };
    let setup = Setup { rulebook, ..Setup::default() };
    let mut ran = Ran::default();
    for name in behaviours.names() {
        let before = ran.runs;
        for (number, (overflows, lines)) in behaviours.examples(name).enumerate() {
            ran.runs += 1;
            if overflow(&setup, name, &events(&lines)) != overflows {
                ran.failed += 1;
                let what = if overflows { "does not overflow" } else { "overflows" };
                writeln!(out, "the bucket {} {what} of its run {}", printable(name.as_bytes()), number + 1)?;
            }
        }
        if ran.runs == before && !behaviours.is_gate(name) {
            ran.without.push(name.to_owned());
        }
    }
    Ok(ran)
}

/// Whether a bucket overflows of these events.
fn overflow(setup: &Setup, name: &str, events: &[Event]) -> bool {
    KIND.scopes.iter().any(|&scope| {
        let mut detector = (KIND.build)(setup, scope);
        let mut findings = Findings::default();
        for events in events.chunks(BATCH_EVENTS) {
            let has_key = |at: &u16| events[usize::from(*at)].keys.get(scope).is_some();
            let mine: Vec<u16> = (0..events.len() as u16).filter(has_key).collect();
            detector.observe(Events::new(events, &mine), &mut findings);
        }
        findings.as_slice().iter().any(|found| found.finding.rule == name)
    })
}

fn events(lines: &[String]) -> Vec<Event> {
    let (mut parser, mut events) = (Parser::new(), Vec::new());
    let origin = Origin::new("run");
    for (number, line) in lines.iter().enumerate() {
        let position = Position { offset: number as u64, line: number as u64 + 1 };
        let body = Bytes::copy_from_slice(line.as_bytes());
        parser.parse(&Record { body, origin: origin.clone(), position, received: crate::pipeline::clock() }, &mut events);
    }
    events
}
