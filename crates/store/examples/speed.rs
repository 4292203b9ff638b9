//! Figures of the store, the journal and the snapshots: `cargo run --release -p lapwing-store --example speed [DIR] [ROWS]`.
//! CPU seconds are those of the process as Linux counts them; pages are timed by the wall.

use std::path::Path;
use std::time::Instant;

use lapwing_model::{Anomaly, AnomalyId, Evidence, Part, Scope, Score, Severity, State, Timestamp, hash};
use lapwing_store::snapshot::{self, Snapshot};
use lapwing_store::{Journal, Query, Reader, Result, Settings, Store};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, Into::into).join("lapwing-speed");
    let rows = arguments.next().and_then(|rows| rows.parse().ok()).unwrap_or(200_000);
    store(&dir.join("store"), rows)?;
    journal(&dir.join("journal"))?;
    snapshots(&dir.join("snapshot"))?;
    if let Err(error) = std::fs::remove_dir_all(&dir) {
        eprintln!("{} is left: {error}", dir.display());
    }
    Ok(())
}

/// User and system time of all threads, in seconds; the clock of `/proc` ticks 100 times a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 =
        stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn measure<T>(what: &str, units: &str, amount: f64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let result = work()?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{what:<58} {:>12.0} {units}/CPU-s {:>12.0} {units}/s wall", amount / cpu.max(0.01), amount / wall);
    Ok(result)
}

fn anomaly(number: u64) -> Anomaly {
    let dice = hash(&number.to_le_bytes());
    let client = format!("203.{}.{}.{}", number % 3, dice % 64, dice >> 56);
    let class = ["error-burst", "new-value", "silence", "server-error", "sql-injection"][(dice >> 8) as usize % 5];
    // A silence is found by its own detector: asking for another one's silences finds nothing.
    let detector = if class == "silence" { class } else { ["windows", "novelty", "rules"][(dice >> 20) as usize % 3] };
    let line =
        format!("{client} - - [17/May/2015:10:05:03 +0000] \"GET /shop/item/{} HTTP/1.1\" 503 {}", dice % 977, dice % 5000);
    let evidence =
        |line_number| Evidence { file: "/var/log/nginx/access.log".into(), line: line_number, text: line.as_str().into() };
    Anomaly {
        id: AnomalyId(dice),
        time: Timestamp::from_millis(1_700_000_000_000 + number as i64 * 1700 + (dice % 3000) as i64),
        last: Timestamp::from_millis(1_700_000_060_000 + number as i64 * 1700),
        severity: Severity::ALL[[1, 1, 1, 2, 2, 3, 1, 4][(dice >> 16) as usize % 8]],
        score: Score::new((dice >> 40) as f32 / (1 << 24) as f32),
        detector: detector.into(),
        class: class.into(),
        scope: Scope::Client,
        entity: client.as_str().into(),
        count: 1 + dice % 40,
        reason: format!("{client} had {} errors in 1 minute, 12 times its usual rate", dice % 900),
        parts: vec![Part { detector: "windows".into(), rule: "error-rate".into(), value: 0.7 }],
        expected: "at most 3 a minute".into(),
        observed: format!("{} a minute", dice % 900),
        one_in: 0,
        silenced_by: String::new(),
        related: Vec::new(),
        known: None,
        evidence: (0..3).map(|line| evidence(number * 3 + line)).collect(),
        state: State::Open,
        note: String::new(),
    }
}

fn store(dir: &Path, rows: u64) -> Result<()> {
    let all: Vec<Anomaly> = (0..rows).map(anomaly).collect();
    let mut store = Store::open(dir)?;
    measure("store: put, batches of 100, new rows", "rows", rows as f64, || {
        all.chunks(100).try_for_each(|batch| store.put(batch))
    })?;
    let mut later = all[all.len() - all.len() / 10..].to_vec();
    later.iter_mut().for_each(|anomaly| anomaly.count += 5);
    let amount = later.len() as f64;
    measure("store: put, batches of 100, later count", "rows", amount, || {
        later.chunks(100).try_for_each(|batch| store.put(batch))
    })?;
    measure("store: put, batches of 100, same again", "rows", amount, || {
        later.chunks(100).try_for_each(|batch| store.put(batch))
    })?;
    later.iter_mut().for_each(|anomaly| {
        anomaly.count += 5;
        anomaly.reason.push_str(" again");
    });
    measure("store: put, batches of 100, later text", "rows", amount, || {
        later.chunks(100).try_for_each(|batch| store.put(batch))
    })?;
    for number in (0..rows).step_by(1000) {
        store.set(anomaly(number).id, &lapwing_store::Change { state: Some(State::Real), ..Default::default() })?;
    }
    pages(&store.reader()?)?;
    let opened = Instant::now();
    store.reader()?;
    println!(
        "store: a reader opens in {:.3} ms; {} MB on disk",
        opened.elapsed().as_secs_f64() * 1e3,
        store.reader()?.bytes() >> 20
    );
    let time = anomaly(rows / 20).last;
    measure("store: prune", "rows", rows as f64 / 20.0, || {
        while store.prune(time, u64::MAX)? > 0 {}
        Ok(())
    })
}

fn pages(reader: &Reader) -> Result<()> {
    let all = Query::default();
    let text = |words: &str| Query { text: Some(words.into()), ..Query::default() };
    let middle = reader.list(&Query { to: Some(anomaly(50_000).time), ..Query::default() })?.next;
    let list = [
        ("newest", all.clone()),
        ("from the middle", Query { after: middle, ..all.clone() }),
        ("severity >= high", Query { severity: Some(Severity::High), ..all.clone() }),
        ("severity >= low", Query { severity: Some(Severity::Low), ..all.clone() }),
        ("one entity", Query { entity: Some(anomaly(77).entity.into()), ..all.clone() }),
        ("unknown entity", Query { entity: Some("nobody".into()), ..all.clone() }),
        ("state real (1 in 1000)", Query { state: Some(State::Real), ..all.clone() }),
        ("detector and class", Query { detector: Some("rules".into()), class: Some("new-value".into()), ..all.clone() }),
        (
            "worst: two common things never together",
            Query { detector: Some("windows".into()), class: Some("silence".into()), ..all },
        ),
        ("text: a word of every row", text("GET")),
        ("text: two words of every row", text("shop minute")),
        ("text: an address", text("203.1.17.4")),
        ("text: rare word", text("977")),
        ("text: beginning of many words", text("203.1*")),
        ("text: beginning of few words", text("97*")),
        ("text: nothing found", text("zebra")),
        ("text of every row and a state of none", Query { state: Some(State::Expected), ..text("GET") }),
        ("text of every row and a rare state", Query { state: Some(State::Real), ..text("GET") }),
    ];
    for (name, query) in list {
        let mut times = Vec::new();
        let mut items = 0;
        for _ in 0..51 {
            let begun = Instant::now();
            items = reader.list(&query)?.items.len();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("store: page, {name:<45} median {:>8.3} ms   worst of 51 {:>8.3} ms   {items} items", times[25], times[50]);
    }
    let begun = Instant::now();
    let stats = reader.stats()?;
    println!("store: statistics of {} rows in {:.3} ms", stats.total, begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn journal(dir: &Path) -> Result<()> {
    for (size, group, fsync, groups) in
        [(200, 100, false, 20_000), (20_000, 1, false, 20_000), (20_000, 1, true, 500), (20_000, 32, true, 300)]
    {
        let settings = Settings { limit_bytes: 4 << 30, fsync, ..Settings::default() };
        let dir = dir.join(format!("{size}-{group}-{fsync}"));
        let mut journal = Journal::open(&dir, settings)?;
        let payload = vec![b'x'; size];
        let name = format!("journal: {group} x {size} B a commit, {}", if fsync { "fsync" } else { "no fsync" });
        let begun = Instant::now();
        measure(&name, "entries", f64::from(groups * group), || {
            (0..groups).try_for_each(|_| {
                (0..group).try_for_each(|_| journal.append(&payload).map(|_| ()))?;
                journal.commit()
            })
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        let megabytes = journal.bytes() as f64 / 1e6;
        println!("{:>70.0} commits/s, {:.0} MB/s", f64::from(groups) / seconds, megabytes / seconds);
        let read = Instant::now();
        let entries = journal.read_from(0).count();
        println!("{:>70} entries replayed at {:.0} MB/s", entries, megabytes / read.elapsed().as_secs_f64());
        drop(journal);
        let opened = Instant::now();
        Journal::open(&dir, settings)?;
        println!("{:>70.1} ms to open", opened.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn snapshots(dir: &Path) -> Result<()> {
    let state: Vec<u8> = (0..2_500_000_u64).flat_map(|number| (hash(&(number / 2).to_le_bytes()) >> 24).to_le_bytes()).collect();
    let snapshot = Snapshot { version: 1, sequence: 1, sections: vec![("state".into(), state)] };
    let written = (0..3).try_fold(0, |_, _| {
        measure("snapshot: write 20 MB", "MB", 20.0, || snapshot::write(dir, &snapshot)).map(|written| written.bytes)
    })?;
    measure("snapshot: read 20 MB", "MB", 20.0, || snapshot::read_newest(dir))?;
    println!("snapshot: {} kB on disk", written >> 10);
    Ok(())
}
