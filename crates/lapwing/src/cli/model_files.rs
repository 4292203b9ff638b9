//! What was learned, as a directory: `model.json` says what it is, beside it lies the state of everything that learns. One such
//! model ships inside Lapwing.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use lapwing_detect::transformer::TemplateModel;
use lapwing_detect::{Knowledge, State};
use lapwing_learn::sequence::SequenceBundle;
use lapwing_model::hash;
use lapwing_store::snapshot::{self, Snapshot};
use serde::{Deserialize, Serialize};

use super::Failed;
use crate::pipeline::SNAPSHOT_VERSION;

/// The file that says what a model is.
const MANIFEST: &str = "model.json";
const STATE: &str = "state.snapshot";
/// The file that says what the model of what comes after what is.
const STEPS: &str = "sequence.json";
const FORMAT: &str = "lapwing-model";
/// What `lapwing model show` takes for the model that ships with Lapwing.
pub const BUILTIN: &str = "builtin";
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
    /// Only what is so everywhere is in it.
    #[serde(default)]
    pub general: bool,
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

impl Opened {
    /// What the detectors need of it.
    ///
    /// # Errors
    /// Where the model of what comes after what is not one of templates.
    pub fn knowledge(self) -> Result<Knowledge, String> {
        let templates = self.templates.as_ref().map(TemplateModel::new).transpose()?.map(Arc::new);
        Ok(Knowledge { state: Arc::new(self.state), templates })
    }
}

/// Reads a model.
///
/// # Errors
/// Where something of it is missing, damaged, or of another version.
pub fn open(directory: &Path) -> Result<Opened, Failed> {
    let mut opened = whole(directory, |name| std::fs::read(directory.join(name)))?;
    if directory.join(STEPS).exists() {
        let bundle = SequenceBundle::load(directory).map_err(|error| refused(directory, &error.to_string()))?;
        opened.templates = Some(bundle);
    }
    Ok(opened)
}

/// The model that ships with Lapwing: what is so everywhere.
///
/// # Errors
/// Where this build was made with one that it cannot read.
pub fn builtin() -> Result<Opened, Failed> {
    whole(Path::new(BUILTIN), |name| match name {
        MANIFEST => Ok(include_bytes!("../../builtin/model.json").to_vec()),
        STATE => Ok(include_bytes!("../../builtin/state.snapshot").to_vec()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
}

/// Reads what a manifest names, of which each file must be as it was written.
fn whole(name: &Path, read: impl Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<Opened, Failed> {
    let damaged = |why: &str| refused(name, why);
    let text = read(MANIFEST).map_err(|error| damaged(&format!("{MANIFEST} cannot be read ({error})")))?;
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
        let bytes = read(&part.name).map_err(|error| damaged(&format!("{}: {error}", part.name)))?;
        if bytes.len() as u64 != part.bytes || xxh3(&bytes) != part.xxh3 {
            return Err(damaged(&format!("{} is damaged: it is not as it was written", part.name)));
        }
    }
    let bytes = read(STATE).map_err(|error| damaged(&format!("{STATE}: {error}")))?;
    let found = snapshot::decode(&bytes).map_err(|error| damaged(&error.to_string()))?;
    if found.version != SNAPSHOT_VERSION {
        return Err(damaged("another version of lapwing saved it"));
    }
    Ok(Opened { manifest, state: found.sections.into_iter().collect(), templates: None })
}

/// What the file that names the others is like: a change of the model is a change of this.
pub fn look(directory: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(directory.join(MANIFEST)).ok()?;
    Some((about.modified().ok()?, about.len()))
}

/// Writes a model, whole or not at all: the file that names the others comes last.
///
/// # Errors
/// Where the directory cannot be written.
pub fn write(
    directory: &Path,
    state: State,
    session: Option<String>,
    general: bool,
    learned: Learned,
) -> Result<Manifest, Failed> {
    let unwritable = |error: std::io::Error| Failed::new(format!("cannot write {}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let snapshot = Snapshot { version: SNAPSHOT_VERSION, sequence: 0, sections: state.into_iter().collect() };
    let path = directory.join(STATE);
    snapshot::save(&path, &snapshot).map_err(|error| Failed::new(error.to_string()))?;
    let bytes = std::fs::read(&path).map_err(unwritable)?;
    let part = Part { name: STATE.to_owned(), bytes: bytes.len() as u64, xxh3: xxh3(&bytes) };
    let lapwing = env!("CARGO_PKG_VERSION").to_owned();
    let manifest =
        Manifest { format: FORMAT.to_owned(), version: VERSION, lapwing, session, general, learned, files: vec![part] };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|error| Failed::new(error.to_string()))?;
    text.push(b'\n');
    let new = directory.join("model.json.new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, directory.join(MANIFEST))).map_err(unwritable)?;
    Ok(manifest)
}

impl Manifest {
    /// Which versions wrote it.
    #[must_use]
    pub fn written_by(&self) -> String {
        format!("format version {}, written by lapwing {}", self.version, self.lapwing)
    }

    /// Each file, its size, and its checksum.
    pub fn files(&self) -> impl Iterator<Item = String> {
        self.files.iter().map(|file| format!("{} {} bytes, xxh3 {}", file.name, file.bytes, file.xxh3))
    }

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

/// Why a model is not used.
pub fn refused(directory: &Path, why: &str) -> Failed {
    Failed::new(format!("the model {} is refused: {why}; learn it again with lapwing learn", directory.display()))
}
