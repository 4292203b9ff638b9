//! Files that are written to while they are read.
//!
//! Looked at four times a second, which works on every file system. A file is known by device, inode and its first bytes,
//! so it is read to its end after it was renamed, and started over when something else is in it. Every block carries a
//! bookmark; a restart goes on there, also where the file was rotated meanwhile. A last line without newline waits.

mod follow;
mod place;
mod search;
mod watch;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use lapwing_model::Position;
use serde::{Deserialize, Serialize};

use self::follow::{Follower, Out, READ, Turn};
use self::place::{Fingerprint, Identity, Place};
use self::search::{Found, between, is_packed, is_rotation_of, moved, watch_of, watched};
pub use self::watch::{Start, Watch};
use crate::counters::loss;
use crate::push::stopped;
use crate::{Built, Closed, Context, Source, SourceError, Task};

pub(crate) const SUMMARY: &str = "files that are written to, through rotation and restart";

/// How often files are looked at.
const POLL: Duration = Duration::from_millis(250);

/// How often patterns are looked at again.
const SEARCH: Duration = Duration::from_secs(2);

/// How long a file that was rotated away is still read: its writer may not have noticed yet.
const LINGER: Duration = Duration::from_secs(10);

/// `sources.tail`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub files: Vec<Watch>,
}

pub(crate) fn build(settings: &Settings) -> Built {
    for pattern in settings.files.iter().flat_map(|watch| &watch.paths) {
        if let Err(error) = glob::Pattern::new(pattern) {
            return Err(SourceError::Input(format!("'{pattern}' in sources.tail.files is no pattern: {}", error.msg)));
        }
        if Path::new(pattern).is_dir() {
            return Err(SourceError::Input(format!(
                "'{pattern}' in sources.tail.files is a directory; use a pattern such as '{pattern}/*.log'"
            )));
        }
    }
    let watches: Vec<Watch> = settings.files.iter().filter(|watch| !watch.paths.is_empty()).cloned().collect();
    Ok((!watches.is_empty()).then(|| Box::new(Tail { watches }) as _))
}

#[derive(Debug)]
struct Tail {
    watches: Vec<Watch>,
}

impl Source for Tail {
    fn name(&self) -> &'static str {
        "tail"
    }

    /// Reading files blocks, so a thread does it; it hears of the stop by a channel that closes.
    fn run(self: Box<Self>, context: Context) -> Task {
        Box::pin(async move {
            let mut stop = context.stop.clone();
            let (tell, told) = channel();
            let worker = tokio::task::spawn_blocking(move || Tailer::new(self.watches, context).follow(&told));
            tokio::pin!(worker);
            let ended = tokio::select! {
                ended = &mut worker => ended,
                () = stopped(&mut stop) => {
                    drop(tell);
                    worker.await
                }
            };
            ended.map_err(|error| SourceError::Input(format!("following files ended: {error}")))
        })
    }
}

/// Everything that is followed.
struct Tailer {
    watches: Vec<Watch>,
    out: Out,
    /// Those of one origin in the order in which they are to be read.
    followers: Vec<Follower>,
    /// What was read before the start.
    places: HashMap<Identity, Place>,
    /// Paths that were read before.
    known: HashSet<PathBuf>,
    /// Whether the patterns were looked at before.
    searched: Option<Instant>,
}

impl Tailer {
    fn new(watches: Vec<Watch>, context: Context) -> Tailer {
        let losses = [loss::TOO_LONG, loss::BLANK, loss::HEADING, loss::UNREADABLE, loss::COMPRESSED];
        let tally = context.counters.source("tail", &losses);
        let places: HashMap<_, _> = context
            .bookmarks
            .iter()
            .filter(|(key, _)| key.starts_with("tail:"))
            .filter_map(|(_, place)| Place::read(place))
            .map(|place| (place.identity, place))
            .collect();
        Tailer {
            watches,
            out: Out { intake: context.intake, tally, clock: context.clock, buffer: vec![0; READ] },
            followers: Vec::new(),
            known: places.values().map(|place| place.path.clone()).collect(),
            places,
            searched: None,
        }
    }

    /// Until the channel closes, or the intake.
    fn follow(mut self, stop: &Receiver<()>) {
        let mut wait = Duration::ZERO;
        while stop.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            match self.turn(Instant::now()) {
                Ok(more) => wait = if more { Duration::ZERO } else { POLL },
                Err(Closed) => return,
            }
        }
    }

    /// Looks at everything once; answers whether there is more to read at once.
    fn turn(&mut self, now: Instant) -> Result<bool, Closed> {
        if self.searched.is_none_or(|searched| now.duration_since(searched) >= SEARCH) || self.is_rotated() {
            self.search(now)?;
            self.searched = Some(now);
        }
        let mut more = false;
        let mut busy = HashSet::new();
        let mut truncated = Vec::new();
        for follower in &mut self.followers {
            if busy.contains(&follower.origin.id) {
                continue;
            }
            match follower.turn(&mut self.out, now) {
                Ok(Ok(Turn::End)) => {}
                Ok(Ok(Turn::More)) => {
                    more = true;
                    busy.insert(follower.origin.id);
                }
                Ok(Ok(Turn::Truncated)) => {
                    more = true;
                    truncated.push(follower.identity);
                }
                Ok(Err(closed)) => return Err(closed),
                Err(_) => self.out.tally.lost(loss::UNREADABLE, 1),
            }
        }
        for identity in truncated {
            self.start_over(identity, now)?;
        }
        self.let_go(now)?;
        Ok(more)
    }

    /// A name leads to another file than it did, or to none.
    fn is_rotated(&self) -> bool {
        let followed = |path: &Path| path.metadata().ok().map(|metadata| Identity::of(&metadata));
        self.followers.iter().any(|follower| !follower.moved && followed(&follower.path) != Some(follower.identity))
    }

    /// Looks at the patterns again.
    fn search(&mut self, now: Instant) -> Result<(), Closed> {
        let watches = std::mem::take(&mut self.watches);
        let found = watched(&watches);
        let paths: HashMap<Identity, &PathBuf> = found.iter().map(|found| (found.identity, &found.path)).collect();
        for follower in &mut self.followers {
            match paths.get(&follower.identity) {
                Some(path) => {
                    follower.moved = false;
                    follower.path.clone_from(path);
                }
                None => follower.moved = true,
            }
        }
        if self.searched.is_none() {
            self.recover_all(&watches, &paths, now)?;
        }
        let result = found.iter().try_for_each(|found| self.begin(found, now));
        self.watches = watches;
        result
    }

    fn is_followed(&self, identity: Identity) -> bool {
        self.followers.iter().any(|follower| follower.identity == identity)
    }

    /// Begins to follow a file, unless it is followed.
    fn begin(&mut self, found: &Found, now: Instant) -> Result<(), Closed> {
        if self.is_followed(found.identity) {
            return Ok(());
        }
        let Ok(file) = File::open(&found.path) else {
            self.out.tally.lost(loss::UNREADABLE, 1);
            return Ok(());
        };
        if is_packed(&file) {
            if self.known.insert(found.path.clone()) {
                self.out.tally.lost(loss::COMPRESSED, 1);
            }
            return Ok(());
        }
        let place = self.place_in(&file, found);
        let begun = place.and_then(|place| Follower::new(file, found.path.clone(), place, found.watch, now));
        let Ok(follower) = begun else {
            self.out.tally.lost(loss::UNREADABLE, 1);
            return Ok(());
        };
        self.known.insert(found.path.clone());
        let bookmark = follower.place().bookmark();
        self.followers.push(follower);
        // Said before anything is read, so that a restart knows the file and does not begin at its end.
        self.out.put(Vec::new(), bookmark)
    }

    /// Where to begin in a file that is found.
    fn place_in(&mut self, file: &File, found: &Found) -> std::io::Result<Place> {
        let path = found.path.clone();
        let (identity, print) = (found.identity, Fingerprint::of(file)?);
        if let Some(place) = self.places.remove(&identity)
            && file.metadata()?.len() >= place.position.offset
            && place.print.matches(file)?
        {
            return Ok(Place { print, ..place });
        }
        let copied = self.followers.iter().find(|other| is_rotation_of(&path, &other.path) && other.is_copied_in(file));
        if let Some(other) = copied {
            return Ok(Place { identity, print, ..other.place() });
        }
        // Files come oldest first: one that was rotated after a file we know, came while nobody was reading.
        let meanwhile = self.followers.iter().any(|other| other.is_renamed() && is_rotation_of(&path, other.known_as()));
        let never_read = self.searched.is_none() && !self.known.contains(&path) && !meanwhile;
        let position = match found.watch.start {
            Start::End if never_read => search::end(file)?,
            _ => Position { offset: 0, line: 1 },
        };
        Ok(Place { path, identity, print, position })
    }

    /// At the start: finds the files again that were read before and have another name now.
    fn recover_all(&mut self, watches: &[Watch], found: &HashMap<Identity, &PathBuf>, now: Instant) -> Result<(), Closed> {
        let mut lost: Vec<Place> = self.places.values().filter(|place| !is_there(place, found)).cloned().collect();
        lost.sort_by(|a, b| a.path.cmp(&b.path));
        for place in lost {
            let Some(watch) = watch_of(watches, &place.path) else { continue };
            self.places.remove(&place.identity);
            let taken: HashSet<Identity> = found.keys().copied().chain(self.followers.iter().map(|f| f.identity)).collect();
            let Some((path, file, identity)) = moved(&place, &taken) else {
                self.out.put(Vec::new(), place.farewell())?;
                continue;
            };
            let later = between(&place.path, &path, &taken);
            self.drain(file, path, Place { identity, ..place.clone() }, watch, now)?;
            if identity != place.identity {
                self.out.put(Vec::new(), place.farewell())?;
            }
            for (path, identity) in later {
                let begin = Place { identity, position: Position { offset: 0, line: 1 }, ..place.clone() };
                if let Some(file) = File::open(&path).ok().filter(|file| !is_packed(file)) {
                    self.drain(file, path, begin, watch, now)?;
                }
            }
        }
        Ok(())
    }

    /// After a truncation: reads the copy first, if there is one, for what was not read before.
    fn start_over(&mut self, identity: Identity, now: Instant) -> Result<(), Closed> {
        let Some(i) = self.followers.iter().position(|follower| follower.identity == identity) else { return Ok(()) };
        let place = self.followers[i].place();
        let taken: HashSet<Identity> = self.followers.iter().map(|follower| follower.identity).collect();
        let copy = moved(&place, &taken);
        let copied = copy.is_some()
            || self.followers.iter().any(|other| other.identity != identity && other.origin.id == self.followers[i].origin.id);
        self.followers[i].start_over(&self.out, copied, now)?;
        let watches = std::mem::take(&mut self.watches);
        let drained = match (copy, watch_of(&watches, &place.path)) {
            (Some((path, file, identity)), Some(watch)) => self.drain(file, path, Place { identity, ..place }, watch, now),
            _ => Ok(()),
        };
        self.watches = watches;
        drained
    }

    /// Reads a file to its end that has left its name, before all that has that name now.
    fn drain(&mut self, file: File, path: PathBuf, place: Place, watch: &Watch, now: Instant) -> Result<(), Closed> {
        let Ok(mut follower) = Follower::new(file, path, place, watch, now) else {
            self.out.tally.lost(loss::UNREADABLE, 1);
            return Ok(());
        };
        follower.moved = true;
        let bookmark = follower.place().bookmark();
        let before = self.followers.iter().position(|other| !other.moved && other.origin.id == follower.origin.id);
        self.followers.insert(before.unwrap_or(self.followers.len()), follower);
        self.out.put(Vec::new(), bookmark)
    }

    /// Closes files that nothing leads to any more and that nobody writes to.
    fn let_go(&mut self, now: Instant) -> Result<(), Closed> {
        let is_done = |f: &Follower| f.moved && f.at_end && now.duration_since(f.quiet_since()) >= LINGER;
        while let Some(i) = self.followers.iter().position(is_done) {
            let mut follower = self.followers.remove(i);
            let replaced = self.followers.iter().any(|other| other.origin.id == follower.origin.id);
            follower.finish(&self.out, !replaced)?;
        }
        Ok(())
    }
}

/// The file is still under a name that is watched, and was only appended to.
fn is_there(place: &Place, found: &HashMap<Identity, &PathBuf>) -> bool {
    let Some(file) = found.get(&place.identity).and_then(|path| File::open(path).ok()) else { return false };
    let long_enough = file.metadata().is_ok_and(|metadata| metadata.len() >= place.position.offset);
    long_enough && place.print.matches(&file).unwrap_or(false)
}

#[cfg(test)]
mod tests;
