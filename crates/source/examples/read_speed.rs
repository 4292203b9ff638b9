//! How fast files are read: `cargo run --release -p lapwing-source --example read_speed [FILE...]`
//!
//! Without arguments it repeats the access log of the test data to 100 MB, plain, gzip and zstd. Figures are CPU time of the
//! reading thread per line, best of six, with the records made and dropped; second, dropped by another thread, as in the
//! pipeline.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use lapwing_model::Timestamp;
use lapwing_source::files::Reader;

const LOG: &str = "../../../shared/data/web/access-logs/apache-10k.log";
const SIZE: usize = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let folder = std::env::temp_dir().join("lapwing-read-speed");
    let paths = if named.is_empty() { made(&folder)? } else { named };
    for path in paths {
        let pattern = path.to_string_lossy().into_owned();
        for multiline in [true, false] {
            let (lines, bytes, alone) = best(|| read(&pattern, multiline))?;
            let (.., handed) = best(|| hand_over(&pattern, multiline))?;
            println!(
                "{pattern}, multiline {multiline}: {lines} lines of {} bytes; alone {:.1} ns a line, {:.2} GB/s; to another thread {:.1} ns, {:.2} GB/s",
                bytes / lines.max(1),
                alone * 1e9 / lines as f64,
                bytes as f64 / alone / 1e9,
                handed * 1e9 / lines as f64,
                bytes as f64 / handed / 1e9,
            );
        }
    }
    for line in fs::read_to_string("/proc/self/status").unwrap_or_default().lines().filter(|line| line.starts_with("VmHWM")) {
        println!("peak memory {line}");
    }
    Ok(())
}

type Figure = (u64, u64, f64);

/// Seconds that this thread has computed; those of the clock where the system does not say.
fn cpu(start: Instant) -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = times.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

/// The best of six.
fn best(run: impl Fn() -> Result<Figure, Box<dyn Error>>) -> Result<Figure, Box<dyn Error>> {
    let mut best = run()?;
    for _ in 0..5 {
        let figure = run()?;
        if figure.2 < best.2 {
            best = figure;
        }
    }
    Ok(best)
}

fn reader(multiline: bool) -> Reader {
    Reader { multiline, ..Reader::new(|| Timestamp::EPOCH) }
}

fn read(pattern: &str, multiline: bool) -> Result<Figure, Box<dyn Error>> {
    let clock = Instant::now();
    let start = cpu(clock);
    let files = reader(multiline).open(&[pattern.to_owned()])?;
    let tally = files.tally();
    for block in files {
        drop(block?);
    }
    Ok((tally.records(), tally.bytes(), cpu(clock) - start))
}

fn hand_over(pattern: &str, multiline: bool) -> Result<Figure, Box<dyn Error>> {
    let clock = Instant::now();
    let start = cpu(clock);
    let files = reader(multiline).open(&[pattern.to_owned()])?;
    let tally = files.tally();
    let (sender, receiver) = sync_channel(16);
    std::thread::scope(|scope| {
        scope.spawn(move || receiver.into_iter().for_each(drop));
        for block in files {
            sender.send(block?)?;
        }
        drop(sender);
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok((tally.records(), tally.bytes(), cpu(clock) - start))
}

fn made(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG);
    let log = fs::read(&log).map_err(|error| format!("cannot read {}: {error}; name a file instead", log.display()))?;
    fs::create_dir_all(folder)?;
    let (plain, gzip, zstd) = (folder.join("access.log"), folder.join("access.log.gz"), folder.join("access.log.zst"));
    if fs::metadata(&plain).map_or(0, |metadata| metadata.len()) < SIZE as u64 {
        let text = log.repeat(SIZE / log.len() + 1);
        fs::write(&plain, &text)?;
        let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&gzip)?, flate2::Compression::default());
        encoder.write_all(&text)?;
        encoder.finish()?;
        fs::write(&zstd, zstd::encode_all(text.as_slice(), 3)?)?;
    }
    Ok(vec![plain, gzip, zstd])
}
