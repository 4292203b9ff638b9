//! AUC of Isolation Forest and Half-Space Trees on the numeric features of NSL-KDD:
//! `cargo run --release -p lapwing-learn --example nsl_kdd [FILE]`.
//!
//! The rows are split 70/30 by seeded shuffles. *Contaminated*: learned from all of the 70 % (nearly half of it attacks);
//! *normal only*: from its normal rows. *Warm*: scored and learned over the 30 % after the 70 % went by; *cold*: over the 30 %
//! with nothing before. Labels only choose the normal rows and measure. Features are encoded by `FromMode`, learned from the
//! rows that are learned from; cold, from the first 256 rows, which are told as ordinary. As so much may be unusual, trees
//! are grown from samples of 8, so that dense clusters of attacks are seen as one point; and half-space trees are shallow, and for that
//! many: 100 of depth 4 cost as much as 50 of depth 8.

use lapwing_learn::{ForestSettings, FromMode, HalfSpaceSettings, HalfSpaceTrees, IsolationForest, Rows, Unfit};
use std::process::ExitCode;

/// The columns that are words: protocol, service, flag.
const WORDS: std::ops::RangeInclusive<usize> = 1..=3;
const NUMERIC: usize = 38;
const SPLITS: u64 = 5;
const COLD: usize = 256;

#[derive(Clone, Default)]
struct Set {
    values: Vec<f32>,
    attacks: Vec<bool>,
}

impl Set {
    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, NUMERIC)
    }

    fn chosen(&self, which: impl Iterator<Item = usize>) -> Set {
        let mut set = Set::default();
        for at in which {
            set.values.extend_from_slice(self.rows().get(at).unwrap_or_default());
            set.attacks.push(self.attacks[at]);
        }
        set
    }

    fn normal(&self) -> Set {
        self.chosen((0..self.attacks.len()).filter(|&at| !self.attacks[at]))
    }
}

fn parse(text: &str) -> Set {
    let mut set = Set::default();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim().split(',').collect();
        if cells.len() < 42 {
            continue;
        }
        let numeric = (0..41).filter(|at| !WORDS.contains(at));
        set.values.extend(numeric.map(|at| cells[at].parse().unwrap_or(f32::NAN)));
        set.attacks.push(cells[41] != "normal");
    }
    set
}

/// 70 % to learn from and 30 % to test on, by Fisher and Yates' shuffle over a small generator.
fn split(set: &Set, seed: u64) -> (Set, Set) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut order: Vec<usize> = (0..set.attacks.len()).collect();
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    let (learn, test) = order.split_at(order.len() * 7 / 10);
    (set.chosen(learn.iter().copied()), set.chosen(test.iter().copied()))
}

/// The chance that an attack scores above a normal row; ties count half.
fn auc(scores: &[f32], attacks: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut wins, mut pairs) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let attacking = tied.iter().filter(|&&at| attacks[at]).count() as f64;
        let normal = tied.len() as f64 - attacking;
        wins += attacking * (below + normal / 2.0);
        pairs += attacking;
        below += normal;
    }
    wins / (pairs * below)
}

fn forest(learn: &Set, test: &Set, seed: u64) -> Result<f64, Unfit> {
    let encoding = FromMode::fit(learn.rows())?;
    let (learn, encoded) = (encoding.encode_rows(learn.rows()), encoding.encode_rows(test.rows()));
    let settings = ForestSettings { trees: 300, sample: 8, seed };
    let mut scores = Vec::new();
    IsolationForest::fit(Rows::new(&learn, NUMERIC), &settings)?.score_rows(Rows::new(&encoded, NUMERIC), &mut scores);
    Ok(auc(&scores, &test.attacks))
}

fn half_space(learn: Option<&Set>, test: &Set, seed: u64) -> Result<f64, Unfit> {
    let known = learn.map_or(&test.values[..COLD * NUMERIC], |learn| &learn.values);
    let encoding = FromMode::fit(Rows::new(known, NUMERIC))?;
    let mut trees = HalfSpaceTrees::new(NUMERIC, HalfSpaceSettings { trees: 100, depth: 4, window: 1_000, seed });
    if let Some(learn) = learn {
        let encoded = encoding.encode_rows(learn.rows());
        Rows::new(&encoded, NUMERIC).iter().for_each(|row| trees.learn(row));
    }
    let encoded = encoding.encode_rows(test.rows());
    let rows = Rows::new(&encoded, NUMERIC);
    let scores: Vec<f32> = rows.iter().map(|row| trees.score_then_learn(row).unwrap_or(0.0)).collect();
    Ok(auc(&scores, &test.attacks))
}

fn evaluate(set: &Set) -> Result<(), Unfit> {
    let mut figures = [const { Vec::new() }; 4];
    for seed in 1..=SPLITS {
        let (learn, test) = split(set, seed);
        figures[0].push(forest(&learn, &test, seed)?);
        figures[1].push(forest(&learn.normal(), &test, seed)?);
        figures[2].push(half_space(None, &test, seed)?);
        figures[3].push(half_space(Some(&learn), &test, seed)?);
    }
    let names = ["iforest contaminated", "iforest normal only", "half-space cold", "half-space warm"];
    for ((name, required), mut aucs) in names.iter().zip([0.89, 0.93, 0.86, 0.87]).zip(figures) {
        aucs.sort_by(f64::total_cmp);
        let met = if aucs[0] >= required { "met" } else { "MISSED" };
        let (least, most, median) = (aucs[0], aucs[aucs.len() - 1], aucs[aucs.len() / 2]);
        println!("{name:<22} AUC {median:.4} ({least:.4} to {most:.4})  required >= {required}  {met}");
    }
    Ok(())
}

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_else(|| "../shared/data/net/nsl-kdd/train-20percent.txt".into());
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {path}");
        return ExitCode::SUCCESS;
    };
    let set = parse(&text);
    if set.attacks.len() < 10 * COLD {
        println!("skipped: {path} has {} rows of NSL-KDD, too few", set.attacks.len());
        return ExitCode::SUCCESS;
    }
    match evaluate(&set) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
