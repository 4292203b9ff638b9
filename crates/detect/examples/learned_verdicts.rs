//! What the detectors that learn add to what is told of a log: `cargo run --release -p lapwing-detect --example learned_verdicts FILE`
//!
//! Prints each verdict that is an anomaly with them and was none (or a milder one) without, to be read by hand. Templates are the
//! events' skeletons; grouping into anomalies is the alert desk's, so one anomaly may be several lines here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_detect::{BATCH_EVENTS, Batch, Ensemble, Findings, Rulebook, Settings, Setup, Shard, behaviour, logsource, rules};
use lapwing_model::{Event, Origin, Position, Record, Severity, Timestamp, Verdict};
use lapwing_parse::Parser;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which log? learned_verdicts FILE")?;
    let events = read(&std::fs::read(path)?);
    let mut without = Settings::default();
    without.iforest.enabled = false;
    without.half_space.enabled = false;
    without.response_time.enabled = false;
    without.status_code.enabled = false;
    let before = anomalies(&events, without)?;
    let with = anomalies(&events, Settings::default())?;
    let mut added = 0;
    for (place, verdict) in &with {
        let was = before.get(place).map(|verdict| verdict.severity);
        if was.is_none_or(|was| was < verdict.severity) {
            added += 1;
            let (line, entity) = place;
            println!("line {line} {} {entity}, was {}", verdict.severity, was.map_or("nothing", Severity::name));
            for finding in &verdict.findings {
                println!("    {} {} {:.2}: {}", finding.detector, finding.class, finding.score.value(), finding.reason);
            }
        }
    }
    println!("{} verdicts without them, {} with them, {added} new or graver", before.len(), with.len());
    Ok(())
}

fn read(text: &[u8]) -> Vec<Event> {
    let (mut parser, mut events, origin) = (Parser::new(), Vec::new(), Origin::new("log"));
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let position = Position { offset: number as u64, line: number as u64 + 1 };
        let received = Timestamp::from_seconds(1_900_000_000);
        parser.parse(&Record { body: Bytes::copy_from_slice(line), origin: origin.clone(), position, received }, &mut events);
    }
    events.iter_mut().for_each(|event| event.template = event.skeleton);
    events
}

fn rulebook() -> Result<Rulebook, String> {
    let texts = rules::BUILTIN.iter().chain(behaviour::BUILTIN);
    let mut all = texts.flat_map(|(name, text)| lapwing_rules::parse(name, text).0).collect();
    let (behaviours, errors) = behaviour::Behaviours::take(&mut all);
    let (set, more) = logsource::compile(all);
    match errors.first().or(more.first()) {
        Some(error) => Err(error.to_string()),
        None => Ok(Rulebook { rules: Arc::new(set), behaviours: Arc::new(behaviours), ..Rulebook::default() }),
    }
}

/// The verdicts that are anomalies, by line and entity.
fn anomalies(events: &[Event], settings: Settings) -> Result<BTreeMap<(u64, String), Verdict>, String> {
    let mut shard = Shard::whole(&Setup { settings, rulebook: rulebook()?, ..Setup::default() });
    let (mut ensemble, mut ticked, mut all) = (Ensemble::default(), Timestamp::MIN, BTreeMap::new());
    for (sequence, chunk) in events.chunks(BATCH_EVENTS).enumerate() {
        let mut ticks = Vec::new();
        for (at, event) in chunk.iter().enumerate().filter(|(_, event)| event.at.seconds() > ticked.seconds()).collect::<Vec<_>>()
        {
            if event.at.seconds() > ticked.seconds() {
                ticked = event.at;
                ticks.push((at as u16, ticked));
            }
        }
        let (batch, mut findings) = (Batch::new(sequence as u64, chunk.to_vec(), ticks), Findings::default());
        shard.judge(&batch, &mut findings);
        let verdicts = ensemble.conclude(&batch, Findings::in_order([findings]));
        for verdict in verdicts.into_iter().filter(|verdict| verdict.severity >= Severity::Low) {
            let entity = verdict.findings.first().map(|finding| finding.entity.name.to_string()).unwrap_or_default();
            all.insert((verdict.position.line, entity), verdict);
        }
    }
    Ok(all)
}
