//! Keeps what is known of addresses up to date: files that changed are read again, lists that have a URL are fetched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use lapwing_enrich::{Enrichment, List, ListSettings, Settings};
use tokio::signal::unix::Signal;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::handle::Reload;
use super::stats::Stats;
use super::{Live, lock};

/// The folder of fetched lists, within the store's directory.
pub const FETCHED: &str = "lists";

/// A fetched list may have so many bytes; one that is longer is not taken.
const MOST_BYTES: u64 = 128 << 20;

/// How long fetching one list may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What each file was like when it was looked at: a change is a change of this.
type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// What it is time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// What has changed.
    Read,
    ReadAll,
    /// Lists, and what has changed.
    Fetch,
}

/// Watches over tables and lists while the service runs.
#[derive(Debug)]
pub struct Tables {
    settings: Settings,
    fetched: PathBuf,
    reload: Reload,
    stats: Arc<Mutex<Stats>>,
    look: Look,
}

impl Tables {
    #[must_use]
    pub fn new(settings: Settings, fetched: PathBuf, live: &Live) -> Tables {
        let look = look(&settings, &fetched);
        Tables { settings, fetched, reload: live.reload.clone(), stats: live.stats.clone(), look }
    }

    /// Goes on until it is told to stop; reads everything again at each `asked`. What cannot be read or fetched leaves everything as
    /// it was, and is told and counted.
    ///
    /// # Errors
    /// Where a thread cannot be started or panicked.
    pub async fn watch(mut self, mut asked: Signal, mut stop: watch::Receiver<bool>) -> Result<(), String> {
        let reads = Duration::from_secs(self.settings.reload_seconds.max(1));
        let fetches = Duration::from_secs(self.settings.fetch_seconds.max(1));
        let fetching = self.settings.enabled && self.settings.threat_lists.iter().any(|list| list.url.is_some());
        let (mut read_at, mut fetch_at) = (Instant::now() + reads, Instant::now());
        loop {
            let due = tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return Ok(()),
                _ = asked.recv(), if self.settings.enabled => Due::ReadAll,
                () = tokio::time::sleep_until(fetch_at), if fetching => Due::Fetch,
                () = tokio::time::sleep_until(read_at), if self.settings.reload_seconds > 0 => Due::Read,
            };
            self = tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return Ok(()),
                done = self.work(due)? => done.map_err(|_| "the thread that reads tables panicked")?,
            };
            read_at = Instant::now() + reads;
            if due == Due::Fetch {
                fetch_at = Instant::now() + fetches;
            }
        }
    }

    /// Works on a thread of its own, for which the end of the service does not wait: whom it asks may take their time.
    fn work(mut self, due: Due) -> Result<oneshot::Receiver<Tables>, String> {
        let (done_in, done) = oneshot::channel();
        let work = move || {
            if due == Due::Fetch {
                self.fetch();
            }
            self.read(due == Due::ReadAll);
            // Where nobody waits, the service is about to end.
            let _ = done_in.send(self);
        };
        let thread = std::thread::Builder::new().name("tables".into()).spawn(work);
        thread.map_err(|error| format!("cannot start the thread for tables: {error}"))?;
        Ok(done)
    }

    fn read(&mut self, whether_changed_or_not: bool) {
        let look = look(&self.settings, &self.fetched);
        if std::mem::replace(&mut self.look, look) == self.look && !whether_changed_or_not {
            return;
        }
        let before = self.reload.enriched_with();
        let (enrichment, errors) = Enrichment::open(&self.settings, &self.fetched, Some(&before));
        errors.iter().for_each(|error| tracing::error!("{error}; it stays as it was"));
        self.count("enrichment_not_reloaded", errors.len());
        tracing::info!("read again what is known of addresses, {} mistakes", errors.len());
        self.reload.enrichment(enrichment);
    }

    fn fetch(&self) {
        for list in self.settings.threat_lists.iter().filter(|list| list.url.is_some()) {
            match fetch(list, &self.fetched) {
                Ok(entries) => tracing::info!("threat list {} was fetched: {entries} entries", list.name),
                Err(error) => {
                    tracing::warn!("threat list {} was not fetched: {error}; it stays as it was", list.name);
                    self.count("threat_lists_not_fetched", 1);
                }
            }
        }
    }

    fn count(&self, reason: &'static str, count: usize) {
        if count > 0 {
            *lock(&self.stats).dropped.entry(reason).or_default() += count as u64;
        }
    }
}

/// Fetches a list, and puts it in its place once it has proved to be one. Answers its entries.
fn fetch(list: &ListSettings, folder: &Path) -> Result<usize, String> {
    let place = list.place(folder)?;
    let new = place.with_extension("new");
    fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    download(list.url.as_deref().unwrap_or_default(), &new)?;
    let read = List::open(&new, list);
    let entries = match read {
        Ok(read) if read.entries > 0 => read.entries,
        read => {
            // What was fetched is of no use, and what it said stands in the error.
            let _ = fs::remove_file(&new);
            return Err(read.err().unwrap_or_else(|| "it has no entries".to_owned()));
        }
    };
    fs::rename(&new, &place).map_err(|error| format!("cannot write {}: {error}", place.display()))?;
    Ok(entries)
}

fn download(url: &str, to: &Path) -> Result<(), String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build();
    let mut answer = ureq::Agent::new_with_config(config).get(url).call().map_err(|error| error.to_string())?;
    let mut body = answer.body_mut().with_config().limit(MOST_BYTES).reader();
    let mut file = File::create(to).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    io::copy(&mut body, &mut file).map_err(|error| error.to_string())?;
    Ok(())
}

fn look(settings: &Settings, fetched: &Path) -> Look {
    let like = |path: PathBuf| {
        let seen = fs::metadata(&path).and_then(|about| Ok((about.modified()?, about.len()))).ok();
        (path, seen)
    };
    settings.files(fetched).into_iter().map(like).collect()
}
