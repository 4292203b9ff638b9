//! Forests that were grown elsewhere.

use super::tree::{self, DEPTH, NO_SPLIT, NODES, Node, VALUES, mean_path};
use super::{IsolationForest, MAX_SAMPLE, MAX_TREES};
use crate::imported::{ImportError, ensure, parts};
use crate::rows::MAX_FEATURES;
use serde::{Deserialize, Serialize};

/// What a forest consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestParts {
    /// Features of a row (1 to 256).
    pub features: usize,
    /// Rows that each tree was grown from (1 to 256).
    pub sample: usize,
    /// At most 10,000.
    pub trees: Vec<TreeParts>,
}

/// A tree as columns, a number for each node; node 0 is the root, and a leaf has 0 as its left and right.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeParts {
    /// The feature that is split on.
    pub feature: Vec<u32>,
    /// A row goes right where its value is greater, else left.
    pub threshold: Vec<f32>,
    pub left: Vec<usize>,
    pub right: Vec<usize>,
    /// Rows of the sample that reached the node.
    pub rows: Vec<usize>,
}

impl IsolationForest {
    /// A forest that was exported from scikit-learn by `tools/export_sklearn.py`. Scores are those of scikit-learn with the
    /// sign changed.
    ///
    /// # Errors
    /// Where it is not such JSON, or [`IsolationForest::from_parts`] refuses it.
    pub fn import(json: &[u8]) -> Result<Self, ImportError> {
        Self::from_parts(&parts(json, "lapwing-isolation-forest")?)
    }

    /// A forest of these parts.
    ///
    /// # Errors
    /// Where a tree is deeper than 8, points outside itself or has a split that is none, or where there are too many of
    /// something.
    pub fn from_parts(parts: &ForestParts) -> Result<Self, ImportError> {
        let ForestParts { features, sample, trees } = parts;
        ensure((1..=MAX_FEATURES).contains(features), || {
            format!("the forest has {features} features; 1 to {MAX_FEATURES} are supported")
        })?;
        ensure((1..=MAX_SAMPLE).contains(sample), || {
            format!("trees were grown from {sample} rows; 1 to {MAX_SAMPLE} are supported (max_samples)")
        })?;
        ensure((1..=MAX_TREES).contains(&trees.len()), || {
            format!("the forest has {} trees; 1 to {MAX_TREES} are supported", trees.len())
        })?;
        let mut forest = IsolationForest::empty(*features, *sample);
        forest.nodes = vec![Node::LEAF; trees.len() * NODES];
        forest.values = vec![0.0; trees.len() * VALUES];
        let places = forest.nodes.chunks_exact_mut(NODES).zip(forest.values.chunks_exact_mut(VALUES));
        for (number, (tree, (nodes, values))) in trees.iter().zip(places).enumerate() {
            let placed = tree.check(*features, *sample).and_then(|()| tree.place(0, 1, 0, nodes, values));
            placed.map_err(|ImportError(reason)| ImportError(format!("tree {number}: {reason}")))?;
        }
        Ok(forest)
    }
}

impl TreeParts {
    fn check(&self, features: usize, sample: usize) -> Result<(), ImportError> {
        let count = self.rows.len();
        let lengths = [self.feature.len(), self.threshold.len(), self.left.len(), self.right.len()];
        ensure(count > 0 && lengths == [count; 4], || {
            format!("{count} nodes, but {lengths:?} features, thresholds, left and right ones")
        })?;
        for node in 0..count {
            let (left, right) = (self.left[node], self.right[node]);
            ensure((1..=sample).contains(&self.rows[node]), || format!("{} rows of {sample} in node {node}", self.rows[node]))?;
            let sound = left < count && right < count && (left > 0) == (right > 0);
            ensure(sound, || format!("node {node} points to {left} and {right} of {count} nodes"))?;
            let (feature, threshold) = (self.feature[node], self.threshold[node]);
            let sound = left == 0 || ((feature as usize) < features && threshold.abs() < NO_SPLIT);
            ensure(sound, || format!("node {node} splits feature {feature} of {features} at {threshold}"))?;
        }
        Ok(())
    }

    /// Puts the subtree of a node to place `at` of the fixed shape.
    fn place(&self, node: usize, at: usize, depth: usize, nodes: &mut [Node], values: &mut [f32]) -> Result<(), ImportError> {
        let value = (depth as f64 + mean_path(self.rows[node])) as f32;
        values[at] = value;
        if self.left[node] == 0 {
            tree::end(nodes, values, at, value);
            return Ok(());
        }
        // This also ends what goes round in a circle.
        ensure(depth < DEPTH, || format!("it is deeper than {DEPTH}; grow trees from at most {MAX_SAMPLE} rows (max_samples)"))?;
        nodes[at] = Node { threshold: self.threshold[node], feature: self.feature[node] };
        self.place(self.left[node], 2 * at, depth + 1, nodes, values)?;
        self.place(self.right[node], 2 * at + 1, depth + 1, nodes, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts feature 1 at 0.5, and what is beyond at 2.
    fn parts() -> ForestParts {
        let tree = TreeParts {
            feature: vec![1, 0, 1, 0, 0],
            threshold: vec![0.5, 0.0, 2.0, 0.0, 0.0],
            left: vec![1, 0, 3, 0, 0],
            right: vec![2, 0, 4, 0, 0],
            rows: vec![8, 5, 3, 2, 1],
        };
        ForestParts { features: 2, sample: 8, trees: vec![tree] }
    }

    #[test]
    fn scores_are_two_to_the_path_lengths() {
        let forest = IsolationForest::from_parts(&parts()).unwrap();
        for (value, path) in [(0.5, 1.0 + mean_path(5)), (1.0, 2.0 + mean_path(2)), (2.5, 2.0)] {
            let score = (-path / mean_path(8)).exp2();
            assert!((f64::from(forest.score(&[9.0, value])) - score).abs() < 1e-6, "at {value}");
        }
        assert_eq!((forest.explain(&[9.0, 2.5])[0], forest.score(&[9.0])), (0.0, forest.score(&[9.0, 0.0])));
        assert!(forest.is_sound());
    }

    #[test]
    fn what_is_no_forest_is_refused_with_the_reason() {
        let refused = |change: fn(&mut ForestParts)| {
            let mut parts = parts();
            change(&mut parts);
            IsolationForest::from_parts(&parts).unwrap_err().to_string()
        };
        assert!(refused(|parts| parts.features = 300).contains("300 features"));
        assert!(refused(|parts| parts.sample = 1_000).contains("1000 rows"));
        assert!(refused(|parts| parts.trees.clear()).contains("0 trees"));
        assert!(refused(|parts| parts.trees[0].feature[0] = 2).contains("tree 0: node 0 splits feature 2 of 2"));
        assert!(refused(|parts| parts.trees[0].threshold[2] = f32::NAN).contains("node 2 splits feature 1 of 2 at NaN"));
        assert!(refused(|parts| parts.trees[0].right[0] = 5).contains("node 0 points to 1 and 5 of 5"));
        assert!(refused(|parts| parts.trees[0].right[0] = 0).contains("node 0 points to 1 and 0 of 5"));
        assert!(refused(|parts| parts.trees[0].left[2] = 2).contains("deeper than 8"));
        assert!(refused(|parts| parts.trees[0].rows[3] = 9).contains("9 rows of 8 in node 3"));
        assert!(refused(|parts| parts.trees[0].rows.truncate(4)).contains("4 nodes, but [5, 5, 5, 5]"));
        assert!(refused(|parts| parts.trees[0] = TreeParts::default()).contains("0 nodes"));
        let refused = |json: &str| IsolationForest::import(json.as_bytes()).unwrap_err().to_string();
        assert!(refused("{").starts_with("this is no lapwing-isolation-forest in JSON: "));
        let other = r#"{"format": "else", "version": 3, "model": {"features": 1, "sample": 1, "trees": []}}"#;
        assert!(refused(other).starts_with("this is \"else\" version 3, not "));
    }
}
