//! The gradient against that of PyTorch, in double precision (`tools/export_pytorch.py --fixture crates/learn/tests/pytorch`).

use super::cpu::Level;
use super::gradient::{Batch, NO_TARGET, loss};
use super::safetensors::decode;
use super::weights::{Weights, names};
use super::{START, SequenceBundle};
use std::fs;
use std::path::Path;

#[test]
fn the_gradient_is_that_of_pytorch_in_every_tensor() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch");
    let weights = SequenceBundle::load(&folder).unwrap().weights;
    let expected: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let session: Vec<u16> = serde_json::from_value(expected["session"].clone()).unwrap();
    let mut batch = Batch::default();
    for (piece, first) in [(&session[..], 0), (&session[10..25], 3)] {
        batch.inputs.push(START);
        batch.inputs.extend(&piece[..piece.len() - 1]);
        batch.targets.extend(std::iter::repeat_n(NO_TARGET, first));
        batch.targets.extend(&piece[first..]);
        batch.lengths.push(piece.len());
    }
    let (mut ours, mut theirs) = (Weights::zeros(weights.shape()), Weights::zeros(weights.shape()));
    let found = f64::from(loss(Level::best(), &weights, &batch, Some(&mut ours), &mut super::room::Room::default()));
    assert!((found - expected["loss"].as_f64().unwrap()).abs() < 1e-5, "{found} instead of {}", expected["loss"]);
    let tensors = names(weights.shape()).into_iter().zip(theirs.tensors_mut()).collect();
    decode(&fs::read(folder.join("gradient.safetensors")).unwrap(), tensors).unwrap();
    for (named, (ours, theirs)) in names(weights.shape()).iter().zip(ours.tensors().into_iter().zip(theirs.tensors())) {
        let length = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
        let whole = length(&mut theirs.iter().map(|x| f64::from(*x)));
        let apart = length(&mut ours.iter().zip(theirs).map(|(x, y)| f64::from(x - y)));
        assert!(whole > 1e-3 && apart < 1e-5 * whole, "{}: {apart} apart, {whole} long", named.name);
    }
}
