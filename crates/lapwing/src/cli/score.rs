//! `lapwing score`: what is thought of every event, so that anyone can evaluate it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::Args;
use lapwing_detect::Found;
use lapwing_model::{Country, Event, NetworkClass, Position, Scope, Score as Points, Severity, Timestamp};
use lapwing_source::files;
use serde::Serialize;

use super::config::Config;
use super::held::{HELD, Held};
use super::model::Reads;
use super::{Exit, Failed, show};
use crate::pipeline::{Blueprint, Engine, Judged};

mod sessions;

pub use sessions::by_session;

/// Print one JSON row per event, in input order, or one per session.
#[derive(Debug, Args)]
pub struct Score {
    /// Files, globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// One row for each of these
    #[arg(long, value_enum, default_value_t)]
    by: By,
    #[command(flatten)]
    reads: Reads,
}

/// What a judgement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum By {
    #[default]
    Line,
    /// What shares a session key; a row comes once its session is over
    Session,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub file: String,
    pub line: u64,
    time: Timestamp,
    entity: Box<str>,
    country: Option<Country>,
    as_number: Option<u32>,
    network_class: Option<NetworkClass>,
    session: Option<Box<str>>,
    pub score: f32,
    pub severity: Severity,
    classes: BTreeSet<String>,
    detectors: BTreeMap<&'static str, f32>,
}

/// Runs the command.
///
/// # Errors
/// Where files cannot be read or output cannot be written.
pub fn run(args: &Score, config: &Config) -> Result<Exit, Failed> {
    let blueprint = args.reads.blueprint(config)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match args.by {
        By::Line => by_line(&blueprint, &args.files, |row| Ok(show::json(&mut out, &row)?))?,
        By::Session => by_session(&blueprint, &args.files, |row| Ok(show::json(&mut out, &row)?))?,
    }
    out.flush()?;
    Ok(Exit::Clean)
}

/// Calls `each` with what is thought of each event, in input order.
///
/// # Errors
/// Where files cannot be read, and those of `each`.
pub fn by_line(blueprint: &Blueprint, files: &[String], mut each: impl FnMut(Row) -> Result<(), Failed>) -> Result<(), Failed> {
    let mut engine = Engine::new(blueprint).map_err(Failed::new)?;
    let mut held = Held::default();
    for block in files::Reader::new(crate::pipeline::clock).open(files)? {
        engine.judge_each(&block?.records, |judged| take(&mut held, &judged));
        held.release(HELD).try_for_each(&mut each)?;
    }
    held.release(0).try_for_each(each)
}

/// Where an event stands: the id of its origin, and its place there.
type Place = (u64, Position);

fn take(held: &mut Held<Place, Row>, judged: &Judged) {
    for (event, row) in judged.batch.events.iter().zip(rows(judged)) {
        held.push((event.origin.id, event.position), row);
    }
    for found in &judged.found {
        for &place in &found.earlier {
            if let Some(row) = held.get_mut(place) {
                row.also(found);
            }
        }
    }
}

fn rows(judged: &Judged) -> impl Iterator<Item = Row> {
    let mut found = judged.found.iter().filter(|found| found.tick.is_none()).peekable();
    let mut verdicts = judged.verdicts.iter().filter(|verdict| verdict.evidence.is_some()).peekable();
    judged.batch.events.iter().enumerate().map(move |(at, event)| {
        let mut row = Row::ordinary(event);
        while let Some(found) = found.next_if(|found| usize::from(found.at) == at) {
            row.says(found);
        }
        while let Some(verdict) =
            verdicts.next_if(|verdict| verdict.position == event.position && verdict.origin == event.origin.id)
        {
            row.score = row.score.max(verdict.score.value());
            row.severity = row.severity.max(verdict.severity);
        }
        row
    })
}

impl Row {
    fn ordinary(event: &Event) -> Row {
        let known = event.client_known.as_deref();
        Row {
            file: event.origin.name.to_string(),
            line: event.position.line,
            time: event.at,
            entity: event.entity().name,
            country: known.and_then(|known| known.country),
            as_number: known.and_then(|known| known.autonomous_system.as_ref()).map(|system| system.number),
            network_class: known.map(|known| known.network_class),
            session: event.entity_of(Scope::Session).or_else(|| event.entity_of(Scope::Client)).map(|session| session.name),
            score: Points::ZERO.value(),
            severity: Severity::Info,
            classes: BTreeSet::new(),
            detectors: BTreeMap::new(),
        }
    }

    fn says(&mut self, found: &Found) {
        let finding = &found.finding;
        self.classes.insert(finding.class.to_string());
        let score = self.detectors.entry(finding.detector).or_default();
        *score = score.max(finding.score.value());
    }

    /// What was found later is about this event as well.
    fn also(&mut self, found: &Found) {
        self.says(found);
        self.score = self.score.max(found.finding.score.value());
        self.severity = self.severity.max(found.finding.severity).max(Severity::of(found.finding.score));
    }
}
