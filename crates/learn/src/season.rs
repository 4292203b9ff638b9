//! What a series usually counts at this hour of the week, or of the day while it has not seen enough weeks.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::forecast::Forecast;
use crate::moments::Moments;

const HOURS: i64 = 24;
const WEEK: i64 = 7 * HOURS;
const SLOTS: usize = (WEEK + HOURS) as usize;
/// Nothing is no surprise where no more than this is expected.
const CALM: f32 = 1.0;
/// The newest value of an hour of the week weighs at least so much: about the last five weeks count.
const WEEK_RATE: f32 = 0.2;
/// The same for hours of the day: about the last ten days.
const DAY_RATE: f32 = 0.1;
/// Values of an hour that are needed before it is a season.
const NEEDED: u16 = 2;
/// Forecast errors after which one counts half, and beyond which deviation they are clipped (in relative variances).
const ERRORS: f64 = 168.0;
const CLIP: f64 = 4.0;
/// Before any forecast could be compared: this relative variance, a deviation of about 30 %.
const PRIOR: f64 = 0.1;
const PRIOR_ERRORS: f64 = 12.0;

/// Counts per hour, by hour of the week and by hour of the day; 1.2 kB once it has seen an hour. Winters' seasonal factors
/// without trend (Winters: Forecasting sales by exponentially weighted moving averages, Management Science 6, 1960), with the
/// dispersion learnt from how well its own forecasts did.
///
/// ```
/// let mut season = lapwing_learn::Season::new();
/// for hour in 0..24 * 21 {
///     season.observe(hour, if hour % 24 < 8 { 10.0 } else { 1000.0 });
/// }
/// let (night, noon) = (season.forecast(24 * 21 + 3).unwrap(), season.forecast(24 * 21 + 12).unwrap());
/// assert!(night.0.rising_bits(500.0) > 20.0 && noon.0.rising_bits(1100.0) < 5.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Season {
    /// The means of the hours of the week, then of those of the day; empty before the first value.
    means: Vec<f32>,
    /// How many values each was learnt from.
    seen: Vec<u16>,
    /// Relative variance of forecasts beyond Poisson's.
    errors: Moments,
}

/// What a seasonal forecast rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// The same hour of the same weekday.
    Week,
    /// The same hour of any day; weekends may differ.
    Day,
}

impl Default for Season {
    fn default() -> Self {
        Season { means: Vec::new(), seen: Vec::new(), errors: Moments::new(ERRORS) }
    }
}

impl Season {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Season {
        Season::default()
    }

    /// Learns the count of an hour, given by its number since 1970 (in whatever zone, as long as it is always the same). A value
    /// far beyond the forecast is learnt as five times that, so that one incident does not become next week's season.
    pub fn observe(&mut self, hour: i64, mut x: f64) {
        if !x.is_finite() || x < 0.0 {
            return;
        }
        let [week, day] = places(hour);
        // That nothing came where next to nothing was expected says nothing of how uneven what comes is. Of most series and most
        // hours that is all there is to say.
        if let Some(known) = self.known(hour).filter(|known| x > 0.0 || known.mean > CALM) {
            let mean = f64::from(known.mean).max(1.0);
            let error = ((x - mean).powi(2) - mean) / (mean * mean);
            self.errors.update(error.clamp(0.0, CLIP));
            x = x.min(5.0 * mean + 10.0);
        }
        if self.means.len() != SLOTS || self.seen.len() != SLOTS {
            (self.means, self.seen) = (vec![0.0; SLOTS], vec![0; SLOTS]);
        }
        learn(x as f32, &mut self.means[week..=week], &mut self.seen[week..=week], WEEK_RATE);
        learn(x as f32, &mut self.means[day..=day], &mut self.seen[day..=day], DAY_RATE);
    }

    /// Learns that nothing came in some hours, which mostly follow one another: what [`Season::observe`] learns of each, in less
    /// time.
    pub fn observe_nothing(&mut self, hours: impl IntoIterator<Item = i64>) {
        let mut run = 0..0;
        for hour in hours {
            if hour != run.end {
                self.quiet(std::mem::replace(&mut run, hour..hour));
            }
            run.end = hour.wrapping_add(1);
        }
        self.quiet(run);
    }

    fn quiet(&mut self, mut hours: Range<i64>) {
        while !hours.is_empty() {
            let [week, day] = places(hours.start);
            // To the end of the day: so long both places go on side by side.
            let count = (hours.end - hours.start).min((SLOTS - day) as i64);
            let [weeks, days] = [week, day].map(|from| from..from + count as usize);
            let calm = |hours: &Range<usize>| {
                self.means.get(hours.clone()).is_some_and(|means| !means.iter().fold(false, |loud, mean| loud | (*mean > CALM)))
            };
            if calm(&weeks) && calm(&days) && self.seen.len() == SLOTS {
                learn(0.0, &mut self.means[weeks.clone()], &mut self.seen[weeks], WEEK_RATE);
                learn(0.0, &mut self.means[days.clone()], &mut self.seen[days], DAY_RATE);
            } else {
                (hours.start..hours.start + count).for_each(|hour| self.observe(hour, 0.0));
            }
            hours.start += count;
        }
    }

    /// What is expected of an hour and what that rests on; `None` until its hour of the day was seen twice.
    #[must_use]
    pub fn forecast(&self, hour: i64) -> Option<(Forecast, Basis)> {
        let Known { mean, seen, basis, most } = self.known(hour)?;
        let (mean, compared) = (f64::from(mean), self.errors.steps.min(1_000) as f64);
        let dispersion = (self.errors.mean * compared + PRIOR * PRIOR_ERRORS) / (compared + PRIOR_ERRORS);
        let steps = f64::from(seen).min(f64::from(most));
        Some((Forecast { mean, variance: mean + dispersion * mean * mean, steps }, basis))
    }

    /// What an hour rests on: its hour of the week, else its hour of the day, where that was seen twice.
    fn known(&self, hour: i64) -> Option<Known> {
        let [week, day] = places(hour);
        let slot = |at: usize| Some((*self.means.get(at)?, *self.seen.get(at)?)).filter(|(_, seen)| *seen >= NEEDED);
        let of_week = slot(week).map(|(mean, seen)| Known { mean, seen, basis: Basis::Week, most: 2.0 / WEEK_RATE - 1.0 });
        of_week.or_else(|| slot(day).map(|(mean, seen)| Known { mean, seen, basis: Basis::Day, most: 2.0 / DAY_RATE - 1.0 }))
    }

    /// The largest mean of any of its hours: no forecast is higher.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.means.iter().map(|mean| f64::from(*mean)).fold(0.0, f64::max)
    }
}

/// What is known of an hour, what that rests on, and after how many values it knows no more.
struct Known {
    mean: f32,
    seen: u16,
    basis: Basis,
    most: f32,
}

/// The same value comes to all of these.
#[inline]
fn learn(x: f32, means: &mut [f32], seen: &mut [u16], least_rate: f32) {
    for (mean, seen) in means.iter_mut().zip(seen) {
        *seen = seen.saturating_add(1);
        *mean += (x - *mean) * (1.0 / f32::from(*seen)).max(least_rate);
    }
}

/// Where the hour of the week and the hour of the day stand.
#[inline]
fn places(hour: i64) -> [usize; 2] {
    // Whole weeks on, so that no hour that has been is negative; those of absurd times stand anywhere.
    const WEEKS: i64 = (1 << 40) * WEEK;
    let week = hour.wrapping_add(WEEKS) as u64 % WEEK as u64;
    [week as usize, (WEEK as u64 + week % HOURS as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    /// Busy by day, calm at night, calmer at weekends, with noise.
    fn shop(hour: i64) -> f64 {
        let day = if hour.div_euclid(24).rem_euclid(7) < 5 { 1.0 } else { 0.3 };
        let level: f64 = if (8..20).contains(&hour.rem_euclid(24)) { 600.0 } else { 60.0 };
        day * level * (0.9 + 0.2 * (mix(hour as u64, 0) % 1000) as f64 / 1000.0)
    }

    fn learnt(weeks: i64) -> Season {
        let mut season = Season::new();
        (0..weeks * WEEK).for_each(|hour| season.observe(hour, shop(hour)));
        season
    }

    #[test]
    fn knows_hours_and_weekdays() {
        let season = learnt(4);
        for hour in 4 * WEEK..5 * WEEK {
            let (forecast, basis) = season.forecast(hour).unwrap();
            assert_eq!(basis, Basis::Week);
            let x = shop(hour);
            assert!(forecast.rising_bits(x) < 8.0 && forecast.falling_bits(x) < 8.0, "{x} at {hour} of {forecast:?}");
            assert!(forecast.mean <= season.peak());
        }
        let night = season.forecast(4 * WEEK + 3).unwrap().0;
        assert!(night.rising_bits(600.0) > 30.0, "a day's load at night: {}", night.rising_bits(600.0));
        let noon = season.forecast(4 * WEEK + 12).unwrap().0;
        assert!(noon.falling_bits(60.0) > 10.0, "a night's load at noon: {}", noon.falling_bits(60.0));
    }

    #[test]
    fn falls_back_to_the_hour_of_the_day_and_says_so() {
        let mut season = Season::new();
        assert_eq!(season.forecast(0), None);
        (0..47).for_each(|hour| season.observe(hour, shop(hour)));
        assert_eq!(season.forecast(47), None, "seen once");
        assert_eq!(season.forecast(48).unwrap().1, Basis::Day);
    }

    #[test]
    fn one_incident_does_not_become_the_season() {
        let mut season = learnt(3);
        season.observe(3 * WEEK + 3, 1e6);
        let (forecast, _) = season.forecast(4 * WEEK + 3).unwrap();
        assert!(forecast.mean < 200.0 && forecast.rising_bits(5_000.0) > 20.0, "{forecast:?}");
    }

    #[test]
    fn odd_hours_and_values_do_no_harm() {
        let mut season = Season::new();
        for hour in [i64::MIN, -1, 0, i64::MAX] {
            for x in [f64::NAN, f64::INFINITY, -3.0, 0.0, 1e300] {
                season.observe(hour, x);
                assert!(season.forecast(hour).is_none_or(|(forecast, _)| forecast.rising_bits(5.0).is_finite()));
            }
        }
    }

    #[test]
    fn hours_of_nothing_are_learnt_alike_one_by_one_and_together() {
        let rare = |hour: i64| if mix(hour as u64, 1).is_multiple_of(40) { 1.0 } else { 0.0 };
        for counts in [shop as fn(i64) -> f64, rare, |_| 0.0] {
            let mut alone = Season::new();
            (0..2 * WEEK).filter(|hour| hour % 5 != 0).for_each(|hour| alone.observe(hour, counts(hour)));
            let mut together = alone.clone();
            let quiet = || (2 * WEEK..5 * WEEK).filter(|hour| hour % 7 != 0);
            quiet().for_each(|hour| alone.observe(hour, 0.0));
            together.observe_nothing(quiet());
            assert_eq!(alone, together);
        }
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut season = learnt(2);
        let mut back: Season = postcard::from_bytes(&postcard::to_allocvec(&season).unwrap()).unwrap();
        (0..500).for_each(|hour| (season.observe(hour, shop(hour)), back.observe(hour, shop(hour))).0);
        assert_eq!(season, back);
    }
}
