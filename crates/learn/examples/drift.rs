//! How well an alert rate holds while scores drift: `cargo run --release -p lapwing-learn --example drift`
//!
//! The mean moves by 3 standard deviations over the stream; 1 alert in 1,000 is wanted. Printed is observed / target per quarter:
//! for a threshold fixed after the first tenth (SPOT without drift), for tail probabilities that follow the scores, and for the
//! controlled rate. Ends with 1 where the controlled rate leaves 0.8-1.25.

use std::process::ExitCode;
use std::time::Instant;

use lapwing_learn::{AlertRate, AlertRateSettings, Tail};

const COUNTS: [u64; 2] = [100_000, 400_000];
const SEEDS: u64 = 5;
const TARGET: f64 = 1e-3;

type Shape = fn(&mut Random, u64, u64) -> f64;

const SHAPES: [(&str, Shape); 5] = [
    ("normal", |random, _, _| random.normal()),
    ("Student's t, 3 degrees", |random, _, _| random.student()),
    ("log-normal", |random, _, _| (0.8 * random.normal()).exp()),
    ("normal + wave of 1.5, 40 periods", |random, i, count| random.normal() + wave(i, count)),
    ("t + wave of 1.5, 40 periods", |random, i, count| random.student() + wave(i, count)),
];

fn wave(i: u64, count: u64) -> f64 {
    1.5 * (std::f64::consts::TAU * 40.0 * i as f64 / count as f64).sin()
}

/// Xorshift* (Vigna, 2016).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t with 3 degrees of freedom, scaled to a standard deviation of 1.
    fn student(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / squares.sqrt()
    }
}

/// Alerts per quarter over what the target allows: fixed, following, controlled.
fn run(shape: Shape, count: u64, seed: u64) -> [[f64; 4]; 3] {
    let mut random = Random(seed * 7919 + 17);
    let mut rate = AlertRate::new(AlertRateSettings { target: TARGET, ..AlertRateSettings::default() });
    let (mut first, mut following, mut fixed) = (Tail::new(f64::INFINITY), Tail::new(10_000.0), None);
    let mut shares = [[0.0; 4]; 3];
    for i in 0..count {
        let score = shape(&mut random, i, count) + 3.0 * i as f64 / count as f64;
        if i < count / 10 {
            first.observe(score);
        } else if fixed.is_none() {
            fixed = first.threshold(TARGET);
        }
        let alerts =
            [fixed.is_some_and(|threshold| score > threshold), following.probability(score) < TARGET, rate.judge(score).alert];
        following.observe(score);
        for (share, alert) in shares.iter_mut().zip(alerts) {
            share[(i * 4 / count) as usize] += f64::from(u8::from(alert)) / (TARGET * count as f64 / 4.0);
        }
    }
    shares
}

fn main() -> ExitCode {
    let mut held = true;
    println!("{:34} {:>7} {:>28} {:>28} {:>28}", "scores", "count", "fixed threshold", "following tail", "controlled rate");
    for count in COUNTS {
        for (name, shape) in SHAPES {
            let mut bounds = [[(f64::INFINITY, 0.0_f64); 4]; 3];
            for seed in 1..=SEEDS {
                for (bounds, shares) in bounds.iter_mut().zip(run(shape, count, seed)) {
                    bounds.iter_mut().zip(shares).for_each(|(b, share)| *b = (b.0.min(share), b.1.max(share)));
                }
            }
            held &= bounds[2].iter().all(|&(least, most)| least >= 0.8 && most <= 1.25);
            let cells = bounds.map(|quarters| {
                let short = |x: f64| if x >= 9.95 { format!("{x:.0}") } else { format!("{x:.2}") };
                quarters.map(|(least, most)| format!("{}-{}", short(least), short(most))).join(" ")
            });
            println!("{name:34} {count:>7} {:>40} {:>40} {:>40}", cells[0], cells[1], cells[2]);
        }
    }
    println!("least and most of {SEEDS} seeds, per quarter of the stream");
    let mut random = Random(5);
    let scores: Vec<f64> = (0..1_000_000).map(|_| random.normal()).collect();
    let mut rate = AlertRate::new(AlertRateSettings::default());
    let start = Instant::now();
    let alerts = scores.iter().filter(|&&score| rate.judge(score).alert).count();
    println!("{:.0} ns per score ({alerts} alerts in a million)", start.elapsed().as_secs_f64() * 1e3);
    println!("required of the controlled rate: 0.8-1.25 in every quarter: {}", if held { "met" } else { "MISSED" });
    ExitCode::from(u8::from(!held))
}
