//! The one place where events of all workers stand in line: puts each under its template and lets event time pass.

use std::time::Duration;

use lapwing_detect::Batch;
use lapwing_model::{Clock, Detail, Event, Timestamp};
use lapwing_parse::template::{self, Mined, Miner};
use serde::{Deserialize, Serialize};

/// Event time passes in steps of this length.
const TICK: Duration = Duration::from_secs(1);

/// Event time follows the wall clock through quiet times only where it was this close to it before: a source that replays
/// history has a clock of its own.
const LIVE: Duration = Duration::from_secs(3600);

/// Works in input order, whoever parsed. Cheap per event: a hash look-up and a comparison.
#[derive(Debug)]
pub struct Sequencer {
    settings: template::Settings,
    miner: Miner,
    time: Time,
}

/// Event time so far.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Time {
    sequence: u64,
    /// The latest time any event has told of, never beyond the time at which it was received.
    watermark: Timestamp,
    /// When the event that set the watermark was received.
    received: Timestamp,
    ticked: Timestamp,
    clamped: u64,
    /// The origin that told of a time last, and that time.
    stated: (u64, Timestamp),
}

impl Sequencer {
    #[must_use]
    pub fn new(settings: template::Settings) -> Sequencer {
        let time = Time {
            sequence: 0,
            watermark: Timestamp::MIN,
            received: Timestamp::MIN,
            ticked: Timestamp::MIN,
            clamped: 0,
            stated: (0, Timestamp::MIN),
        };
        Sequencer { miner: Miner::new(settings.clone()), settings, time }
    }

    /// The next batch in line.
    pub fn sequence(&mut self, mut events: Vec<Event>) -> Batch {
        let mut ticks = Vec::new();
        for (at, event) in events.iter_mut().enumerate() {
            event.template = self.miner.resolve(event.skeleton, mined(event)).id;
            self.time.clamped += u64::from(event.clock == Clock::Clamped);
            self.time.lend(event);
            // Whoever writes a log must not be able to push event time into the future.
            let stated = event.at.min(event.received);
            if stated > self.time.watermark {
                self.time.watermark = stated;
                self.time.received = event.received;
                ticks.extend(self.time.tick(stated).map(|now| (at as u16, now)));
            }
        }
        self.time.batch(events, ticks)
    }

    /// Nothing came for a while and the clock says `now`: event time passes all the same, so that silence can be heard.
    pub fn heartbeat(&mut self, now: Timestamp) -> Batch {
        let time = &mut self.time;
        let live = time.received.since(time.watermark) < LIVE && time.watermark != Timestamp::MIN;
        let passed = time.watermark + now.since(time.received);
        let tick = if live { time.tick(passed) } else { None };
        time.batch(Vec::new(), tick.map(|now| (0, now)).into_iter().collect())
    }

    /// The last batch of all.
    pub fn end(&mut self) -> Batch {
        let mut batch = self.time.batch(Vec::new(), Vec::new());
        batch.end = Some(self.time.watermark);
        batch
    }

    #[must_use]
    pub fn miner(&self) -> &Miner {
        &self.miner
    }

    /// Event time: the latest time that events have told of.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.time.watermark
    }

    /// How many events told of an absurd time.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.time.clamped
    }

    /// The sequencer's state, by section.
    #[must_use]
    pub fn save(&self) -> (Vec<u8>, Vec<u8>) {
        let mut miner = Vec::new();
        self.miner.save(&mut miner);
        // Plain numbers always have a serial form.
        (miner, postcard::to_stdvec(&self.time).unwrap_or_default())
    }

    /// Continues with the templates of a saved state; event time goes on as it was.
    ///
    /// # Errors
    /// Where the section is not what [`Sequencer::save`] made.
    pub fn renew(&mut self, miner: &[u8]) -> Result<(), String> {
        self.miner = Miner::load(self.settings.clone(), miner)?;
        Ok(())
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// Where one of the sections is not what [`Sequencer::save`] made.
    pub fn load(settings: template::Settings, miner: &[u8], time: &[u8]) -> Result<Sequencer, String> {
        let time = postcard::from_bytes(time).map_err(|error| format!("the saved event time cannot be read: {error}"))?;
        Ok(Sequencer { miner: Miner::load(settings.clone(), miner)?, settings, time })
    }
}

impl Time {
    /// A line without a time of its own, in a file read long after it was written, belongs to the time of the line before it.
    fn lend(&mut self, event: &mut Event) {
        let (origin, stated) = self.stated;
        if matches!(event.clock, Clock::Stated | Clock::Yearless) {
            self.stated = (event.origin.id, event.at);
        } else if origin == event.origin.id && event.received.since(stated) > LIVE {
            event.at = stated;
        }
    }

    /// The tick that is due when event time reaches `now`, if any.
    fn tick(&mut self, now: Timestamp) -> Option<Timestamp> {
        if now.since(self.ticked) < TICK {
            return None;
        }
        // On whole seconds, so that ticks fall where they fall whatever came first.
        self.ticked = Timestamp::from_seconds(now.seconds());
        Some(self.ticked)
    }

    fn batch(&mut self, events: Vec<Event>, ticks: Vec<(u16, Timestamp)>) -> Batch {
        let sequence = self.sequence;
        self.sequence += 1;
        Batch::new(sequence, events, ticks)
    }
}

/// The part of an event that templates are made from.
pub fn mined(event: &Event) -> Mined<'_> {
    match &event.detail {
        Detail::Web(web) => Mined::Path { method: event.text(web.method), path: event.path(web) },
        Detail::Log(log) => Mined::Text(event.text(log.message)),
        Detail::Flow(_) if event.raw.is_empty() => Mined::Text(super::flows::text(event).as_bytes()),
        Detail::Flow(flow) => Mined::Text(event.text(flow.message)),
    }
}
