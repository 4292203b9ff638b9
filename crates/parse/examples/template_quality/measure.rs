use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use lapwing_parse::template::{Mined, Miner, Settings, skeleton};

/// What of each line is mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Content,
    #[allow(dead_code, reason = "the test uses the other only")]
    Raw,
}

/// The lines of one system and the true group of each.
pub(crate) struct System {
    pub(crate) name: String,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) truth: Vec<String>,
}

/// Quality by the ids as they stand in the end, and by those that were given at the time.
pub(crate) struct Measured {
    pub(crate) last: Quality,
    pub(crate) now: Quality,
}

pub(crate) struct Quality {
    /// Grouping accuracy: share of lines whose group has exactly the lines of the true one.
    pub(crate) accuracy: f64,
    /// F1 over pairs of lines: together or apart.
    pub(crate) pair_f1: f64,
    /// FGA: F1 over groups, which are exactly right or not.
    pub(crate) group_f1: f64,
    pub(crate) found: usize,
    pub(crate) truth: usize,
}

impl System {
    pub(crate) fn measure(&self) -> Measured {
        let mut miner = Miner::new(Settings::default());
        let now: Vec<u64> = self.lines.iter().map(|line| miner.resolve(skeleton(line), Mined::Text(line)).id).collect();
        let last: Vec<u64> = now.iter().map(|id| miner.current(*id)).collect();
        Measured { last: quality(&last, &self.truth), now: quality(&now, &self.truth) }
    }
}

/// A row per system and their mean.
pub(crate) fn table(systems: &[System]) -> String {
    let mut text = "system            GA  pair F1     FGA  GA now FGA now  found/true\n".to_owned();
    let mut sums = [0.0; 5];
    let columns = |row: [f64; 5]| row.map(|value| format!("{value:>7.4}")).join(" ");
    for system in systems {
        let Measured { last, now } = system.measure();
        let row = [last.accuracy, last.pair_f1, last.group_f1, now.accuracy, now.group_f1];
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / systems.len() as f64);
        let _ = writeln!(text, "{:<12} {} {:>6}/{}", system.name, columns(row), last.found, last.truth);
    }
    let _ = writeln!(text, "{:<12} {}", "mean", columns(sums));
    text
}

fn quality(found: &[u64], truth: &[String]) -> Quality {
    let mut cells: HashMap<(u64, &str), u64> = HashMap::new();
    let (mut groups, mut classes): (HashMap<u64, u64>, HashMap<&str, u64>) = Default::default();
    for (id, name) in found.iter().zip(truth) {
        *cells.entry((*id, name)).or_default() += 1;
        *groups.entry(*id).or_default() += 1;
        *classes.entry(name).or_default() += 1;
    }
    let exact = cells.iter().filter(|((id, name), count)| groups[id] == **count && classes[name] == **count);
    let (right, lines) = exact.fold((0_u64, 0_u64), |(right, lines), (_, count)| (right + 1, lines + count));
    let pairs = |count: &u64| (count * count.saturating_sub(1) / 2) as f64;
    let together: f64 = cells.values().map(pairs).sum();
    let either = groups.values().map(pairs).sum::<f64>() + classes.values().map(pairs).sum::<f64>();
    Quality {
        accuracy: lines as f64 / found.len().max(1) as f64,
        pair_f1: 2.0 * together / either.max(1.0),
        group_f1: 2.0 * right as f64 / (groups.len() + classes.len()).max(1) as f64,
        found: groups.len(),
        truth: classes.len(),
    }
}

/// Every system in `folder`, by name; none where there is no such folder.
pub(crate) fn read_systems(folder: &Path, input: Input) -> Vec<System> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| read_system(path, input)).collect()
}

fn read_system(path: &Path, input: Input) -> Option<System> {
    let name = path.file_name()?.to_str()?.strip_suffix("_2k.log_structured.csv")?.to_owned();
    let mut rows = records(&std::fs::read_to_string(path).ok()?).into_iter();
    let header = rows.next()?;
    let content = header.iter().position(|field| field == "Content")?;
    let event = header.iter().position(|field| field == "EventId")?;
    let (mut lines, truth): (Vec<_>, Vec<_>) =
        rows.filter_map(|row| Some((row.get(content)?.clone().into_bytes(), row.get(event)?.clone()))).unzip();
    if input == Input::Raw {
        let raw = std::fs::read(path.with_file_name(format!("{name}_2k.log"))).ok()?;
        lines = raw.split(|byte| *byte == b'\n').take(truth.len()).map(|line| line.trim_ascii().to_vec()).collect();
    }
    Some(System { name, lines, truth })
}

/// The records of a CSV text (RFC 4180).
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            char => field.push(char),
        }
    }
    if !field.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}
