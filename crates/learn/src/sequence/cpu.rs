//! Which instructions this processor has, and the one door through which code compiled for them is entered.
//!
//! A [`Kernel`] is written once, in safe Rust over a [`Vector`] of sixteen numbers. [`run`] enters a copy of it compiled for
//! the widest vectors at hand; the vector of arrays is the scalar twin of the others. All fuse each multiplication with its addition
//! (rounded once, as IEEE 754 says) and none reorders a sum, so all give the same bits; a test of each kernel holds them to that.
#![allow(unsafe_code, reason = "code compiled for instructions that were found at run time can be entered only so")]

/// What a kernel is compiled for, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// What every processor of the target has.
    Portable,
    /// Vectors of eight `f32`, and fused products (x86-64 of 2013 and later).
    Avx2,
    /// Vectors of sixteen `f32` (x86-64 of servers).
    Avx512,
}

impl Level {
    /// The most that this processor can run.
    pub(super) fn best() -> Level {
        *Self::all().last().unwrap_or(&Level::Portable)
    }

    /// Every level that this processor can run, the least first.
    pub(super) fn all() -> Vec<Level> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                levels.push(Level::Avx2);
            }
            let wide = std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vl");
            if levels.len() == 2 && wide && std::is_x86_feature_detected!("avx512bw") && std::is_x86_feature_detected!("avx512dq")
            {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// Work that is compiled once for each level.
pub(super) trait Kernel {
    type Output;

    /// Does the work. `ROWS` is how many rows of a product fit the level's registers; implementations are `#[inline(always)]`,
    /// as is all that they call, for only what is inlined is compiled for the level.
    fn run<V: Vector, const ROWS: usize>(self) -> Self::Output;
}

/// Runs a kernel as compiled for `level`, or for the best that this processor has where it lacks that.
pub(super) fn run<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => kernel.run::<[f32; 16], 4>(),
        // SAFETY: a level is made by `Level::all` alone, which found these features on this processor.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 => kernel.run::<[f32; 16], 4>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two, 6>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<One, 12>()
}

/// Sixteen numbers. (Loops over arrays alone are vectorised too, but not always along the right one of two loops.)
pub(super) trait Vector: Copy {
    fn load(from: &[f32; 16]) -> Self;
    fn store(self, to: &mut [f32; 16]);
    /// `self + x * by`, rounded once.
    fn add_product(self, x: f32, by: Self) -> Self;
}

impl Vector for [f32; 16] {
    #[inline(always)]
    fn load(from: &[f32; 16]) -> Self {
        *from
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 16]) {
        *to = self;
    }

    #[inline(always)]
    fn add_product(mut self, x: f32, by: Self) -> Self {
        for lane in 0..16 {
            self[lane] = fused(x, by[lane], self[lane]);
        }
        self
    }
}

/// `x * y + z`, rounded once. Where the target has no instruction for it, in double precision: the product is exact there, and a sum
/// rounded to odd loses nothing that rounding it again would need (Boldo, Melquiond: Emulation of a FMA and correctly rounded sums:
/// proved algorithms using rounding to odd, IEEE Transactions on Computers 2008).
#[inline(always)]
fn fused(x: f32, y: f32, z: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { x.mul_add(y, z) } else { twice_rounded(x, y, z) }
}

#[inline(always)]
fn twice_rounded(x: f32, y: f32, z: f32) -> f32 {
    let (product, z) = (f64::from(x) * f64::from(y), f64::from(z));
    let sum = product + z;
    let part = sum - product;
    let lost = (product - (sum - part)) + (z - part);
    let bits = sum.to_bits();
    // Towards what was lost: away from zero where it has the sign of the sum.
    let step = if (lost > 0.0) == (sum > 0.0) { 1 } else { u64::MAX };
    // Not so where nothing was lost, or infinities were added, which is told by NaN.
    let inexact = lost.abs() > 0.0;
    let odd = if inexact && bits & 1 == 0 { bits.wrapping_add(step) } else { bits };
    f64::from_bits(odd) as f32
}

#[cfg(target_arch = "x86_64")]
pub(super) use vectors::{One, Two};

#[cfg(target_arch = "x86_64")]
mod vectors {
    use super::Vector;
    use std::arch::x86_64::*;

    /// Two vectors of eight: made only where AVX2 was found, since only [`super::avx2`] names it.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Two(__m256, __m256);

    impl Vector for Two {
        #[inline(always)]
        fn load(from: &[f32; 16]) -> Self {
            // SAFETY: sixteen numbers can be read; the feature is there, as said above.
            unsafe { Two(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; 16]) {
            // SAFETY: sixteen numbers can be written; the feature is there, as said above.
            unsafe {
                _mm256_storeu_ps(to.as_mut_ptr(), self.0);
                _mm256_storeu_ps(to.as_mut_ptr().add(8), self.1);
            }
        }

        #[inline(always)]
        fn add_product(self, x: f32, by: Self) -> Self {
            // SAFETY: the feature is there, as said above.
            unsafe {
                let x = _mm256_set1_ps(x);
                Two(_mm256_fmadd_ps(x, by.0, self.0), _mm256_fmadd_ps(x, by.1, self.1))
            }
        }
    }

    /// One vector of sixteen: made only where AVX-512 was found, since only [`super::avx512`] names it.
    #[derive(Clone, Copy)]
    pub(in super::super) struct One(__m512);

    impl Vector for One {
        #[inline(always)]
        fn load(from: &[f32; 16]) -> Self {
            // SAFETY: sixteen numbers can be read; the feature is there, as said above.
            unsafe { One(_mm512_loadu_ps(from.as_ptr())) }
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; 16]) {
            // SAFETY: sixteen numbers can be written; the feature is there, as said above.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn add_product(self, x: f32, by: Self) -> Self {
            // SAFETY: the feature is there, as said above.
            unsafe { One(_mm512_fmadd_ps(_mm512_set1_ps(x), by.0, self.0)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::twice_rounded;
    use crate::mix::mix;

    /// Any bits, or numbers so near to each other that the last bits of sums decide.
    fn number(n: u64, like: bool) -> f32 {
        let bits = mix(n, 5) as u32;
        f32::from_bits(if like { bits & 0x807f_ffff | (0x3f00_0000 + (((bits >> 3) % 28) << 23)) } else { bits })
    }

    #[test]
    fn the_twin_of_a_fused_product_gives_its_bits() {
        for n in 0..600_000_u64 {
            let [x, y, z] = [0, 1, 2].map(|at| number(3 * n + at, n % 4 > 0));
            let z = if n % 8 == 1 { -(x * y) } else { z };
            let (twin, fused) = (twice_rounded(x, y, z), x.mul_add(y, z));
            assert!(
                twin.to_bits() == fused.to_bits() || twin.is_nan() && fused.is_nan(),
                "{x:e} * {y:e} + {z:e}: {twin:e}, {fused:e}"
            );
        }
    }

    #[test]
    fn halfway_between_two_numbers_the_smallest_part_decides() {
        let above = 1.0 + f32::EPSILON;
        let tiny = f32::MIN_POSITIVE;
        for (x, y, z) in [(above, above, tiny), (4097.0, 4097.0, 1e-30), (4097.0, -4097.0, -1e-30), (1e-30, 1e-15, 0.0)] {
            assert_eq!(twice_rounded(x, y, z).to_bits(), x.mul_add(y, z).to_bits());
        }
    }
}
