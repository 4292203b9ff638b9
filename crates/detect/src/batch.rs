//! What flows to the detectors: events in order, the seconds of event time that pass between them, and who judges which.

use std::sync::{Arc, OnceLock};

use lapwing_enrich::Enrichment;
use lapwing_model::{Event, PARTITIONS, Scope, Timestamp, partition};

use crate::glance::{Answers, Glance};
use crate::{Knowledge, Rulebook};

/// Events in input order, shared read-only by everybody who judges them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Running number of the batch; batches are judged in this order without a gap.
    pub sequence: u64,
    pub events: Vec<Event>,
    /// Before the event at `.0` event time reached `.1`. In order.
    pub ticks: Vec<(u16, Timestamp)>,
    /// The earliest and the latest time that the events tell of.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Rules and behaviours that take effect before the first of these events.
    pub rulebook: Option<Rulebook>,
    /// What was learned elsewhere and takes effect before the first of these events.
    pub model: Option<Knowledge>,
    /// What its events were enriched with.
    pub enrichment: Arc<Enrichment>,
    /// After this batch every judge hands out its state, for a snapshot.
    pub barrier: bool,
    /// It is the last of all: nothing will come any more. The time is the latest that events told of.
    pub end: Option<Timestamp>,
    /// By the numbers of the scopes, of each event one after another.
    partitions: Vec<u8>,
    /// By the numbers of their scopes; worked out for those that somebody judges.
    routes: [OnceLock<Route>; SCOPES],
    glances: Vec<Glance>,
    /// Which rules, and which detections of behaviours, hold of each event: the same for whoever judges it.
    rules: Vec<Answers>,
    behaviours: Vec<Answers>,
}

const SCOPES: usize = Scope::EACH.len();

/// The partition of an event without a key.
const NOBODY: u8 = u8::MAX;

/// The most events that one batch holds: positions in it are `u16`.
pub const BATCH_EVENTS: usize = 1024;

impl Batch {
    #[must_use]
    pub fn new(sequence: u64, events: Vec<Event>, ticks: Vec<(u16, Timestamp)>) -> Batch {
        // Whatever everybody needs of an event is taken out of it at once, while it is at hand.
        let mut partitions = vec![NOBODY; SCOPES * events.len()];
        let mut glances = Vec::with_capacity(events.len());
        for (at, event) in events.iter().enumerate() {
            glances.push(Glance::at(event));
            for (scope, partition) in partitions_of(event).into_iter().enumerate() {
                partitions[scope * events.len() + at] = partition;
            }
        }
        let (rules, behaviours) = (vec![Answers::new(); events.len()], vec![Answers::new(); events.len()]);
        let times = || events.iter().map(|event| event.at);
        let span = times().min().zip(times().max());
        Batch { sequence, events, ticks, span, glances, partitions, rules, behaviours, ..Batch::default() }
    }

    /// The positions of the events that partition `number` of a scope judges.
    pub(crate) fn route(&self, scope: Scope, number: usize) -> &[u16] {
        self.routes[scope as usize].get_or_init(|| Route::of(self.partitions_in(scope))).run(number)
    }

    fn partitions_in(&self, scope: Scope) -> &[u8] {
        let from = scope as usize * self.events.len();
        self.partitions.get(from..from + self.events.len()).unwrap_or_default()
    }

    /// The events at some positions.
    pub(crate) fn events<'a>(&'a self, mine: &'a [u16]) -> Events<'a> {
        Events {
            all: &self.events,
            mine,
            glances: &self.glances,
            rules: &self.rules,
            behaviours: &self.behaviours,
            enrichment: Some(&self.enrichment),
        }
    }
}

/// The events of a batch that one detector judges: positions into all, in order.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    all: &'a [Event],
    mine: &'a [u16],
    /// Of all events; empty where nobody worked them out beforehand.
    glances: &'a [Glance],
    rules: &'a [Answers],
    behaviours: &'a [Answers],
    enrichment: Option<&'a Enrichment>,
}

impl<'a> Events<'a> {
    #[must_use]
    pub fn new(all: &'a [Event], mine: &'a [u16]) -> Self {
        Events { all, mine, glances: &[], rules: &[], behaviours: &[], enrichment: None }
    }

    /// The tables and lists that events were enriched with.
    #[must_use]
    pub fn enrichment(&self) -> Option<&'a Enrichment> {
        self.enrichment
    }

    /// Which rules hold of the event at a position, where its batch shares that.
    pub(crate) fn rules(&self, at: u16) -> Option<&'a Answers> {
        self.rules.get(usize::from(at))
    }

    /// Which detections of behaviours hold of the event at a position, where its batch shares that.
    pub(crate) fn behaviours(&self, at: u16) -> Option<&'a Answers> {
        self.behaviours.get(usize::from(at))
    }

    /// Position in the batch, and the event.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &'a Event)> + use<'a> {
        let all = self.all;
        self.mine.iter().filter_map(move |&at| Some((at, all.get(at as usize)?)))
    }

    /// The same, and what the event is at a glance, of those only of which one of `wanted` holds.
    pub(crate) fn of(&self, wanted: Glance) -> impl Iterator<Item = (u16, &'a Event, Glance)> + use<'a> {
        let Events { all, mine, glances, .. } = *self;
        mine.iter().filter_map(move |&at| {
            let number = usize::from(at);
            let known = glances.get(number).copied();
            let glance = known.or_else(|| all.get(number).map(Glance::at))?;
            if glance.meets(wanted) { Some((at, all.get(number)?, glance)) } else { None }
        })
    }
}

/// The events by partition of their key in one scope: one list cut into [`PARTITIONS`] runs.
#[derive(Debug, Default)]
struct Route {
    positions: Vec<u16>,
    /// Where each partition's run ends.
    ends: [u16; PARTITIONS],
}

impl Route {
    fn run(&self, number: usize) -> &[u16] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.positions[start as usize..self.ends[number] as usize]
    }

    /// All events are one partition's, or nobody's.
    fn of_one(number: u8, events: u16) -> Route {
        if usize::from(number) >= PARTITIONS {
            return Route::default();
        }
        let ends = std::array::from_fn(|partition| if partition < number.into() { 0 } else { events });
        Route { positions: (0..events).collect(), ends }
    }

    /// A counting sort by partition; stable, so each run keeps the order of the input.
    fn of(partitions: &[u8]) -> Route {
        if let [first, rest @ ..] = partitions
            && *rest == partitions[..rest.len()]
        {
            return Route::of_one(*first, partitions.len() as u16);
        }
        let own = || partitions.iter().map(|&number| usize::from(number));
        let mut counts = [0_u16; PARTITIONS];
        for number in own() {
            if let Some(count) = counts.get_mut(number) {
                *count += 1;
            }
        }
        let mut ends = [0_u16; PARTITIONS];
        let mut end = 0;
        for (slot, count) in ends.iter_mut().zip(counts) {
            *slot = end;
            end += count;
        }
        let mut positions = vec![0; end as usize];
        for (at, number) in own().enumerate() {
            if let Some(end) = ends.get_mut(number) {
                positions[*end as usize] = at as u16;
                *end += 1;
            }
        }
        Route { positions, ends }
    }
}

/// Which partition of each scope judges an event. What needs no state is spread by position; what is one state for everything
/// has one owner.
fn partitions_of(event: &Event) -> [u8; SCOPES] {
    let mut keys = event.keys.each();
    // Never 0, which stands for nobody.
    keys[Scope::Event as usize] = event.position.offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    keys.map(|key| if key == 0 { NOBODY } else { partition(key) as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::events;

    #[test]
    fn every_event_with_a_key_is_judged_by_exactly_one_partition_and_in_order() {
        let batch = Batch::new(0, events(500), Vec::new());
        for scope in Scope::EACH {
            let mut seen = vec![0; batch.events.len()];
            for number in 0..PARTITIONS {
                let route = batch.route(scope, number);
                assert!(route.is_sorted());
                for &at in route {
                    seen[at as usize] += 1;
                }
            }
            for (event, seen) in batch.events.iter().zip(seen) {
                assert_eq!(seen, u32::from(scope == Scope::Event || event.keys.get(scope).is_some()), "{scope}");
            }
        }
    }
}
