//! Elementary functions that vectorise and give the same bits on every processor: only additions, multiplications, divisions
//! and square roots, in a stated order. (What the C library gives for `exp` and `ln` depends on its version.)

use super::weights::WIDTH;

/// How many numbers a sum runs over side by side: fixed, so that no result depends on the width of the vectors at hand.
pub(super) const LANES: usize = 16;

/// Numbers side by side.
pub(super) type Lanes = [f32; LANES];

/// Added to the mean square before the root is taken (Zhang and Sennrich: Root Mean Square Layer Normalization, 2019).
const EPSILON: f32 = 1e-5;

/// Adds up by halves.
#[inline(always)]
pub(super) fn sum(lanes: &Lanes) -> f32 {
    let (mut eight, mut four) = ([0.0; 8], [0.0; 4]);
    for i in 0..8 {
        eight[i] = lanes[i] + lanes[i + 8];
    }
    for i in 0..4 {
        four[i] = eight[i] + eight[i + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

/// The greater of two numbers, neither of which is NaN.
#[inline(always)]
pub(super) fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
pub(super) fn greatest<const N: usize>(numbers: &[f32; N]) -> f32 {
    let mut top = f32::MIN;
    for x in numbers {
        top = greater(top, *x);
    }
    top
}

/// The values of half-precision numbers.
#[inline(always)]
pub(super) fn widened<const N: usize>(halves: &[u16; N]) -> [f32; N] {
    let mut wide = [0.0; N];
    for i in 0..N {
        wide[i] = widen(halves[i]);
    }
    wide
}

/// `e^x` for x up to 80, to about two units in the last place; exactly 0 below -87, so that what is masked weighs nothing.
/// The polynomial is that of the Cephes library (Moshier, 1992).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let bounded = if x > -87.0 { x } else { -87.0 };
    let rounded = bounded * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let r = bounded - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    y = y * r + 1.398_199_9e-3;
    y = y * r + 8.333_452e-3;
    y = y * r + 4.166_579_6e-2;
    y = y * r + 0.166_666_65;
    y = y * r + 0.5;
    y = y * (r * r) + (r + 1.0);
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    if x >= -87.0 { y * f32::from_bits(exponent) } else { 0.0 }
}

/// The natural logarithm of a positive, normal number, by the series of atanh.
pub(super) fn ln(x: f32) -> f32 {
    let bits = f64::from(x).to_bits();
    let mut exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..9).rev().fold(0.0, |tail, i| tail * square + 1.0 / f64::from(2 * i + 1));
    (exponent * std::f64::consts::LN_2 + 2.0 * s * series) as f32
}

/// `ln(sum(e^row))`, for finite numbers.
#[inline(always)]
pub(super) fn log_sum_exp(row: &[Lanes]) -> f32 {
    let mut top = [f32::MIN; LANES];
    for lanes in row {
        for (top, x) in top.iter_mut().zip(lanes) {
            *top = greater(*top, *x);
        }
    }
    let top = greatest(&top);
    let mut total = [0.0; LANES];
    for lanes in row {
        for (total, x) in total.iter_mut().zip(lanes) {
            *total += exp(*x - top);
        }
    }
    top + ln(sum(&total))
}

/// One over the root of the mean square of a row.
#[inline(always)]
pub(super) fn inverse_rms(row: &[f32; WIDTH]) -> f32 {
    let mut squares = [0.0; LANES];
    for lanes in row.as_chunks::<LANES>().0 {
        for (square, x) in squares.iter_mut().zip(lanes) {
            *square += x * x;
        }
    }
    1.0 / (sum(&squares) / WIDTH as f32 + EPSILON).sqrt()
}

/// The nearest half-precision number (IEEE 754 binary16), ties to even; beyond its range, its greatest.
#[inline(always)]
pub(super) fn narrow(x: f32) -> u16 {
    let sign = ((x.to_bits() >> 16) & 0x8000) as u16;
    let size = x.abs();
    let size = if size < 65504.0 { size } else { 65504.0 };
    // Below 2^-14 the numbers stand 2^-24 apart, as those above 0.5 do in f32: adding 0.5 rounds.
    let small = ((size + 0.5).to_bits()).wrapping_sub(0.5f32.to_bits());
    let bits = size.to_bits();
    let odd = (bits >> 13) & 1;
    let normal = bits.wrapping_sub(112 << 23).wrapping_add(0xfff + odd) >> 13;
    sign | if size < 6.103_515_6e-5 { small } else { normal } as u16
}

/// The value of a finite half-precision number.
#[inline(always)]
pub(super) fn widen(half: u16) -> f32 {
    // As f32 bits the exponent is 112 too small, which the product mends, for subnormal numbers too.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let size = f32::from_bits(u32::from(half & 0x7fff) << 13) * SCALE;
    f32::from_bits(size.to_bits() | (u32::from(half & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_agree_with_f64() {
        for i in 0..=8_700 {
            let x = -(i as f32) / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "exp({x})");
        }
        for i in 1..10_000 {
            let x = 1.0 + (i as f32) * (i as f32) * 0.013;
            assert!((f64::from(ln(x)) - f64::from(x).ln()).abs() <= f64::from(x).ln() * 1e-7, "ln({x})");
        }
        assert_eq!((exp(0.0), exp(-87.5), exp(-1e30), ln(1.0)), (1.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn half_precision_survives_the_round_trip_and_rounds_to_the_nearest() {
        for half in (0..0x7c00u16).flat_map(|half| [half, half | 0x8000]) {
            assert_eq!(narrow(widen(half)), half, "{half:#x}");
        }
        for half in 0..0x7bffu16 {
            let (low, high) = (widen(half), widen(half + 1));
            let middle = (low + high) / 2.0;
            assert_eq!(narrow(middle), half + (half & 1), "a tie goes to the even one, at {low}");
            assert_eq!(narrow(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(narrow(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
        assert_eq!((widen(narrow(1e9)), widen(narrow(-70_000.0)), widen(narrow(1.0))), (65504.0, -65504.0, 1.0));
    }
}
