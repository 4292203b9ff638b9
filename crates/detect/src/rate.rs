//! Patterns whose rate is unusual for them: rising, falling, gone, or new in numbers.
//!
//! Counted are the templates of log lines, the endpoints of web requests, the services, and everything together, per 1, 10 and 60
//! minutes of event time. What is usual is learnt from the same hour of the week, then of the day, and until that is known from
//! the recent past. One place counts all of it, so that what several patterns do at once is told once. Bursts of a client, service
//! or source are told by `windows`, first sights by `novelty`, whole sources that fall silent by `silence`; none of it is repeated
//! here: a rise that one client makes is left to the client, a rise of a service or of everything is told against a season only,
//! and a time in which nothing at all was read says nothing.

mod due;
mod periods;
mod series;
mod settings;
mod tell;

use lapwing_learn::Lru;
use lapwing_model::{Detail, Event, Scope, Timestamp, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind};
use due::Due;
use periods::{Closed, MINUTE, PERIODS};
use series::{Change, Counted, Over, Series};
pub use settings::{Falling, New, Rising, Settings};

pub const KIND: Kind = Kind {
    name: settings::NAME,
    summary: "templates, endpoints and services, and everything together, that come more or less often than at this hour of the week",
    family: Family::Statistical,
    scopes: &[Scope::All],
    enabled: |settings| settings.rate.enabled,
    build: |setup, _| Box::new(Rate::new(&setup.settings.rate)),
};

const NANOS: i64 = 60 * 1_000_000_000;

/// Events older than so many minutes before event time belong to periods that are over.
const LATE: i64 = 2;

#[derive(Debug)]
struct Rate {
    settings: Settings,
    /// Made at the first event, since only one partition ever sees one.
    memory: Option<Memory>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    series: Lru<Series>,
    total: Series,
    /// The minute of event time that is open; none before the first tick.
    open: Option<i64>,
    /// Minutes with events so far.
    minutes: u32,
    closed: Closed,
    due: Due,
    /// Whether the open period of each length was open from its beginning.
    whole: [bool; PERIODS.len()],
}

impl Rate {
    fn new(settings: &Settings) -> Rate {
        Rate { settings: settings.clone(), memory: None }
    }
}

impl Memory {
    fn new(settings: &Settings) -> Memory {
        Memory {
            series: Lru::new(settings.series),
            total: Series::new(Counted::Total, "everything".into(), lapwing_model::Entity::new(Scope::All, "everything")),
            open: None,
            minutes: 0,
            closed: Closed::default(),
            due: Due::default(),
            whole: [false; PERIODS.len()],
        }
    }

    fn count(&mut self, event: &Event) {
        if self.open.is_some_and(|open| event.at.nanos().div_euclid(NANOS) < open - LATE) {
            return;
        }
        let client = event.keys.get(Scope::Client).unwrap_or_default();
        let (young, learnt) = (self.minutes, self.closed.count);
        self.total.count(client);
        let mut count = |counted: Counted, key: u64| {
            let key = key.rotate_left(counted as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (series, _) = self.series.get_or_insert_with(key, || Series::of(counted, event, young, learnt));
            series.count(client);
            self.due.counted(key, series);
        };
        if let Some(key) = event.keys.get(Scope::Service) {
            count(Counted::Service, key);
        }
        match (&event.detail, event.keys.get(Scope::Endpoint)) {
            (Detail::Web(_), Some(key)) => count(Counted::Endpoint, key),
            (Detail::Log(_), _) if event.template != 0 => count(Counted::Template, event.template),
            _ => {}
        }
    }

    /// Event time has reached a minute: the periods that are over are judged, then learnt.
    fn pass_to(&mut self, minute: i64, settings: &Settings, findings: &mut Findings) {
        let Some(open) = self.open.replace(minute) else { return };
        if minute <= open {
            self.open = Some(open);
            return;
        }
        for (at, &length) in PERIODS.iter().enumerate() {
            let (over, next) = (open.div_euclid(length), minute.div_euclid(length));
            if next > over {
                if self.total.counts[at] > 0 {
                    self.minutes = self.minutes.saturating_add(u32::from(at == 0));
                    self.close(at, over, settings, findings);
                }
                // What began with a gap may have begun in the middle.
                self.whole[at] = next == over + 1;
            }
        }
    }

    fn close(&mut self, at: usize, period: i64, settings: &Settings, findings: &mut Findings) {
        let whole = std::mem::replace(&mut self.whole[at], true);
        if whole {
            self.closed.push(at, period);
        }
        let over = Over { at, period, whole, everything: self.total.counts[at], closed: &self.closed };
        let total = self.total.close(&over, settings);
        let due = self.due.take(at);
        let changes = due.iter().filter_map(|&key| self.series.peek_mut(key)?.close(&over, settings));
        let mut changes: Vec<Change> = changes.collect();
        changes.retain(|change| !total.as_ref().is_some_and(|total| total.explains(change)));
        changes.sort_by(|a, b| (a.direction, &a.label).cmp(&(b.direction, &b.label)));
        changes.extend(total);
        for told in changes.chunk_by(|a, b| a.direction == b.direction) {
            tell::tell(told, settings.most_at_once, Timestamp::from_nanos((period * PERIODS[at]).saturating_mul(NANOS)), findings);
        }
        if at != MINUTE {
            let series = &mut self.series;
            self.due.learn(due, |key| series.peek_mut(key).is_some_and(|series| series.may_fall(settings)));
        }
    }
}

impl Series {
    fn of(counted: Counted, event: &Event, young: u32, learnt: [u32; PERIODS.len()]) -> Series {
        let scope = match counted {
            Counted::Endpoint => Scope::Endpoint,
            Counted::Service => Scope::Service,
            Counted::Template | Counted::Total => Scope::Source,
        };
        let entity = event.entity_of(scope).unwrap_or_else(|| event.entity());
        let label = match (counted, &event.detail) {
            (Counted::Template, Detail::Log(log)) => printable(event.text(log.message)).within(160).to_string().into(),
            _ => entity.name.clone(),
        };
        let mut series = Series::new(counted, label, entity);
        (series.born, series.learnt) = (young, learnt);
        series
    }
}

impl Detector for Rate {
    fn observe(&mut self, events: Events<'_>, _: &mut Findings) {
        let memory = self.memory.get_or_insert_with(|| Memory::new(&self.settings));
        events.iter().for_each(|(_, event)| memory.count(event));
        memory.due.bound(&memory.series);
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Timestamp, findings: &mut Findings) {
        if let Some(memory) = &mut self.memory {
            memory.pass_to(now.nanos().div_euclid(NANOS), &self.settings, findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved rates cannot be read: {error}"))?;
        memory.series.set_capacity(self.settings.series);
        self.memory = Some(memory);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.series.len())
    }
}

#[cfg(test)]
mod tests;
