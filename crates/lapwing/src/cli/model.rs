//! What was learned, as a directory: `model.json` says what it is, beside it lies the state of everything that learns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use lapwing_detect::State;
use lapwing_detect::transformer::TemplateModel;
use lapwing_learn::sequence::SequenceBundle;
use lapwing_model::hash;
use lapwing_parse::SessionKey;
use lapwing_store::snapshot::{self, Snapshot};
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::{Exit, Failed};
use crate::pipeline::{Blueprint, Engine, Reload, SNAPSHOT_VERSION};

/// Show or check a model that `lapwing learn --out` wrote.
#[derive(Debug, Args)]
pub struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what a model is and what it was learned from
    Show { directory: PathBuf },
    /// Check that a model is whole and can be used with this configuration
    Verify { directory: PathBuf },
}

/// How records are read and what is known before the first of them: for every command that reads.
#[derive(Debug, Clone, Default, Args)]
pub struct Reads {
    /// Regular expression that finds the key of a session in a line: its first group, or all it matches, as in 'blk_-?\d+'
    #[arg(long, value_name = "REGEX")]
    pub session: Option<String>,
    /// Directory that `lapwing learn --out` wrote; one that is damaged is refused, and everything else goes on
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
}

/// The file that says what a model is.
const MANIFEST: &str = "model.json";
const STATE: &str = "state.snapshot";
/// The file that says what the model of what comes after what is.
const STEPS: &str = "sequence.json";
const FORMAT: &str = "lapwing-model";
/// Raised when what a directory holds can no longer be read by what reads the version before.
const VERSION: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// The version of lapwing that wrote it.
    lapwing: String,
    /// How sessions were found in the text.
    session: Option<String>,
    pub learned: Learned,
    files: Vec<Part>,
}

/// What a model was learned from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    pub lines: u64,
    pub sessions: u64,
    /// Different patterns of sessions.
    pub patterns: usize,
}

/// A file of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
    /// XXH3 (64 bits), in hexadecimal.
    xxh3: String,
}

/// A model as it was read.
#[derive(Debug, Clone)]
pub struct Opened {
    pub manifest: Manifest,
    pub state: State,
    /// What comes after what in sessions, where that was trained.
    pub templates: Option<SequenceBundle>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no model, or it is not sound.
pub fn run(args: &Model, config: &Config) -> Result<Exit, Failed> {
    match &args.command {
        Command::Show { directory } => show(&open(directory)?),
        Command::Verify { directory } => {
            let opened = open(directory)?;
            let mut blueprint = config.blueprint()?;
            blueprint.warm = Some(Arc::new(opened.state.clone()));
            Engine::new(&blueprint).map_err(|error| refused(directory, &error))?;
            opened.templates.as_ref().map(TemplateModel::new).transpose().map_err(|error| refused(directory, &error))?;
            println!("{}: sound", directory.display());
            show(&opened)
        }
    }
}

fn show(opened: &Opened) -> Result<Exit, Failed> {
    let Manifest { version, lapwing, session, learned, files, .. } = &opened.manifest;
    println!("format version {version}, written by lapwing {lapwing}");
    println!("learned from {} lines, {} sessions of {} patterns", learned.lines, learned.sessions, learned.patterns);
    println!("session key: {}", session.as_deref().unwrap_or("as records name it"));
    let mut detectors: Vec<_> = opened.state.keys().filter_map(|name| name.split('/').next()).collect();
    detectors.dedup();
    println!("states of: {}", detectors.join(", "));
    if let Some(bundle) = &opened.templates {
        let held = bundle.training.as_ref().and_then(|state| state.best().1);
        let held = held.map(|loss| format!(", {loss:.3} nats for steps that were held out")).unwrap_or_default();
        println!("what comes after what: {} templates in {} classes{held}", bundle.vocabulary.len(), bundle.vocabulary.classes());
    }
    files.iter().for_each(|file| println!("{} {} bytes, xxh3 {}", file.name, file.bytes, file.xxh3));
    Ok(Exit::Clean)
}

impl Reads {
    /// The blueprint of what is configured, with the model and the key of sessions that were asked for. A model that is damaged
    /// or does not fit is told about and left out.
    ///
    /// # Errors
    /// Where rules cannot be read, there is no model, or the key is no regular expression.
    pub fn blueprint(&self, config: &Config) -> Result<Blueprint, Failed> {
        match self.strictly(config) {
            Err(Refused::Model(reason)) => {
                tracing::error!("{reason}; going on without it");
                Reads { model: None, ..self.clone() }.strictly(config).map_err(Failed::from)
            }
            other => other.map_err(Failed::from),
        }
    }

    /// The same; a model that is damaged or does not fit is an error.
    ///
    /// # Errors
    /// As above, and where the model cannot be used.
    pub fn blueprint_or_error(&self, config: &Config) -> Result<Blueprint, Failed> {
        self.strictly(config).map_err(Failed::from)
    }

    fn strictly(&self, config: &Config) -> Result<Blueprint, Refused> {
        let mut blueprint = config.blueprint().map_err(Refused::Asked)?;
        let mut session = self.session.clone();
        if let Some(directory) = &self.model {
            if !directory.is_dir() {
                let directory = directory.display();
                return Err(Refused::Asked(Failed::new(format!(
                    "there is no model {directory}; make one with lapwing learn FILE... --out {directory}"
                ))));
            }
            let opened = open(directory).map_err(|Failed(reason)| Refused::Model(reason))?;
            blueprint.warm = Some(Arc::new(opened.state));
            let templates = opened.templates.as_ref().map(TemplateModel::new).transpose();
            blueprint.detectors.templates =
                templates.map_err(|error| Refused::Model(refused(directory, &error).0))?.map(Arc::new);
            Engine::new(&blueprint).map_err(|error| Refused::Model(refused(directory, &error).0))?;
            session = session.or(opened.manifest.session);
        }
        let key = session.as_deref().map(SessionKey::new).transpose();
        blueprint.session_key = key.map_err(|error| Refused::Asked(Failed::new(format!("--session {error}"))))?;
        Ok(blueprint)
    }
}

/// Why a blueprint was not made: of the model alone one can do without.
enum Refused {
    Asked(Failed),
    Model(String),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        match refused {
            Refused::Asked(failed) => failed,
            Refused::Model(reason) => Failed(reason),
        }
    }
}

/// Reads a model.
///
/// # Errors
/// Where something of it is missing, damaged, or of another version.
pub fn open(directory: &Path) -> Result<Opened, Failed> {
    let damaged = |why: &str| refused(directory, why);
    let text =
        std::fs::read(directory.join(MANIFEST)).map_err(|error| damaged(&format!("{MANIFEST} cannot be read ({error})")))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| damaged(&format!("{MANIFEST} is damaged ({error})")))?;
    if manifest.format != FORMAT || manifest.version != VERSION {
        let found = format!("it is of format {} version {}, not {FORMAT} version {VERSION}", manifest.format, manifest.version);
        return Err(damaged(&found));
    }
    for part in &manifest.files {
        if part.name.contains(['/', '\\']) {
            return Err(damaged(&format!("{MANIFEST} names a file elsewhere")));
        }
        let bytes = std::fs::read(directory.join(&part.name)).map_err(|error| damaged(&format!("{}: {error}", part.name)))?;
        if bytes.len() as u64 != part.bytes || xxh3(&bytes) != part.xxh3 {
            return Err(damaged(&format!("{} is damaged: it is not as it was written", part.name)));
        }
    }
    let found = snapshot::open(&directory.join(STATE)).map_err(|error| damaged(&error.to_string()))?;
    if found.version != SNAPSHOT_VERSION {
        return Err(damaged("another version of lapwing saved it"));
    }
    let templates = if directory.join(STEPS).exists() {
        Some(SequenceBundle::load(directory).map_err(|error| damaged(&error.to_string()))?)
    } else {
        None
    };
    Ok(Opened { manifest, state: found.sections.into_iter().collect(), templates })
}

/// What the file that names the others is like: a change of the model is a change of this.
pub fn look(directory: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(directory.join(MANIFEST)).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// Has a running service continue from a model.
///
/// # Errors
/// Where it is damaged, does not fit, or finds sessions in another way than the service does.
pub fn renewed(directory: &Path, session: Option<&str>, reload: &Reload) -> Result<(), Failed> {
    let Opened { manifest, state, templates } = open(directory)?;
    if manifest.session.is_some() && manifest.session() != session {
        return Err(refused(directory, "it finds sessions by another key than the service, which would have to start again"));
    }
    if templates.is_some() {
        tracing::warn!("what comes after what in sessions ({}) takes effect at the next start", directory.display());
    }
    reload.model(Arc::new(state)).map_err(|error| refused(directory, &error))
}

/// Writes a model, whole or not at all: the file that names the others comes last.
///
/// # Errors
/// Where the directory cannot be written.
pub fn write(directory: &Path, state: State, session: Option<String>, learned: Learned) -> Result<Manifest, Failed> {
    let unwritable = |error: std::io::Error| Failed::new(format!("cannot write {}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let snapshot = Snapshot { version: SNAPSHOT_VERSION, sequence: 0, sections: state.into_iter().collect() };
    let path = directory.join(STATE);
    snapshot::save(&path, &snapshot).map_err(|error| Failed::new(error.to_string()))?;
    let bytes = std::fs::read(&path).map_err(unwritable)?;
    let part = Part { name: STATE.to_owned(), bytes: bytes.len() as u64, xxh3: xxh3(&bytes) };
    let lapwing = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT.to_owned(), version: VERSION, lapwing, session, learned, files: vec![part] };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|error| Failed::new(error.to_string()))?;
    text.push(b'\n');
    let new = directory.join("model.json.new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, directory.join(MANIFEST))).map_err(unwritable)?;
    Ok(manifest)
}

impl Manifest {
    /// How sessions were found in the text.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

fn xxh3(bytes: &[u8]) -> String {
    format!("{:016x}", hash(bytes))
}

fn refused(directory: &Path, why: &str) -> Failed {
    Failed::new(format!("the model {} is refused: {why}; learn it again with lapwing learn", directory.display()))
}
