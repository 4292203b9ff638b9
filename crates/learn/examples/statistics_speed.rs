//! Nanoseconds per operation of each statistic, one thread:
//! `cargo run --release -p lapwing-learn --example statistics_speed`.

use lapwing_learn::{
    Baseline, BloomSettings, Distinct, Lru, NoveltyRate, RecentDistinct, Regularity, ScalableBloom, SlidingCounts, Window,
};
use std::hint::black_box;
use std::time::Instant;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_767_600_000 * SECOND;

/// Runs an operation over 0..n five times and prints the best time; `state` is made anew each time.
fn measure<S>(name: &str, n: u64, state: impl Fn() -> S, operation: impl Fn(&mut S, u64)) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let mut state = state();
        let begin = Instant::now();
        (0..n).for_each(|i| operation(&mut state, black_box(i)));
        best = best.min(begin.elapsed().as_nanos() as f64 / n as f64);
        black_box(&state);
    }
    println!("{name:<58} {best:8.1} ns");
}

/// Any good mixing of bits; the multiplier is that of Fibonacci hashing.
fn hash(i: u64) -> u64 {
    let z = (i ^ (i >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z ^ (z >> 29)
}

fn filled(entries: u64) -> Lru<u64> {
    let mut lru = Lru::new(65_536);
    (0..entries).for_each(|i| _ = lru.get_or_insert_with(hash(i), || i));
    lru
}

fn lru() {
    measure("Lru get, 1,000 keys", 10_000_000, || filled(1_000), |lru, i| _ = black_box(lru.get(hash(i % 1_000))));
    measure("Lru get, 50,000 keys", 10_000_000, || filled(50_000), |lru, i| _ = black_box(lru.get(hash(hash(i) % 50_000))));
    measure(
        "Lru insert with eviction, 65,536 of a million keys",
        1_000_000,
        || filled(65_536),
        |lru, i| {
            lru.get_or_insert_with(hash(i + 100_000), || i);
        },
    );
}

fn bloom() {
    let known = || {
        let mut bloom = ScalableBloom::new(BloomSettings::default());
        (0..90_000).for_each(|i| _ = bloom.insert(hash(i)));
        bloom
    };
    measure("ScalableBloom insert, known, one slice", 5_000_000, known, |bloom, i| _ = black_box(bloom.insert(hash(i % 90_000))));
    let empty = || ScalableBloom::new(BloomSettings::default());
    measure("ScalableBloom insert, all new, up to four slices", 1_000_000, empty, |bloom, i| {
        _ = black_box(bloom.insert(hash(i)));
    });
}

fn windows() {
    let add =
        |counts: &mut SlidingCounts<2>, i: u64| _ = counts.add(START + i as i64 * 1_000_000, [1, i.is_multiple_of(20).into()]);
    measure("SlidingCounts add, 1,000 a second", 20_000_000, SlidingCounts::new, add);
    measure("SlidingCounts add, one every 7 s", 5_000_000, SlidingCounts::<2>::new, |counts, i| {
        counts.add(START + i as i64 * 7 * SECOND, [1, 0]);
    });
    measure("SlidingCounts add and count of one window", 20_000_000, SlidingCounts::<2>::new, |counts, i| {
        let at = START + i as i64 * 1_000_000;
        counts.add(at, [1, 0]);
        black_box(counts.count(Window::TenMinutes, at));
    });
    measure("SlidingCounts add and counts of all windows", 20_000_000, SlidingCounts::<2>::new, |counts, i| {
        let at = START + i as i64 * 1_000_000;
        counts.add(at, [1, 0]);
        black_box(counts.counts(at));
    });
}

fn distinct() {
    measure("Distinct insert and count, 10 values", 20_000_000, Distinct::new, |distinct, i| {
        distinct.insert(hash(i % 10));
        black_box(distinct.count());
    });
    measure("Distinct insert and count, a million values", 5_000_000, Distinct::new, |distinct, i| {
        distinct.insert(hash(i % 1_000_000));
        black_box(distinct.count());
    });
    measure(
        "RecentDistinct insert and count, 1,000 values",
        5_000_000,
        || RecentDistinct::new(600 * SECOND),
        |recent, i| {
            let at = START + i as i64 * 1_000_000;
            recent.insert(at, hash(i % 1_000));
            black_box(recent.count(at));
        },
    );
}

fn pasts() {
    let past = || {
        let mut baseline = Baseline::robust(60.0, 3.0);
        (0..500).for_each(|i| baseline.observe(f64::from(i % 9)));
        baseline
    };
    measure("Baseline observe", 20_000_000, past, |baseline, i| baseline.observe((i % 9) as f64));
    measure("Baseline surprise", 500_000, past, |baseline, i| _ = black_box(baseline.surprise((i % 60) as f64)));
    let regularity = || Regularity::new(200.0, SECOND);
    measure("Regularity observe, 1,000 a second", 20_000_000, regularity, |r, i| r.observe(START + i as i64 * 1_000_000));
    measure("Regularity observe, one every 3 s", 20_000_000, regularity, |r, i| r.observe(START + i as i64 * 3 * SECOND));
    let regular = || {
        let mut regularity = regularity();
        (0..500).for_each(|i| regularity.observe(START + i * 3 * SECOND + i * i % 2 * SECOND));
        regularity
    };
    measure("Regularity quiet_probability", 500_000, regular, |r, i| {
        _ = black_box(r.quiet_probability((i % 60) as i64 * SECOND));
    });
    measure("NoveltyRate observe", 20_000_000, || NoveltyRate::new(10_000.0), |rate, i| rate.observe(i.is_multiple_of(99)));
    measure(
        "NoveltyRate surprise_bits",
        5_000_000,
        || NoveltyRate::new(10_000.0),
        |rate, i| {
            rate.observe(i.is_multiple_of(99));
            black_box(rate.surprise_bits());
        },
    );
}

fn main() {
    lru();
    bloom();
    windows();
    distinct();
    pasts();
}
