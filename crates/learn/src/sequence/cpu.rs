//! Which instructions this processor has, and the one door through which code compiled for them is entered.
//!
//! A [`Kernel`] is written once, in safe Rust over a [`Vector`] of sixteen numbers. [`run`] enters a copy of it compiled for
//! the widest vectors at hand; the vector of arrays is the scalar twin of the others. No copy fuses a multiplication with an addition
//! and none reorders a sum, so all give the same bits; a test of each kernel holds them to that.
#![allow(unsafe_code, reason = "code compiled for instructions that were found at run time can be entered only so")]

/// What a kernel is compiled for, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// What every processor of the target has.
    Portable,
    /// Vectors of eight `f32` (x86-64 of 2013 and later).
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
            if std::is_x86_feature_detected!("avx2") {
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
#[target_feature(enable = "avx2")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two, 6>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<One, 12>()
}

/// Sixteen numbers. (Loops over arrays alone are vectorised too, but not always along the right one of two loops.)
pub(super) trait Vector: Copy {
    fn load(from: &[f32; 16]) -> Self;
    fn store(self, to: &mut [f32; 16]);
    /// `self + x * by`, rounded after the product and after the sum.
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
            self[lane] += x * by[lane];
        }
        self
    }
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
                Two(_mm256_add_ps(self.0, _mm256_mul_ps(x, by.0)), _mm256_add_ps(self.1, _mm256_mul_ps(x, by.1)))
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
            unsafe { One(_mm512_add_ps(self.0, _mm512_mul_ps(_mm512_set1_ps(x), by.0))) }
        }
    }
}
