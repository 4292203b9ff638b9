//! How good and how fast the template miner is on systems with a true template per line (loghub's `X_2k.log` and
//! `X_2k.log_structured.csv`).
//!
//! `cargo run --release -p lapwing-parse --example template_quality [FOLDER] [--raw]`
//!
//! With `--raw` the whole lines are mined instead of their `Content`: what comes out where no header is understood.

mod measure;

use std::hint::black_box;
use std::path::Path;

use lapwing_parse::template::{Mined, Miner, Settings, skeleton};
use measure::{Input, System};

/// Seconds of one measurement of speed.
const SECONDS: f64 = 0.3;

fn main() {
    let (flags, folders): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let folder = folders.first().map_or("../shared/data/logs/templates", String::as_str);
    let input = if flags.iter().any(|flag| flag == "--raw") { Input::Raw } else { Input::Content };
    let systems = measure::read_systems(Path::new(folder), input);
    if systems.is_empty() {
        println!("no *_2k.log_structured.csv in {folder}; give their folder as argument");
        return;
    }
    print!("{}", measure::table(&systems));
    print_speed(&systems);
}

fn print_speed(systems: &[System]) {
    println!("\n{:<12} {:>12} {:>12} {:>12} {:>8}", "lines/CPU-s", "skeleton", "+ resolve", "+ parameters", "MB/s");
    let mut sums = [0.0; 4];
    for system in systems {
        let rates = speed(system);
        println!("{:<12} {:>12.0} {:>12.0} {:>12.0} {:>8.0}", system.name, rates[0], rates[1], rates[2], rates[3]);
        sums.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate / systems.len() as f64);
    }
    println!("{:<12} {:>12.0} {:>12.0} {:>12.0} {:>8.0}", "mean", sums[0], sums[1], sums[2], sums[3]);
}

/// Lines per CPU-second, warm, one thread: skeletons only; put under templates; with parameters; and MB/s of the second.
fn speed(system: &System) -> [f64; 4] {
    let mut miner = Miner::new(Settings::default());
    for line in &system.lines {
        miner.resolve(skeleton(line), Mined::Text(line));
    }
    let bytes: usize = system.lines.iter().map(Vec::len).sum();
    let skeletons = rate(&system.lines, skeleton);
    let resolved = rate(&system.lines, |line| miner.resolve(skeleton(line), Mined::Text(line)).id);
    let parameters = rate(&system.lines, |line| {
        let id = miner.resolve(skeleton(line), Mined::Text(line)).id;
        miner.parameters(id, Mined::Text(line)).len() as u64
    });
    [skeletons, resolved, parameters, resolved * bytes as f64 / system.lines.len() as f64 / 1e6]
}

fn rate(lines: &[Vec<u8>], mut each: impl FnMut(&[u8]) -> u64) -> f64 {
    let start = cpu_seconds();
    let mut rounds = 0;
    loop {
        for _ in 0..20 {
            for line in lines {
                black_box(each(line));
            }
        }
        rounds += 20;
        let seconds = cpu_seconds() - start;
        if seconds >= SECONDS {
            return (rounds * lines.len()) as f64 / seconds;
        }
    }
}

/// User and system time of this process so far (proc(5), in clock ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
