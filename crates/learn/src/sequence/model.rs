//! The model as it is served: immutable, packed for products, shared between threads.

use super::attention::{Bias, LAYER_RING, LayerRing, attend, bias_of, biases, store};
use super::cpu::{Kernel, Level, Vector, run};
use super::matrix::{Add, Packed, Rectify, Set, product};
use super::numeric::{LANES, inverse_rms, log_sum_exp};
use super::weights::{HEAD, LayerWeights, PROJECTION, Shape, WIDTH, WINDOW, Weights};
use super::{ModelError, UNKNOWN};
use crate::mix::mix;

/// Rows that pass through the model together: so few that what is between the layers stays in the second cache.
const CHUNK: usize = 96;
/// The logit of what is not a class.
const NO_CLASS: f32 = -1e30;

/// A causal Transformer (Vaswani et al.: Attention Is All You Need, 2017) over classes of tokens: layers of 64 numbers with
/// norms before each part, four heads of queries over one of keys and values, a learned bias by distance, and a band: each
/// layer looks at the last 20 tokens. It predicts the class of the next token.
///
/// It holds about `4 * (128 * classes + layers * (10,000 + 128 * feed_forward))` bytes and does not change; put it into an
/// `Arc` and follow sessions with a [`Scorer`](super::Scorer).
pub struct SequenceModel {
    pub(super) shape: Shape,
    pub(super) fingerprint: u64,
    pub(super) level: Level,
    pub(super) embedding: Vec<[f32; WIDTH]>,
    pub(super) layers: Vec<Layer>,
    pub(super) head: Packed,
}

/// One layer, the gains of its norms multiplied into the weights after them.
pub(super) struct Layer {
    pub(super) projection: Packed,
    pub(super) out: Packed,
    pub(super) up: Packed,
    pub(super) down: Packed,
    pub(super) biases: Vec<Bias>,
}

impl std::fmt::Debug for SequenceModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequenceModel")
            .field("shape", &self.shape)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// What the model says of one token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Negative natural logarithm of the probability it was given, in nats; never negative, never NaN.
    pub surprise: f32,
    /// How many classes were held more likely (Du et al.: DeepLog, CCS 2017, tell what is not among the top k).
    pub rank: u32,
}

/// A class and the probability it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    pub class: u16,
    pub probability: f32,
}

/// One token on its way through the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The class of the token.
    pub(super) input: u16,
    /// The class of the token after it, if what the model says of that is asked for.
    pub(super) target: Option<u16>,
    /// Which ring is its session's.
    pub(super) ring: u32,
    /// Its place in its session.
    pub(super) position: u64,
}

/// Rings of sessions, found by number.
pub(super) trait Rings {
    /// One ring: a [`LayerRing`] per layer.
    fn ring(&mut self, ring: u32) -> &mut [u16];
}

/// Room for what is between the layers, and what came out.
#[derive(Debug, Default)]
pub(super) struct Work {
    stream: Vec<f32>,
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
    logits: Vec<f32>,
    targets: Vec<u16>,
    /// What the model predicts from, [rows with a target][64]: [`SequenceModel::expected`] makes probabilities of it.
    pub(super) last: Vec<f32>,
    pub(super) steps: Vec<Step>,
}

impl Work {
    pub(super) fn clear(&mut self) {
        self.last.clear();
        self.steps.clear();
    }
}

impl SequenceModel {
    /// Packs weights for serving; refuses those with which it could not give finite numbers.
    pub fn new(weights: &Weights) -> Result<Self, ModelError> {
        weights.check()?;
        let shape = weights.shape();
        Ok(SequenceModel {
            shape,
            fingerprint: fingerprint(weights),
            level: Level::best(),
            embedding: weights.embedding.as_chunks::<WIDTH>().0.to_vec(),
            layers: weights.layers.iter().map(Layer::new).collect(),
            head: Packed::transposed(&with_gains(&weights.head, &weights.norm), WIDTH, Some(&weights.bias), NO_CLASS),
        })
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// A hash of its weights: sessions begun under another model begin anew.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The ring of a session in numbers of two bytes.
    pub(super) fn ring_len(&self) -> usize {
        self.shape.layers * LAYER_RING
    }

    /// The class itself, or [`UNKNOWN`] if the model has no such class.
    #[inline]
    pub(super) fn known(&self, class: u16) -> u16 {
        if usize::from(class) < self.shape.classes { class } else { UNKNOWN }
    }

    /// Passes rows through the model, those of one session in their order; adds a step for each row with a target.
    pub(super) fn pass(&self, rows: &[Row], rings: &mut impl Rings, work: &mut Work) {
        for rows in rows.chunks(CHUNK) {
            run(self.level, Pass { model: self, rows, rings, work });
        }
    }

    /// The `count` most likely classes and their probabilities, given what the model predicts from.
    pub(super) fn most_likely(&self, last: &[f32], count: usize) -> Vec<Expectation> {
        let mut logits = vec![0.0; self.head.columns()];
        run(self.level, Head { model: self, last, logits: &mut logits });
        let total = log_sum_exp(logits.as_chunks::<LANES>().0);
        let mut classes: Vec<u16> = (0..self.shape.classes as u16).collect();
        let order = |a: &u16, b: &u16| logits[usize::from(*b)].total_cmp(&logits[usize::from(*a)]).then(a.cmp(b));
        if count < classes.len() {
            classes.select_nth_unstable_by(count, order);
            classes.truncate(count);
        }
        classes.sort_unstable_by(order);
        let probability = |class: u16| super::numeric::exp(logits[usize::from(class)] - total);
        classes.into_iter().map(|class| Expectation { class, probability: probability(class) }).collect()
    }
}

impl Layer {
    fn new(weights: &LayerWeights) -> Self {
        let mut qkv = with_gains(&weights.qkv, &weights.norm1);
        // Scores are divided by the root of a head's width: a power of two, so nothing is rounded.
        let scale = 1.0 / (HEAD as f32).sqrt();
        qkv[..WIDTH * WIDTH].iter_mut().for_each(|x| *x *= scale);
        Layer {
            projection: Packed::transposed(&qkv, WIDTH, None, 0.0),
            out: Packed::transposed(&weights.out, WIDTH, None, 0.0),
            up: Packed::transposed(&with_gains(&weights.up, &weights.norm2), WIDTH, None, 0.0),
            down: Packed::transposed(&weights.down, weights.down.len() / WIDTH, None, 0.0),
            biases: biases(&weights.distance),
        }
    }
}

/// Each row of `weights` times the gains of the norm before it.
fn with_gains(weights: &[f32], gains: &[f32]) -> Vec<f32> {
    weights.chunks_exact(gains.len()).flat_map(|row| row.iter().zip(gains).map(|(w, g)| w * g)).collect()
}

fn fingerprint(weights: &Weights) -> u64 {
    weights.tensors().into_iter().flatten().fold(weights.layers.len() as u64, |hash, x| mix(hash ^ u64::from(x.to_bits()), 1))
}

/// One chunk of rows through all layers.
struct Pass<'a, R> {
    model: &'a SequenceModel,
    rows: &'a [Row],
    rings: &'a mut R,
    work: &'a mut Work,
}

impl<R: Rings> Kernel for Pass<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let Pass { model, rows, rings, work } = self;
        let room = |buffer: &mut Vec<f32>, width: usize| buffer.resize(rows.len() * width, 0.0);
        room(&mut work.stream, WIDTH);
        room(&mut work.normed, WIDTH);
        room(&mut work.projected, PROJECTION);
        room(&mut work.attended, WIDTH);
        room(&mut work.inner, model.shape.feed_forward);
        for (row, place) in rows.iter().zip(work.stream.as_chunks_mut::<WIDTH>().0) {
            *place = model.embedding[usize::from(row.input)];
        }
        for (at, layer) in model.layers.iter().enumerate() {
            normalise(&work.stream, &mut work.normed);
            product::<V, ROWS, Set>(&work.normed, &layer.projection, &mut work.projected);
            look_back::<V>(layer, at, rows, rings, &work.projected, &mut work.attended);
            product::<V, ROWS, Add>(&work.attended, &layer.out, &mut work.stream);
            normalise(&work.stream, &mut work.normed);
            product::<V, ROWS, Rectify>(&work.normed, &layer.up, &mut work.inner);
            product::<V, ROWS, Add>(&work.inner, &layer.down, &mut work.stream);
        }
        predict::<V, ROWS>(model, rows, work);
    }
}

/// Attention of every row, in order: rows of one session see those before them.
#[inline(always)]
fn look_back<V: Vector>(layer: &Layer, at: usize, rows: &[Row], rings: &mut impl Rings, projected: &[f32], attended: &mut [f32]) {
    let places = attended.as_chunks_mut::<WIDTH>().0;
    for ((row, projected), place) in rows.iter().zip(projected.as_chunks::<PROJECTION>().0).zip(places) {
        let Some(ring) = rings.ring(row.ring).as_chunks_mut::<LAYER_RING>().0.get_mut(at) else { continue };
        let ring: &mut LayerRing = ring;
        let (queries, key_value) = projected.split_at(WIDTH);
        let Some(queries) = queries.as_chunks::<WIDTH>().0.first() else { continue };
        store(ring, (row.position % WINDOW as u64) as usize, key_value);
        attend::<V>(ring, &layer.biases[usize::from(bias_of(row.position))], queries, place);
    }
}

/// Divides each row by the root of its mean square; the gain is in the weights that follow.
#[inline(always)]
fn normalise(stream: &[f32], normed: &mut [f32]) {
    for (row, place) in stream.as_chunks::<WIDTH>().0.iter().zip(normed.as_chunks_mut::<WIDTH>().0) {
        let scale = inverse_rms(row);
        for (place, x) in place.iter_mut().zip(row) {
            *place = x * scale;
        }
    }
}

/// Steps for the rows that have a target.
#[inline(always)]
fn predict<V: Vector, const ROWS: usize>(model: &SequenceModel, rows: &[Row], work: &mut Work) {
    normalise(&work.stream, &mut work.normed);
    let first = work.last.len();
    work.targets.clear();
    for (row, normed) in rows.iter().zip(work.normed.chunks_exact(WIDTH)) {
        if let Some(target) = row.target {
            work.targets.push(target);
            work.last.extend_from_slice(normed);
        }
    }
    let columns = model.head.columns();
    // A wide head is taken in few rows, so that logits stay near.
    let part = (65_536 / columns).clamp(1, CHUNK);
    let parts = work.last[first..].chunks(part * WIDTH);
    for (last, targets) in parts.zip(work.targets.chunks(part)) {
        work.logits.resize(targets.len() * columns, 0.0);
        product::<V, ROWS, Set>(last, &model.head, &mut work.logits);
        for (logits, target) in work.logits.chunks_exact(columns).zip(targets) {
            work.steps.push(step(logits, usize::from(*target)));
        }
    }
}

#[inline(always)]
fn step(logits: &[f32], target: usize) -> Step {
    let own = logits[target];
    let lanes = logits.as_chunks::<LANES>().0;
    let mut above = [0u32; LANES];
    for lanes in lanes {
        for (above, x) in above.iter_mut().zip(lanes) {
            *above += u32::from(*x > own);
        }
    }
    let surprise = log_sum_exp(lanes) - own;
    Step { surprise: if surprise > 0.0 { surprise } else { 0.0 }, rank: above.iter().sum() }
}

/// Logits of one row.
struct Head<'a> {
    model: &'a SequenceModel,
    last: &'a [f32],
    logits: &'a mut [f32],
}

impl Kernel for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        product::<V, ROWS, Set>(self.last, &self.model.head, self.logits);
    }
}
