//! Models that scikit-learn trained (`tools/export_sklearn.py --fixture crates/learn/tests/scikit_learn`) say here what they said
//! there.

use lapwing_learn::{IsolationForest, OneClassSvm};
use serde_json::Value;
use std::path::Path;

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scikit_learn").join(name)).unwrap()
}

/// Rows, and what scikit-learn says of each.
fn said(key: &str) -> Vec<(Vec<f32>, f64)> {
    let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_value(expected["rows"].clone()).unwrap();
    let scores: Vec<f64> = serde_json::from_value(expected[key].clone()).unwrap();
    assert_eq!(rows.len(), scores.len());
    assert!(rows.len() >= 40);
    rows.into_iter().zip(scores).collect()
}

#[test]
fn a_forest_gives_its_scores() {
    let forest = IsolationForest::import(&read("forest.json")).unwrap();
    for (row, score) in said("forest") {
        assert!((f64::from(forest.score(&row)) + score).abs() < 1e-6, "{row:?}: {} and {score}", forest.score(&row));
    }
}

#[test]
fn a_one_class_svm_gives_its_decision_values() {
    let svm = OneClassSvm::import(&read("svm.json")).unwrap();
    for (row, decision) in said("svm") {
        assert!((f64::from(svm.decision(&row)) - decision).abs() < 1e-6, "{row:?}: {} and {decision}", svm.decision(&row));
    }
}
