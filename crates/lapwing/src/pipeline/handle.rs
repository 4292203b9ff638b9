use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use lapwing_detect::{Knowledge, Marks, Rulebook};
use lapwing_enrich::Enrichment;
use lapwing_model::{Anomaly, Timestamp};
use lapwing_source::Intake;
use lapwing_store::{Reader, Store};
use tokio::sync::{broadcast, watch};

use super::stats::Stats;
use super::{Blueprint, Engine, lock};

/// A handle on the running service, for sources and servers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    pub intake: Intake,
    pub stats: Arc<Mutex<Stats>>,
    /// The one writer; only for short moments.
    pub store: Arc<Mutex<Store>>,
    /// Judges at once what is asked for directly, with a memory of its own.
    pub engine: Arc<Mutex<Engine>>,
    pub notices: broadcast::Sender<Arc<Anomaly>>,
    pub ready: watch::Receiver<bool>,
    pub clock: fn() -> Timestamp,
    pub reload: Reload,
}

/// Changes rules and behaviours while everything runs.
#[derive(Debug, Clone)]
pub struct Reload {
    pub(super) rulebooks: Sender<Rulebook>,
    pub(super) models: Sender<Knowledge>,
    pub(super) marks: Sender<Arc<Marks>>,
    pub(super) enrichments: Sender<Arc<Enrichment>>,
    pub(super) engine: Arc<Mutex<Engine>>,
    pub(super) blueprint: Arc<Mutex<Blueprint>>,
}

impl Reload {
    /// Others take effect: between two blocks of the stream, for all shards at the same event.
    pub fn rulebook(&self, rulebook: Rulebook) {
        lock(&self.blueprint).detectors.rulebook = rulebook.clone();
        lock(&self.engine).reload(rulebook.clone());
        // Where nobody takes it, the service is about to end.
        let _ = self.rulebooks.send(rulebook);
    }

    /// Other tables take effect: for the blocks of the stream that come from now on.
    pub fn enrichment(&self, enrichment: Enrichment) {
        let enrichment = Arc::new(enrichment);
        lock(&self.blueprint).enrichment = enrichment.clone();
        lock(&self.engine).enrich_with(&enrichment);
        // Where nobody takes it, the service is about to end.
        let _ = self.enrichments.send(enrichment);
    }

    /// The tables that hold now.
    #[must_use]
    pub fn enriched_with(&self) -> Arc<Enrichment> {
        lock(&self.blueprint).enrichment.clone()
    }

    /// What was learned elsewhere takes effect in the same way: everything that it mentions continues from there.
    ///
    /// # Errors
    /// Where it cannot be continued from; nothing changes then.
    pub fn model(&self, model: Knowledge) -> Result<(), String> {
        let mut blueprint = lock(&self.blueprint);
        let renewed = blueprint.clone().knowing(model.clone());
        let engine = Engine::new(&renewed)?;
        *blueprint = renewed;
        *lock(&self.engine) = engine;
        // Where nobody takes it, the service is about to end.
        let _ = self.models.send(model);
        Ok(())
    }
}

impl Reload {
    /// What people say of anomalies takes effect: from the next block of the stream on.
    pub fn marks(&self, marks: Arc<Marks>) {
        lock(&self.blueprint).marks = marks.clone();
        lock(&self.engine).heed(marks.clone());
        // Where nobody takes it, the service is about to end.
        let _ = self.marks.send(marks);
    }
}

impl Live {
    /// # Errors
    /// Where the store cannot be read.
    pub fn reader(&self) -> Result<Reader, lapwing_store::StoreError> {
        lock(&self.store).reader()
    }

    /// Forgets everything that was asked for directly.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn reset_engine(&self) -> Result<(), String> {
        let engine = Engine::new(&lock(&self.reload.blueprint))?;
        *lock(&self.engine) = engine;
        Ok(())
    }
}
