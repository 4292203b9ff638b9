//! Which instructions this processor has, and the one door through which code compiled for them is entered.
//!
//! A [`Kernel`] is written once, in safe Rust whose loops run over arrays of fixed length, so that the compiler vectorises
//! them. [`run`] enters a copy of it compiled for the widest vectors at hand. No copy fuses a multiplication with an addition
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
            if levels.len() == 2 && wide && std::is_x86_feature_detected!("avx512bw") && std::is_x86_feature_detected!("avx512dq") {
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
    fn run<const ROWS: usize>(self) -> Self::Output;
}

/// Runs a kernel as compiled for `level`, or for the best that this processor has where it lacks that.
pub(super) fn run<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        Level::Portable => kernel.run::<4>(),
        // SAFETY: a level is made by `Level::all` alone, which found these features on this processor.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 => kernel.run::<4>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<6>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<12>()
}
