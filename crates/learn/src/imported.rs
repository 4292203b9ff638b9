//! Models that others trained: JSON with a format and a version, as the scripts in `tools/` write it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The version of all formats.
const VERSION: u32 = 1;

/// Why a model was not taken: what is wrong, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError(pub(crate) String);

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ImportError {}

/// Fails with what `reason` says unless `sound`.
pub(crate) fn ensure(sound: bool, reason: impl FnOnce() -> String) -> Result<(), ImportError> {
    if sound { Ok(()) } else { Err(ImportError(reason())) }
}

#[derive(Deserialize)]
struct Written<T> {
    format: String,
    version: u32,
    model: T,
}

/// The parts of a model of the given format.
pub(crate) fn parts<T: DeserializeOwned>(json: &[u8], format: &str) -> Result<T, ImportError> {
    let written: Written<T> =
        serde_json::from_slice(json).map_err(|error| ImportError(format!("this is no {format} in JSON: {error}")))?;
    ensure(written.format == format && written.version == VERSION, || {
        format!("this is {:?} version {}, not {format:?} version {VERSION}; export it anew", written.format, written.version)
    })?;
    Ok(written.model)
}
