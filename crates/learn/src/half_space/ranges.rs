//! The range in which each feature's values lie, learned from a few rows.

use serde::{Deserialize, Serialize};

/// What a feature's values are taken to lie between. Always finite, and `least < most`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Range {
    /// The range of what is not missing. The outermost hundredth at each end is left out, so that one absurd value does not
    /// squeeze all others into one cell; but where that leaves one value only, the rare others count.
    pub(super) fn of(values: impl Iterator<Item = f32>) -> Range {
        let mut sorted: Vec<f32> = values.filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return Range { least: 0.0, most: 1.0 };
        };
        let outer = sorted.len() / 100;
        let between = |from: usize, to: usize| Range { least: sorted[from].into(), most: sorted[to].into() };
        let (inner, whole) = (between(outer, last - outer), between(0, last));
        let range = if inner.most > inner.least { inner } else { whole };
        if range.most > range.least {
            return range;
        }
        // Constant so far: anything else will be on the other side of a cut close by.
        Range { least: range.least, most: range.least + (range.least.abs() * 0.1).max(1.0) }
    }

    pub(super) fn width(&self) -> f64 {
        self.most - self.least
    }

    /// Both ends, moved outwards by a share of the width.
    pub(super) fn widened(&self, share: f64) -> (f64, f64) {
        (self.least - share * self.width(), self.most + share * self.width())
    }

    /// Whether a value lies more than half a width outside.
    pub(super) fn is_far(&self, value: f32) -> bool {
        let (value, half) = (f64::from(value), self.width() / 2.0);
        value < self.least - half || value > self.most + half
    }

    pub(super) fn is_sound(&self) -> bool {
        self.least.is_finite() && self.most.is_finite() && self.least < self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_absurd_value_does_not_stretch_the_range() {
        let range = Range::of((0..200).map(|i| i as f32).chain([1e30, f32::NAN]));
        assert_eq!((range.least, range.most), (2.0, 198.0));
    }

    #[test]
    fn a_nearly_constant_feature_is_as_wide_as_its_rare_values() {
        let range = Range::of((0..500).map(|i| if i == 77 { 5.0 } else { 0.0 }));
        assert_eq!((range.least, range.most), (0.0, 5.0));
    }

    #[test]
    fn every_range_has_a_width() {
        for values in [vec![], vec![f32::NAN], vec![3.0; 9], vec![f32::MAX; 3], vec![f32::MIN, f32::MAX], vec![-0.0, 0.0]] {
            let range = Range::of(values.iter().copied());
            assert!(range.is_sound(), "{values:?} {range:?}");
        }
    }
}
