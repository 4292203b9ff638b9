//! Nanoseconds per row of the models of rows, one thread, and milliseconds of training:
//! `cargo run --release -p lapwing-learn --example models_speed [iforest|half-space|one-class-svm]`.

use lapwing_learn::{
    ForestSettings, HalfSpaceSettings, HalfSpaceTrees, IsolationForest, OneClassSettings, OneClassSvm, OnlineOneClass,
    OnlineOneClassSettings, Rows, StreamingForest, StreamingForestSettings,
};
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds on a processor, where the system tells; else of the wall clock.
fn now(started: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = told.and_then(|text| text.split(' ').next().and_then(|number| number.parse().ok()));
    first.unwrap_or_else(|| started.elapsed().as_nanos() as f64)
}

/// The time of one run: the best of three rounds, each of as many runs as take a third of a second (the system's clock of a
/// thread may step by 4 ms).
fn time_of(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let (started, mut runs) = (Instant::now(), 0.0);
        let begin = now(started);
        while runs < 1.0 || started.elapsed().as_millis() < 333 || now(started) - begin < 1e8 {
            run();
            runs += 1.0;
        }
        best = best.min((now(started) - begin) / runs);
    }
    best
}

fn measure(name: &str, rows: usize, run: impl FnMut()) {
    println!("{name:<46} {:10.1} ns a row", time_of(run) / rows as f64);
}

fn train<T>(name: &str, mut run: impl FnMut() -> T) -> T {
    println!("{name:<46} {:10.2} ms", time_of(|| _ = black_box(run())) / 1e6);
    run()
}

/// Numbers with the shape of events: some clustered, some heavy-tailed, some of few values, one in a hundred elsewhere.
fn events(rows: usize, width: usize) -> Vec<f32> {
    let mut state = 7u64;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 + 0.5) / (1u64 << 24) as f32
    };
    let mut values = Vec::with_capacity(rows * width);
    for _ in 0..rows {
        let odd = if unit() < 0.01 { 4.0 } else { 0.0 };
        values.extend((0..width).map(|feature| match feature % 3 {
            0 => (0..4).map(|_| unit()).sum::<f32>() + odd,
            1 => -unit().ln() * (1.0 + odd),
            _ => (unit() * 5.0).floor(),
        }));
    }
    values
}

fn isolation_forest() {
    let values = events(20_000, 16);
    let rows = Rows::new(&values, 16);
    let forest = train("iforest fit 100 x 256, 16 features", || IsolationForest::fit(rows, &ForestSettings::default()))
        .expect("there are rows");
    measure("iforest single", rows.len(), || rows.iter().for_each(|row| _ = black_box(forest.score(row))));
    let mut scores = Vec::new();
    measure("iforest batched", rows.len(), || forest.score_rows(rows, &mut scores));
    measure("iforest batched, 256 rows", rows.len(), || {
        for block in values.chunks(256 * 16) {
            forest.score_rows(Rows::new(block, 16), &mut scores);
        }
    });
    measure("iforest explain", 2_000, || rows.iter().take(2_000).for_each(|row| _ = black_box(forest.explain(row))));
    let mut streaming = StreamingForest::new(16, StreamingForestSettings::default());
    measure("streaming forest, score then learn", rows.len(), || {
        rows.iter().for_each(|row| _ = black_box(streaming.score_then_learn(row)));
    });
}

fn half_space() {
    let values = events(20_000, 16);
    let rows = Rows::new(&values, 16);
    for trees in [25, 50] {
        let mut model = HalfSpaceTrees::new(16, HalfSpaceSettings { trees, ..Default::default() });
        measure(&format!("half-space {trees} x 8, score and learn"), rows.len(), || {
            rows.iter().for_each(|row| _ = black_box(model.score_then_learn(row)));
        });
    }
}

fn one_class_svm() {
    let values = events(5_000, 2);
    let rows = Rows::new(&values, 2);
    for nu in [0.01, 0.05, 0.1] {
        let settings = OneClassSettings { nu, ..Default::default() };
        let svm = train(&format!("one-class-svm fit 5,000 rows, nu {nu}"), || OneClassSvm::fit(rows, &settings));
        let svm = svm.expect("there are rows");
        measure(&format!("one-class-svm predict, nu {nu}"), rows.len(), || {
            rows.iter().for_each(|row| _ = black_box(svm.decision(row)));
        });
    }
    let mut online = OnlineOneClass::new(2, &OnlineOneClassSettings::default());
    measure("online one-class SVM, decide then learn", rows.len(), || {
        rows.iter().for_each(|row| _ = black_box(online.decide_then_learn(row)));
    });
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, run) in [("iforest", isolation_forest as fn()), ("half-space", half_space), ("one-class-svm", one_class_svm)] {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            run();
        }
    }
}
