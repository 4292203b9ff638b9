//! Isolation Forest (Liu, Ting, Zhou: Isolation Forest, ICDM 2008): what few random cuts isolate is unusual.

mod tree;
mod walk;

use crate::random::Random;
use crate::rows::{MAX_FEATURES, Rows, Unfit, for_width, padded};
use crate::sound::serde_if_sound;
use serde::{Deserialize, Serialize};
use tree::{Growth, NO_SPLIT, NODES, Node, VALUES, mean_path};
use walk::{sum_of_many, sum_of_one};

/// Rows that are copied and walked together.
const BLOCK: usize = 256;
const MAX_TREES: usize = 10_000;
/// The largest sample of a tree: its depth is 8.
const MAX_SAMPLE: usize = NODES;

/// How a forest is grown. The defaults are the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// How many trees (1 to 10,000).
    pub trees: usize,
    /// Rows that each tree is grown from, drawn without repetition (2 to 256; fewer where there are fewer rows).
    pub sample: usize,
    /// The same rows, settings and seed give the same forest, to the byte.
    pub seed: u64,
}

impl Default for ForestSettings {
    fn default() -> Self {
        ForestSettings { trees: 100, sample: 256, seed: 1 }
    }
}

/// A forest that was grown once; immutable but for [`IsolationForest::replace_tree`]. 4 KiB a tree.
///
/// A missing value (NaN) counts as less than every number; where a feature has one value or none, the two are split from each
/// other. A feature that is constant is never split.
///
/// ```
/// use lapwing_learn::{ForestSettings, IsolationForest, Rows};
/// // 1,000 points on a line, in two features.
/// let usual: Vec<f32> = (0..1_000).flat_map(|i| [i as f32 / 100.0, i as f32 / 50.0]).collect();
/// let forest = IsolationForest::fit(Rows::new(&usual, 2), &ForestSettings::default()).unwrap();
/// assert!(forest.score(&[5.0, 90.0]) > 0.6 && forest.score(&[5.0, 10.0]) < 0.5);
/// // The second feature is what isolates the point.
/// let parts = forest.explain(&[5.0, 90.0]);
/// assert!(parts[1] > parts[0]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct IsolationForest {
    width: usize,
    sample: usize,
    nodes: Vec<Node>,
    values: Vec<f32>,
}

serde_if_sound!(IsolationForest, "an isolation forest");

impl IsolationForest {
    /// Grows a forest from `rows`.
    ///
    /// # Errors
    /// Where there are no rows, or rows of more than [`MAX_FEATURES`] values.
    pub fn fit(rows: Rows<'_>, settings: &ForestSettings) -> Result<Self, Unfit> {
        rows.check()?;
        let sample = settings.sample.clamp(2, MAX_SAMPLE).min(rows.len());
        let mut forest = IsolationForest::empty(rows.width(), sample);
        let mut random = Random::new(settings.seed);
        for at in 0..settings.trees.clamp(1, MAX_TREES) {
            forest.replace_tree(at, rows, &mut random);
        }
        Ok(forest)
    }

    /// A forest without trees, to be filled by `replace_tree`. It scores everything 0.5.
    pub(crate) fn empty(width: usize, sample: usize) -> Self {
        let (width, sample) = (width.clamp(1, MAX_FEATURES), sample.clamp(1, MAX_SAMPLE));
        IsolationForest { width, sample, nodes: Vec::new(), values: Vec::new() }
    }

    /// Grows tree `at` (or one more) anew from `rows`, which have the forest's width.
    pub(crate) fn replace_tree(&mut self, at: usize, rows: Rows<'_>, random: &mut Random) {
        let at = at.min(self.trees());
        if at == self.trees() {
            self.nodes.resize((at + 1) * NODES, Node::LEAF);
            self.values.resize((at + 1) * VALUES, 0.0);
        }
        let chosen = random.choose(rows.len(), self.sample);
        let sample: Vec<f32> = chosen.iter().filter_map(|&row| rows.get(row as usize)).flatten().copied().collect();
        let mut growth = Growth {
            rows: &sample,
            width: self.width,
            limit: self.sample.next_power_of_two().ilog2() as usize,
            random,
            nodes: &mut self.nodes[at * NODES..(at + 1) * NODES],
            values: &mut self.values[at * VALUES..(at + 1) * VALUES],
            features: (0..self.width as u32).collect(),
        };
        growth.nodes.fill(Node::LEAF);
        growth.values.fill(0.0);
        growth.grow(&mut (0..chosen.len() as u32).collect::<Vec<_>>(), 1, 0);
    }

    /// How many trees it has.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.nodes.len() / NODES
    }

    /// How many features a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The anomaly score of one row of `width` values, in (0, 1]: `2^(-E(h) / c)` of its mean path length. Ordinary rows are
    /// near 0.4 to 0.5, unusual ones above 0.6. What a short row does not have is missing.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> f32 {
        let row = &row[..row.len().min(self.width)];
        for_width!(self.width, W => self.finish(sum_of_one::<W>(&self.nodes, &self.values, &padded(row))))
    }

    /// The scores of all rows, put into `scores` (emptied before): equal to [`IsolationForest::score`] of each, in half the
    /// time.
    pub fn score_rows(&self, rows: Rows<'_>, scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(rows.len(), 0.0);
        for_width!(self.width, W => self.score_padded::<W>(rows, scores));
        scores.iter_mut().for_each(|score| *score = self.finish(*score));
    }

    fn score_padded<const W: usize>(&self, rows: Rows<'_>, sums: &mut [f32]) {
        let width = rows.width().min(self.width);
        let mut block = Vec::with_capacity(BLOCK.min(sums.len()));
        let mut rows = rows.iter();
        for sums in sums.chunks_mut(BLOCK) {
            block.clear();
            block.extend(rows.by_ref().take(sums.len()).map(|row| padded::<W>(&row[..width])));
            sum_of_many(&self.nodes, &self.values, &block, sums);
        }
    }

    fn finish(&self, sum: f32) -> f32 {
        let usual = mean_path(self.sample) as f32;
        if usual == 0.0 || self.trees() == 0 { 0.5 } else { (-(sum / self.trees() as f32) / usual).exp2() }
    }

    /// How much each feature adds to a row's score: `score = 2^(sum of parts - 1)`. Positive parts make it more unusual.
    ///
    /// Each split on the row's path changes the expected path length, from that of the rows in the node (`depth + c(n)`) to
    /// that of the side the row takes; the change belongs to the feature that was split on. Changes along a path add up to the
    /// path's length, so parts add up to the score (the decomposition of trees of Saabas, 2014, for path lengths; DIFFI of
    /// Carletti et al., 2023, weighs the same splits by depth). They are divided by `c(sample)` and averaged over trees.
    #[must_use]
    pub fn explain(&self, row: &[f32]) -> Vec<f32> {
        let row = padded::<MAX_FEATURES>(&row[..row.len().min(self.width)]);
        let mut changes = vec![0f64; self.width];
        for (nodes, values) in self.nodes.chunks_exact(NODES).zip(self.values.chunks_exact(VALUES)) {
            let mut at = 1;
            while at < NODES && nodes[at].threshold < NO_SPLIT {
                let feature = nodes[at].feature as usize;
                let next = 2 * at + usize::from(row[feature] > nodes[at].threshold);
                changes[feature] += f64::from(values[next] - values[at]);
                at = next;
            }
        }
        let scale = mean_path(self.sample) * self.trees() as f64;
        changes.iter().map(|change| if scale > 0.0 { (-change / scale) as f32 } else { 0.0 }).collect()
    }

    fn is_sound(&self) -> bool {
        let trees = self.trees();
        (1..=MAX_FEATURES).contains(&self.width)
            && (1..=MAX_SAMPLE).contains(&self.sample)
            && trees <= MAX_TREES
            && self.nodes.len() == trees * NODES
            && self.values.len() == trees * VALUES
            && self.nodes.iter().all(|node| (node.feature as usize) < self.width && !node.threshold.is_nan())
            && self.values.iter().all(|value| (0.0..=64.0).contains(value))
    }
}

#[cfg(test)]
mod tests;
