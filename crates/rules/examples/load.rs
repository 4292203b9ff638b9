//! Loads a folder of Sigma rules and says how many work, and why the others do not.
//!
//! `cargo run --release -p lapwing-rules --example load FOLDER...`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lapwing_rules::{RuleSet, parse};

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else {
        found.push(path.to_owned());
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            found.push(path);
        }
    }
}

fn main() {
    let mut found = Vec::new();
    std::env::args().skip(1).for_each(|path| files(Path::new(&path), &mut found));
    found.sort();
    let texts: Vec<_> =
        found.iter().filter_map(|path| Some((path.display().to_string(), std::fs::read_to_string(path).ok()?))).collect();
    let start = Instant::now();
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for (name, text) in &texts {
        let (good, bad) = parse(name, text);
        rules.extend(good);
        errors.extend(bad);
    }
    let (parsed, read) = (rules.len(), start.elapsed());
    let (set, bad) = RuleSet::compile(rules);
    let took = start.elapsed();
    errors.extend(bad);
    println!("{} files, {parsed} rules read in {read:.0?}, {} compiled; {took:.0?} together", texts.len(), set.rules().len());
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for error in &errors {
        println!("{error}");
        *kinds.entry(error.message.split(['\'', ':']).next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    kinds.iter().for_each(|(kind, count)| println!("{count:6}  {kind}"));
}
