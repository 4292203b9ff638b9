//! What a series usually counts at this hour of the week, or of the day while it has not seen enough weeks.

use serde::{Deserialize, Serialize};

use crate::forecast::Forecast;
use crate::moments::Moments;

const HOURS: i64 = 24;
const WEEK: i64 = 7 * HOURS;
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

/// Counts per hour, by hour of the week and by hour of the day; 1.6 kB once it has seen an hour. Winters' seasonal factors
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
    /// The hours of the week, then those of the day; empty before the first value.
    slots: Vec<Slot>,
    /// Relative variance of forecasts beyond Poisson's.
    errors: Moments,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Slot {
    mean: f32,
    seen: u16,
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
        Season { slots: Vec::new(), errors: Moments::new(ERRORS) }
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
        let places = places(hour);
        if let Some((slot, ..)) = self.slot(places).filter(|(slot, ..)| x > 0.0 || slot.mean > 1.0) {
            let mean = f64::from(slot.mean).max(1.0);
            let error = ((x - mean).powi(2) - mean) / (mean * mean);
            self.errors.update(error.clamp(0.0, CLIP));
            x = x.min(5.0 * mean + 10.0);
        }
        if self.slots.len() != (WEEK + HOURS) as usize {
            self.slots = vec![Slot::default(); (WEEK + HOURS) as usize];
        }
        let [week, day] = places;
        self.slots[week].learn(x, WEEK_RATE);
        self.slots[day].learn(x, DAY_RATE);
    }

    /// Learns that nothing came in some hours: what [`Season::observe`] learns of each, in less time.
    pub fn observe_nothing(&mut self, hours: impl IntoIterator<Item = i64>) {
        for hour in hours {
            let [week, day] = places(hour);
            // That nothing came where next to nothing was expected says nothing of how uneven what comes is. Of most series and
            // most hours that is all there is to say.
            match self.slots.split_at_mut_checked(WEEK as usize) {
                Some((weeks, days)) if weeks[week].mean <= 1.0 && days[day - WEEK as usize].mean <= 1.0 => {
                    weeks[week].learn_nothing(WEEK_RATE);
                    days[day - WEEK as usize].learn_nothing(DAY_RATE);
                }
                _ => self.observe(hour, 0.0),
            }
        }
    }

    /// What is expected of an hour and what that rests on; `None` until its hour of the day was seen twice.
    #[must_use]
    pub fn forecast(&self, hour: i64) -> Option<(Forecast, Basis)> {
        let (slot, basis, most) = self.slot(places(hour))?;
        let (mean, known) = (f64::from(slot.mean), self.errors.steps.min(1_000) as f64);
        let dispersion = (self.errors.mean * known + PRIOR * PRIOR_ERRORS) / (known + PRIOR_ERRORS);
        let steps = f64::from(slot.seen).min(f64::from(most));
        Some((Forecast { mean, variance: mean + dispersion * mean * mean, steps }, basis))
    }

    /// What is known of an hour, what that rests on, and after how many values it knows no more.
    #[inline]
    fn slot(&self, [week, day]: [usize; 2]) -> Option<(&Slot, Basis, f32)> {
        let (week, day) = (self.slots.get(week)?, self.slots.get(day)?);
        if week.seen >= NEEDED {
            Some((week, Basis::Week, 2.0 / WEEK_RATE - 1.0))
        } else if day.seen >= NEEDED {
            Some((day, Basis::Day, 2.0 / DAY_RATE - 1.0))
        } else {
            None
        }
    }
}

impl Season {
    /// The largest mean of any of its hours: no forecast is higher.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.slots.iter().map(|slot| f64::from(slot.mean)).fold(0.0, f64::max)
    }
}

impl Slot {
    fn learn(&mut self, x: f64, least_rate: f32) {
        self.seen = self.seen.saturating_add(1);
        self.mean += (x as f32 - self.mean) * (1.0 / f32::from(self.seen)).max(least_rate);
    }

    #[inline]
    fn learn_nothing(&mut self, least_rate: f32) {
        if self.mean == 0.0 {
            self.seen = self.seen.saturating_add(1);
        } else {
            self.learn(0.0, least_rate);
        }
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
        let rare = |hour: i64| if mix(hour as u64, 1) % 40 == 0 { 1.0 } else { 0.0 };
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
