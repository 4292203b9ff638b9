//! What the detectors that learn cost per event: `cargo run --release -p lapwing-detect --example learned_speed FILE [ROUNDS]`
//!
//! Reads a log, parses it once, and lets each detector judge it again and again, each round a week later. Templates are the
//! events' skeletons. `by second` has a tick at each second of event time, as the pipeline has: rows then come in small groups.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lapwing_detect::features::{KINDS, Reader};
use lapwing_detect::{BATCH_EVENTS, Events, Findings, Kind, Settings, Setup};
use lapwing_model::{Event, Origin, Position, Record, Timestamp};
use lapwing_parse::Parser;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which log? learned_speed FILE [ROUNDS]")?;
    let rounds: i64 = arguments.next().map_or(Ok(10), |rounds| rounds.parse())?;
    let mut events = read(&std::fs::read(path)?);
    let count = (events.len() as i64 * rounds).max(1) as f64;
    let mut reader = Reader::new(&Settings::default().features);
    let (spent, _) = each_round(&mut events, rounds, false, |events, _| {
        let mut rows: [Vec<f32>; KINDS.len()] = Default::default();
        events.iter().for_each(|(_, event)| _ = reader.read(event, &mut rows));
        std::hint::black_box(&rows);
    });
    println!("features: {:.0} ns per event", spent.as_nanos() as f64 / count);
    for name in ["iforest", "half_space", "response_time", "status_code"] {
        let kind = Kind::named(name).ok_or("no such detector")?;
        for by_second in [false, true] {
            let mut detector = (kind.build)(&Setup::default(), kind.scopes[0]);
            let (spent, found) =
                each_round(&mut events, rounds, by_second, |events, findings| detector.observe(events, findings));
            let how = if by_second { "by second" } else { "by batch" };
            println!("{name} {how}: {:.0} ns per event, {found} findings", spent.as_nanos() as f64 / count);
        }
    }
    Ok(())
}

fn read(text: &[u8]) -> Vec<Event> {
    let (mut parser, mut events, origin) = (Parser::new(), Vec::new(), Origin::new("log"));
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let position = Position { offset: number as u64, line: number as u64 };
        let received = Timestamp::from_seconds(1_900_000_000);
        parser.parse(&Record { body: Bytes::copy_from_slice(line), origin: origin.clone(), position, received }, &mut events);
    }
    events.iter_mut().for_each(|event| event.template = event.skeleton);
    events
}

/// Time that this thread had a processor, where the system tells it; else time that passed.
fn cpu() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn each_round(
    events: &mut [Event],
    rounds: i64,
    by_second: bool,
    mut judge: impl FnMut(Events<'_>, &mut Findings),
) -> (Duration, usize) {
    let (mut spent, mut found) = (Duration::ZERO, 0);
    for _ in 0..rounds {
        for batch in events.chunks_mut(BATCH_EVENTS) {
            batch.iter_mut().for_each(|event| event.at = event.at + Duration::from_secs(7 * 86_400));
            let positions: Vec<u16> = (0..batch.len() as u16).collect();
            let same =
                |a: &u16, b: &u16| !by_second || batch[usize::from(*a)].at.seconds() == batch[usize::from(*b)].at.seconds();
            let mut findings = Findings::default();
            let start = cpu();
            positions.chunk_by(same).for_each(|mine| judge(Events::new(batch, mine), &mut findings));
            spent += cpu().saturating_sub(start);
            found += findings.as_slice().len();
        }
    }
    (spent, found)
}
