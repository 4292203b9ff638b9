//! Counts over the last minute, ten minutes and hour, all at once and truly sliding.
//!
//! Each window is a ring of buckets (7 of 10 s, 11 of 1 min, 11 of 6 min): one more than the window needs, because the oldest
//! is on its way out. Its share inside the window is taken by linear interpolation, so a count slides smoothly instead
//! of falling at each bucket's edge (the sliding-window counter; compare exponential histograms, Datar, Gionis, Indyk, Motwani,
//! SIAM J. Computing 31, 2002, which bound the error instead but need more memory for small counts). Times are nanoseconds.

use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000_000;
/// Width of the narrowest bucket; all widths are multiples of it.
const STEP: i64 = 10 * SECOND;
/// Times are moved into a range in which no subtraction overflows: the years 1897 to 2116.
const LATEST: i64 = 1 << 62;
const EARLIEST: i64 = -(1 << 61);
/// Where buckets are numbered from: before all times, so that numbers are never negative, and a time at which, as at 0, the
/// first bucket of each ring begins.
const ORIGIN: i64 = {
    let together = 7 * 11 * 36 * STEP;
    (EARLIEST / together - 2) * together
};
const BUCKETS: usize = 29;

/// One of the three windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The last 60 seconds.
    Minute,
    /// The last 600 seconds.
    TenMinutes,
    /// The last 3,600 seconds.
    Hour,
}

impl Window {
    /// All windows, the shortest first.
    pub const ALL: [Window; 3] = [Window::Minute, Window::TenMinutes, Window::Hour];

    /// Its length in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        match self {
            Window::Minute => 60 * SECOND,
            Window::TenMinutes => 600 * SECOND,
            Window::Hour => 3_600 * SECOND,
        }
    }

    /// Its name in words: `minute`, `10 minutes`, `hour`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Window::Minute => "minute",
            Window::TenMinutes => "10 minutes",
            Window::Hour => "hour",
        }
    }
}

#[derive(Clone, Copy)]
struct Ring {
    first: usize,
    length: i64,
    width: i64,
}

const RINGS: [Ring; 3] = [
    Ring { first: 0, length: 7, width: STEP },
    Ring { first: 7, length: 11, width: 6 * STEP },
    Ring { first: 18, length: 11, width: 36 * STEP },
];

impl Ring {
    #[inline]
    const fn number(&self, at: i64) -> i64 {
        ((at - ORIGIN) as u64 / self.width as u64) as i64
    }

    /// When a bucket begins.
    #[inline]
    const fn begin(&self, number: i64) -> i64 {
        ORIGIN + number * self.width
    }

    #[inline]
    const fn slot(&self, number: i64) -> usize {
        self.first + (number as u64 % self.length as u64) as usize
    }

    /// The slot so many buckets before the one in `slot`; fewer than the ring has.
    #[inline]
    const fn before(&self, slot: usize, buckets: i64) -> usize {
        let buckets = buckets as usize;
        if slot >= self.first + buckets { slot - buckets } else { slot + self.length as usize - buckets }
    }
}

/// `N` counts side by side (say events and errors: `N` = 2, 248 bytes) over the three windows.
///
/// Buckets saturate at 2^32 - 1. Times may be unsorted: a late event goes into its own bucket while a window still covers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
// In this order what is read at every count lies together: of a million counts, few are in the cache.
#[repr(C)]
pub struct SlidingCounts<const N: usize> {
    /// Start of the newest narrow bucket, a multiple of [`STEP`].
    start: i64,
    /// How far the newest time is after `start`, in units of 1,024 ns.
    ahead: u32,
    /// Where each ring's newest bucket is, a function of `start`.
    slots: [u8; 3],
    buckets: [[u32; N]; BUCKETS],
}

impl<const N: usize> Default for SlidingCounts<N> {
    fn default() -> Self {
        Self::starting_at(EARLIEST)
    }
}

impl<const N: usize> SlidingCounts<N> {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn starting_at(at: i64) -> Self {
        let start = RINGS[0].begin(RINGS[0].number(at));
        SlidingCounts { buckets: [[0; N]; BUCKETS], start, ahead: 0, slots: Self::slots_at(start) }
    }

    fn slots_at(start: i64) -> [u8; 3] {
        RINGS.map(|ring| ring.slot(ring.number(start)) as u8)
    }

    /// Adds to the counts at a time. False if the time is more than an hour before the newest: then nothing was counted.
    #[inline]
    pub fn add(&mut self, at: i64, amounts: [u32; N]) -> bool {
        let at = at.clamp(EARLIEST, LATEST);
        let ahead = at - self.start;
        if !(0..STEP).contains(&ahead) {
            if ahead < 0 {
                return self.add_late(at, amounts);
            }
            self.advance(at);
        }
        // Below 2^24 as the difference is below STEP.
        self.ahead = self.ahead.max(((at - self.start) >> 10) as u32);
        for slot in self.slots {
            add_to(&mut self.buckets[usize::from(slot)], amounts);
        }
        true
    }

    fn add_late(&mut self, at: i64, amounts: [u32; N]) -> bool {
        let mut counted = false;
        for (ring, newest) in RINGS.iter().zip(self.slots) {
            let ago = ring.number(self.start) - ring.number(at);
            if ago < ring.length {
                add_to(&mut self.buckets[ring.before(newest.into(), ago)], amounts);
                counted = true;
            }
        }
        counted
    }

    /// Empties the buckets that `at` makes new; however far the jump, at most every bucket once.
    fn advance(&mut self, at: i64) {
        for (ring, newest) in RINGS.iter().zip(self.slots) {
            let passed = ring.number(at) - ring.number(self.start);
            let buckets = &mut self.buckets[ring.first..ring.first + ring.length as usize];
            if passed >= ring.length {
                buckets.fill([0; N]);
            } else {
                let newest = usize::from(newest) - ring.first;
                (1..=passed as usize).for_each(|step| buckets[(newest + step) % ring.length as usize] = [0; N]);
            }
        }
        self.start = RINGS[0].begin(RINGS[0].number(at));
        self.ahead = 0;
        self.slots = Self::slots_at(self.start);
    }

    /// The counts over one window that ends at `now`, or at the newest time if that is later.
    #[inline]
    #[must_use]
    pub fn count(&self, window: Window, now: i64) -> [f64; N] {
        match window {
            Window::Minute => self.ring::<0>(now),
            Window::TenMinutes => self.ring::<1>(now),
            Window::Hour => self.ring::<2>(now),
        }
    }

    /// The counts over all three windows, in the order of [`Window::ALL`].
    #[inline]
    #[must_use]
    pub fn counts(&self, now: i64) -> [[f64; N]; 3] {
        [self.ring::<0>(now), self.ring::<1>(now), self.ring::<2>(now)]
    }

    /// The newest time that was counted, in nanoseconds (rounded down to a microsecond); `None` if there was none.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        let none = self.ahead == 0 && self.start == RINGS[0].begin(RINGS[0].number(EARLIEST));
        (!none).then_some(self.start + (i64::from(self.ahead) << 10))
    }

    #[inline]
    fn ring<const R: usize>(&self, now: i64) -> [f64; N] {
        let ring = RINGS[R];
        let now = now.clamp(EARLIEST, LATEST).max(self.start + (i64::from(self.ahead) << 10));
        let (newest, current) = (ring.number(self.start), ring.number(now));
        let gone = current - newest;
        if gone >= ring.length {
            return [0.0; N];
        }
        let mut inside = [0u64; N];
        for bucket in &self.buckets[ring.first..ring.first + ring.length as usize] {
            (0..N).for_each(|i| inside[i] += u64::from(bucket[i]));
        }
        let leaving = current - ring.length + 1;
        for number in newest - ring.length + 1..leaving {
            (0..N).for_each(|i| inside[i] -= u64::from(self.buckets[ring.slot(number)][i]));
        }
        let outside = (now - ring.begin(current)) as f64 / ring.width as f64;
        let bucket = self.buckets[ring.slot(leaving)];
        std::array::from_fn(|i| inside[i] as f64 - outside * f64::from(bucket[i]))
    }
}

#[inline]
fn add_to<const N: usize>(bucket: &mut [u32; N], amounts: [u32; N]) {
    for (count, amount) in bucket.iter_mut().zip(amounts) {
        *count = count.saturating_add(amount);
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    start: i64,
    ahead: u32,
    buckets: Vec<u32>,
}

impl<const N: usize> From<SlidingCounts<N>> for Saved {
    fn from(counts: SlidingCounts<N>) -> Self {
        Saved { start: counts.start, ahead: counts.ahead, buckets: counts.buckets.as_flattened().to_vec() }
    }
}

impl<const N: usize> TryFrom<Saved> for SlidingCounts<N> {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let mut counts = SlidingCounts::starting_at(saved.start.clamp(EARLIEST, LATEST));
        let buckets = counts.buckets.as_flattened_mut();
        if saved.buckets.len() != buckets.len() || i64::from(saved.ahead) << 10 >= STEP {
            return Err("saved window counts have another shape; start them empty");
        }
        buckets.copy_from_slice(&saved.buckets);
        counts.ahead = saved.ahead;
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    const NOON: i64 = 1_750_000_000 * SECOND;

    #[test]
    fn state_of_two_series_takes_248_bytes() {
        assert_eq!(size_of::<SlidingCounts<2>>(), 248);
    }

    #[test]
    fn counts_what_is_inside_and_forgets_what_left() {
        let mut counts = SlidingCounts::<2>::new();
        counts.add(NOON, [3, 1]);
        assert_eq!(counts.counts(NOON), [[3.0, 1.0]; 3]);
        let after = |seconds| counts.counts(NOON + seconds * SECOND).map(|[events, _]| events);
        assert_eq!(after(49), [3.0, 3.0, 3.0]);
        assert_eq!(after(71), [0.0, 3.0, 3.0]);
        assert_eq!(after(661), [0.0, 0.0, 3.0]);
        assert_eq!(after(3_961), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn slides_smoothly_and_close_to_the_true_count() {
        let mut counts = SlidingCounts::<1>::new();
        let mut times: Vec<i64> = Vec::new();
        for i in 0..40_000u64 {
            let at = NOON + i as i64 * SECOND / 5 + (mix(i, 0) % 100_000_000) as i64;
            counts.add(at, [1]);
            times.push(at);
            if i > 20_000 && i % 7 == 0 {
                for window in Window::ALL {
                    let truth = times.iter().rev().take_while(|&&t| t > at - window.nanos()).count() as f64;
                    let [found] = counts.count(window, at);
                    assert!((found - truth).abs() <= 2.0, "{window:?}: {found} instead of {truth}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_times_does_not_matter_within_the_window() {
        let times: Vec<i64> = (0..2_000).map(|i| NOON + (mix(i, 0) % 3_000) as i64 * SECOND).collect();
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let [mut one, mut other] = [SlidingCounts::<1>::new(), SlidingCounts::<1>::new()];
        one.add(NOON, [1]);
        times.iter().for_each(|&at| assert!(one.add(at, [1])));
        other.add(NOON, [1]);
        sorted.iter().for_each(|&at| assert!(other.add(at, [1])));
        assert_eq!(one, other);
        assert_eq!(one.count(Window::Hour, 0), [2_001.0]);
    }

    #[test]
    fn an_event_older_than_an_hour_is_outside() {
        let mut counts = SlidingCounts::<1>::new();
        counts.add(NOON, [1]);
        assert!(counts.add(NOON - 3_500 * SECOND, [1]));
        assert!(!counts.add(NOON - 4_400 * SECOND, [1]));
        assert_eq!(counts.newest().map(|at| at >> 10), Some(NOON >> 10));
    }

    #[test]
    fn absurd_times_and_huge_amounts_do_no_harm() {
        let mut counts = SlidingCounts::<1>::new();
        for at in [i64::MIN, i64::MAX, 0, -1, i64::MAX - 1, NOON, i64::MIN + 1] {
            counts.add(at, [u32::MAX]);
            assert!(counts.counts(at).iter().all(|[n]| *n >= 0.0));
            assert!(counts.counts(i64::MAX).iter().all(|[n]| n.is_finite()));
        }
        assert_eq!(counts.count(Window::Hour, i64::MAX), [f64::from(u32::MAX)]);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut counts = SlidingCounts::<2>::new();
        (0..5_000).for_each(|i| _ = counts.add(NOON + i * SECOND, [1, (i % 3 == 0).into()]));
        let bytes = postcard::to_allocvec(&counts).unwrap();
        let mut back: SlidingCounts<2> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(counts, back);
        for i in 5_000..9_000 {
            let at = NOON + i * SECOND - (i % 11) * 60 * SECOND;
            assert_eq!(counts.add(at, [1, 1]), back.add(at, [1, 1]));
            assert_eq!(counts.counts(at), back.counts(at));
        }
        assert!(postcard::from_bytes::<SlidingCounts<3>>(&bytes).is_err());
    }
}
