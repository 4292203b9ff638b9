//! An Isolation Forest that follows a stream: tree after tree is grown anew from a sample that ages.

use crate::isolation::{ForestSettings, IsolationForest};
use crate::random::Random;
use crate::reservoir::Reservoir;
use crate::rows::Rows;
use crate::sound::serde_if_sound;
use serde::{Deserialize, Serialize};

/// How a [`StreamingForest`] learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StreamingForestSettings {
    /// Trees, rows a tree, seed.
    pub forest: ForestSettings,
    /// Rows that are remembered (1 to 65,536).
    pub reservoir: usize,
    /// Rows after which a remembered row is half as likely still there; `None` remembers all alike.
    pub half_life: Option<f64>,
    /// Every tree is grown anew once within so many rows; more often while the stream is young.
    pub rebuild_every: u64,
}

impl Default for StreamingForestSettings {
    fn default() -> Self {
        StreamingForestSettings {
            forest: ForestSettings::default(),
            reservoir: 4_096,
            half_life: Some(100_000.0),
            rebuild_every: 50_000,
        }
    }
}

/// Scores rows of a stream and learns from them. Counts rows, never time; same rows and seed, same scores.
///
/// No row costs more than one tree (0.1 ms at 256 rows of 16 features). The first tree is grown once there are
/// `forest.sample` rows, then one a row until the forest is full; from then on trees are replaced in turn, so the forest always
/// is a mixture of at most `rebuild_every` rows of age. While less was seen than that, the whole forest is replaced whenever
/// the stream has doubled.
///
/// ```
/// use lapwing_learn::{StreamingForest, StreamingForestSettings};
/// let mut forest = StreamingForest::new(1, StreamingForestSettings::default());
/// for i in 0..1_000 {
///     forest.score_then_learn(&[(i as f32).sin().powi(3)]);
/// }
/// assert!(forest.score(&[5.0]).unwrap() > forest.score(&[0.0]).unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct StreamingForest {
    settings: StreamingForestSettings,
    forest: IsolationForest,
    reservoir: Reservoir,
    random: Random,
    /// The tree that is replaced next.
    next: usize,
    /// Rows since the last tree.
    waited: u64,
}

serde_if_sound!(StreamingForest, "a streaming forest");

impl StreamingForest {
    /// For rows of `width` values (1 to [`crate::MAX_FEATURES`]).
    #[must_use]
    pub fn new(width: usize, mut settings: StreamingForestSettings) -> Self {
        settings.forest.trees = settings.forest.trees.clamp(1, 10_000);
        settings.forest.sample = settings.forest.sample.clamp(2, 256).min(settings.reservoir.max(2));
        settings.reservoir = settings.reservoir.max(settings.forest.sample);
        let forest = IsolationForest::empty(width, settings.forest.sample);
        let seed = settings.forest.seed;
        let reservoir = Reservoir::new(forest.width(), settings.reservoir, settings.half_life, seed);
        StreamingForest { settings, forest, reservoir, random: Random::new(!seed), next: 0, waited: 0 }
    }

    /// The score of a row (see [`IsolationForest::score`]); `None` before the first tree.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> Option<f32> {
        self.forest().map(|forest| forest.score(row))
    }

    /// Learns one row.
    pub fn learn(&mut self, row: &[f32]) {
        self.reservoir.insert(row);
        self.waited += 1;
        if self.reservoir.seen() >= self.settings.forest.sample as u64 && self.waited >= self.wait() {
            self.waited = 0;
            self.forest.replace_tree(self.next, self.reservoir.rows(), &mut self.random);
            self.next = (self.next + 1) % self.settings.forest.trees;
        }
    }

    /// Judges a row by what was seen before, then learns it.
    pub fn score_then_learn(&mut self, row: &[f32]) -> Option<f32> {
        let score = self.score(row);
        self.learn(row);
        score
    }

    /// Judges all rows by the forest as it is (into `scores`, emptied before), then learns them in order. False, and no
    /// scores, before the first tree.
    pub fn score_then_learn_rows(&mut self, rows: Rows<'_>, scores: &mut Vec<f32>) -> bool {
        scores.clear();
        let known = self.forest().map(|forest| forest.score_rows(rows, scores)).is_some();
        rows.iter().for_each(|row| self.learn(row));
        known
    }

    /// The forest as it is; `None` before the first tree.
    #[must_use]
    pub fn forest(&self) -> Option<&IsolationForest> {
        (self.forest.trees() > 0).then_some(&self.forest)
    }

    /// The rows it remembers.
    #[must_use]
    pub fn remembered(&self) -> Rows<'_> {
        self.reservoir.rows()
    }

    /// How far it is from a full forest over a full reservoir, in [0, 1]: what to show while it learns.
    #[must_use]
    pub fn progress(&self) -> f32 {
        (self.reservoir.seen() as f64 / self.settings.reservoir as f64).min(1.0) as f32
    }

    /// Rows from one tree to the next.
    fn wait(&self) -> u64 {
        let trees = self.settings.forest.trees as u64;
        if self.forest.trees() < self.settings.forest.trees {
            return 1;
        }
        (self.reservoir.seen() / trees).min(self.settings.rebuild_every / trees).max(1)
    }

    fn is_sound(&self) -> bool {
        let ForestSettings { trees, sample, .. } = self.settings.forest;
        self.reservoir.rows().width() == self.forest.width()
            && (1..=10_000).contains(&trees)
            && (2..=256).contains(&sample)
            && self.next < trees
            && self.forest.trees() <= trees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StreamingForestSettings {
        StreamingForestSettings {
            forest: ForestSettings { trees: 20, sample: 64, seed: 3 },
            reservoir: 500,
            half_life: Some(1_000.0),
            rebuild_every: 2_000,
        }
    }

    fn row(random: &mut Random, shift: f64) -> [f32; 3] {
        [0; 3].map(|_| (random.normal() + shift) as f32)
    }

    #[test]
    fn judges_from_the_first_full_sample_on_and_follows_a_drift() {
        let mut forest = StreamingForest::new(3, settings());
        let mut random = Random::new(1);
        for i in 0..64 {
            assert_eq!(forest.score(&[0.0; 3]), None, "after {i} rows");
            forest.learn(&row(&mut random, 0.0));
        }
        (0..5_000).for_each(|_| forest.learn(&row(&mut random, 0.0)));
        assert!(forest.score(&[9.0; 3]) > Some(0.65) && forest.score(&[0.0; 3]) < Some(0.45));
        (0..8_000).for_each(|_| forest.learn(&row(&mut random, 9.0)));
        assert!(forest.score(&[9.0; 3]) < Some(0.45) && forest.score(&[0.0; 3]) > Some(0.65));
    }

    #[test]
    fn at_most_one_tree_changes_with_a_row_and_all_within_the_cycle() {
        let mut forest = StreamingForest::new(3, settings());
        let mut random = Random::new(1);
        (0..5_000).for_each(|_| forest.learn(&row(&mut random, 0.0)));
        let mut changes = 0;
        for _ in 0..2_000 {
            let before = (forest.next, forest.forest.clone());
            forest.learn(&row(&mut random, 0.0));
            changes += usize::from(before.1 != forest.forest);
            assert!(forest.next == before.0 || forest.next == (before.0 + 1) % 20);
        }
        assert_eq!(changes, 20);
    }

    #[test]
    fn continues_exactly_after_a_round_trip_at_any_row() {
        let (mut forest, mut random) = (StreamingForest::new(3, settings()), Random::new(1));
        for i in 0..1_000 {
            if i % 97 == 0 {
                forest = postcard::from_bytes(&postcard::to_allocvec(&forest).unwrap()).unwrap();
            }
            forest.learn(&row(&mut random, 0.0));
        }
        let (mut straight, mut random) = (StreamingForest::new(3, settings()), Random::new(1));
        (0..1_000).for_each(|_| straight.learn(&row(&mut random, 0.0)));
        assert!(forest == straight);
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let mut forest = StreamingForest::new(3, settings());
        forest.next = 20;
        assert!(postcard::from_bytes::<StreamingForest>(&postcard::to_allocvec(&forest).unwrap()).is_err());
    }
}
