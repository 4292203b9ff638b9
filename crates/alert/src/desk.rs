//! Verdicts about the same entity and of the same class that follow one another closely are one anomaly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lapwing_model::{Anomaly, AnomalyId, Entity, Evidence, Known, Scope, Severity, State, Timestamp, Verdict, hash};
use serde::{Deserialize, Serialize};

/// How verdicts are grouped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After so many seconds of event time without a further verdict an anomaly is over; the next verdict opens a new one. What lasts
    /// for long may pause for longer: twice as long as it lasted, a day at most.
    pub quiet_seconds: u64,
    /// The same for sessions: others that are unusual in the same way come again and again.
    pub quiet_seconds_of_sessions: u64,
    /// Verdicts below this severity are kept in scores only and open no anomaly.
    pub open_at: Severity,
    /// Anomalies that may be open at once; beyond it the one that would be over first is closed.
    pub open_limit: usize,
    /// Lines of evidence that an anomaly keeps.
    pub evidence_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            quiet_seconds: 3600,
            quiet_seconds_of_sessions: 86_400,
            open_at: Severity::Low,
            open_limit: 10_000,
            evidence_limit: 5,
        }
    }
}

/// What a verdict did to an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// More of the same: to be stored.
    Grown,
    /// More severe than before, or ten times as many: to be stored and told again.
    Worse,
    /// New: to be stored and told.
    Opened,
}

/// Keeps the anomalies that are still open. Owned by one thread; knows no clock but the times of events.
#[derive(Debug)]
pub struct Desk {
    settings: Settings,
    open: BTreeMap<u64, Open>,
    /// Open anomalies by the time after which they are over.
    by_end: BTreeSet<(Timestamp, u64)>,
    /// Anomalies closed early because too many were open.
    crowded_out: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    anomaly: Anomaly,
    /// Tell again when the count reaches this.
    tell_at: u64,
}

impl Settings {
    /// How long an anomaly may be quiet.
    fn quiet(&self, anomaly: &Anomaly) -> Duration {
        Duration::from_secs(match anomaly.scope {
            Scope::Session => self.quiet_seconds.max(self.quiet_seconds_of_sessions),
            _ => self.quiet_seconds,
        })
    }
}

impl Desk {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Desk { settings, open: BTreeMap::new(), by_end: BTreeSet::new(), crowded_out: 0 }
    }

    /// Takes a verdict; answers the anomaly it is part of and what it changed there. None where the verdict is too mild.
    pub fn take(&mut self, verdict: &Verdict) -> Option<(&Anomaly, Change)> {
        let strongest = verdict.findings.first()?;
        if verdict.severity < self.settings.open_at {
            return None;
        }
        let key = group_key(&strongest.entity, &strongest.class);
        self.close_if_over(key, verdict.at);
        let change = match self.open.get_mut(&key) {
            Some(open) => {
                self.by_end.remove(&(open.end(&self.settings), key));
                open.grow(verdict, self.settings.evidence_limit)
            }
            None => match self.part_of(verdict) {
                Some(part) => {
                    self.open.insert(key, part.becomes(verdict));
                    Change::Worse
                }
                None => {
                    self.make_room();
                    self.open.insert(key, Open { anomaly: first_of(verdict, key), tell_at: 10 * verdict.count });
                    Change::Opened
                }
            },
        };
        let open = self.open.get(&key)?;
        self.by_end.insert((open.end(&self.settings), key));
        Some((&open.anomaly, change))
    }

    /// Closes what has been quiet for long enough at `now` (event time).
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(&(over, key)) = self.by_end.first() {
            if now <= over {
                break;
            }
            self.close(key);
        }
    }

    /// An address has a name, by DNS: the open anomalies about it, which keep it from now on.
    pub fn name(&mut self, address: &str, name: &str) -> Vec<Anomaly> {
        let about = |anomaly: &Anomaly| matches!(anomaly.scope, Scope::Client | Scope::Victim) && &*anomaly.entity == address;
        let anomalies = self.open.values_mut().map(|open| &mut open.anomaly).filter(|anomaly| about(anomaly));
        let named = anomalies.map(|anomaly| {
            anomaly.known.get_or_insert_default().domain = Some(name.into());
            anomaly.clone()
        });
        named.collect()
    }

    /// Anomalies that are open now.
    pub fn open(&self) -> impl Iterator<Item = &Anomaly> {
        self.open.values().map(|open| &open.anomaly)
    }

    /// How many anomalies were closed early because too many were open at once.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Appends this desk's state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        // Serialising plain data into memory has nothing that can fail; an empty state would start the desk afresh.
        out.extend(postcard::to_stdvec(&(&self.open, self.crowded_out)).unwrap_or_default());
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// Where the bytes are not a desk's.
    pub fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let (open, crowded_out): (BTreeMap<u64, Open>, u64) =
            postcard::from_bytes(state).map_err(|error| format!("the alert desk's saved state cannot be read: {error}"))?;
        self.by_end = open.iter().map(|(&key, open)| (open.end(&self.settings), key)).collect();
        self.open = open;
        self.crowded_out = crowded_out;
        Ok(())
    }

    /// Takes out what was told of a verdict's entity since that began, where it is not grave in itself: it turns out to be a part
    /// of what is told now.
    fn part_of(&mut self, verdict: &Verdict) -> Option<Open> {
        let entity = verdict.findings.first().filter(|_| verdict.gathers).map(|finding| &finding.entity)?;
        let is_part = |anomaly: &Anomaly| {
            let is_its = (anomaly.scope, &anomaly.entity) == (entity.scope, &entity.name);
            is_its && anomaly.time >= verdict.since && anomaly.severity < Severity::High
        };
        let mut since = self.by_end.range((verdict.since, 0)..);
        let found = since.find(|(_, key)| self.open.get(key).is_some_and(|open| is_part(&open.anomaly)));
        self.close(found?.1)
    }

    fn close(&mut self, key: u64) -> Option<Open> {
        let open = self.open.remove(&key)?;
        self.by_end.remove(&(open.end(&self.settings), key));
        Some(open)
    }

    fn close_if_over(&mut self, key: u64, at: Timestamp) {
        if self.open.get(&key).is_some_and(|open| at > open.end(&self.settings)) {
            self.close(key);
        }
    }

    fn make_room(&mut self) {
        while self.open.len() >= self.settings.open_limit.max(1) {
            let Some((_, key)) = self.by_end.first().copied() else { break };
            self.close(key);
            self.crowded_out += 1;
        }
    }
}

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

impl Open {
    /// The time after which it is over.
    fn end(&self, settings: &Settings) -> Timestamp {
        let lasted = self.anomaly.last.since(self.anomaly.time);
        let pause = (lasted * 2).min(LONGEST_PAUSE).max(settings.quiet(&self.anomaly));
        self.anomaly.last + pause
    }

    /// The same anomaly, told as what it turned out to be.
    fn becomes(mut self, verdict: &Verdict) -> Open {
        let anomaly = &mut self.anomaly;
        if let Some(strongest) = verdict.findings.first() {
            anomaly.class.clone_from(&strongest.class);
        }
        // The verdict stands for all since it began.
        anomaly.count = anomaly.count.max(verdict.count);
        anomaly.time = anomaly.time.min(verdict.since);
        anomaly.last = anomaly.last.max(verdict.at);
        anomaly.severity = anomaly.severity.max(verdict.severity);
        describe(anomaly, verdict);
        self.tell_at = 10 * anomaly.count;
        self
    }

    fn grow(&mut self, verdict: &Verdict, evidence_limit: usize) -> Change {
        let anomaly = &mut self.anomaly;
        anomaly.count += verdict.count;
        anomaly.time = anomaly.time.min(verdict.since);
        anomaly.last = anomaly.last.max(verdict.at);
        let worse = verdict.severity > anomaly.severity;
        anomaly.severity = anomaly.severity.max(verdict.severity);
        let stronger = verdict.score > anomaly.score;
        if verdict.score >= anomaly.score {
            describe(anomaly, verdict);
        }
        keep_related(&mut anomaly.related, &verdict.related);
        keep_evidence(&mut anomaly.evidence, verdict.evidence.as_ref(), stronger, evidence_limit);
        if worse || anomaly.count >= self.tell_at {
            self.tell_at = (anomaly.count * 10).max(self.tell_at);
            return Change::Worse;
        }
        Change::Grown
    }
}

fn keep_related(kept: &mut Vec<Entity>, others: &[Entity]) {
    for other in others {
        if kept.len() < Anomaly::RELATED && !kept.contains(other) {
            kept.push(other.clone());
        }
    }
}

/// The first lines stay, so that a person sees how it began; of the later ones the last place goes to the strongest.
fn keep_evidence(kept: &mut Vec<Evidence>, line: Option<&Evidence>, stronger: bool, limit: usize) {
    let Some(line) = line else { return };
    if kept.len() < limit {
        kept.push(line.clone());
    } else if let (true, Some(last)) = (stronger, kept.last_mut()) {
        *last = line.clone();
    }
}

fn first_of(verdict: &Verdict, group: u64) -> Anomaly {
    let strongest = &verdict.findings[0];
    let mut anomaly = Anomaly {
        id: id_of(verdict, group),
        time: verdict.since,
        last: verdict.at,
        severity: verdict.severity,
        score: verdict.score,
        detector: strongest.detector.into(),
        class: strongest.class.clone(),
        scope: strongest.entity.scope,
        entity: strongest.entity.name.clone(),
        count: verdict.count,
        reason: String::new(),
        parts: Vec::new(),
        expected: String::new(),
        observed: String::new(),
        one_in: 0,
        silenced_by: String::new(),
        related: verdict.related.clone(),
        known: None,
        evidence: verdict.evidence.iter().cloned().collect(),
        state: State::Open,
        note: String::new(),
    };
    describe(&mut anomaly, verdict);
    anomaly
}

fn describe(anomaly: &mut Anomaly, verdict: &Verdict) {
    let strongest = &verdict.findings[0];
    anomaly.score = verdict.score;
    anomaly.detector = strongest.detector.into();
    anomaly.reason.clone_from(&strongest.reason);
    anomaly.expected.clone_from(&strongest.expected);
    anomaly.observed.clone_from(&strongest.observed);
    anomaly.parts.clone_from(&verdict.parts);
    anomaly.one_in = verdict.one_in;
    anomaly.silenced_by.clone_from(&verdict.silenced_by);
    if let Some(known) = &verdict.known {
        // A name was asked for once and is not in the tables.
        let domain = anomaly.known.take().and_then(|before| before.domain);
        anomaly.known = Some(Known { domain: known.domain.clone().or(domain), ..known.clone() });
    }
}

fn group_key(entity: &Entity, class: &str) -> u64 {
    hash(&[entity.key().to_le_bytes(), hash(class.as_bytes()).to_le_bytes()].concat())
}

fn id_of(verdict: &Verdict, group: u64) -> AnomalyId {
    // The line itself as well: after a rotation another line stands at the same place of a file of the same name.
    let line = verdict.evidence.as_ref().map_or(0, |evidence| hash(evidence.text.as_bytes()));
    let words = [group, verdict.origin, verdict.position.offset, line];
    AnomalyId(hash(&words.map(u64::to_le_bytes).concat()))
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Finding, Position, Score};

    use super::*;

    fn verdict(entity: &str, class: &'static str, second: i64, score: f32) -> Verdict {
        let finding = Finding {
            detector: "rules",
            rule: "r".into(),
            class: class.into(),
            entity: Entity::new(Scope::Client, entity),
            score: Score::new(score),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: format!("reason at {second}"),
            expected: String::new(),
            observed: String::new(),
        };
        Verdict {
            at: Timestamp::from_seconds(second),
            since: Timestamp::from_seconds(second),
            count: 1,
            gathers: false,
            origin: 1,
            position: Position { offset: 100 + second.unsigned_abs(), line: second.unsigned_abs() },
            score: Score::new(score),
            severity: Severity::of(Score::new(score)),
            parts: Vec::new(),
            one_in: 1,
            silenced_by: String::new(),
            related: Vec::new(),
            known: None,
            findings: vec![finding],
            evidence: Some(Evidence { file: "a.log".into(), line: second.unsigned_abs(), text: "x".into() }),
        }
    }

    fn take(desk: &mut Desk, verdict: &Verdict) -> (Anomaly, Change) {
        let (anomaly, change) = desk.take(verdict).expect("severe enough to open an anomaly");
        (anomaly.clone(), change)
    }

    #[test]
    fn verdicts_of_one_entity_and_class_are_one_anomaly_with_a_growing_count() {
        let mut desk = Desk::new(Settings::default());
        let (first, change) = take(&mut desk, &verdict("203.0.113.9", "scan", 10, 0.6));
        assert_eq!(change, Change::Opened);
        let (second, change) = take(&mut desk, &verdict("203.0.113.9", "scan", 20, 0.6));
        assert_eq!((second.id, second.count, change), (first.id, 2, Change::Grown));
        let (other, _) = take(&mut desk, &verdict("203.0.113.9", "flood", 20, 0.6));
        assert_ne!(other.id, first.id);
    }

    #[test]
    fn what_lasts_for_hours_may_pause_for_hours_and_a_moment_s_may_not() {
        let mut desk = Desk::new(Settings::default());
        let hour = 3_600;
        let long = |second: i64| Verdict { since: Timestamp::from_seconds(0), ..verdict("a", "beacon", second, 0.6) };
        let (first, _) = take(&mut desk, &long(3 * hour));
        desk.tick(Timestamp::from_seconds(8 * hour));
        assert_eq!(take(&mut desk, &long(8 * hour)).0.id, first.id);
        let (short, _) = take(&mut desk, &verdict("b", "scan", 0, 0.6));
        desk.tick(Timestamp::from_seconds(8 * hour));
        assert_ne!(take(&mut desk, &verdict("b", "scan", 8 * hour, 0.6)).0.id, short.id);
    }

    #[test]
    fn what_was_told_since_a_scan_began_becomes_the_scan_unless_it_is_grave_or_older_or_of_another() {
        let mut desk = Desk::new(Settings::default());
        let (old, _) = take(&mut desk, &verdict("a", "odd", 5, 0.6));
        let (agent, _) = take(&mut desk, &verdict("a", "scanner", 10, 0.6));
        let (grave, _) = take(&mut desk, &verdict("a", "shell", 11, 0.9));
        let (other, _) = take(&mut desk, &verdict("b", "scanner", 11, 0.6));
        let mut scan = verdict("a", "scanning", 20, 0.65);
        (scan.since, scan.count, scan.gathers) = (Timestamp::from_seconds(10), 12, true);
        let (told, change) = take(&mut desk, &scan);
        assert_eq!((told.id, &*told.class, told.count, change), (agent.id, "scanning", 12, Change::Worse));
        assert_eq!(take(&mut desk, &verdict("a", "scanning", 21, 0.65)).0.id, agent.id);
        let open: Vec<_> = desk.open().map(|anomaly| anomaly.id).collect();
        assert!(open.len() == 4 && [old.id, grave.id, other.id].iter().all(|id| open.contains(id)), "{open:?}");
        assert_ne!(take(&mut desk, &verdict("a", "scanner", 22, 0.6)).0.id, agent.id, "a later one is a new one");
    }

    #[test]
    fn unsorted_verdicts_never_make_a_negative_span() {
        let mut desk = Desk::new(Settings::default());
        take(&mut desk, &verdict("a", "scan", 1000, 0.6));
        let (anomaly, _) = take(&mut desk, &verdict("a", "scan", 400, 0.6));
        assert_eq!((anomaly.time, anomaly.last), (Timestamp::from_seconds(400), Timestamp::from_seconds(1000)));
    }

    #[test]
    fn a_name_that_comes_later_stays_with_the_open_anomalies_of_its_address() {
        let mut desk = Desk::new(Settings::default());
        take(&mut desk, &verdict("203.0.113.9", "scan", 0, 0.6));
        take(&mut desk, &verdict("203.0.113.10", "scan", 0, 0.6));
        let named = desk.name("203.0.113.9", "host.example");
        assert_eq!(named.iter().map(|anomaly| &*anomaly.entity).collect::<Vec<_>>(), ["203.0.113.9"]);
        let country = lapwing_model::Country::new("DE");
        let stronger = Verdict { known: Some(Known { country, ..Known::default() }), ..verdict("203.0.113.9", "scan", 1, 0.7) };
        let known = take(&mut desk, &stronger).0.known.expect("known");
        assert_eq!((known.domain.as_deref(), known.country), (Some("host.example"), country));
    }

    #[test]
    fn after_a_quiet_time_a_new_anomaly_opens() {
        let mut desk = Desk::new(Settings::default());
        let (first, _) = take(&mut desk, &verdict("a", "scan", 0, 0.6));
        let (second, change) = take(&mut desk, &verdict("a", "scan", 3601, 0.6));
        assert_ne!(second.id, first.id);
        assert_eq!(change, Change::Opened);
        desk.tick(Timestamp::from_seconds(10_000));
        assert_eq!(desk.open().count(), 0);
    }

    #[test]
    fn sessions_that_are_unusual_in_the_same_way_are_one_anomaly_for_a_day_and_others_are_over_meanwhile() {
        let mut desk = Desk::new(Settings::default());
        let session = |second| {
            let mut verdict = verdict("job-7", "unusual-session", second, 0.6);
            verdict.findings[0].entity.scope = Scope::Session;
            verdict
        };
        let (first, _) = take(&mut desk, &session(0));
        take(&mut desk, &verdict("a", "scan", 10, 0.6));
        desk.tick(Timestamp::from_seconds(10_000));
        assert_eq!(desk.open().map(|anomaly| anomaly.id).collect::<Vec<_>>(), [first.id]);
        assert_eq!(take(&mut desk, &session(80_000)).0.id, first.id);
        assert_eq!(take(&mut desk, &session(80_000 + 86_401)).1, Change::Opened);
    }

    #[test]
    fn people_are_told_again_when_it_gets_worse_or_ten_times_as_much() {
        let mut desk = Desk::new(Settings::default());
        take(&mut desk, &verdict("a", "scan", 0, 0.6));
        assert_eq!(take(&mut desk, &verdict("a", "scan", 1, 0.8)).1, Change::Worse);
        let told = (2..250).filter(|&s| take(&mut desk, &verdict("a", "scan", s, 0.8)).1 == Change::Worse).count();
        assert_eq!(told, 2, "at 20 and at 200 verdicts: ten times what was told last");
    }

    #[test]
    fn mild_verdicts_open_nothing() {
        let mut desk = Desk::new(Settings::default());
        assert!(desk.take(&verdict("a", "scan", 0, 0.1)).is_none());
    }

    #[test]
    fn a_flood_of_entities_stays_within_the_limit_and_is_counted() {
        let mut desk = Desk::new(Settings { open_limit: 100, ..Settings::default() });
        for i in 0..1000 {
            take(&mut desk, &verdict(&format!("10.0.{}.{}", i / 250, i % 250), "scan", i, 0.6));
        }
        assert_eq!((desk.open().count(), desk.crowded_out()), (100, 900));
    }

    #[test]
    fn a_saved_desk_goes_on_as_if_nothing_had_happened() {
        let mut desk = Desk::new(Settings::default());
        for s in 0..7 {
            take(&mut desk, &verdict("a", "scan", s, 0.6));
        }
        let mut state = Vec::new();
        desk.save(&mut state);
        let mut revived = Desk::new(Settings::default());
        revived.load(&state).expect("its own state");
        for s in 7..30 {
            let verdict = verdict("a", "scan", s, 0.7);
            assert_eq!(take(&mut desk, &verdict), take(&mut revived, &verdict));
        }
        assert!(revived.load(b"\xff\xff\xff").is_err());
    }
}
