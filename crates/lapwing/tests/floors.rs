//! The one rule of structure: a crate (and a module of the crate `lapwing`) uses only floors beneath its own; rooms on one
//! floor do not know each other. What stands on no floor is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up.
const CRATES: &[&[&str]] = &[
    &["model"],
    &["source", "parse", "rules", "inspect", "flow", "learn", "enrich", "alert", "store", "generate"],
    &["detect"],
    &["lapwing"],
];

/// The floors inside the crate `lapwing`.
const MODULES: &[&[&str]] = &[&["pipeline"], &["server"], &["cli"]];

/// Crates that anyone could use without Lapwing.
const ALONE: &[&str] = &["rules", "inspect", "flow", "learn"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn floors(floors: &[&[&'static str]]) -> BTreeMap<&'static str, usize> {
    floors.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor))).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(directory.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", directory.as_ref().display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for name in names(directory) {
        let path = directory.join(&name);
        if path.is_dir() {
            sources(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_crate_stands_on_a_floor_and_uses_only_floors_beneath_its_own() {
    let floors = floors(CRATES);
    for name in names(root().join("crates")) {
        let floor =
            *floors.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} stands on no floor; give it one in CRATES"));
        let manifest = read(root().join("crates").join(&name).join("Cargo.toml"));
        let shipped = manifest.split("[dev-dependencies]").next().expect("a first part");
        for used in shipped.lines().filter_map(|line| line.strip_prefix("lapwing-")) {
            let used = used.split(['.', ' ', '=']).next().expect("a first word");
            assert!(floors[used] < floor, "crate {name} (floor {floor}) uses {used} (floor {})", floors[used]);
            assert!(!ALONE.contains(&name.as_str()), "crate {name} is to be of use without Lapwing, but uses {used}");
        }
    }
}

#[test]
fn every_module_of_the_upper_floors_uses_only_floors_beneath_its_own() {
    let floors = floors(MODULES);
    let src = root().join("crates/lapwing/src");
    for name in names(&src).iter().filter(|name| !matches!(name.as_str(), "main.rs" | "lib.rs")) {
        let module = name.trim_end_matches(".rs");
        let floor = *floors.get(module).unwrap_or_else(|| panic!("module {module} stands on no floor; give it one in MODULES"));
        let mut files = Vec::new();
        if src.join(name).is_dir() {
            sources(&src.join(name), &mut files);
        } else {
            files.push(src.join(name));
        }
        for file in files {
            let text = read(&file);
            for (other, other_floor) in &floors {
                let used = text.contains(&format!("crate::{other}")) && *other != module;
                assert!(!used || *other_floor < floor, "{} (floor {floor}) uses {other} (floor {other_floor})", file.display());
            }
        }
    }
}

/// Whether a file is declared under `#[cfg(test)]` by a file above it.
fn is_test(file: &Path) -> bool {
    let module = file.file_stem().expect("a name").to_string_lossy();
    let declared = |above: PathBuf| {
        above.exists() && {
            let text = read(above);
            text.contains(&format!("#[cfg(test)]\nmod {module};"))
        }
    };
    let folder = file.parent().expect("a folder");
    declared(folder.join("lib.rs")) || declared(folder.join("mod.rs")) || declared(folder.with_extension("rs"))
}

#[test]
fn the_lower_floors_read_no_wall_clock_and_start_no_thread() {
    for name in ["model", "parse", "rules", "inspect", "flow", "learn", "enrich", "alert", "store", "generate", "detect"] {
        let mut files = Vec::new();
        sources(&root().join("crates").join(name).join("src"), &mut files);
        for file in files {
            if is_test(&file) {
                continue;
            }
            let text = read(&file);
            let shipped = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
            for forbidden in ["SystemTime::now", "Instant::now", "thread::spawn", "tokio::"] {
                assert!(!shipped.contains(forbidden), "{} uses {forbidden}, which belongs to `pipeline`", file.display());
            }
        }
    }
}

#[test]
fn only_the_store_knows_sql_and_only_the_server_knows_http_statuses() {
    for name in names(root().join("crates")) {
        let mut files = Vec::new();
        sources(&root().join("crates").join(&name).join("src"), &mut files);
        for file in files {
            let text = read(&file);
            assert!(name == "store" || !text.contains("rusqlite"), "{} knows SQL", file.display());
            let server = file.components().any(|part| part.as_os_str() == "server");
            assert!(server || !text.contains("StatusCode"), "{} knows HTTP statuses", file.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_800_lines() {
    for name in names(root().join("crates")) {
        let mut files = Vec::new();
        sources(&root().join("crates").join(&name).join("src"), &mut files);
        for file in files {
            let lines = read(&file).lines().count();
            assert!(lines <= 800, "{} has {lines} lines; split it by meaning", file.display());
        }
    }
}
