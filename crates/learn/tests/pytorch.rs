//! A model that PyTorch made (`tools/export_pytorch.py --fixture crates/learn/tests/pytorch`) says here what it said there, and
//! the other way round.

use lapwing_learn::sequence::{
    Expectation, Scorer, SequenceBundle, SequenceModel, Session, TrainingSettings, TrainingState, Word,
};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The classes expected in the place of each token of a session.
fn expected(bundle: &SequenceBundle, session: &[u16]) -> Vec<Vec<Expectation>> {
    let mut scorer = Scorer::new(Arc::new(SequenceModel::new(&bundle.weights).unwrap()), 0);
    let mut state = Session::new();
    for class in session {
        scorer.push(&mut state, Word { class: *class, nats: 0.0 });
    }
    let outcome = scorer.finish();
    assert_eq!(outcome.steps().len(), session.len());
    (0..session.len()).map(|event| outcome.expected(event, usize::MAX)).collect()
}

fn assert_equal(ours: &[Vec<Expectation>], theirs: &[Vec<f64>]) {
    assert_eq!(ours.len(), theirs.len());
    for (event, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.len(), theirs.len());
        for said in ours {
            let log = f64::from(said.probability).ln();
            assert!((log - theirs[usize::from(said.class)]).abs() < 1e-3, "event {event}, class {}: {log}", said.class);
        }
    }
}

#[test]
fn says_what_pytorch_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch");
    let bundle = SequenceBundle::load(&folder).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let session: Vec<u16> = serde_json::from_value(json["session"].clone()).unwrap();
    let theirs: Vec<Vec<f64>> = serde_json::from_value(json["log_probabilities"].clone()).unwrap();
    assert_equal(&expected(&bundle, &session), &theirs);
}

/// Needs a Python with torch and safetensors: `python3`, or what the variable PYTHON names.
#[test]
fn the_packages_safetensors_and_torch_read_what_was_saved_and_say_the_same() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ready = Command::new(&python).args(["-c", "import torch, safetensors.torch"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no torch and safetensors; set PYTHON to one that has");
        return;
    }
    let bundle = trained();
    let folder = tempfile::tempdir().unwrap();
    bundle.save(folder.path()).unwrap();
    let session: Vec<u16> = (0..45).map(|i| i * i % 24).collect();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/export_pytorch.py");
    let mut child = Command::new(python)
        .arg(tool)
        .arg("--read")
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(&session).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: Vec<Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_equal(&expected(&bundle, &session), &theirs);
}

/// The fixture's model after some steps of training here.
fn trained() -> SequenceBundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch");
    let mut bundle = SequenceBundle::load(&folder).unwrap();
    let settings = TrainingSettings { shape: bundle.weights.shape(), steps: 20, batch: 4, ..TrainingSettings::default() };
    let mut state = TrainingState::new(settings).unwrap();
    let sessions: Vec<Vec<u16>> = (0..20).map(|s| (0..30).map(|i| 2 + (s * i) % 22).collect()).collect();
    state.train(&sessions, |_| ControlFlow::Continue(())).unwrap();
    bundle.weights = state.best().0.clone();
    bundle.training = Some(state);
    bundle
}
