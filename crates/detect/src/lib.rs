//! Events in, verdicts out: the detectors and their ensemble.
//!
//! Adding a detector: one file with its settings, its `KIND`, its tests, and its name in the list below.

mod batch;
#[cfg(test)]
mod contract;
mod ensemble;
pub mod features;
mod findings;
mod flows;
mod glance;
pub mod logsource;
mod shard;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod traffic;

use std::sync::Arc;

pub use batch::{BATCH_EVENTS, Batch, Events};
pub use ensemble::{Ensemble, Marks, Mode, Settings as EnsembleSettings};
pub use findings::{Findings, Found};
use lapwing_model::{Scope, Timestamp};
use lapwing_rules::RuleSet;
use serde::{Deserialize, Serialize};
pub use shard::{Shard, State};

/// Judges the events of one partition of its scope's keys. Owned by one thread: no lock, no I/O, no clock.
///
/// The same events and ticks always give the same findings, wherever batches begin and end; memory is bounded whatever comes.
pub trait Detector: Send {
    /// Judges the events in order, each before learning from it.
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings);

    /// Event time has reached `now`; called about once a second of event time, between the events it passed between, where the
    /// detector wants that.
    fn tick(&mut self, _now: Timestamp, _findings: &mut Findings) {}

    /// The input is at its end: nothing will come any more.
    fn finish(&mut self, _findings: &mut Findings) {}

    /// Whether it wants ticks. One that does not gets all events of a batch at once.
    fn wants_ticks(&self) -> bool {
        false
    }

    /// Whether one that wants ticks wants that at `now`; where it does not, events before and after come together.
    fn wants_tick(&self, _now: Timestamp) -> bool {
        true
    }

    /// Appends the state to `out`; a detector that remembers nothing appends nothing.
    fn save(&self, out: &mut Vec<u8>);

    /// Appends what of the state is so everywhere, as a state of its own: what ships with Lapwing is made of it. Most of what is
    /// learned is about one place, so most append nothing.
    fn save_general(&self, _out: &mut Vec<u8>) {}

    /// Continues from a saved state, exactly.
    ///
    /// # Errors
    /// Where the bytes are no state of this detector with these settings.
    fn load(&mut self, state: &[u8]) -> Result<(), String>;

    /// Other rules take effect from the next event on. What is remembered of rules that stay the same stays.
    fn reload(&mut self, _rulebook: &Rulebook) {}

    /// Another model takes effect from the next event on. Its state is loaded apart; this is for the parts of it that are
    /// shared and do not change.
    fn renew(&mut self, _model: &Knowledge) {}

    /// Forgets everything about one key of its scope. A detector whose scope is the session must; for others nobody asks.
    fn forget(&mut self, _key: u64) {}

    /// How much of what it needs to see to be sure it has seen, from 0 to 1; none for one that does not learn.
    fn maturity(&self) -> Option<f32> {
        None
    }

    /// How many keys (clients, sources...) it keeps state for, for `/metrics`.
    fn entities(&self) -> usize {
        0
    }
}

/// A kind of detector: what configuration, documentation, metrics and tests need to know of it.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    pub family: Family,
    /// One detector for each of these scopes and each partition.
    pub scopes: &'static [Scope],
    pub enabled: fn(&Settings) -> bool,
    pub build: fn(&Setup, Scope) -> Box<dyn Detector>,
}

/// What the ensemble weighs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Rules,
    /// Counts against thresholds that people can read.
    Statistical,
    /// Learned by itself what is ordinary; scores by [`lapwing_model::Score::of_tail`].
    Learned,
    /// The same over the order of events.
    Sequence,
}

/// What detectors are built from.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    pub settings: Settings,
    pub mode: Mode,
    pub rulebook: Rulebook,
    /// What comes after what in sessions, where a model was trained.
    pub templates: Option<Arc<transformer::TemplateModel>>,
    /// All that is seen is normal, by people's own account: it is learned, and nothing of it is told.
    pub learning: bool,
}

/// What was learned elsewhere, exchanged as one while detectors are at work. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Everything that it mentions continues from there.
    pub state: Arc<State>,
    /// What comes after what in sessions; without it nobody knows that any more.
    pub templates: Option<Arc<transformer::TemplateModel>>,
}

/// Rules of all kinds, which people may write: exchanged as one while detectors are at work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rulebook {
    pub rules: Arc<RuleSet>,
    pub behaviours: Arc<behaviour::Behaviours>,
    pub signatures: Arc<lapwing_inspect::Rules>,
    /// What does not speak of the signatures.
    pub mutes: Arc<[signatures::Mute]>,
}

/// The signatures that ship with Lapwing, none of them muted; no rules and behaviours.
impl Default for Rulebook {
    fn default() -> Self {
        let rules = Arc::new(RuleSet::compile(Vec::new()).0);
        Rulebook { rules, behaviours: Arc::default(), signatures: signatures::builtin(), mutes: Arc::default() }
    }
}

macro_rules! detectors {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+

        /// Every kind of detector there is.
        pub const ALL: &[Kind] = &[$($name::KIND),+];

        /// The settings of every detector: the section `detectors` of the configuration.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            /// Of events, as the detectors that learn see them.
            pub features: features::Settings,
            $(pub $name: $name::Settings,)+
        }
    };
}

detectors! {
    rules,
    signatures,
    threat_list,
    thresholds,
    behaviour,
    windows,
    novelty,
    silence,
    profile,
    sequence,
    transformer,
    rate,
    rarity,
    iforest,
    half_space,
    response_time,
    status_code,
    port_scan,
    flood,
    beacon,
    exfiltration,
    dns_tunnel,
    connection,
    brute_force,
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Kind> {
        ALL.iter().find(|kind| kind.name == name)
    }
}
