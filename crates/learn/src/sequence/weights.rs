//! The numbers that are learned, by name and shape, as PyTorch would keep them.

use super::ModelError;
use super::numeric::LANES;
use crate::mix::mix;
use serde::{Deserialize, Serialize};

/// Numbers that stand for one token inside the model.
pub const WIDTH: usize = 64;
/// Attention heads, each with its own queries; all share one head of keys and values.
pub const HEADS: usize = 4;
/// Numbers in a key, a value, and each head's query.
pub const HEAD: usize = WIDTH / HEADS;
/// Tokens a layer looks at: the present one and those just before it.
pub const WINDOW: usize = 20;
/// Layers at most.
pub const MAX_LAYERS: usize = 2;
/// Classes at most.
pub const MAX_CLASSES: usize = 16_384;
/// Numbers inside a feed-forward part at most.
pub const MAX_FEED_FORWARD: usize = 1_024;
/// No weight is larger: sums of such weights cannot overflow, whatever the input.
pub const MAX_WEIGHT: f32 = 1e4;

/// Queries of all heads, one key, one value.
pub(super) const PROJECTION: usize = WIDTH + 2 * HEAD;

/// What may differ from model to model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Classes of tokens, among them [`UNKNOWN`](super::UNKNOWN) and [`START`](super::START): 3 to 16,384.
    pub classes: usize,
    /// 1 or 2.
    pub layers: usize,
    /// Numbers inside the feed-forward part of a layer: a multiple of 16 up to 1,024.
    pub feed_forward: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Shape { classes: 512, layers: 2, feed_forward: 256 }
    }
}

impl Shape {
    /// Says what is wrong with it, if anything is.
    pub fn check(self) -> Result<(), ModelError> {
        let Shape { classes, layers, feed_forward } = self;
        if !(3..=MAX_CLASSES).contains(&classes) {
            return Err(ModelError::new(format!("a model of {classes} classes is not supported; give it 3 to {MAX_CLASSES}")));
        }
        if !(1..=MAX_LAYERS).contains(&layers) {
            return Err(ModelError::new(format!("a model of {layers} layers is not supported; give it 1 to {MAX_LAYERS}")));
        }
        if feed_forward % LANES != 0 || !(LANES..=MAX_FEED_FORWARD).contains(&feed_forward) {
            return Err(ModelError::new(format!(
                "a feed-forward part of {feed_forward} is not supported; give it a multiple of {LANES} up to {MAX_FEED_FORWARD}"
            )));
        }
        Ok(())
    }
}

/// All numbers of a model (or of its gradient, or of a moment of it); each tensor row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub(super) shape: Shape,
    pub(super) embedding: Vec<f32>,
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Vec<f32>,
    pub(super) head: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerWeights {
    pub(super) norm1: Vec<f32>,
    pub(super) qkv: Vec<f32>,
    pub(super) out: Vec<f32>,
    /// Added to the score of a head for what lies that many tokens back.
    pub(super) distance: Vec<f32>,
    pub(super) norm2: Vec<f32>,
    pub(super) up: Vec<f32>,
    pub(super) down: Vec<f32>,
}

/// A tensor's name in files and its dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) dimensions: Vec<usize>,
}

impl Named {
    pub(super) fn len(&self) -> usize {
        self.dimensions.iter().product()
    }
}

/// The tensors of a shape, in the order of [`Weights::tensors`].
pub(super) fn names(shape: Shape) -> Vec<Named> {
    let named = |name: &str, dimensions: &[usize]| Named { name: name.to_owned(), dimensions: dimensions.to_vec() };
    let mut all = vec![named("embedding.weight", &[shape.classes, WIDTH])];
    for layer in 0..shape.layers {
        let in_layer = |name: &str, dimensions: &[usize]| named(&format!("layers.{layer}.{name}"), dimensions);
        all.push(in_layer("norm1.weight", &[WIDTH]));
        all.push(in_layer("qkv.weight", &[PROJECTION, WIDTH]));
        all.push(in_layer("out.weight", &[WIDTH, WIDTH]));
        all.push(in_layer("distance", &[HEADS, WINDOW]));
        all.push(in_layer("norm2.weight", &[WIDTH]));
        all.push(in_layer("up.weight", &[shape.feed_forward, WIDTH]));
        all.push(in_layer("down.weight", &[WIDTH, shape.feed_forward]));
    }
    all.push(named("norm.weight", &[WIDTH]));
    all.push(named("head.weight", &[shape.classes, WIDTH]));
    all.push(named("head.bias", &[shape.classes]));
    all
}

impl Weights {
    /// All zero.
    pub(super) fn zeros(shape: Shape) -> Self {
        let zeros = |count: usize| vec![0.0; count];
        let layer = LayerWeights {
            norm1: zeros(WIDTH),
            qkv: zeros(PROJECTION * WIDTH),
            out: zeros(WIDTH * WIDTH),
            distance: zeros(HEADS * WINDOW),
            norm2: zeros(WIDTH),
            up: zeros(shape.feed_forward * WIDTH),
            down: zeros(WIDTH * shape.feed_forward),
        };
        Weights {
            shape,
            embedding: zeros(shape.classes * WIDTH),
            layers: vec![layer; shape.layers],
            norm: zeros(WIDTH),
            head: zeros(shape.classes * WIDTH),
            bias: zeros(shape.classes),
        }
    }

    /// Random numbers to start learning from, the same for the same seed.
    pub fn random(shape: Shape, seed: u64) -> Result<Self, ModelError> {
        shape.check()?;
        let mut weights = Self::zeros(shape);
        let residual = 1.0 / (2.0 * shape.layers as f32).sqrt();
        for (at, (named, tensor)) in names(shape).iter().zip(weights.tensors_mut()).enumerate() {
            let spread = match named.name.rsplit('.').nth(1).filter(|_| named.dimensions.len() == 2) {
                _ if named.name.contains("norm") => {
                    tensor.fill(1.0);
                    continue;
                }
                Some("embedding") => 0.5,
                Some("out" | "down") => residual * (3.0 / named.dimensions[1] as f32).sqrt(),
                Some("qkv" | "up" | "head") => (3.0 / named.dimensions[1] as f32).sqrt(),
                _ => continue,
            };
            for (i, x) in tensor.iter_mut().enumerate() {
                let uniform = (mix(i as u64, mix(seed, at as u64)) >> 40) as f32 / 8_388_608.0 - 1.0;
                *x = uniform * spread;
            }
        }
        Ok(weights)
    }

    /// The shape they are of.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tensors().iter().map(|tensor| tensor.len()).sum()
    }

    pub(super) fn tensors(&self) -> Vec<&Vec<f32>> {
        let mut all = vec![&self.embedding];
        for layer in &self.layers {
            all.extend([&layer.norm1, &layer.qkv, &layer.out, &layer.distance, &layer.norm2, &layer.up, &layer.down]);
        }
        all.extend([&self.norm, &self.head, &self.bias]);
        all
    }

    pub(super) fn tensors_mut(&mut self) -> Vec<&mut Vec<f32>> {
        let mut all = vec![&mut self.embedding];
        for layer in &mut self.layers {
            let LayerWeights { norm1, qkv, out, distance, norm2, up, down } = layer;
            all.extend([norm1, qkv, out, distance, norm2, up, down]);
        }
        all.extend([&mut self.norm, &mut self.head, &mut self.bias]);
        all
    }

    /// Says which tensor has a number that no model can work with, if one has.
    pub fn check(&self) -> Result<(), ModelError> {
        self.shape.check()?;
        for (named, tensor) in names(self.shape).iter().zip(self.tensors()) {
            let Named { name, dimensions } = named;
            if tensor.len() != named.len() {
                return Err(ModelError::new(format!("tensor {name} has {} numbers instead of {dimensions:?}", tensor.len())));
            }
            if let Some(x) = tensor.iter().find(|x| x.is_nan() || x.abs() > MAX_WEIGHT) {
                return Err(ModelError::new(format!("tensor {name} holds {x}, which is beyond what a model can work with")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tensors_go_together() {
        let shape = Shape { classes: 9, layers: 2, feed_forward: 32 };
        let weights = Weights::random(shape, 1).unwrap();
        weights.check().unwrap();
        assert_eq!(names(shape).len(), weights.tensors().len());
        assert_eq!(weights.count(), names(shape).iter().map(Named::len).sum::<usize>());
        for (named, tensor) in names(shape).iter().zip(weights.tensors()) {
            let starts_at_zero = named.name.ends_with("distance") || named.name.ends_with("bias");
            assert_eq!(tensor.iter().any(|x| *x != 0.0), !starts_at_zero, "{}", named.name);
        }
        assert_eq!(weights, Weights::random(shape, 1).unwrap());
        assert_ne!(weights, Weights::random(shape, 2).unwrap());
    }

    #[test]
    fn what_cannot_be_worked_with_is_refused_by_name() {
        let refused = |shape| Weights::random(shape, 1).unwrap_err().to_string();
        assert!(refused(Shape { classes: 2, ..Shape::default() }).contains("2 classes"));
        assert!(refused(Shape { layers: 3, ..Shape::default() }).contains("3 layers"));
        assert!(refused(Shape { feed_forward: 40, ..Shape::default() }).contains("multiple of 16"));
        let mut weights = Weights::random(Shape::default(), 1).unwrap();
        weights.layers[1].up[7] = f32::NAN;
        assert_eq!(
            weights.check().unwrap_err().to_string(),
            "tensor layers.1.up.weight holds NaN, which is beyond what a model can work with"
        );
    }
}
