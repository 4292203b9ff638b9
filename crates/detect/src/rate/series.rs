//! One series of counts: its open periods, its past, and whether a period that is over was unusual.

use lapwing_learn::{Baseline, Basis, Forecast, Season};
use lapwing_model::Entity;
use serde::{Deserialize, Serialize};

use super::periods::{Closed, HOUR, MINUTE, PERIODS, TEN_MINUTES};
use super::settings::Settings;

/// Periods with events after which half of the recent past is forgotten, and beyond which deviation they are clipped.
const HALF_LIFE: [f64; 3] = [120.0, 72.0, 48.0];
const CLIP: f64 = 4.0;

/// Periods before a series has a past.
const NEEDED: [u64; 3] = [60, 36, 24];

/// What a record (an ln) loses with every period, so that an old one does not excuse everything for ever: half in five days.
const FADE: [f32; 3] = [1e-4, 1e-3, 6e-3];

/// A change must be so many times larger than the largest before.
const BEYOND_RECORD: f64 = 1.5;

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Counted {
    Total,
    Service,
    Endpoint,
    Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Direction {
    Rising,
    Falling,
    Gone,
    New,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) counted: Counted,
    pub(super) label: Box<str>,
    pub(super) entity: Entity,
    /// How many minutes had been seen before its first.
    pub(super) born: u32,
    /// How many of the whole periods of each length there were so far it has learnt.
    pub(super) learnt: [u32; 3],
    /// Events in the open periods.
    pub(super) counts: [u32; 3],
    /// Who makes most of them, if anybody does.
    major: [Majority; 3],
    past: [Baseline; 3],
    /// The largest ln(observed / expected) upwards and downwards so far, fading.
    records: [[f32; 2]; 3],
    season: Season,
    /// The first minute in which rising and falling may be told again.
    quiet_until: [i64; 2],
    /// It once had as much as something must have that may fall.
    may_fall: bool,
}

/// The client that makes the majority, if one does (Boyer, Moore: MJRTY, 1981).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Majority {
    client: u64,
    votes: u32,
}

/// A period that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over<'a> {
    /// Which of [`PERIODS`].
    pub(super) at: usize,
    /// Its number since the epoch.
    pub(super) period: i64,
    /// It was open from its beginning.
    pub(super) whole: bool,
    /// Events of everything in it.
    pub(super) everything: u32,
    /// All that are over, this one included.
    pub(super) closed: &'a Closed,
}

/// A period that was unusual.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) counted: Counted,
    pub(super) label: Box<str>,
    pub(super) entity: Entity,
    pub(super) direction: Direction,
    pub(super) minutes: i64,
    pub(super) observed: f64,
    pub(super) expected: f64,
    pub(super) basis: Option<Basis>,
    pub(super) bits: f64,
}

/// What one period is expected to hold.
struct Usual {
    forecast: Forecast,
    basis: Option<Basis>,
}

impl Series {
    pub(super) fn new(counted: Counted, label: Box<str>, entity: Entity) -> Series {
        Series {
            counted,
            label,
            entity,
            born: 0,
            learnt: [0; 3],
            counts: [0; 3],
            major: [Majority::default(); 3],
            past: HALF_LIFE.map(|half_life| Baseline::robust(half_life, CLIP)),
            records: [[0.0; 2]; 3],
            season: Season::new(),
            quiet_until: [i64::MIN; 2],
            may_fall: false,
        }
    }

    pub(super) fn count(&mut self, client: u64) {
        self.counts.iter_mut().for_each(|count| *count = count.saturating_add(1));
        self.major.iter_mut().for_each(|major| major.vote(client));
    }

    /// A period is over: says whether it was unusual, and learns it where it was whole.
    pub(super) fn close(&mut self, over: &Over<'_>, settings: &Settings) -> Option<Change> {
        let Over { at, period, whole, everything, closed } = *over;
        let observed = f64::from(std::mem::take(&mut self.counts[at]));
        let major = std::mem::take(&mut self.major[at]);
        let learnt = self.learnt[at] == closed.count[at];
        if !whole || learnt {
            return None;
        }
        self.catch_up(at, closed);
        let minute = period.saturating_mul(PERIODS[at]);
        let change = self.judge(at, minute, observed, settings).filter(|change| {
            // A rise that one client makes is that client's, and told as such.
            change.direction != Direction::Rising || major.client == 0 || f64::from(major.votes) < observed / 2.0
        });
        let change = change.or_else(|| self.new_in_numbers(at, observed, settings, everything));
        self.learn(at, minute, observed);
        self.may_fall |= at != MINUTE && observed >= settings.falling.expected_at_least;
        let change = change?;
        let direction = usize::from(matches!(change.direction, Direction::Falling | Direction::Gone));
        let told = minute < self.quiet_until[direction];
        self.quiet_until[direction] = minute.saturating_add(i64::from(settings.again_minutes));
        (!told).then_some(change)
    }

    /// Whether so much may be expected of a period that it would be missed.
    pub(super) fn may_fall(&mut self, settings: &Settings) -> bool {
        let least = settings.falling.expected_at_least;
        let past = self.past[TEN_MINUTES].expected().max(self.past[HOUR].expected());
        self.may_fall = self.may_fall && (past >= least || self.season.peak() >= least);
        self.may_fall
    }

    /// Learns the periods in which nothing came, up to the one of length `at` that is over now: nobody asked about them, since
    /// for nothing nothing is told unless it is missed.
    fn catch_up(&mut self, at: usize, closed: &Closed) {
        for (length, count) in closed.count.into_iter().enumerate() {
            let until = count - u32::from(length == at);
            let missed = until.saturating_sub(self.learnt[length]);
            if missed > 0 {
                self.miss(length, missed);
                if length == HOUR {
                    self.season.observe_nothing(closed.hours(self.learnt[HOUR], until));
                }
            }
            self.learnt[length] = count;
        }
    }

    fn miss(&mut self, length: usize, periods: u32) {
        let [up, down] = &mut self.records[length];
        let fade = FADE[length] * periods as f32;
        *up = (*up - fade).max(0.0);
        if length != MINUTE && self.past[length].steps() >= NEEDED[length] / 4 {
            *down = (*down - fade).max(self.past[length].expected().ln_1p() as f32);
        }
        self.past[length].observe_times(0.0, periods.into());
    }

    fn judge(&self, at: usize, minute: i64, observed: f64, settings: &Settings) -> Option<Change> {
        let usuals = self.usual(at, minute)?;
        let usual = usuals.iter().flatten().next()?;
        let mean = usual.forecast.mean;
        let (rising, falling) = (&settings.rising, &settings.falling);
        let ratio = ((observed + 1.0) / (mean + 1.0)).ln();
        let rises = observed >= rising.at_least[at] && observed >= rising.times * mean && self.may_rise(at, usual);
        let falls = at != MINUTE && mean >= falling.expected_at_least && observed * falling.times <= mean;
        let record = f64::from(self.records[at][usize::from(falls)]);
        if !(rises || falls) || ratio.abs() < record + BEYOND_RECORD.ln() {
            return None;
        }
        let bits = |usual: &Usual| if rises { usual.forecast.rising_bits(observed) } else { usual.forecast.falling_bits(observed) };
        let bits = usuals.iter().flatten().map(bits).fold(f64::INFINITY, f64::min);
        let direction = match (rises, observed > 0.0) {
            (true, _) => Direction::Rising,
            (false, true) => Direction::Falling,
            (false, false) => Direction::Gone,
        };
        (bits >= settings.bits).then(|| self.change(at, direction, observed, mean, usual.basis, bits))
    }

    /// Bursts of services and of everything are told by `windows`; what is left is a whole hour against its season.
    fn may_rise(&self, at: usize, usual: &Usual) -> bool {
        !matches!(self.counted, Counted::Total | Counted::Service) || at == HOUR && usual.basis == Some(Basis::Week)
    }

    /// What a period must be unusual against: its hour of the week; where only its hour of the day is known, that and the recent
    /// past, since a weekend may differ; else the recent past.
    fn usual(&self, at: usize, minute: i64) -> Option<[Option<Usual>; 2]> {
        let recent = (self.past[at].steps() >= NEEDED[at]).then(|| self.past[at].forecast())?;
        let day = self.past[HOUR].steps() >= NEEDED[HOUR];
        let season = self.season.forecast(minute.div_euclid(60)).map(|(hour, basis)| (part_of(hour, at, recent), basis));
        let recent = Usual { forecast: recent, basis: None };
        Some(match season {
            Some((forecast, Basis::Week)) => [Some(Usual { forecast, basis: Some(Basis::Week) }), None],
            Some((forecast, basis)) => [Some(Usual { forecast, basis: Some(basis) }), Some(recent)],
            // Before a whole day was seen, a morning looks like an incident.
            None if at != MINUTE && !day => return None,
            None => [Some(recent), None],
        })
    }

    fn new_in_numbers(&self, at: usize, observed: f64, settings: &Settings, everything: u32) -> Option<Change> {
        let new = &settings.new;
        let first = self.past[at].steps() == 0 && self.born >= new.after_minutes && PERIODS[at] == 10;
        let many = observed >= new.at_least && observed >= new.share * f64::from(everything);
        (first && many).then(|| self.change(at, Direction::New, observed, 0.0, None, 0.0))
    }

    fn learn(&mut self, at: usize, minute: i64, observed: f64) {
        // Records begin early: what came once before there was a past may come again.
        if self.past[at].steps() >= NEEDED[at] / 4 {
            let usual = self.usual(at, minute).and_then(|[first, _]| first);
            let mean = usual.map_or_else(|| self.past[at].expected(), |usual| usual.forecast.mean);
            let ratio = ((observed + 1.0) / (mean + 1.0)).ln() as f32;
            let [up, down] = &mut self.records[at];
            *up = (*up - FADE[at]).max(ratio).max(0.0);
            *down = (*down - FADE[at]).max(-ratio).max(0.0);
        }
        self.past[at].observe(observed);
        if at == HOUR {
            self.season.observe(minute.div_euclid(60), observed);
        }
    }

    fn change(&self, at: usize, direction: Direction, observed: f64, expected: f64, basis: Option<Basis>, bits: f64) -> Change {
        Change {
            counted: self.counted,
            label: self.label.clone(),
            entity: self.entity.clone(),
            direction,
            minutes: PERIODS[at],
            observed,
            expected,
            basis,
            bits,
        }
    }
}

/// What part of an hour is expected to hold: its share of the hour's mean, as uneven as such parts have been.
fn part_of(hour: Forecast, at: usize, recent: Forecast) -> Forecast {
    if at == HOUR {
        return hour;
    }
    let mean = hour.mean * PERIODS[at] as f64 / 60.0;
    let dispersion = |of: &Forecast| (of.variance - of.mean).max(0.0) / (of.mean * of.mean).max(1e-9);
    let dispersion = dispersion(&recent).max(dispersion(&hour));
    Forecast { mean, variance: mean + dispersion * mean * mean, steps: hour.steps }
}

impl Majority {
    fn vote(&mut self, client: u64) {
        if self.votes == 0 {
            self.client = client;
        }
        self.votes = if self.client == client { self.votes.saturating_add(1) } else { self.votes - 1 };
    }
}

impl Change {
    /// Whether a change of one series is no more than what everything did.
    pub(super) fn explains(&self, other: &Change) -> bool {
        let ratio = |change: &Change| ((change.observed + 1.0) / (change.expected + 1.0)).ln();
        let falling = |change: &Change| matches!(change.direction, Direction::Falling | Direction::Gone);
        let same = self.direction == other.direction || falling(self) && falling(other);
        same && ratio(other).abs() <= ratio(self).abs() + std::f64::consts::LN_2
    }

    /// How many times more, or less.
    pub(super) fn times(&self) -> f64 {
        let (less, more) = (self.observed.min(self.expected), self.observed.max(self.expected));
        more / less.max(1.0)
    }
}
