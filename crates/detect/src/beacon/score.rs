//! How regular the connections of a pair are, from 0 to 100.

use serde::{Deserialize, Serialize};

use crate::flows::SECOND;

/// When, and how much was sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub at: i64,
    pub bytes: u32,
}

/// The score and its parts, each from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rhythm {
    pub score: f64,
    pub intervals: f64,
    pub sizes: f64,
    pub hours: f64,
    pub duration: f64,
    /// The middle interval in seconds, how far the half of them is from it, and the middle size in bytes.
    pub interval: f64,
    pub spread: f64,
    pub bytes: f64,
    /// Whether all keep to the clock on the wall.
    pub on_the_clock: bool,
}

/// Fewer connections say nothing of the clock.
const AT_LEAST: usize = 12;

/// So far from the same second of the minute are those that keep to the clock, in seconds.
const LATE: f64 = 2.5;

/// So many connections count half of what very many do.
const HALF: f64 = 3.0;

/// Hours in a row in which something came from which on it lasts for long enough.
const HOURS_IN_A_ROW: f64 = 12.0;

impl Rhythm {
    /// `samples` in any order; `histogram` connections per hour; `lasted` the share of the time watched; `count` all connections.
    pub(super) fn of(samples: &[Sample], histogram: &[f64], lasted: f64, count: u32) -> Option<Rhythm> {
        let mut times: Vec<i64> = samples.iter().map(|sample| sample.at).collect();
        times.sort_unstable();
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / SECOND as f64).collect();
        let mut sizes: Vec<f64> = samples.iter().map(|sample| f64::from(sample.bytes)).collect();
        let on_the_clock = on_the_clock(&times);
        let (gaps, sizes) = (Middle::of(&mut gaps)?, Middle::of(&mut sizes)?);
        let intervals = 100.0 * gaps.regularity();
        let sizes_score = 100.0 * sizes.regularity();
        let hours = 100.0 * evenness(histogram);
        let duration = 100.0 * lasted.clamp(0.0, 1.0).max((longest_run(histogram) / HOURS_IN_A_ROW).min(1.0));
        let seen = f64::from(count) / (f64::from(count) + HALF);
        // Intervals and sizes say more than how long it goes on: servers are asked all day.
        let score = (0.35 * intervals + 0.25 * sizes_score + 0.2 * hours + 0.2 * duration) * seen.min(1.0);
        // The last few points are lost to few connections only.
        let score = if count >= 48 { score / seen } else { score };
        // Without a rhythm nothing else makes a beacon.
        let score = score.min(intervals * 1.2);
        Some(Rhythm { score, intervals, sizes: sizes_score, hours, duration, interval: gaps.median, spread: gaps.spread, bytes: sizes.median, on_the_clock })
    }
}

/// Whether all come in the same second of the minute, or nearly. A program that sleeps between its calls is later each time by what
/// the call took.
fn on_the_clock(times: &[i64]) -> bool {
    const MINUTE: f64 = 60.0;
    let Some(first) = times.first().filter(|_| times.len() >= AT_LEAST) else { return false };
    let phases = times.iter().map(|at| ((at - first) as f64 / SECOND as f64).rem_euclid(MINUTE));
    let late = phases.map(|phase| if phase > MINUTE / 2.0 { phase - MINUTE } else { phase });
    let (least, most) = late.fold((0.0_f64, 0.0_f64), |(least, most), late| (least.min(late), most.max(late)));
    most - least <= LATE
}

/// Quartiles, and the median of the distances from the median (MADM).
struct Middle {
    median: f64,
    spread: f64,
    /// Bowley's skewness, from -1 to 1.
    skew: f64,
}

impl Middle {
    fn of(values: &mut [f64]) -> Option<Middle> {
        if values.len() < 2 {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        let (first, median, third) = (at(0.25), at(0.5), at(0.75));
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        let spread = distances[distances.len() / 2];
        let range = third - first;
        // Where the quartiles nearly agree, their skew is noise.
        let skew = if range < 0.02 * median.max(1.0) { 0.0 } else { (first + third - 2.0 * median) / range };
        Some(Middle { median, spread, skew })
    }

    /// 1 where all are alike.
    fn regularity(&self) -> f64 {
        // A spread of 30 % of the median is none; one second of clock or network is allowed for.
        let narrow = 1.0 - ((self.spread - 1.0).max(0.0) / (0.3 * self.median.max(1.0))).min(1.0);
        let even = 1.0 - self.skew.abs();
        // A skew is only of weight as far as there is a spread to be skew.
        narrow * (0.75 + 0.25 * even.max(narrow))
    }
}

/// 1 where every hour holds the same: one less the coefficient of variation, over the hours between the first and the last.
fn evenness(histogram: &[f64]) -> f64 {
    let used = histogram.iter().skip_while(|count| **count == 0.0).copied().collect::<Vec<_>>();
    // The first and the last hour are seldom whole.
    let whole = if used.len() > 3 { &used[1..used.len() - 1] } else { &used[..] };
    let mean = whole.iter().sum::<f64>() / whole.len().max(1) as f64;
    if mean == 0.0 {
        return 0.0;
    }
    let variance = whole.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / whole.len() as f64;
    let even = (1.0 - variance.sqrt() / mean).max(0.0);
    // Three hours or fewer say little.
    even * (used.len() as f64 / 4.0).min(1.0)
}

fn longest_run(histogram: &[f64]) -> f64 {
    histogram.split(|count| *count == 0.0).map(<[f64]>::len).max().unwrap_or(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(gap: impl Fn(u64) -> f64, bytes: impl Fn(u64) -> u32, count: u64) -> Rhythm {
        let mut at = 0.0;
        let samples: Vec<_> = (0..count)
            .map(|n| {
                at += gap(n);
                Sample { at: (at * 1e9) as i64, bytes: bytes(n) }
            })
            .collect();
        Rhythm::of(&samples, &[12.0; 24], 1.0, count as u32).unwrap()
    }

    #[test]
    fn a_metronome_scores_full_and_people_do_not() {
        assert!(rhythm(|_| 300.0, |_| 420, 60).score > 99.0);
        assert!(rhythm(|_| 300.0, |_| 420, 60).on_the_clock && rhythm(|n| 299.0 + (n % 3) as f64, |_| 420, 60).on_the_clock);
        assert!(!rhythm(|_| 300.4, |_| 420, 60).on_the_clock, "who sleeps drifts");
        let jitter = rhythm(|n| 270.0 + (n * 37 % 61) as f64, |_| 420, 60);
        assert!(jitter.score > 85.0, "{jitter:?}");
        let people = rhythm(|n| [5.0, 700.0, 30.0, 2000.0, 90.0, 9.0][n as usize % 6], |n| (n * 7919 % 5000) as u32, 60);
        assert!(people.score < 50.0, "{people:?}");
    }

    #[test]
    fn few_connections_count_for_less() {
        assert!(rhythm(|_| 300.0, |_| 420, 4).score < 70.0);
    }
}
