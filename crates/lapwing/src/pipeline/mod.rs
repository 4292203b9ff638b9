//! The only place with threads, channels, clocks and shutdown. It is plumbing and decides nothing.

mod by_session;
mod desk;
mod engine;
mod entry;
mod flows;
mod handle;
mod journal;
mod keeping;
mod live;
mod names;
mod sequencer;
mod stats;
mod tables;
mod teller;
mod through;
mod workers;
mod write_behind;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use by_session::BySession;
pub use engine::{Engine, Judged};
pub use flows::{Exporters, FlowReader, Flows, Parts};
pub use handle::{Live, Reload};
pub use keeping::Keeping;
use lapwing_detect::{Ensemble, EnsembleSettings, Knowledge, Marks, Setup, Shard, State};
use lapwing_enrich::{Enricher, Enrichment};
use lapwing_model::Timestamp;
use lapwing_parse::{Parser, SessionKey, template};
pub use live::{Plan, Service, start as start_live};
pub use sequencer::{Sequencer, mined};
pub use stats::Stats;
pub use tables::{FETCHED, Tables};
pub use through::{Outcome, through};
pub use workers::{Feeder, Figures, Joined, Joiner, Poisoned, Work, start};

/// What a pipeline is built from.
#[derive(Debug, Clone, Default)]
pub struct Blueprint {
    pub detectors: Setup,
    pub ensemble: EnsembleSettings,
    pub templates: template::Settings,
    pub flows: Flows,
    /// What is known of addresses.
    pub enrichment: Arc<Enrichment>,
    /// What people said of earlier anomalies.
    pub marks: Arc<Marks>,
    /// What is so everywhere, and ships with Lapwing: what is learned or given later comes before it.
    pub builtin: Option<Arc<State>>,
    /// What was learned before; a state that a pipeline is given when it starts comes before it.
    pub warm: Option<Arc<State>>,
    /// Finds sessions in the text of records whose origin names no key of its own.
    pub session_key: Option<SessionKey>,
}

/// Sections of a saved state that are the sequencer's; most others are the detectors'.
const MINER: &str = "sequencer/miner";
const TIME: &str = "sequencer/time";

/// The section of what is remembered of exporters of flows.
pub const FLOWS: &str = "flow/decoder";

impl Blueprint {
    /// The same with a model.
    #[must_use]
    pub fn knowing(mut self, model: Knowledge) -> Blueprint {
        self.warm = Some(model.state);
        self.detectors.templates = model.templates;
        self
    }

    /// The state to continue from, where there is one.
    fn known<'a>(&'a self, state: Option<&'a State>) -> Option<&'a State> {
        state.or(self.warm.as_deref())
    }

    fn ensemble(&self, state: Option<&State>) -> Result<Ensemble, String> {
        let mut ensemble = Ensemble::new(self.ensemble.clone());
        if let Some(builtin) = &self.builtin {
            ensemble.load(builtin).unwrap_or_else(|error| cold(&error));
        }
        self.known(state).map_or(Ok(()), |state| ensemble.load(state))?;
        ensemble.heed(self.marks.clone());
        Ok(ensemble)
    }

    fn enricher(&self) -> Enricher {
        Enricher::new(self.enrichment.clone())
    }

    pub(crate) fn parser(&self) -> Parser {
        Parser::new().with_session_key(self.session_key.clone())
    }

    pub(crate) fn sequencer(&self, state: Option<&State>) -> Result<Sequencer, String> {
        match state.or(self.warm.as_deref()).and_then(|state| Some((state.get(MINER)?, state.get(TIME)?))) {
            Some((miner, time)) => Sequencer::load(self.templates.clone(), miner, time),
            None => Ok(Sequencer::new(self.templates.clone())),
        }
    }

    /// Continues with the templates of a model, where it has some.
    fn renew(sequencer: &mut Sequencer, model: &State) {
        if let Some(Err(error)) = model.get(MINER).map(|miner| sequencer.renew(miner)) {
            tracing::error!("the templates of the model are not taken: {error}");
        }
    }

    fn shard(&self, index: usize, shards: usize, state: Option<&State>) -> Result<Shard, String> {
        let mut shard = Shard::new(&self.detectors, index, shards);
        if let Some(builtin) = &self.builtin {
            shard.load(builtin).unwrap_or_else(|errors| cold(&errors.join("; ")));
        }
        self.known(state).map_or(Ok(()), |state| shard.load(state)).map_err(|errors| errors.join("; "))?;
        Ok(shard)
    }

    fn flow_reader(&self, state: Option<&State>) -> FlowReader {
        let saved = state.or(self.warm.as_deref()).and_then(|state| state.get(FLOWS));
        FlowReader::new(&self.flows, saved.map(Vec::as_slice))
    }

    /// The state of what stands in line.
    fn line_state(sequencer: &Sequencer, flows: &FlowReader) -> State {
        let (miner, time) = sequencer.save();
        let flows = flows.save().map(|flows| (FLOWS.to_owned(), flows));
        [(MINER.to_owned(), miner), (TIME.to_owned(), time)].into_iter().chain(flows).collect()
    }
}

/// What ships can be done without: who cannot read their part of it, begin without it.
fn cold(why: &str) {
    tracing::warn!("a part of the model that ships with lapwing is left out: {why}; tools/builtin makes it anew");
}

/// Version of what snapshots contain: raised when a saved state can no longer be continued from.
pub const SNAPSHOT_VERSION: u32 = 7;

/// The wall clock: read here and nowhere below.
#[must_use]
pub fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Locks, whoever panicked before while holding it: what these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
