//! Windows of 20 tokens that the sequence model learns from in a CPU-second, by how many make a step: `cargo run --release -p
//! lapwing-learn --example sequence_training`. Each figure is the median of five.

use lapwing_learn::sequence::{Shape, TrainingSettings, TrainingState, WINDOW};
use std::ops::ControlFlow;

/// Windows between two looks at the clock.
const WINDOWS: usize = 1_536;

fn main() {
    let shape = Shape::default();
    let mut draw = 1u64;
    let mut class = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2 + ((draw >> 33) % (shape.classes as u64 - 2)) as u16
    };
    let sessions: Vec<Vec<u16>> = (0..2_048).map(|_| (0..WINDOW).map(|_| class()).collect()).collect();
    for batch in [64, 256] {
        let settings = TrainingSettings { shape, batch, steps: u64::MAX, holdout: 0.0, ..TrainingSettings::default() };
        let mut state = TrainingState::new(settings).expect("the settings are valid");
        let mut rates: Vec<f64> = (0..6).map(|_| rate(&mut state, &sessions, batch)).collect();
        // The first one warms up.
        rates.remove(0);
        rates.sort_by(f64::total_cmp);
        println!("steps of {batch}: {:.0} windows/CPU-s", rates[2]);
    }
}

fn rate(state: &mut TrainingState, sessions: &[Vec<u16>], batch: usize) -> f64 {
    let (begun, until) = (cpu_seconds(), state.step() + (WINDOWS / batch) as u64);
    state
        .train(sessions, |progress| if progress.step == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        .expect("numbers stay finite");
    WINDOWS as f64 / (cpu_seconds() - begun)
}

/// CPU time of this thread, as Linux counts it.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.expect("the first number is the time on a CPU in nanoseconds") / 1e9
}
