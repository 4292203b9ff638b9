//! What changes while the service runs: rules of all kinds, and what the configuration says of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapwing_detect::Rulebook;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use super::Failed;
use super::config::{Config, Sourced, leaves};
use super::rule_files::Look;
use crate::pipeline;

/// The files that a change is looked for in, and what they said last.
#[derive(Debug, Clone)]
pub struct Watched {
    file: Option<PathBuf>,
    config: Config,
    seen: (Option<(SystemTime, u64)>, Look),
}

impl Watched {
    /// From now on: to be called before the rules are read, so that what changes meanwhile is seen as a change.
    #[must_use]
    pub fn new(sourced: &Sourced) -> Watched {
        let mut watched = Watched { file: sourced.file.clone(), config: sourced.config.clone(), seen: Default::default() };
        watched.seen = watched.look();
        watched
    }

    fn look(&self) -> (Option<(SystemTime, u64)>, Look) {
        let like = |path: &Path| std::fs::metadata(path).and_then(|about| Ok((about.modified()?, about.len()))).ok();
        (self.file.as_deref().and_then(like), self.config.rules.look())
    }

    /// Reads everything again where something has changed, or where that was `asked` for.
    ///
    /// # Errors
    /// Where the configuration is wrong, or a folder of rules cannot be read; what was at work stays so.
    fn again(&mut self, asked: bool) -> Result<Option<(Rulebook, Vec<String>)>, Failed> {
        let look = self.look();
        if !asked && look == self.seen {
            return Ok(None);
        }
        self.seen = look;
        if let Some(file) = &self.file {
            let new = Sourced::load(Some(file), std::env::vars())?.config;
            for setting in waiting(&self.config, &new) {
                tracing::warn!("{setting} has changed; it takes effect at the next start");
            }
            self.config.rules = new.rules;
            self.config.detectors.signatures.mute = new.detectors.signatures.mute;
            // Other files may be meant now.
            self.seen = self.look();
        }
        self.config.rulebook().map(Some)
    }

    fn every(&self) -> Option<Duration> {
        let seconds = self.config.rules.reload_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

/// The settings that are different and do not take effect while the service runs.
fn waiting(old: &Config, new: &Config) -> Vec<String> {
    let settled = |config: &Config| {
        let mut settings = std::collections::BTreeMap::new();
        // Plain data always has a serial form.
        let tree = serde_json::to_value(config).unwrap_or_default();
        leaves(&tree, "", &mut |key, value| drop(settings.insert(key, value.clone())));
        settings.retain(|key, _| !key.starts_with("rules.") && key != "detectors.signatures.mute");
        settings
    };
    let (old, new) = (settled(old), settled(new));
    old.keys()
        .chain(new.keys().filter(|key| !old.contains_key(*key)))
        .filter(|key| old.get(*key) != new.get(*key))
        .cloned()
        .collect()
}

/// Loads the rules again on SIGHUP, or where a file has changed. Rules that are wrong are told about and left out; a folder
/// that cannot be read, or a configuration that is wrong, changes nothing.
///
/// # Errors
/// Where reading panicked.
pub async fn reload(
    mut watched: Watched,
    reload: pipeline::Reload,
    mut hangup: Signal,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    loop {
        let every = watched.every();
        let asked = tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return Ok(()),
            _ = hangup.recv() => true,
            () = tokio::time::sleep(every.unwrap_or_default()), if every.is_some() => false,
        };
        let loading = tokio::task::spawn_blocking(move || {
            let loaded = watched.again(asked);
            (watched, loaded)
        });
        let (again, loaded) = loading.await.map_err(|error| error.to_string())?;
        watched = again;
        match loaded {
            Ok(None) => {}
            Err(error) => tracing::error!("{error}; the rules stay as they were"),
            Ok(Some((rulebook, errors))) => {
                announce(&rulebook, &errors);
                reload.rulebook(rulebook);
            }
        }
    }
}

fn announce(rulebook: &Rulebook, errors: &[String]) {
    errors.iter().for_each(|error| tracing::error!("{error}"));
    let (rules, behaviours) = (rulebook.rules.rules().len(), rulebook.behaviours.names().count());
    let (signatures, mutes) = (rulebook.signatures.rules().len(), rulebook.mutes.len());
    tracing::info!(
        "loaded again: {rules} rules, {behaviours} behaviours and {signatures} signatures ({mutes} muted) at work, {} mistakes",
        errors.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_next_start_is_named_and_what_reloads_is_not() {
        let (old, mut new) = (Config::default(), Config::default());
        new.rules.paths.push("more".into());
        new.detectors.signatures.mute.push(Default::default());
        assert_eq!(waiting(&old, &new), Vec::<String>::new());
        new.workers = 7;
        new.detectors.profile.days = 1;
        assert_eq!(waiting(&old, &new), ["detectors.profile.days", "workers"]);
    }
}
