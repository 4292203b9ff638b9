//! How far values are from the most common one: what makes heavy-tailed counts and rates comparable for forests.

use crate::rows::{MAX_FEATURES, Rows, Unfit, bounded};
use crate::sound::serde_if_sound;
use serde::{Deserialize, Serialize};

const BINS: usize = 64;

/// Encodes each feature as the squared distance from its mode, in units of the range of the rows it was learned from.
///
/// Random cuts treat both ends of a feature alike, so where much of what is learned from is unusual (an attack of many equal
/// events), the usual and the unusual are two clusters, and which of them scores higher is chance. Seen from the mode, what is
/// common in each feature alone comes together at 0, and small differences vanish in the square. The mode is the median of the
/// fullest of 64 equal bins; memory is three numbers a feature.
///
/// ```
/// use lapwing_learn::{FromMode, Rows};
/// let encoding = FromMode::fit(Rows::new(&[5.0, 5.0, 5.0, 0.0, 10.0], 1)).unwrap();
/// let mut encoded = Vec::new();
/// encoding.encode(&[7.5], &mut encoded);
/// assert_eq!(encoded, [0.0625]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct FromMode {
    /// Of each feature its mode, and one over the width of its range.
    features: Vec<(f32, f32)>,
}

serde_if_sound!(FromMode, "an encoding");

impl FromMode {
    /// Learns modes and ranges. Missing values (NaN) do not count.
    ///
    /// # Errors
    /// Where there are no rows, or rows of more than [`MAX_FEATURES`] values.
    pub fn fit(rows: Rows<'_>) -> Result<Self, Unfit> {
        rows.check()?;
        let feature = |at: usize| of_feature(rows.iter().map(|row| bounded(row[at])).filter(|value| !value.is_nan()).collect());
        Ok(FromMode { features: (0..rows.width()).map(feature).collect() })
    }

    /// Puts the encoded row into `encoded` (emptied before). A missing value stays missing, values of a feature that was
    /// constant are their squared difference.
    pub fn encode(&self, row: &[f32], encoded: &mut Vec<f32>) {
        encoded.clear();
        encoded.extend(self.features.iter().enumerate().map(|(at, &(mode, scale))| {
            let distance = (bounded(row.get(at).copied().unwrap_or(f32::NAN)) - mode) * scale;
            bounded(distance * distance)
        }));
    }

    /// All rows encoded, one after another.
    #[must_use]
    pub fn encode_rows(&self, rows: Rows<'_>) -> Vec<f32> {
        let (mut all, mut one) = (Vec::with_capacity(rows.len() * self.features.len()), Vec::new());
        for row in rows.iter() {
            self.encode(row, &mut one);
            all.extend_from_slice(&one);
        }
        all
    }

    fn is_sound(&self) -> bool {
        (1..=MAX_FEATURES).contains(&self.features.len())
            && self.features.iter().all(|(mode, scale)| mode.is_finite() && scale.is_finite())
    }
}

fn of_feature(mut values: Vec<f32>) -> (f32, f32) {
    values.sort_unstable_by(f32::total_cmp);
    let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
        return (0.0, 1.0);
    };
    let width = f64::from(most) - f64::from(least);
    if width <= 0.0 {
        return (least, 1.0);
    }
    let bin = |value: f32| (((f64::from(value) - f64::from(least)) / width * BINS as f64) as usize).min(BINS - 1);
    let fullest = values.chunk_by(|&a, &b| bin(a) == bin(b)).max_by_key(|bin| bin.len());
    let mode = fullest.and_then(|bin| bin.get(bin.len() / 2)).copied().unwrap_or(least);
    (mode, (1.0 / width).min(f64::from(f32::MAX)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_comes_together_and_what_is_rare_keeps_its_distance() {
        let values: Vec<f32> = (0..100).map(|i| if i < 90 { 40.0 + (i % 3) as f32 / 10.0 } else { i as f32 }).collect();
        let encoded = FromMode::fit(Rows::new(&values, 1)).unwrap().encode_rows(Rows::new(&values, 1));
        assert!(encoded[..90].iter().all(|&x| x < 1e-4) && encoded[90..].iter().all(|&x| x > 0.5), "{encoded:?}");
    }

    #[test]
    fn odd_values_never_panic_and_missing_ones_stay_missing() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MIN_POSITIVE, -0.0, 1e-45, f32::MAX];
        for width in 1..=8 {
            let encoding = FromMode::fit(Rows::new(&values, width)).unwrap();
            for row in [&values[..], &[], &[1.0]] {
                let mut encoded = Vec::new();
                encoding.encode(row, &mut encoded);
                let expected = (0..width).map(|at| row.get(at).is_none_or(|value| value.is_nan()));
                assert!(encoded.iter().map(|value| value.is_nan()).eq(expected), "{encoded:?}");
            }
            assert_eq!(postcard::from_bytes::<FromMode>(&postcard::to_allocvec(&encoding).unwrap()), Ok(encoding));
        }
        assert_eq!(FromMode::fit(Rows::new(&[], 1)), Err(Unfit::NoRows));
    }
}
