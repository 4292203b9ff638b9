//! `lapwing learn`: what history was like, so that `run`, `scan` and `score` know it from the first line.

mod steps;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use lapwing_detect::sequence::Sessions;
use lapwing_detect::{Ensemble, State};
use lapwing_learn::sequence::SequenceBundle;
use lapwing_model::{Event, Scope};
use lapwing_source::files;
use lapwing_store::Store;
use lapwing_store::snapshot::{self, Snapshot};

use super::config::Config;
use super::model::Reads;
use super::model_files::{self, Learned, Opened};
use super::{Exit, Failed};
use crate::pipeline::{Engine, FLOWS, SNAPSHOT_VERSION, clock};

/// Learn what is normal from history: warms the detectors, alerts nobody.
///
/// What is in the files is taken for normal. Without --out, `run` continues from what was learned.
#[derive(Debug, Args)]
pub struct Learn {
    /// Files, globs such as 'logs/*.log.gz', or - for standard input; .gz and .zst are read as they are
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Write the model into this directory, for --model of `scan`, `score`, `eval` and `run`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue from what the directory holds
    #[arg(long, requires = "out")]
    resume: bool,
    /// Learn only from the sessions that this file lists, one a line (of a CSV file the first column)
    #[arg(long, value_name = "FILE")]
    sessions: Option<PathBuf>,
    /// Regular expression that finds the key of a session in a line: its first group, or all it matches, as in 'blk_-?\d+'
    #[arg(long, value_name = "REGEX")]
    session: Option<String>,
    /// Steps of training for the model of what comes after what; 0 is none, and as many as history is worth where nothing is said
    #[arg(long, value_name = "N", requires = "out")]
    steps: Option<u64>,
    /// Keep only what is so everywhere, not only here: the model that ships with Lapwing was made so
    #[arg(long, requires = "out", conflicts_with_all = ["resume", "steps"])]
    general: bool,
}

/// Runs the command.
///
/// # Errors
/// Where files cannot be read, or what was learned cannot be saved.
pub fn run(args: &Learn, config: &Config) -> Result<Exit, Failed> {
    let target = match &args.out {
        Some(directory) => Target::model(directory, args.resume)?,
        None => Target::open_service(&config.store.directory)?,
    };
    let only = args.sessions.as_deref().map(listed).transpose()?;
    let session = args.session.clone().or_else(|| target.session());
    let reads = Reads { session: session.clone(), model: None };
    let mut blueprint = reads.blueprint(config)?;
    blueprint.detectors.learning = true;
    if args.general {
        blueprint.builtin = None;
    }
    blueprint.warm = target.before()?.map(Arc::new);
    let mut engine = Engine::new(&blueprint).map_err(Failed::new)?;
    let mut lines = 0;
    let mut history = steps::History::default();
    for block in files::Reader::new(clock).open(&args.files)? {
        let wanted = |event: &Event| match (&only, event.entity_of(Scope::Session)) {
            (None, _) => true,
            (Some(only), session) => session.is_some_and(|session| only.contains(&*session.name)),
        };
        engine.judge_wanted(&block?.records, wanted, |judged| {
            lines += judged.batch.events.len() as u64;
            judged.batch.events.iter().for_each(|event| history.add(event));
        });
    }
    engine.finish();
    let state = if args.general { engine.save_general() } else { engine.save() };
    let (sessions, patterns) = learned_sessions(config, &state)?;
    let learned = Learned { lines, sessions, patterns };
    if only.is_some() && lines == 0 {
        return Err(Failed::new("no line is of a session that is listed; is --session right?"));
    }
    if let Target::Model { directory, before } = &target {
        let before = before.as_ref().and_then(|before| before.templates.clone());
        let resumed = before.is_some();
        let trained = !args.general && steps::train(history, directory, before, args.steps)?;
        if !trained && !args.general {
            eprintln!("no model of what comes after what: {}", none_because(args.steps));
        }
        if !trained && !resumed {
            // What somebody else's sessions were like is not a part of this model.
            SequenceBundle::remove(directory).map_err(|error| Failed::new(error.to_string()))?;
        }
    }
    let bytes = target.write(state, session, args.general, learned)?;
    let path = target.path().display();
    eprintln!("learned from {lines} lines, {sessions} sessions of {patterns} patterns; {bytes} bytes saved in {path}");
    Ok(Exit::Clean)
}

fn none_because(steps: Option<u64>) -> &'static str {
    match steps {
        Some(0) => "it was asked for no steps of training",
        _ => "there are too few sessions; --session says what a session is",
    }
}

fn listed(path: &Path) -> Result<HashSet<String>, Failed> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failed::new(format!("cannot read the list of sessions {}: {error}", path.display())))?;
    let first = |line: &str| line.split(',').next().unwrap_or_default().trim().to_owned();
    Ok(text.lines().map(first).filter(|session| !session.is_empty()).collect())
}

/// How many sessions of how many patterns a state has learned from.
fn learned_sessions(config: &Config, state: &State) -> Result<(u64, usize), Failed> {
    let mut sessions = Sessions::new(config.detectors.sequence.clone());
    for (_, bytes) in state.iter().filter(|(name, _)| name.starts_with("sequence/")) {
        sessions.load(bytes).map_err(Failed::new)?;
    }
    Ok((sessions.usual().bags(), sessions.usual().distinct()))
}

/// Where what was learned goes.
enum Target {
    Model {
        directory: PathBuf,
        before: Option<Box<Opened>>,
    },
    /// The directory of a service, which nobody else may use meanwhile.
    Service {
        directory: PathBuf,
        _held: Box<Store>,
    },
}

impl Target {
    fn model(directory: &Path, resume: bool) -> Result<Target, Failed> {
        let before = if resume { Some(Box::new(model_files::open(directory)?)) } else { None };
        Ok(Target::Model { directory: directory.to_owned(), before })
    }

    fn open_service(directory: &Path) -> Result<Target, Failed> {
        let store = Store::open(directory).map_err(|error| Failed::new(error.to_string()))?;
        Ok(Target::Service { directory: directory.to_owned(), _held: Box::new(store) })
    }

    fn path(&self) -> &Path {
        match self {
            Target::Model { directory, .. } | Target::Service { directory, .. } => directory,
        }
    }

    /// How sessions were found before.
    fn session(&self) -> Option<String> {
        match self {
            Target::Model { before, .. } => before.as_ref()?.manifest.session().map(str::to_owned),
            Target::Service { .. } => None,
        }
    }

    /// What was learned before.
    fn before(&self) -> Result<Option<State>, Failed> {
        match self {
            Target::Model { before, .. } => Ok(before.as_ref().map(|before| before.state.clone())),
            Target::Service { .. } => Ok(self.snapshot()?.map(|found| learned(&found))),
        }
    }

    /// The newest snapshot of a service.
    fn snapshot(&self) -> Result<Option<Snapshot>, Failed> {
        let found = snapshot::read_newest(self.path()).map_err(|error| Failed::new(error.to_string()))?;
        found.map(|found| of_this_version(found.snapshot, self.path())).transpose()
    }

    /// Puts a state in place of that before; what else a snapshot has (bookmarks, open anomalies) stays. Answers its size.
    fn write(&self, state: State, session: Option<String>, general: bool, more: Learned) -> Result<u64, Failed> {
        // A file of history falls silent where it ends: nobody is to be told so later.
        // And what a service's exporters told of their templates is not in files.
        // Nor do sessions of history go on.
        let sounds = |name: &str| name.starts_with("silence/") || name == FLOWS || name == Ensemble::NAMES;
        let state = state.into_iter().filter(|(name, _)| !sounds(name));
        match self {
            Target::Model { directory, before } => {
                let mut learned = more;
                learned.lines += before.as_ref().map_or(0, |before| before.manifest.learned.lines);
                Ok(model_files::write(directory, state.collect(), session, general, learned)?.bytes())
            }
            Target::Service { directory, .. } => {
                let before = self.snapshot()?.unwrap_or_default();
                let kept = before.sections.into_iter().filter(|(name, _)| !is_learned(name) || sounds(name));
                let sections = kept.chain(state).collect();
                let snapshot = Snapshot { version: SNAPSHOT_VERSION, sequence: before.sequence, sections };
                let written = snapshot::write(directory, &snapshot).map_err(|error| Failed::new(error.to_string()))?;
                Ok(written.bytes)
            }
        }
    }
}

/// The states of detectors and the sequencer have names with a slash; what is the desk's or the sources' has none.
fn is_learned(section: &str) -> bool {
    section.contains('/')
}

fn learned(snapshot: &Snapshot) -> State {
    snapshot.sections.iter().filter(|(name, _)| is_learned(name)).cloned().collect()
}

fn of_this_version(found: Snapshot, path: &Path) -> Result<Snapshot, Failed> {
    if found.version == SNAPSHOT_VERSION {
        return Ok(found);
    }
    let path = path.display();
    Err(Failed::new(format!("cannot continue from {path}: another version of lapwing saved it; remove it and learn again")))
}
