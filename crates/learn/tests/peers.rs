//! Ours against scikit-learn and river, by what `make_golden.py` wrote down.

use lapwing_learn::{
    ForestSettings, Gamma, HalfSpaceSettings, HalfSpaceTrees, IsolationForest, OneClassSettings, OneClassSvm, Rows,
};
use std::collections::HashMap;

struct Golden {
    conclusions: HashMap<String, String>,
    labels: Vec<bool>,
    values: Vec<f32>,
    rows: Vec<f32>,
    width: usize,
}

impl Golden {
    fn number(&self, key: &str) -> f64 {
        self.conclusions[key].parse().unwrap()
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.rows, self.width)
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}.tsv", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn conclusions(line: &str) -> HashMap<String, String> {
    line.split('\t').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

fn golden(name: &str) -> Golden {
    let text = text(name);
    let (head, rest) = text.split_once('\n').unwrap();
    let table: Vec<Vec<f32>> = rest.lines().map(|line| line.split('\t').map(|cell| cell.parse().unwrap()).collect()).collect();
    Golden {
        conclusions: conclusions(head),
        labels: table.iter().map(|row| row[0] == 1.0).collect(),
        values: table.iter().map(|row| row[1]).collect(),
        rows: table.iter().flat_map(|row| &row[2..]).copied().collect(),
        width: table[0].len() - 2,
    }
}

/// The chance that an unusual row scores above a usual one; ties count half.
fn auc(scores: &[f32], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut wins, mut pairs) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let unusual = tied.iter().filter(|&&at| labels[at]).count() as f64;
        let usual = tied.len() as f64 - unusual;
        wins += unusual * (below + usual / 2.0);
        pairs += unusual;
        below += usual;
    }
    wins / (pairs * below)
}

#[test]
fn isolation_forest_is_as_good_as_that_of_scikit_learn_and_scores_the_same() {
    for name in ["iforest-cancer", "iforest-wine"] {
        let golden = golden(name);
        let mut scores = Vec::new();
        let mut mean = vec![0f32; golden.labels.len()];
        let mut aucs = 0.0;
        for seed in 0..10 {
            let settings = ForestSettings { seed, ..Default::default() };
            IsolationForest::fit(golden.rows(), &settings).unwrap().score_rows(golden.rows(), &mut scores);
            mean.iter_mut().zip(&scores).for_each(|(mean, score)| *mean += score / 10.0);
            aucs += auc(&scores, &golden.labels) / 10.0;
        }
        assert!((aucs - golden.number("auc")).abs() < 0.01, "{name}: ours {aucs}, scikit-learn {}", golden.number("auc"));
        let furthest = mean.iter().zip(&golden.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 0.02, "{name}: mean scores of ten forests differ by {furthest}");
    }
}

#[test]
fn one_class_svm_has_the_rho_and_the_decision_values_of_libsvm() {
    for name in ["one-class-wine-scale", "one-class-wine-auto", "one-class-wine-01"] {
        let golden = golden(name);
        let gamma = match golden.conclusions["gamma"].as_str() {
            "scale" => Gamma::Scale,
            "auto" => Gamma::Auto,
            value => Gamma::Value(value.parse().unwrap()),
        };
        for tolerance in [1e-3, 1e-6] {
            let settings = OneClassSettings { nu: golden.number("nu"), gamma, tolerance, ..Default::default() };
            let svm = OneClassSvm::fit(golden.rows(), &settings).unwrap();
            assert!(svm.converged());
            assert!((svm.rho() - golden.number("rho")).abs() < 1e-3, "{name} at {tolerance}: rho {}", svm.rho());
            let mut decisions = Vec::new();
            svm.decisions(golden.rows(), &mut decisions);
            let furthest = decisions.iter().zip(&golden.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-3, "{name} at {tolerance}: decision values differ by {furthest}");
        }
    }
}

#[test]
fn half_space_trees_are_as_good_as_those_of_river_on_the_same_stream() {
    let rows = golden("iforest-cancer");
    let text = text("half-space-cancer");
    let order: Vec<usize> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let rivers: f64 = conclusions(text.lines().next().unwrap())["auc"].parse().unwrap();
    let mut aucs = 0.0;
    for seed in 0..5 {
        let mut trees = HalfSpaceTrees::new(rows.width, HalfSpaceSettings { seed, ..Default::default() });
        let judge = |&at: &usize| trees.score_then_learn(rows.rows().get(at).unwrap()).unwrap_or(0.0);
        let scores: Vec<f32> = order.iter().map(judge).collect();
        let labels: Vec<bool> = order.iter().map(|&at| rows.labels[at]).collect();
        aucs += auc(&scores[500..], &labels[500..]) / 5.0;
    }
    assert!(aucs > rivers - 0.01, "ours {aucs}, river {rivers}");
}
