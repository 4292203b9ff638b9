//! What lies far beyond everything remembered. The cuts of a forest lie within ranges that were seen, so a value a hundred times the
//! largest falls where the largest fell and scores like it. Isolation Forests that mind this end a walk early at a cut that cannot
//! have meant such a value (Cortes: Isotree, `penalize_range`); here the range of most remembered rows decides.

use lapwing_learn::Rows;

/// A least and a greatest value of each feature: all remembered ones lie between but for a hundredth at either end, so that what was
/// far out once does not make room for what comes after it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ranges(Vec<(f32, f32)>);

impl Ranges {
    pub(super) fn of(rows: Rows<'_>) -> Ranges {
        let of_feature = |feature: usize| {
            // NaN is a missing value.
            let mut values: Vec<f32> = rows.iter().map(|row| row[feature]).filter(|value| value.is_finite()).collect();
            values.sort_unstable_by(f32::total_cmp);
            let outside = values.len() / 100;
            let ends = values.get(outside).zip(values.len().checked_sub(outside + 1).and_then(|last| values.get(last)));
            ends.map_or((f32::INFINITY, f32::NEG_INFINITY), |(least, most)| (*least, *most))
        };
        Ranges((0..rows.width()).map(of_feature).collect())
    }

    /// For each feature 0 where its value lies within twice its range to either side, up to 1 for thrice and more. A feature that
    /// had one value only has no range to be beyond of.
    pub(super) fn beyond<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.0.iter().zip(row).map(|(&(least, most), &value)| {
            let width = most - least;
            let outside = (least - value).max(value - most);
            if width > 0.0 && outside > width { (outside / width - 1.0).min(1.0) } else { 0.0 }
        })
    }

    /// A score in [0, 1] of a row, as it is with what of the row lies beyond: half the way to 1 for a value that is far out.
    pub(super) fn raised(&self, score: f32, row: &[f32]) -> f32 {
        let beyond: f32 = self.beyond(row).sum();
        score + (1.0 - score) * 0.5 * beyond.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_far_outside_of_a_range_is_beyond_it() {
        let rows = [1.0, 7.0, f32::NAN, 3.0, 7.0, 5.0, 2.0, 7.0, 6.0];
        let ranges = Ranges::of(Rows::new(&rows, 3));
        let beyond = |row: &[f32]| ranges.beyond(row).collect::<Vec<_>>();
        assert_eq!(beyond(&[4.9, 99.0, 4.1]), [0.0, 0.0, 0.0], "of one value only: no range");
        assert_eq!(beyond(&[6.0, 7.0, 1e30]), [0.5, 0.0, 1.0]);
        assert_eq!(beyond(&[-99.0, f32::NAN, f32::NAN]), [1.0, 0.0, 0.0]);
        assert_eq!(beyond(&[f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY]), [1.0, 0.0, 1.0]);
        assert_eq!((ranges.raised(0.5, &[2.0, 7.0, 5.0]), ranges.raised(0.5, &[2.0, 7.0, 50.0])), (0.5, 0.75));
    }

    #[test]
    fn what_was_far_out_once_does_not_widen_the_range() {
        let mut values: Vec<f32> = (0..500).map(|n| (n % 40) as f32).collect();
        values.extend([1e30, 900.0]);
        assert_eq!(Ranges::of(Rows::new(&values, 1)).beyond(&[900.0]).collect::<Vec<_>>(), [1.0]);
    }

    #[test]
    fn nothing_is_beyond_what_is_not_known() {
        assert_eq!(Ranges::default().raised(0.4, &[1e9]), 0.4);
        assert_eq!(Ranges::of(Rows::new(&[f32::NAN; 2], 1)).raised(0.4, &[1e9]), 0.4);
        assert_eq!(Ranges::of(Rows::new(&[f32::MIN, f32::MAX], 1)).raised(0.4, &[f32::INFINITY]), 0.4);
    }
}
