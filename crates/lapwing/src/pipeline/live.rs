//! The running service: intake, journal, workers, alert desk, store, snapshots.
//!
//! ```text
//!  Intake --> journal thread --> workers --> desk thread --> store, sinks, notices
//!                  ^-- may forget --------------+ snapshot
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lapwing_alert::{Allowance, Budget, Desk, IncidentSettings, Incidents, Sink};
use lapwing_detect::Marks;
use lapwing_enrich::ReverseDns;
use lapwing_model::Timestamp;
use lapwing_source::Bookmarks;
use lapwing_store::{Journal, Store, snapshot};
use tokio::sync::{broadcast, watch};

use super::desk::{self, Desking};
use super::handle::{Live, Reload};
use super::journal::{Journaling, Memo};
use super::names::Names;
use super::stats::Stats;
use super::teller::Tellers;
use super::write_behind::WriteBehind;
use super::{Blueprint, Engine, Keeping, SNAPSHOT_VERSION, lock, workers};

/// Blocks that wait before the journal.
const INTAKE: usize = 16;

/// Notices kept for listeners that are a little behind.
const NOTICES: usize = 1024;

/// What a service is made of.
pub struct Plan {
    pub blueprint: Blueprint,
    pub workers: usize,
    pub grouping: lapwing_alert::Settings,
    pub incidents: IncidentSettings,
    /// Only anomalies at least this severe are told.
    pub tell_at: lapwing_model::Severity,
    /// No more than so many of them; all, where nothing is said.
    pub budget: Option<Allowance>,
    /// Where the names of addresses are asked for.
    pub reverse_dns: ReverseDns,
    pub sinks: Vec<Box<dyn Sink>>,
    pub keeping: Keeping,
    pub clock: fn() -> Timestamp,
}

/// The threads behind a [`Live`].
#[derive(Debug)]
pub struct Service {
    stop: watch::Sender<bool>,
    journal: JoinHandle<()>,
    desk: JoinHandle<()>,
    stats: Arc<Mutex<Stats>>,
}

/// Starts the service, continuing from what `plan.keeping.directory` holds. Must be called within a tokio runtime, whose
/// timers the journal thread uses. Answers the bookmarks that sources continue from as well.
///
/// # Errors
/// Where the store, the journal or the last snapshot cannot be used, or a thread not be started.
pub fn start(mut plan: Plan) -> Result<(Service, Live, Bookmarks), String> {
    let directory = plan.keeping.directory.clone();
    let store = Store::open(&directory).map_err(|error| error.to_string())?;
    let stats = Arc::new(Mutex::new(Stats::default()));
    let mut kept = Kept::read(&directory, &stats)?;
    let said = store.reader().and_then(|reader| reader.marks()).map_err(|error| error.to_string())?;
    plan.blueprint.marks = Arc::new(Marks::new(said));
    let journal = plan.keeping.open_journal(kept.sequence)?;
    let (feeder, joiner) = workers::start::<Memo>(&plan.blueprint, plan.workers, kept.state.as_ref())?;
    // Whoever asks at once (`/detect`) is answered with what was known when the service began.
    // What the service knows itself comes before a model that it is given.
    if let Some(state) = kept.state.take() {
        plan.blueprint.warm = Some(Arc::new(state));
    }
    let mut desk = Desk::new(plan.grouping);
    kept.desk.as_ref().map_or(Ok(()), |state| desk.load(state))?;

    let mut incidents = Incidents::new(plan.incidents);
    kept.incidents.as_ref().map_or(Ok(()), |state| incidents.load(state))?;

    let (intake, blocks) = lapwing_source::intake(INTAKE);
    let (ready_in, ready) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let (forget_in, forget) = crossbeam_channel::unbounded();
    let (rulebooks_in, rulebooks) = crossbeam_channel::unbounded();
    let (models_in, models) = crossbeam_channel::unbounded();
    let (enrichments_in, enrichments) = crossbeam_channel::unbounded();
    let (marks_in, marks) = crossbeam_channel::unbounded();
    let (notices, _) = broadcast::channel(NOTICES);
    let engine = Arc::new(Mutex::new(Engine::new(&plan.blueprint)?));
    let live = Live {
        intake,
        stats: stats.clone(),
        store: Arc::new(Mutex::new(store)),
        engine: engine.clone(),
        notices,
        ready,
        clock: plan.clock,
        reload: Reload {
            rulebooks: rulebooks_in,
            models: models_in,
            marks: marks_in,
            enrichments: enrichments_in,
            engine,
            blueprint: Arc::new(Mutex::new(plan.blueprint)),
        },
    };
    let journaling = Journaling {
        journal,
        blocks,
        feeder,
        rulebooks,
        models,
        enrichments,
        forget,
        stop: stopping,
        stats: stats.clone(),
        clock: plan.clock,
        snapshot_every: plan.keeping.snapshot_every(),
        replay_from: kept.sequence,
        runtime: tokio::runtime::Handle::current(),
    };
    let desking = Desking {
        desk,
        incidents,
        joiner: joiner.heeding(marks),
        live: live.clone(),
        tellers: Tellers::start(plan.sinks, &stats)?,
        tell_at: plan.tell_at,
        budget: plan.budget.map(|allowance| kept.budget(allowance)),
        names: plan.reverse_dns.enabled.then(|| Names::start(&plan.reverse_dns)).transpose()?,
        ready: ready_in,
        forget: forget_in,
        bookmarks: kept.bookmarks.clone(),
        keeping: plan.keeping,
        anomalies: WriteBehind::new(live.store.clone(), stats.clone()),
    };
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|error| format!("cannot start the {name} thread: {error}"))
    };
    let journal = spawn("journal", Box::new(move || journaling.run()))?;
    let desk = spawn("desk", Box::new(move || desk::run(desking)))?;
    Ok((Service { stop, journal, desk, stats }, live, kept.bookmarks))
}

impl Service {
    /// Finishes everything that was accepted, saves the state and ends. Sources and servers should have ended before: what
    /// they put after this is refused.
    ///
    /// # Errors
    /// Why the service was not well, if it was not.
    pub fn finish(self) -> Result<(), String> {
        // The journal thread may have ended already.
        let _ = self.stop.send(true);
        let ended = self.journal.join().is_ok() & self.desk.join().is_ok();
        match lock(&self.stats).trouble.clone() {
            Some(trouble) => Err(trouble),
            None if !ended => Err("a thread of the pipeline panicked".to_owned()),
            None => Ok(()),
        }
    }
}

/// What the last run left behind.
#[derive(Default)]
struct Kept {
    sequence: u64,
    state: Option<lapwing_detect::State>,
    desk: Option<Vec<u8>>,
    budget: Vec<u8>,
    incidents: Option<Vec<u8>>,
    bookmarks: Bookmarks,
}

impl Kept {
    fn read(directory: &Path, stats: &Mutex<Stats>) -> Result<Kept, String> {
        let Some(found) = snapshot::read_newest(directory).map_err(|error| error.to_string())? else {
            return Ok(Kept::default());
        };
        if let Some(damaged) = found.damaged {
            tracing::warn!("{damaged}; continuing from the snapshot before it");
            *lock(stats).dropped.entry("damaged_snapshot").or_default() += 1;
        }
        if found.snapshot.version != SNAPSHOT_VERSION {
            tracing::warn!("the saved state is of another version ({}); detectors start afresh", found.snapshot.version);
            return Ok(Kept { sequence: found.snapshot.sequence, ..Kept::default() });
        }
        let mut sections: HashMap<_, _> = found.snapshot.sections.into_iter().collect();
        let bookmarks = sections.remove(desk::BOOKMARKS).unwrap_or_default();
        Ok(Kept {
            sequence: found.snapshot.sequence,
            desk: sections.remove(desk::DESK),
            incidents: sections.remove(desk::INCIDENTS),
            budget: sections.remove(desk::BUDGET).unwrap_or_default(),
            bookmarks: postcard::from_bytes(&bookmarks).unwrap_or_default(),
            state: Some(sections.into_iter().collect()),
        })
    }
}

impl Kept {
    /// What is left of an allowance; all of it, where it is another one than before.
    fn budget(&self, allowance: Allowance) -> Budget {
        let before = postcard::from_bytes::<Option<Budget>>(&self.budget).ok().flatten();
        before.filter(|before| before.allowance() == allowance).unwrap_or_else(|| Budget::new(allowance))
    }
}

impl Keeping {
    fn open_journal(&self, sequence: u64) -> Result<Option<Journal>, String> {
        if !self.journal {
            return Ok(None);
        }
        let mut journal =
            Journal::open(&self.directory.join("journal"), self.journal_settings()).map_err(|error| error.to_string())?;
        // A journal that lost its end must not reuse numbers that the snapshot has seen.
        journal.skip_to(sequence).map_err(|error| error.to_string())?;
        Ok(Some(journal))
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("workers", &self.workers).field("keeping", &self.keeping).finish_non_exhaustive()
    }
}
