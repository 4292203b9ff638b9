//! Events a CPU-second of the sequence model by number of live sessions: `cargo run --release -p lapwing-learn --example
//! sequence_speed [SESSIONS]`. Each figure is the median of five.

use lapwing_learn::sequence::{Scorer, SequenceModel, Session, Shape, Weights, Word};
use std::sync::Arc;

/// Events between two calls of `finish`.
const BATCH: usize = 256;

fn main() {
    let weights = Weights::random(Shape::default(), 1).expect("the default shape is valid");
    let model = Arc::new(SequenceModel::new(&weights).expect("random weights are finite"));
    let only = std::env::args().nth(1).and_then(|count| count.parse().ok());
    for sessions in only.map_or(vec![256, 50_000, 200_000], |only| vec![only]) {
        let mut scorer = Scorer::new(model.clone(), sessions);
        let mut kept = vec![Session::new(); sessions];
        let mut draw = Draw(1);
        // Every session is live before the clock starts.
        for _ in 0..21 {
            for session in &mut kept {
                scorer.push(session, draw.word());
            }
            scorer.finish();
        }
        let mut rates: Vec<f64> = (0..5).map(|_| rate(&mut scorer, &mut kept, &mut draw)).collect();
        rates.sort_by(f64::total_cmp);
        let bytes = scorer.ring_bytes() + size_of_val(kept.as_slice());
        println!("{sessions} sessions: {:.0} events/CPU-s, {:.0} MiB", rates[2], bytes as f64 / 1_048_576.0);
    }
}

fn rate(scorer: &mut Scorer, kept: &mut [Session], draw: &mut Draw) -> f64 {
    let (begun, mut events, mut sum) = (cpu_seconds(), 0, 0.0);
    while cpu_seconds() - begun < 0.3 {
        for _ in 0..BATCH {
            let session = draw.next() as usize % kept.len();
            scorer.push(&mut kept[session], draw.word());
        }
        sum += scorer.finish().steps().iter().map(|step| f64::from(step.surprise)).sum::<f64>();
        events += BATCH;
    }
    assert!(sum > 0.0, "a random model is surprised");
    events as f64 / (cpu_seconds() - begun)
}

/// CPU time of this thread, as Linux counts it.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.expect("the first number is the time on a CPU in nanoseconds") / 1e9
}

/// A linear congruential generator: what is drawn does not matter, only that it is cheap.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn word(&mut self) -> Word {
        Word { class: 2 + (self.next() % 510) as u16, nats: 0.0 }
    }
}
