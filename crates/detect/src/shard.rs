//! Some of the partitions of every detector's keys, judged by one worker.

use std::collections::BTreeMap;

use lapwing_model::{PARTITIONS, Scope};

use crate::{ALL, Batch, Detector, Findings, Setup};

/// Owns whole partitions of every detector. What it finds does not depend on how many shards there are.
pub struct Shard {
    seats: Vec<Seat>,
}

/// One detector for one partition of its keys; one without state (of scope event) for all partitions of the shard, since what
/// it has looked at before saves it work.
struct Seat {
    name: &'static str,
    scope: Scope,
    partitions: Vec<usize>,
    /// The positions of its events, where it has several partitions.
    positions: Vec<u16>,
    order: u32,
    detector: Box<dyn Detector>,
}

/// The saved states of detectors, by `kind/scope/partition`: the same names for any number of shards.
pub type State = BTreeMap<String, Vec<u8>>;

impl Shard {
    /// The shard that owns every partition whose number is `index` modulo `shards`.
    #[must_use]
    pub fn new(setup: &Setup, index: usize, shards: usize) -> Shard {
        let mut seats = Vec::new();
        let kinds = ALL.iter().filter(|kind| setup.mode.includes(kind.family) && (kind.enabled)(&setup.settings));
        let scoped = kinds.flat_map(|kind| kind.scopes.iter().map(move |&scope| (kind, scope)));
        for (number, (kind, scope)) in scoped.enumerate() {
            let own: Vec<_> = (0..PARTITIONS).filter(|partition| partition % shards.max(1) == index).collect();
            let runs = if scope == Scope::Event { own.len().max(1) } else { 1 };
            for partitions in own.chunks(runs) {
                let order = (number * PARTITIONS + partitions[0]) as u32;
                let (partitions, detector) = (partitions.to_vec(), (kind.build)(setup, scope));
                seats.push(Seat { name: kind.name, scope, partitions, positions: Vec::new(), order, detector });
            }
        }
        Shard { seats }
    }

    /// The shard that owns everything.
    #[must_use]
    pub fn whole(setup: &Setup) -> Shard {
        Shard::new(setup, 0, 1)
    }

    /// Judges a batch: every detector sees its events in order, and the ticks where they fall between them.
    pub fn judge(&mut self, batch: &Batch, findings: &mut Findings) {
        if let Some(model) = &batch.model {
            self.seats.iter_mut().for_each(|seat| seat.detector.renew(model));
            // Whoever sends a model has tried it; a detector that cannot read its part goes on as it was.
            let _ = self.load(&model.state);
        }
        for seat in &mut self.seats {
            if let Some(rulebook) = &batch.rulebook {
                seat.detector.reload(rulebook);
            }
            seat.judge(batch, findings);
            if let Some(end) = batch.end {
                findings.speaks(seat.order, Some((batch.events.len() as u16, end)));
                seat.detector.finish(findings);
            }
        }
    }

    pub fn save(&self, state: &mut State) {
        self.save_by(state, |detector, out| detector.save(out));
    }

    /// Saves only what is so everywhere.
    pub fn save_general(&self, state: &mut State) {
        self.save_by(state, |detector, out| detector.save_general(out));
    }

    fn save_by(&self, state: &mut State, save: impl Fn(&dyn Detector, &mut Vec<u8>)) {
        for seat in &self.seats {
            let mut out = Vec::new();
            save(&*seat.detector, &mut out);
            if !out.is_empty() {
                state.insert(seat.key(), out);
            }
        }
    }

    /// Continues from a saved state. A detector that the state does not mention starts afresh.
    ///
    /// # Errors
    /// The states that could not be read, each with its reason; their detectors start afresh, the others continue.
    pub fn load(&mut self, state: &State) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for seat in &mut self.seats {
            if let Some(bytes) = state.get(&seat.key())
                && let Err(error) = seat.detector.load(bytes)
            {
                errors.push(format!("{}: {error}", seat.key()));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Forgets everything about one key of a scope.
    pub fn forget(&mut self, scope: Scope, key: u64) {
        let partition = lapwing_model::partition(key);
        let of_key = |seat: &&mut Seat| match seat.scope {
            // One state for everything knows the keys of every scope.
            Scope::All => true,
            own => own == scope && seat.partitions.contains(&partition),
        };
        self.seats.iter_mut().filter(of_key).for_each(|seat| seat.detector.forget(key));
    }

    /// How far each kind of detector that still learns is, from 0 to 1: of its partitions the one that has seen most.
    #[must_use]
    pub fn learning(&self) -> BTreeMap<&'static str, f32> {
        let mut learning = BTreeMap::new();
        for (name, maturity) in self.seats.iter().filter_map(|seat| Some((seat.name, seat.detector.maturity()?))) {
            let most: &mut f32 = learning.entry(name).or_default();
            *most = most.max(maturity);
        }
        learning.retain(|_, maturity| *maturity < 1.0);
        learning
    }

    /// How many keys each kind of detector keeps state for.
    #[must_use]
    pub fn entities(&self) -> BTreeMap<&'static str, usize> {
        let mut entities = BTreeMap::new();
        for seat in &self.seats {
            *entities.entry(seat.name).or_default() += seat.detector.entities();
        }
        entities
    }
}

impl Seat {
    fn judge(&mut self, batch: &Batch, findings: &mut Findings) {
        let mut positions = std::mem::take(&mut self.positions);
        let mut mine = match self.partitions.as_slice() {
            [partition] => batch.route(self.scope, *partition),
            all if all.len() == PARTITIONS => {
                // Nothing is left out, so nothing has to be sorted.
                positions.clear();
                positions.extend(0..batch.events.len() as u16);
                &positions
            }
            several => {
                positions.clear();
                several.iter().for_each(|&partition| positions.extend_from_slice(batch.route(self.scope, partition)));
                positions.sort_unstable();
                &positions
            }
        };
        let ticks = if self.detector.wants_ticks() { batch.ticks.as_slice() } else { &[] };
        for &(before, now) in ticks {
            if !self.detector.wants_tick(now) {
                continue;
            }
            let (passed, rest) = mine.split_at(mine.partition_point(|&at| at < before));
            mine = rest;
            self.observe(batch, passed, findings);
            findings.speaks(self.order, Some((before, now)));
            self.detector.tick(now, findings);
        }
        self.observe(batch, mine, findings);
        self.positions = positions;
    }

    fn observe(&mut self, batch: &Batch, mine: &[u16], findings: &mut Findings) {
        if !mine.is_empty() {
            findings.speaks(self.order, None);
            self.detector.observe(batch.events(mine), findings);
        }
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.name, self.scope, self.partitions[0])
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.seats.iter().map(Seat::key)).finish()
    }
}
