//! The RBF kernel of one point against many, eight points at a time in code that compilers vectorise without being told.

use serde::{Deserialize, Serialize};

/// Points whose kernels are computed together.
pub(super) const LANES: usize = 8;
/// Larger numbers are taken for this one: their squares stay finite.
const LARGEST: f32 = 1e15;

/// Points in blocks of eight, feature after feature within a block: `[block][feature][lane]`. The last block is filled up with
/// its last point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Points {
    pub(super) width: usize,
    pub(super) count: usize,
    pub(super) lanes: Vec<f32>,
}

impl Points {
    /// Of rows without gaps, `width` (at least 1) values each.
    pub(super) fn new(rows: &[f32], width: usize) -> Self {
        let count = rows.len() / width;
        let mut lanes = Vec::with_capacity(count.div_ceil(LANES) * LANES * width);
        for block in 0..count.div_ceil(LANES) {
            for feature in 0..width {
                lanes.extend((0..LANES).map(|lane| rows[(block * LANES + lane).min(count - 1) * width + feature]));
            }
        }
        Points { width, count, lanes }
    }

    pub(super) fn padded_count(&self) -> usize {
        self.count.div_ceil(LANES) * LANES
    }

    pub(super) fn is_sound(&self) -> bool {
        self.width > 0 && self.lanes.len() == self.padded_count() * self.width && self.lanes.iter().all(|x| x.is_finite())
    }
}

/// Puts `exp(-gamma |p - x|^2)` of each point `p` into `kernels`; `lanes` are whole blocks of points as wide as `x`.
pub(super) fn kernels_of(lanes: &[f32], x: &[f32], gamma: f32, kernels: &mut [f32]) {
    for (block, kernels) in lanes.chunks_exact(LANES * x.len()).zip(kernels.as_chunks_mut::<LANES>().0) {
        let mut squared = [0f32; LANES];
        for (lanes, &x) in block.as_chunks::<LANES>().0.iter().zip(x) {
            for k in 0..LANES {
                squared[k] += (lanes[k] - x) * (lanes[k] - x);
            }
        }
        for k in 0..LANES {
            kernels[k] = exp_of_negative(-gamma * squared[k]);
        }
    }
}

/// A value of a point; what is missing is `instead`.
#[inline]
pub(super) fn value_or(value: f32, instead: f32) -> f32 {
    if value.is_nan() { instead } else { value.clamp(-LARGEST, LARGEST) }
}

/// `e^x` for x <= 0, with a relative error below 3e-7; 0 below -87. Branchless: `e^x = 2^k e^f` with |f| <= ln 2 / 2, and a
/// polynomial for `e^f`.
#[inline(always)]
pub(super) fn exp_of_negative(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer, which is then in the low bits
    let y = x.max(-87.0);
    let shifted = y * std::f32::consts::LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let f = (y - k * 0.693_359_4) + k * 2.121_944_4e-4;
    let p = 1.0 + f * (1.0 + f * (0.5 + f * (0.166_666_67 + f * (0.041_666_42 + f * (0.008_333_68 + f * 0.001_393_1)))));
    let scale = f32::from_bits(shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127) << 23);
    let power = p * scale;
    if x < -87.0 { 0.0 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_as_exact_as_it_says() {
        for i in 0..=870_000 {
            let x = -i as f32 / 10_000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_of_negative(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "{x}: {error}");
        }
        assert_eq!([f32::NEG_INFINITY, -1e30, -88.0, 0.0, -0.0].map(exp_of_negative), [0.0, 0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn blocks_give_what_one_point_after_another_gives() {
        for (count, width) in [(1, 1), (7, 3), (8, 2), (19, 5)] {
            let rows: Vec<f32> = (0..count * width).map(|i| (i * 37 % 11) as f32 / 3.0).collect();
            let points = Points::new(&rows, width);
            let mut kernels = vec![0.0; points.padded_count()];
            kernels_of(&points.lanes, &rows[..width], 0.3, &mut kernels);
            for (at, row) in rows.chunks(width).enumerate() {
                let squared: f32 = row.iter().zip(&rows).map(|(a, b)| (a - b) * (a - b)).sum();
                assert!((kernels[at] - (-0.3 * squared).exp()).abs() < 1e-6);
            }
        }
    }
}
