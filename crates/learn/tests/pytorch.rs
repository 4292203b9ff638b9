//! A model that PyTorch made (`tools/export_pytorch.py --fixture crates/learn/tests/pytorch`) says here what it said there.

use lapwing_learn::sequence::{Scorer, SequenceBundle, SequenceModel, Session, Word};
use std::path::Path;
use std::sync::Arc;

#[test]
fn says_what_pytorch_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch");
    let bundle = SequenceBundle::load(&folder).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut scorer = Scorer::new(Arc::new(SequenceModel::new(&bundle.weights).unwrap()), 0);
    let mut session = Session::new();
    for class in expected["session"].as_array().unwrap() {
        scorer.push(&mut session, Word { class: class.as_u64().unwrap() as u16, nats: 0.0 });
    }
    let outcome = scorer.finish();
    let rows = expected["log_probabilities"].as_array().unwrap();
    assert_eq!(outcome.steps().len(), rows.len());
    for (event, row) in rows.iter().enumerate() {
        for said in outcome.expected(event, usize::MAX) {
            let theirs = row[usize::from(said.class)].as_f64().unwrap();
            assert!((f64::from(said.probability).ln() - theirs).abs() < 1e-3, "event {event}, class {}", said.class);
        }
    }
}
