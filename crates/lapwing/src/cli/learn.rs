//! `lapwing learn`: what history was like, so that `run`, `scan` and `score` know it from the first line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use lapwing_detect::State;
use lapwing_source::files;
use lapwing_store::Store;
use lapwing_store::snapshot::{self, Snapshot};

use super::config::Config;
use super::{Exit, Failed};
use crate::pipeline::{Blueprint, Engine, FLOWS, SNAPSHOT_VERSION, clock};

/// Learn what is normal from history: warms the detectors, alerts nobody.
///
/// Without --state, `run` continues from what was learned. What is in the files is taken for normal.
#[derive(Debug, Args)]
pub struct Learn {
    /// Files, globs such as 'logs/*.log.gz', or - for standard input; .gz and .zst are read as they are
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Continue from this file where it is there, and save into it, for `scan` and `score --state`
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where files cannot be read, or what was learned cannot be saved.
pub fn run(args: &Learn, config: &Config) -> Result<Exit, Failed> {
    let target = match &args.state {
        Some(file) => Target::File(file.clone()),
        None => Target::open_service(&config.store.directory)?,
    };
    let before = target.read()?;
    let mut blueprint = config.blueprint()?;
    blueprint.detectors.learning = true;
    blueprint.warm = before.as_ref().map(|before| Arc::new(sections(before)));
    let mut engine = Engine::new(&blueprint).map_err(Failed::new)?;
    let mut lines = 0;
    for block in files::Reader::new(clock).open(&args.files)? {
        engine.judge_each(&block?.records, |judged| lines += judged.understood.len());
    }
    let bytes = target.write(before.unwrap_or_default(), engine.save())?;
    eprintln!("learned from {lines} lines; {bytes} bytes saved in {}", target.path().display());
    Ok(Exit::Clean)
}

/// The blueprint of what is configured, continuing from a file that was learned into.
///
/// # Errors
/// Where rules or the file cannot be read.
pub fn continued(config: &Config, state: Option<&Path>) -> Result<Blueprint, Failed> {
    let mut blueprint = config.blueprint()?;
    if let Some(path) = state {
        let found = of_this_version(snapshot::open(path).map_err(|error| Failed::new(error.to_string()))?, path)?;
        blueprint.warm = Some(Arc::new(sections(&found)));
    }
    Ok(blueprint)
}

/// Where what was learned goes.
enum Target {
    File(PathBuf),
    /// The directory of a service, which nobody else may use meanwhile.
    Service {
        directory: PathBuf,
        _held: Box<Store>,
    },
}

impl Target {
    fn open_service(directory: &Path) -> Result<Target, Failed> {
        let store = Store::open(directory).map_err(|error| Failed::new(error.to_string()))?;
        Ok(Target::Service { directory: directory.to_owned(), _held: Box::new(store) })
    }

    fn path(&self) -> &Path {
        match self {
            Target::File(path) | Target::Service { directory: path, .. } => path,
        }
    }

    /// What was learned before.
    fn read(&self) -> Result<Option<Snapshot>, Failed> {
        let error = |error: lapwing_store::StoreError| Failed::new(error.to_string());
        let found = match self {
            Target::File(path) if !path.exists() => None,
            Target::File(path) => Some(snapshot::open(path).map_err(error)?),
            Target::Service { directory, .. } => snapshot::read_newest(directory).map_err(error)?.map(|found| found.snapshot),
        };
        found.map(|found| of_this_version(found, self.path())).transpose()
    }

    /// Puts a state in place of that before; what else a snapshot has (bookmarks, open anomalies) stays. Answers its size.
    fn write(&self, before: Snapshot, state: State) -> Result<u64, Failed> {
        // A file of history falls silent where it ends: nobody is to be told so later.
        // And what a service's exporters told of their templates is not in files.
        let sounds = |name: &str| name.starts_with("silence/") || name == FLOWS;
        let kept = before.sections.into_iter().filter(|(name, _)| !is_learned(name) || sounds(name));
        let sections = kept.chain(state.into_iter().filter(|(name, _)| !sounds(name))).collect();
        let snapshot = Snapshot { version: SNAPSHOT_VERSION, sequence: before.sequence, sections };
        let written = match self {
            Target::File(path) => snapshot::save(path, &snapshot),
            Target::Service { directory, .. } => snapshot::write(directory, &snapshot).map(|written| written.bytes),
        };
        written.map_err(|error| Failed::new(error.to_string()))
    }
}

/// The states of detectors and the sequencer have names with a slash; what is the desk's or the sources' has none.
fn is_learned(section: &str) -> bool {
    section.contains('/')
}

fn sections(snapshot: &Snapshot) -> State {
    snapshot.sections.iter().filter(|(name, _)| is_learned(name)).cloned().collect()
}

fn of_this_version(found: Snapshot, path: &Path) -> Result<Snapshot, Failed> {
    if found.version == SNAPSHOT_VERSION {
        return Ok(found);
    }
    let path = path.display();
    Err(Failed::new(format!("cannot continue from {path}: another version of lapwing saved it; remove it and learn again")))
}
