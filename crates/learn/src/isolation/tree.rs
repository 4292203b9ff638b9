//! One isolation tree in a fixed shape: a complete binary tree of depth 8 whose early leaves go on to the left.

use crate::random::Random;
use serde::{Deserialize, Serialize};

pub(super) const DEPTH: usize = 8;
/// Inner nodes 1..256: the children of `i` are `2 i` and `2 i + 1`; number 0 is not used.
pub(super) const NODES: usize = 1 << DEPTH;
/// A value for each node and leaf.
pub(super) const VALUES: usize = 2 * NODES;
/// The threshold of what splits nothing: no (bounded) value is greater.
pub(super) const NO_SPLIT: f32 = f32::MAX;

/// Values greater than the threshold go right; all others, and missing ones, left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) threshold: f32,
    pub(super) feature: u32,
}

impl Node {
    pub(super) const LEAF: Node = Node { threshold: NO_SPLIT, feature: 0 };
}

/// The mean path length of an unsuccessful search in a binary search tree of `n` (Liu, Ting, Zhou 2008, equation 1).
pub(super) fn mean_path(n: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

/// What a tree is grown from, and into.
pub(super) struct Growth<'a> {
    /// Rows without gaps, `width` values each.
    pub(super) rows: &'a [f32],
    pub(super) width: usize,
    pub(super) limit: usize,
    pub(super) random: &'a mut Random,
    pub(super) nodes: &'a mut [Node],
    pub(super) values: &'a mut [f32],
    /// The features, in an order that changes as they are drawn.
    pub(super) features: Vec<u32>,
}

impl Growth<'_> {
    /// Grows the subtree of `node` over the rows `which`. A node's value is the expected path length of what ends below it.
    pub(super) fn grow(&mut self, which: &mut [u32], node: usize, depth: usize) {
        let value = (depth as f64 + mean_path(which.len())) as f32;
        self.values[node] = value;
        let split = if depth < self.limit && which.len() > 1 { self.draw_split(which) } else { None };
        let Some(split) = split else {
            self.end(node, value);
            return;
        };
        self.nodes[node] = split;
        let left = self.partition(which, split);
        let (left, right) = which.split_at_mut(left);
        self.grow(left, 2 * node, depth + 1);
        self.grow(right, 2 * node + 1, depth + 1);
    }

    fn value(&self, row: u32, feature: u32) -> f32 {
        crate::rows::bounded(self.rows[row as usize * self.width + feature as usize])
    }

    /// A random feature among those that differ, and a random threshold within their values.
    fn draw_split(&mut self, which: &[u32]) -> Option<Node> {
        for tried in 0..self.width {
            let at = tried + self.random.below(self.width - tried);
            self.features.swap(tried, at);
            let feature = self.features[tried];
            if let Some(threshold) = self.draw_threshold(which, feature) {
                return Some(Node { threshold, feature });
            }
        }
        None
    }

    fn draw_threshold(&mut self, which: &[u32], feature: u32) -> Option<f32> {
        let (mut least, mut most, mut missing) = (f32::INFINITY, f32::NEG_INFINITY, false);
        for &row in which {
            let value = self.value(row, feature);
            missing |= value.is_nan();
            (least, most) = (least.min(value), most.max(value));
        }
        if most > least {
            let (from, to) = (f64::from(least), f64::from(most));
            let threshold = (from + (to - from) * self.random.unit()) as f32;
            return Some(if threshold >= most { least } else { threshold });
        }
        // Nothing but one value and missing ones: what is missing is isolated from what is not.
        (missing && least == most).then(|| least.next_down())
    }

    fn partition(&self, which: &mut [u32], split: Node) -> usize {
        let mut left = 0;
        for at in 0..which.len() {
            let goes_right = self.value(which[at], split.feature) > split.threshold;
            if !goes_right {
                which.swap(at, left);
                left += 1;
            }
        }
        left
    }

    /// A leaf above the last level: walks go on to the left and find the same value there.
    fn end(&mut self, node: usize, value: f32) {
        let mut at = node;
        while at < NODES {
            self.nodes[at] = Node::LEAF;
            at *= 2;
            self.values[at] = value;
        }
    }
}
