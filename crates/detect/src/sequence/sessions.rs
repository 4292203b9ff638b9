//! All sessions: those that go on, those that just ended, and what was learned from those that are over.

use std::time::Duration;

use lapwing_learn::{CountVectorSettings, CountVectors, Delays, Lru};
use lapwing_model::{Event, Timestamp, printable};
use serde::{Deserialize, Serialize};

use super::Settings;
use super::late::Late;
use super::live::{Live, millis};
use super::tell::Judgement;
use crate::Setup;

/// Follows sessions and judges them against those that are over.
#[derive(Debug)]
pub struct Sessions {
    settings: Settings,
    /// What is read is taken for ordinary.
    trusted: bool,
    memory: Memory,
}

/// All that is remembered.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    live: Lru<Live>,
    /// Those that seem over: should one go on, it was not.
    resting: Lru<Live>,
    /// Those that ended since the last tick because others needed their room.
    departed: Vec<(u64, Live)>,
    /// Those that ended before enough was known to judge them.
    early: Vec<(u64, Live)>,
    usual: CountVectors,
    /// An example line for each template that came lately.
    texts: Lru<Box<str>>,
    /// When templates come last in a session.
    late: Late,
    /// The longest quiet times within sessions.
    gaps: Delays,
    /// The first session of each unusual pattern.
    first_of: Lru<Box<str>>,
    now: Timestamp,
}

/// How many patterns are known by the first session that showed them.
const PATTERNS_TOLD: usize = 1024;

/// Sessions that may wait to be judged; further ones are only learned from.
const WAITING: usize = 4096;

/// Characters of an example line.
const TEXT: usize = 100;

/// Longer than this sessions are seldom quiet.
const PAUSE: f64 = 0.99;
/// Quantiles are of the past; some more time is granted.
const GRACE: f64 = 1.25;

impl Sessions {
    #[must_use]
    pub fn new(settings: Settings) -> Sessions {
        let usual = CountVectorSettings {
            vectors: settings.patterns,
            items: settings.templates,
            memory: settings.memory,
            neighbours: settings.neighbours,
            floor: settings.least_surprise,
            false_alarms: settings.false_alarms,
        };
        let memory = Memory {
            live: Lru::new(settings.sessions),
            resting: Lru::new(settings.sessions / 8),
            departed: Vec::new(),
            early: Vec::new(),
            usual: CountVectors::new(usual),
            texts: Lru::new(settings.templates),
            late: Late::default(),
            gaps: Delays::default(),
            first_of: Lru::new(PATTERNS_TOLD),
            now: Timestamp::MIN,
        };
        Sessions { settings, trusted: false, memory }
    }

    /// As a detector is set up.
    #[must_use]
    pub fn of(setup: &Setup) -> Sessions {
        Sessions { trusted: setup.learning, ..Sessions::new(setup.settings.sequence.clone()) }
    }

    /// How many sessions go on.
    #[must_use]
    pub fn live(&self) -> usize {
        self.memory.live.len()
    }

    /// What sessions usually are.
    #[must_use]
    pub fn usual(&self) -> &CountVectors {
        &self.memory.usual
    }

    /// Adds an event to its session. Answers where that makes the session unusual, or more so than was told.
    pub fn observe(&mut self, event: &Event) -> Option<Judgement> {
        let key = Live::key(event)?;
        self.remember_text(event);
        self.resume_or_make_room(key, event.at);
        let (live, _) = self.memory.live.get_or_insert_with(key, || Live::new(event));
        let (template, count) = live.add(event);
        // Here a model of the order of steps has its seat: the surprise of this template after those before it.
        let usual = &mut self.memory.usual;
        if usual.bags() < self.settings.warm_up || usual.share_with(template, count) > (-self.settings.least_surprise).exp() {
            return None;
        }
        let (bag, told) = (live.bag(), usual.limit().max(live.told));
        if usual.most_surprise(&bag) <= told {
            return None;
        }
        let surprise = usual.surprise(&bag, |_| true);
        if surprise <= told {
            return None;
        }
        live.told = surprise;
        let live = live.clone();
        Some(self.judged(key, &live, surprise, |_| true))
    }

    /// Event time has reached `now`: judges and learns the sessions that are over, in the order of their last events.
    pub fn tick(&mut self, now: Timestamp, judged: &mut Vec<Judgement>) {
        self.memory.now = self.memory.now.max(now);
        for (key, live) in std::mem::take(&mut self.memory.departed) {
            self.end(key, live, judged);
        }
        let quiet = self.quiet();
        while let Some((key, live)) = self.memory.live.oldest() {
            if now.since(live.last) <= quiet {
                break;
            }
            if let Some(live) = self.memory.live.remove(key) {
                self.end(key, live, judged);
            }
        }
        self.judge_early(self.settings.warm_up, judged);
    }

    /// The input is at its end: learns all sessions there are, then judges them by all that is known. What may still come to
    /// them is not missed.
    pub fn finish(&mut self, judged: &mut Vec<Judgement>) {
        let mut all = std::mem::take(&mut self.memory.departed);
        while let Some((key, _)) = self.memory.live.oldest() {
            all.extend(self.memory.live.remove(key).map(|live| (key, live)));
        }
        all.iter_mut().for_each(|(_, live)| self.learn(live));
        self.judge_early(0, judged);
        for (key, live) in all {
            judged.push(self.judge(key, &live));
            // History is over: what comes later under its names are other sessions.
            if !self.trusted {
                self.memory.resting.get_or_insert_with(key, || live);
            }
        }
        if self.trusted {
            self.memory.resting = Lru::new(self.memory.resting.capacity());
            self.memory.first_of = Lru::new(PATTERNS_TOLD);
        }
    }

    /// Forgets a session as if it had not been.
    pub fn forget(&mut self, key: u64) {
        self.memory.live.remove(key);
        self.memory.resting.remove(key);
    }

    /// Appends the state to `out`: nothing where no session was seen.
    pub fn save(&self, out: &mut Vec<u8>) {
        let memory = &self.memory;
        if memory.usual.bags() > 0 || !memory.live.is_empty() || !memory.departed.is_empty() || !memory.early.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// Where the bytes are none.
    pub fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved sessions cannot be read: {error}"))?;
        memory.live.set_capacity(self.settings.sessions);
        memory.resting.set_capacity(self.settings.sessions / 8);
        memory.texts.set_capacity(self.settings.templates);
        self.memory = memory;
        Ok(())
    }

    fn remember_text(&mut self, event: &Event) {
        self.memory.texts.get_or_insert_with(event.template, || {
            let text = match &event.detail {
                lapwing_model::Detail::Log(log) => event.text(log.message),
                lapwing_model::Detail::Web(web) => event.path(web),
                lapwing_model::Detail::Flow(_) => &event.raw,
            };
            printable(text).within(TEXT).to_string().into()
        });
    }

    /// A session that seemed over goes on: what it was is no pattern. For a new one the quietest makes room.
    fn resume_or_make_room(&mut self, key: u64, at: Timestamp) {
        let memory = &mut self.memory;
        if memory.live.peek(key).is_some() {
            return;
        }
        if memory.live.len() >= memory.live.capacity()
            && let Some((quietest, _)) = memory.live.oldest()
            && let Some(mut live) = memory.live.remove(quietest)
        {
            if memory.departed.len() < WAITING {
                memory.departed.push((quietest, live));
            } else {
                self.learn(&mut live);
            }
        }
        if let Some(mut live) = self.memory.resting.remove(key)
            && at.since(live.last).as_secs() <= self.settings.longest_quiet_seconds
        {
            if std::mem::take(&mut live.learned) {
                self.memory.usual.unlearn(&live.bag());
            }
            self.memory.early.retain(|(early, _)| *early != key);
            self.memory.live.get_or_insert_with(key, || live);
        }
    }

    /// How long a session that goes on may be quiet.
    fn quiet(&self) -> Duration {
        let least = Duration::from_secs(self.settings.quiet_seconds);
        let usual = self.memory.gaps.quantile(PAUSE).unwrap_or_default() as f64 * GRACE;
        let most = Duration::from_secs(self.settings.longest_quiet_seconds);
        Duration::from_millis(usual as u64).max(least).min(most.max(least))
    }

    fn end(&mut self, key: u64, mut live: Live, judged: &mut Vec<Judgement>) {
        let enough = self.memory.usual.bags() >= self.settings.warm_up;
        if enough {
            judged.push(self.judge(key, &live));
        }
        self.learn(&mut live);
        if !enough && self.memory.early.len() < WAITING {
            self.memory.early.push((key, live.clone()));
        }
        self.memory.resting.get_or_insert_with(key, || live);
    }

    fn judge_early(&mut self, enough: u64, judged: &mut Vec<Judgement>) {
        if self.memory.usual.bags() >= enough {
            for (key, live) in std::mem::take(&mut self.memory.early) {
                judged.push(self.judge(key, &live));
            }
        }
    }

    fn learn(&mut self, live: &mut Live) {
        let memory = &mut self.memory;
        memory.usual.learn(&live.bag(), self.trusted);
        live.learned = !self.trusted;
        memory.gaps.observe(live.gap);
        live.delays().for_each(|(template, delay)| memory.late.learn(template, delay, self.settings.templates));
    }

    /// Judges a session that is over, or may be: a template that usually comes later than it is now is not missed yet.
    fn judge(&mut self, key: u64, live: &Live) -> Judgement {
        let open = self.memory.late.after(millis(live.first, self.memory.now));
        let may_come = |template| open.binary_search(&template).is_ok();
        let surprise = self.memory.usual.surprise(&live.bag(), may_come);
        self.judged(key, live, surprise, may_come)
    }

    fn judged(&mut self, key: u64, live: &Live, surprise: f32, may_come: impl Fn(u64) -> bool) -> Judgement {
        let memory = &mut self.memory;
        let limit = memory.usual.limit();
        let enough = memory.usual.bags() >= self.settings.warm_up;
        let mut judgement = Judgement {
            session: live.name.clone(),
            key,
            first: live.first,
            last: live.last,
            events: live.events,
            surprise,
            limit,
            unusual: enough && surprise > limit,
            like: None,
            pattern: 0,
            why: String::new(),
            expected: String::new(),
            observed: String::new(),
        };
        if judgement.unusual {
            let differences = memory.usual.differences(&live.bag(), surprise, may_come);
            judgement.explain(&differences, &memory.texts);
            let (first, new) = memory.first_of.get_or_insert_with(judgement.pattern, || live.name.clone());
            judgement.like = (!new && *first != live.name).then(|| first.clone());
        }
        judgement
    }
}
