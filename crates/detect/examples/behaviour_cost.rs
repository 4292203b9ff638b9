//! What the behaviours cost per event: `cargo run --release -p lapwing-detect --example behaviour_cost FILE`
//!
//! Reads a log, parses it once, and lets a shard with nothing but behaviours judge it again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lapwing_detect::behaviour::{BUILTIN, Behaviours};
use lapwing_detect::{BATCH_EVENTS, Batch, Findings, Setup, Shard};
use lapwing_model::{Origin, Position, Record, Timestamp};
use lapwing_parse::Parser;

const ROUNDS: u32 = 100;

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("error: which log? behaviour_cost FILE");
        return;
    };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => return eprintln!("error: cannot read {path}: {error}"),
    };
    let (mut parser, mut events) = (Parser::new(), Vec::new());
    let origin = Origin::new("log");
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let position = Position { offset: number as u64, line: number as u64 };
        let body = Bytes::copy_from_slice(line);
        parser.parse(
            &Record { body, origin: origin.clone(), position, received: Timestamp::from_seconds(1_900_000_000) },
            &mut events,
        );
    }
    let count = events.len() as u32 * ROUNDS;
    let mut batches: Vec<Batch> =
        events.chunks(BATCH_EVENTS).enumerate().map(|(n, events)| Batch::new(n as u64, events.to_vec(), Vec::new())).collect();
    let mut idle = only(|settings| settings.behaviour.enabled = false);
    let mut behaviours = only(|_| {});
    for (name, shard) in [("nothing", &mut idle), ("behaviour", &mut behaviours)] {
        let (mut spent, mut found, mut bytes) = (Duration::ZERO, 0, 0);
        for _ in 0..ROUNDS {
            for batch in &mut batches {
                let mut findings = Findings::default();
                // Each round is a later week. In the pipeline a batch has just been parsed, so it is in the cache.
                for event in &mut batch.events {
                    event.at = Timestamp::from_nanos(event.at.nanos() + 7 * 86_400_000_000_000);
                    bytes += event.raw.iter().map(|&byte| u64::from(byte)).sum::<u64>();
                }
                let start = Instant::now();
                shard.judge(batch, &mut findings);
                spent += start.elapsed();
                found += findings.as_slice().len();
            }
        }
        let nanos = spent.as_nanos() as f64 / f64::from(count.max(1));
        println!("{name}: {nanos:.1} ns per event, {found} findings in {count} events (checksum {bytes})");
    }
}

/// A shard in which no other detector is at work.
fn only(set: impl FnOnce(&mut lapwing_detect::Settings)) -> Shard {
    let mut setup = Setup::default();
    let settings = &mut setup.settings;
    settings.rules.enabled = false;
    settings.thresholds.enabled = false;
    settings.windows.enabled = false;
    settings.novelty.enabled = false;
    settings.silence.enabled = false;
    settings.signatures.enabled = false;
    settings.profile.enabled = false;
    set(settings);
    let mut rules = BUILTIN.iter().flat_map(|(name, text)| lapwing_rules::parse(name, text).0).collect();
    setup.rulebook.behaviours = Arc::new(Behaviours::take(&mut rules).0);
    Shard::whole(&setup)
}
