//! Half-Space Trees (Tan, Ting, Liu: Fast anomaly detection for streaming data, IJCAI 2011): random boxes, and how many of the
//! latest rows each holds.

mod ranges;

use crate::random::Random;
use crate::rows::{MAX_FEATURES, for_width, padded};
use crate::sound::serde_if_sound;
use ranges::Range;
use serde::{Deserialize, Serialize};

const MAX_DEPTH: u32 = 8;
/// Cells of a tree: 1.. are nodes, children of `i` are `2 i` and `2 i + 1`.
const CELLS: usize = 2 << MAX_DEPTH;
const MAX_TREES: usize = 1_000;
/// Rows of the latest window that are kept, to learn ranges from.
const KEPT: usize = 256;
/// Boxes begin with the range and this share of its width at both ends, so that there is room for what lies outside.
const MARGIN: f64 = 0.25;
/// Cuts keep this share of a box's width from both of its ends.
const EDGE: f64 = 0.3;
/// Trees that are walked at the same time: one waits for memory at every step, five wait together.
const TOGETHER: usize = 5;

/// How [`HalfSpaceTrees`] are built. The defaults are the paper's, but for the depth (15 there), which costs and gains little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfSpaceSettings {
    /// How many trees (1 to 1,000); 25 to 50 are usual.
    pub trees: usize,
    /// How often each halves the space (1 to 8).
    pub depth: u32,
    /// Rows of a window (16 to 1,000,000): judged is by the window before the current one.
    pub window: u32,
    /// The same rows, settings and seed give the same scores.
    pub seed: u64,
}

impl Default for HalfSpaceSettings {
    fn default() -> Self {
        HalfSpaceSettings { trees: 25, depth: 8, window: 250, seed: 1 }
    }
}

/// A node: where it cuts, and how many rows of the last and of the current window came by. 16 bytes, so that a step of a walk
/// touches one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Cell {
    threshold: f32,
    feature: u32,
    reference: u32,
    latest: u32,
}

/// Streaming anomaly scores in constant memory: 8 KiB a tree, and 256 rows.
///
/// Ranges are learned: the first window (its first 256 rows) is kept, and each feature's range is that of its values without
/// the outermost hundredth at both ends. Nothing is scored before. The paper cuts larger, randomly placed ranges in exact halves,
/// and so spends cuts where no row can be; here boxes begin with the range and a quarter of it at both ends, and the place of a cut is random within the
/// middle of its box (AUC .973 instead of .961 on Breast Cancer Wisconsin, `tests/peers.rs`). What lies outside the range
/// belongs to the outermost boxes. Where at the end of a window more than half of the kept rows lie
/// far outside (half a width) in some feature, ranges and trees are made anew from those rows, which become the new reference.
/// Missing values (NaN) are below every number.
///
/// ```
/// use lapwing_learn::{HalfSpaceSettings, HalfSpaceTrees};
/// let mut trees = HalfSpaceTrees::new(2, HalfSpaceSettings::default());
/// for i in 0..2_000 {
///     trees.score_then_learn(&[(i % 10) as f32, (i % 7) as f32]);
/// }
/// assert!(trees.score(&[30.0, -20.0]).unwrap() > trees.score(&[5.0, 3.0]).unwrap() + 0.1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct HalfSpaceTrees {
    settings: HalfSpaceSettings,
    width: usize,
    /// Empty before ranges are known.
    cells: Vec<Cell>,
    ranges: Vec<Range>,
    /// Up to `KEPT` rows of the current window, and before it is full of the last.
    kept: Vec<f32>,
    /// Rows of the current window so far.
    filled: u32,
    random: Random,
}

serde_if_sound!(HalfSpaceTrees, "half-space trees");

impl HalfSpaceTrees {
    /// For rows of `width` values (1 to [`MAX_FEATURES`]). Settings out of bounds are moved to the nearest bound.
    #[must_use]
    pub fn new(width: usize, mut settings: HalfSpaceSettings) -> Self {
        settings.trees = settings.trees.clamp(1, MAX_TREES);
        settings.depth = settings.depth.clamp(1, MAX_DEPTH);
        settings.window = settings.window.clamp(16, 1_000_000);
        let random = Random::new(settings.seed);
        let width = width.clamp(1, MAX_FEATURES);
        HalfSpaceTrees { settings, width, cells: Vec::new(), ranges: Vec::new(), kept: Vec::new(), filled: 0, random }
    }

    /// The anomaly score of a row, in (0, 1]: 1 where there was nothing in the last window, 0.5 where rows are as dense as if they
    /// were spread evenly, less where they are denser. `None` within the first window. What a short row does not have is
    /// missing.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> Option<f32> {
        if self.cells.is_empty() {
            return None;
        }
        let row = padded::<MAX_FEATURES>(&row[..row.len().min(self.width)]);
        let few = self.few();
        let mass = self.cells.chunks_exact(CELLS).map(|tree| mass_of(tree, &row, self.settings.depth, few)).sum();
        Some(self.finish(mass))
    }

    /// Learns one row.
    pub fn learn(&mut self, row: &[f32]) {
        self.score_then_learn(row);
    }

    /// Judges a row by the last window, then learns it. Faster than both one after another.
    pub fn score_then_learn(&mut self, row: &[f32]) -> Option<f32> {
        let row = &row[..row.len().min(self.width)];
        let score = for_width!(self.width, W => self.step(&padded::<W>(row)));
        self.keep(row);
        self.filled += 1;
        if self.filled >= self.settings.window || (self.cells.is_empty() && self.filled as usize >= KEPT) {
            self.end_window();
        }
        score
    }

    /// How much of what is needed before the first score was seen, in [0, 1].
    #[must_use]
    pub fn progress(&self) -> f32 {
        if self.cells.is_empty() { self.filled as f32 / (self.settings.window as usize).min(KEPT) as f32 } else { 1.0 }
    }

    fn step<const W: usize>(&mut self, row: &[f32; W]) -> Option<f32> {
        if self.cells.is_empty() {
            return None;
        }
        let (depth, few) = (self.settings.depth, self.few());
        let (trees, _) = self.cells.as_chunks_mut::<CELLS>();
        let (together, alone) = trees.as_chunks_mut::<TOGETHER>();
        let mut mass = together.iter_mut().map(|trees| pass(trees, row, depth, few)).sum::<u64>();
        mass += alone.iter_mut().map(|tree| pass(std::array::from_mut(tree), row, depth, few)).sum::<u64>();
        Some(self.finish(mass))
    }

    /// Boxes that fewer rows came by than this are not looked into further.
    fn few(&self) -> u32 {
        self.settings.window / 10
    }

    /// Evenly spread rows would have a mass of a window's rows in each tree, at every depth.
    fn finish(&self, mass: u64) -> f32 {
        let even = self.settings.trees as f64 * f64::from(self.settings.window);
        (even / (even + mass as f64)) as f32
    }

    /// Keeps every so manieth row of the window.
    fn keep(&mut self, row: &[f32]) {
        let every = if self.cells.is_empty() { 1 } else { self.settings.window.div_ceil(KEPT as u32) };
        if !self.filled.is_multiple_of(every) {
            return;
        }
        let begin = (self.filled / every) as usize % KEPT * self.width;
        if begin + self.width > self.kept.len() {
            self.kept.resize(begin + self.width, f32::NAN);
        }
        self.kept[begin..begin + self.width].copy_from_slice(&padded::<MAX_FEATURES>(row)[..self.width]);
    }

    fn end_window(&mut self) {
        self.filled = 0;
        if self.cells.is_empty() || self.is_elsewhere() {
            self.build();
            return;
        }
        for cell in &mut self.cells {
            (cell.reference, cell.latest) = (cell.latest, 0);
        }
    }

    /// Whether most of the latest rows lie far outside the range of some feature.
    fn is_elsewhere(&self) -> bool {
        let rows = self.kept.len() / self.width;
        (0..self.width).any(|feature| {
            let values = self.kept.iter().skip(feature).step_by(self.width);
            2 * values.filter(|&&value| self.ranges[feature].is_far(value)).count() > rows
        })
    }

    /// Makes ranges and trees from the kept rows, and lets the same rows be the last window.
    fn build(&mut self) {
        let column = |feature: usize| self.kept.iter().skip(feature).step_by(self.width).copied();
        self.ranges = (0..self.width).map(|feature| Range::of(column(feature))).collect();
        self.cells = vec![Cell::default(); self.settings.trees * CELLS];
        let mut bounds: Vec<(f64, f64)> = self.ranges.iter().map(|range| range.widened(MARGIN)).collect();
        for tree in self.cells.chunks_exact_mut(CELLS) {
            cut(tree, 1, self.settings.depth, &mut bounds, &mut self.random);
        }
        let kept = std::mem::take(&mut self.kept);
        for row in kept.chunks_exact(self.width) {
            for_width!(self.width, W => _ = self.step(&padded::<W>(row)));
        }
        let rows = (kept.len() / self.width).max(1) as u64;
        let scale = |count: u32| (u64::from(count) * u64::from(self.settings.window) / rows) as u32;
        self.cells.iter_mut().for_each(|cell| (cell.reference, cell.latest) = (scale(cell.latest), 0));
        self.kept = kept;
    }

    fn is_sound(&self) -> bool {
        let HalfSpaceSettings { trees, depth, window, .. } = self.settings;
        let built = if self.cells.is_empty() {
            self.ranges.is_empty() && (self.filled as usize) < KEPT
        } else {
            self.cells.len() == trees * CELLS && self.ranges.len() == self.width && self.ranges.iter().all(Range::is_sound)
        };
        built
            && (1..=MAX_FEATURES).contains(&self.width)
            && (1..=MAX_TREES).contains(&trees)
            && (1..=MAX_DEPTH).contains(&depth)
            && (16..=1_000_000).contains(&window)
            && self.filled < window
            && self.kept.len() <= KEPT * self.width
            && self.kept.len().is_multiple_of(self.width)
            // A window's rows and those of the ranges it was learned from.
            && self.cells.iter().all(|cell| (cell.feature as usize) < self.width && cell.latest <= window && cell.reference <= 2 * window)
    }
}

/// Cuts the box `bounds` in two, and both again, `depth` times.
fn cut(tree: &mut [Cell], node: usize, depth: u32, bounds: &mut [(f64, f64)], random: &mut Random) {
    if depth == 0 {
        return;
    }
    let feature = random.below(bounds.len());
    let whole = bounds[feature];
    let middle = whole.0 + (whole.1 - whole.0) * (EDGE + (1.0 - 2.0 * EDGE) * random.unit());
    tree[node] = Cell { threshold: middle as f32, feature: feature as u32, ..Cell::default() };
    bounds[feature] = (whole.0, middle);
    cut(tree, 2 * node, depth - 1, bounds, random);
    bounds[feature] = (middle, whole.1);
    cut(tree, 2 * node + 1, depth - 1, bounds, random);
    bounds[feature] = whole;
}

/// The mass of the box of one tree that judges a row: its count times 2^depth, so that boxes of any depth compare.
fn mass_of(tree: &[Cell], row: &[f32; MAX_FEATURES], depth: u32, few: u32) -> u64 {
    let (mut at, mut level) = (1, 0);
    while level < depth && tree[at].reference >= few {
        at = 2 * at + usize::from(row[tree[at].feature as usize] >= tree[at].threshold);
        level += 1;
    }
    u64::from(tree[at].reference) << level
}

/// Sends a row down some trees at once: counts it in every box on its way, and returns the sum of the masses that judge it.
/// Counts are integers, so it does not matter in which order they are added.
#[inline(always)]
fn pass<const W: usize, const T: usize>(trees: &mut [[Cell; CELLS]; T], row: &[f32; W], depth: u32, few: u32) -> u64 {
    let mut at = [1usize; T];
    let mut mass = [0u64; T];
    let mut open = [true; T];
    for level in 0..depth {
        for k in 0..T {
            let cell = &mut trees[k][at[k] & (CELLS - 1)];
            cell.latest += 1;
            mass[k] = if open[k] { u64::from(cell.reference) << level } else { mass[k] };
            open[k] &= cell.reference >= few;
            at[k] = 2 * at[k] + usize::from(row[cell.feature as usize & (W - 1)] >= cell.threshold);
        }
    }
    for k in 0..T {
        let cell = &mut trees[k][at[k] & (CELLS - 1)];
        cell.latest += 1;
        mass[k] = if open[k] { u64::from(cell.reference) << depth } else { mass[k] };
    }
    mass.iter().sum()
}

#[cfg(test)]
mod tests;
