//! Files in MaxMind's format (MMDB 2.0), as MaxMind, DB-IP, IPinfo and IPLocate give them away.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapwing_model::{AutonomousSystem, Country, Known};
use maxminddb::{PathElement, Reader, WithinOptions};

/// Larger files are refused: they are read as a whole.
const MOST_BYTES: u64 = 1 << 30;

/// Where the code of a country stands in the records of different makers.
const COUNTRY: [&[PathElement<'static>]; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

const SYSTEM: [&[PathElement<'static>]; 2] = [&[PathElement::Key("autonomous_system_number")], &[PathElement::Key("asn")]];

const ORGANIZATION: [&[PathElement<'static>]; 4] = [
    &[PathElement::Key("autonomous_system_organization")],
    &[PathElement::Key("as_name")],
    &[PathElement::Key("name")],
    &[PathElement::Key("org")],
];

/// One file, read and verified.
#[derive(Debug)]
pub struct Database {
    reader: Reader<Vec<u8>>,
}

impl Database {
    /// Reads a file and verifies all of it, so that no look-up meets anything damaged.
    ///
    /// # Errors
    /// Where it cannot be read or is no sound database.
    pub fn open(path: &Path) -> Result<Database, String> {
        let said =
            |why: &dyn std::fmt::Display| format!("cannot read database {}: {why}; correct enrichment.databases", path.display());
        let size = std::fs::metadata(path).map_err(|error| said(&error))?.len();
        if size > MOST_BYTES {
            return Err(said(&format!("it has more than {MOST_BYTES} bytes")));
        }
        let reader = Reader::open_readfile(path).map_err(|error| said(&error))?;
        verify(&reader).map_err(|error| said(&error))?;
        Ok(Database { reader })
    }

    /// Adds what the database knows of an address to what is known already; what is known stays.
    pub fn add_to(&self, known: &mut Known, address: IpAddr) {
        let Ok(found) = self.reader.lookup(address) else { return };
        let text = |path: &&[PathElement<'_>]| found.decode_path::<&str>(path).ok().flatten();
        if known.country.is_none() {
            known.country = COUNTRY.iter().find_map(text).and_then(Country::new);
        }
        if known.autonomous_system.is_none()
            && let Some(number) = SYSTEM
                .iter()
                .find_map(|path| found.decode_path::<u32>(path).ok().flatten())
                .or_else(|| SYSTEM.iter().find_map(text).and_then(system))
        {
            let organization = ORGANIZATION.iter().find_map(text).unwrap_or_default().into();
            known.autonomous_system = Some(AutonomousSystem { number, organization });
        }
    }
}

/// Walks through all networks and reads every record once. The crate's own verification also refuses those without a description,
/// which some makers leave empty.
fn verify(reader: &Reader<Vec<u8>>) -> Result<(), String> {
    // A tree whose branches meet again, or go in circles, has more networks than a sound one can have.
    let most = 3 * reader.metadata().node_count as usize;
    let mut seen = HashSet::new();
    for (number, found) in reader.networks(WithinOptions::default()).map_err(|error| error.to_string())?.enumerate() {
        let found = found.map_err(|error| error.to_string())?;
        if number > most {
            return Err("its tree goes in circles".to_owned());
        }
        if found.offset().is_some_and(|offset| seen.insert(offset)) {
            found.decode::<serde::de::IgnoredAny>().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// `AS13335` or `13335`.
fn system(text: &str) -> Option<u32> {
    text.strip_prefix("AS").unwrap_or(text).parse().ok()
}

/// The files of the setting, in the order in which they are asked.
///
/// # Errors
/// The first of them that cannot be used.
pub fn open(paths: &[PathBuf]) -> Result<Vec<Arc<Database>>, String> {
    paths.iter().map(|path| Database::open(path).map(Arc::new)).collect()
}
