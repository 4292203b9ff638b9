//! How good and how fast the template miner is on ten systems with a true template per line.
//!
//! `cargo run --release -p lapwing-parse --example template_quality [FOLDER]`

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lapwing_parse::template::{Mined, Miner, Settings, skeleton};

const TARGET_SECONDS: f64 = 2.0;

fn main() {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("../shared/data/logs/templates"), PathBuf::from);
    let systems = read_systems(&folder);
    if systems.is_empty() {
        println!("no *_structured.csv in {}; give the folder as argument", folder.display());
        return;
    }
    println!("{:<12} {:>7} {:>7} {:>7} {:>7} {:>7} {:>11}", "system", "GA", "F1", "FGA", "GA-now", "FGA-now", "found/true");
    let mut sums = [0.0; 5];
    for system in &systems {
        let quality = system.measure();
        let row = [quality.last.accuracy, quality.last.pair_f1, quality.last.group_f1, quality.now.accuracy, quality.now.group_f1];
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
        println!("{:<12} {} {:>7}/{}", system.name, columns(&row), quality.last.found, quality.last.truth);
    }
    println!("{:<12} {}", "mean", columns(&sums.map(|sum| sum / systems.len() as f64)));
    print_speed(&systems);
}

fn columns(row: &[f64; 5]) -> String {
    row.map(|value| format!("{value:>7.4}")).join(" ")
}

/// The lines of one system and the true group of each.
pub struct System {
    pub name: String,
    pub lines: Vec<String>,
    pub truth: Vec<String>,
}

/// Quality by the ids as they stand in the end, and by those that were given at the time.
pub struct Measured {
    pub last: Quality,
    pub now: Quality,
}

pub struct Quality {
    /// Share of lines whose group has exactly the lines of the true one.
    pub accuracy: f64,
    /// F1 over pairs of lines: together or apart.
    pub pair_f1: f64,
    /// F1 over groups: exactly right or not.
    pub group_f1: f64,
    pub found: usize,
    pub truth: usize,
}

impl System {
    pub fn measure(&self) -> Measured {
        let mut miner = Miner::new(Settings::default());
        let now: Vec<u64> =
            self.lines.iter().map(|line| miner.resolve(skeleton(line.as_bytes()), Mined::Text(line.as_bytes())).id).collect();
        let last: Vec<u64> = now.iter().map(|id| miner.current(*id)).collect();
        if std::env::var("SHOW").is_ok_and(|s| s == self.name) { show(self, &last, &miner); }
        Measured { last: quality(&last, &self.truth), now: quality(&now, &self.truth) }
    }
}

fn show(s: &System, ids: &[u64], miner: &Miner) {
    let mut t: HashMap<&str, HashMap<u64, usize>> = HashMap::new();
    let mut g: HashMap<u64, HashMap<&str, usize>> = HashMap::new();
    for (id, e) in ids.iter().zip(&s.truth) { *t.entry(e).or_default().entry(*id).or_default() += 1; *g.entry(*id).or_default().entry(e).or_default() += 1; }
    let mut bad: Vec<_> = t.iter().filter(|(_, ids)| ids.len() > 1).collect();
    bad.sort();
    for (e, ids) in bad { println!("SPLIT {e}: {}", ids.len()); let mut v: Vec<_> = ids.iter().collect(); v.sort_by_key(|x| std::cmp::Reverse(x.1)); for (id, n) in v.iter().take(6) { println!("     {n} {}", miner.get(**id).map(|t| t.text()).unwrap_or_default().chars().take(200).collect::<String>()); } }
    let mut bad: Vec<_> = g.iter().filter(|(_, e)| e.len() > 1).collect();
    bad.sort_by_key(|x| x.0);
    for (id, e) in bad { println!("JOINED {:?}: {}", e, miner.get(*id).map(|t| t.text()).unwrap_or_default().chars().take(200).collect::<String>()); }
}

pub fn quality(found: &[u64], truth: &[String]) -> Quality {
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
    let (both, ours, true_ones): (f64, f64, f64) =
        (cells.values().map(pairs).sum(), groups.values().map(pairs).sum(), classes.values().map(pairs).sum());
    Quality {
        accuracy: lines as f64 / found.len().max(1) as f64,
        pair_f1: 2.0 * both / (ours + true_ones).max(1.0),
        group_f1: 2.0 * right as f64 / (groups.len() + classes.len()).max(1) as f64,
        found: groups.len(),
        truth: classes.len(),
    }
}

/// Every `*_structured.csv` in `folder`, by name.
pub fn read_systems(folder: &Path) -> Vec<System> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| read_system(path)).collect()
}

fn read_system(path: &Path) -> Option<System> {
    let name = path.file_name()?.to_str()?.strip_suffix("_2k.log_structured.csv")?.to_owned();
    let text = std::fs::read_to_string(path).ok()?;
    let mut rows = records(&text).into_iter();
    let header = rows.next()?;
    let content = header.iter().position(|field| field == "Content")?;
    let event = header.iter().position(|field| field == "EventId")?;
    if std::env::args().any(|argument| argument == "--raw") {
        let raw = String::from_utf8_lossy(&std::fs::read(path.to_str()?.strip_suffix("_structured.csv")?).ok()?).into_owned();
        let lines = raw.lines().map(str::to_owned).collect();
        let truth = rows.filter_map(|row| row.get(event).cloned()).collect();
        return Some(System { name, lines, truth });
    }
    let (lines, truth) = rows.filter_map(|row| Some((row.get(content)?.clone(), row.get(event)?.clone()))).unzip();
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
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// User and system time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

fn print_speed(systems: &[System]) {
    let mut rates: Vec<(f64, f64)> = Vec::new();
    for system in systems {
        let mut miner = Miner::new(Settings::default());
        let mut lines = 0_u64;
        let mut run = |seconds: f64, with_parameters: bool| {
            let (start, mut total) = (cpu_seconds(), 0_u64);
            while cpu_seconds() - start < seconds {
                for _ in 0..50 {
                    for line in &system.lines {
                        let mined = Mined::Text(line.as_bytes());
                        let id = miner.resolve(skeleton(line.as_bytes()), mined).id;
                        if with_parameters {
                            std::hint::black_box(miner.parameters(id, mined));
                        }
                    }
                    total += system.lines.len() as u64;
                }
            }
            lines += total;
            total as f64 / (cpu_seconds() - start)
        };
        let seconds = TARGET_SECONDS / systems.len() as f64;
        rates.push((run(seconds, false), run(seconds, true)));
        println!("{:<12} {:>10.0} {:>10.0}", system.name, rates.last().unwrap().0, rates.last().unwrap().1);
    }
    let mean = |of: fn(&(f64, f64)) -> f64| rates.iter().map(of).sum::<f64>() / rates.len() as f64;
    println!("lines per CPU-second, warm, one thread, mean of systems: {:.0}; with parameters {:.0}", mean(|rate| rate.0), mean(|rate| rate.1));
}
