//! The runs of lines that behaviours and correlations carry: those that must overflow a bucket or fire, and those that must not.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_detect::behaviour::Behaviours;
use lapwing_detect::{BATCH_EVENTS, Events, Findings, Kind, Rulebook, Setup, behaviour, thresholds};
use lapwing_model::{Event, Origin, Position, Record, printable};
use lapwing_parse::Parser;
use lapwing_rules::RuleSet;

/// What came of all runs.
#[derive(Debug, Default)]
pub struct Ran {
    pub runs: usize,
    pub failed: usize,
    /// The buckets or correlations that have no runs.
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
            if finds(&behaviour::KIND, &setup, name, &events(&lines)) != overflows {
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

/// Runs the lines of correlations, which begin with nothing counted: those of `match`, one after another, have to fire it, and
/// those of `no_match` must not.
///
/// # Errors
/// Where output cannot be written.
pub fn correlations(out: &mut impl Write, set: &Arc<RuleSet>) -> std::io::Result<Ran> {
    let rulebook = Rulebook { rules: set.clone(), ..Rulebook::default() };
    let setup = Setup { rulebook, ..Setup::default() };
    let mut ran = Ran::default();
    for rule in set.rules().iter().filter(|rule| rule.correlation().is_some()) {
        let name = rule.name.as_deref().unwrap_or(&rule.title);
        let runs = [(true, &rule.tests.matching), (false, &rule.tests.not_matching)];
        let runs: Vec<_> = runs.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
        for (wanted, lines) in &runs {
            ran.runs += 1;
            if finds(&thresholds::KIND, &setup, name, &events(lines)) != *wanted {
                ran.failed += 1;
                let what = if *wanted { "does not fire of the lines of 'match'" } else { "fires of the lines of 'no_match'" };
                let file = printable(rule.file.as_bytes());
                writeln!(out, "{file}:{}: {} {what}", rule.line, printable(rule.title.as_bytes()).within(120))?;
            }
        }
        if runs.is_empty() {
            ran.without.push(rule.title.clone());
        }
    }
    Ok(ran)
}

/// Whether a detector finds something of that name in these events.
fn finds(kind: &Kind, setup: &Setup, name: &str, events: &[Event]) -> bool {
    kind.scopes.iter().any(|&scope| {
        let mut detector = (kind.build)(setup, scope);
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
