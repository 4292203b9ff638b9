//! Anomalies of different kinds about one entity, and of those that it met, are one story.
//!
//! An anomaly belongs to the open incident of its own entity (of a pair: of who acts in it); else to that of the network outside
//! that it came from; else to that of the client or user it speaks of; else to the worst one whose anomalies touched its entity
//! (the victim of a scan that later sends data out). That two attackers meet the same victim makes no story: a web server is
//! everybody's victim.

mod ties;
mod title;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lapwing_model::{Anomaly, AnomalyId, Entity, Incident, Scope, Severity, Stage, Step, Timestamp};
use serde::{Deserialize, Serialize};

use self::ties::Ties;

/// When anomalies make an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentSettings {
    /// What comes later than so many seconds after the last anomaly of an incident is another story.
    pub window_seconds: u64,
    /// Stories that may be open at once; beyond it the one quiet for longest is closed.
    pub open_limit: usize,
    /// Anomalies that the timeline of an incident keeps.
    pub timeline_limit: usize,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        IncidentSettings { window_seconds: 6 * 3600, open_limit: 10_000, timeline_limit: 50 }
    }
}

/// The stories that are still open; those of one anomaly alone are no incidents yet. Knows no clock but the times of events.
#[derive(Debug)]
pub struct Incidents {
    settings: IncidentSettings,
    open: BTreeMap<AnomalyId, Open>,
    by_last: BTreeSet<(Timestamp, AnomalyId)>,
    /// Whose story it is.
    owners: Ties,
    /// Whom a story's anomalies touched.
    touched: Ties,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    incident: Incident,
    /// Anomalies of it that the timeline has no room for, and that are counted.
    beyond: BTreeSet<AnomalyId>,
}

/// Anomalies beyond its timeline that a story counts: further ones would only make it "more than a thousand more".
const MOST_BEYOND: usize = 1000;

impl Incidents {
    #[must_use]
    pub fn new(settings: IncidentSettings) -> Incidents {
        let (owners, touched) = (Ties::default(), Ties::default());
        Incidents { settings, open: BTreeMap::new(), by_last: BTreeSet::new(), owners, touched }
    }

    /// Takes an anomaly in its newest form; answers the incident it is part of, if it is part of one.
    pub fn take(&mut self, anomaly: &Anomaly) -> Option<&Incident> {
        self.close_quiet(anomaly.last);
        let own = Entity::new(anomaly.scope, anomaly.entity.clone());
        if matches!(own.scope, Scope::All | Scope::Source | Scope::Event) {
            return None;
        }
        let id = self.story_of(&own, anomaly).unwrap_or_else(|| self.begin(anomaly));
        let open = self.open.get_mut(&id)?;
        self.by_last.remove(&(open.incident.last, id));
        add(open, anomaly, own.clone(), self.settings.timeline_limit);
        self.by_last.insert((open.incident.last, id));
        for claim in ties::claims(&own) {
            self.owners.tie(claim, id);
        }
        for other in &anomaly.related {
            self.touched.tie(ties::key(other), id);
        }
        Some(&open.incident).filter(|incident| is_story(incident))
    }

    fn story_of(&self, own: &Entity, anomaly: &Anomaly) -> Option<AnomalyId> {
        let owned = || ties::of(own, anomaly).into_iter().find_map(|tie| self.owners.get(tie));
        let met = || {
            let id = self.touched.get(ties::key(own))?;
            self.open.get(&id).filter(|open| open.incident.severity >= Severity::Medium).map(|_| id)
        };
        owned().or_else(met).filter(|id| self.open.contains_key(id))
    }

    fn begin(&mut self, anomaly: &Anomaly) -> AnomalyId {
        while self.open.len() >= self.settings.open_limit.max(1) {
            let Some((_, id)) = self.by_last.first().copied() else { break };
            self.close(id);
        }
        let incident = Incident {
            id: anomaly.id,
            time: anomaly.time,
            last: anomaly.last,
            severity: anomaly.severity,
            title: String::new(),
            entities: Vec::new(),
            timeline: Vec::new(),
            more: 0,
        };
        self.by_last.insert((incident.last, incident.id));
        self.open.insert(anomaly.id, Open { incident, beyond: BTreeSet::new() });
        anomaly.id
    }

    fn close_quiet(&mut self, now: Timestamp) {
        let window = Duration::from_secs(self.settings.window_seconds);
        while let Some(&(last, id)) = self.by_last.first() {
            if now.since(last) <= window {
                break;
            }
            self.close(id);
        }
    }

    fn close(&mut self, id: AnomalyId) {
        if let Some(open) = self.open.remove(&id) {
            self.by_last.remove(&(open.incident.last, id));
            self.owners.untie(id);
            self.touched.untie(id);
        }
    }

    /// Appends the state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        // Plain data always has a serial form.
        out.extend(postcard::to_stdvec(&(&self.open, &self.owners, &self.touched)).unwrap_or_default());
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// Where the bytes are none of its own.
    pub fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let (open, owners, touched): (BTreeMap<AnomalyId, Open>, _, _) =
            postcard::from_bytes(state).map_err(|error| format!("the saved incidents cannot be read: {error}"))?;
        self.by_last = open.iter().map(|(&id, open)| (open.incident.last, id)).collect();
        (self.open, self.owners, self.touched) = (open, owners, touched);
        Ok(())
    }
}

fn add(Open { incident, beyond }: &mut Open, anomaly: &Anomaly, own: Entity, limit: usize) {
    let step = Step::of(anomaly);
    match incident.timeline.iter().position(|known| known.anomaly == anomaly.id) {
        Some(at) => incident.timeline[at] = step,
        None if incident.timeline.len() < limit.max(1) => incident.timeline.push(step),
        None if beyond.len() < MOST_BEYOND => {
            beyond.insert(anomaly.id);
            incident.more = beyond.len() as u64;
        }
        None => {}
    }
    incident.timeline.sort_by_key(|step| (step.time, step.anomaly));
    if !incident.entities.contains(&own) && incident.entities.len() < limit {
        incident.entities.push(own);
    }
    incident.time = incident.time.min(anomaly.time);
    incident.last = incident.last.max(anomaly.last);
    incident.severity = incident.severity.max(severity(&incident.timeline));
    incident.title = title::of(incident);
}

/// So many that act alike are one story: those of one network that do the same.
const ALIKE: usize = 3;

/// More than one kind of thing happened, or the same to or by several.
fn is_story(incident: &Incident) -> bool {
    incident.timeline.iter().any(|step| step.class != incident.timeline[0].class) || incident.entities.len() >= ALIKE
}

/// That of the worst anomaly; a step more where an attacker got further, and critical where one got in or took something.
fn severity(timeline: &[Step]) -> Severity {
    let worst = timeline.iter().map(|step| step.severity).max().unwrap_or_default();
    let mut reached = Vec::new();
    for step in timeline.iter().filter(|step| step.stage > Stage::Symptom) {
        if reached.last().is_none_or(|&stage| step.stage > stage) {
            reached.push(step.stage);
        }
    }
    match reached[..] {
        [_, .., Stage::Access | Stage::Action] => Severity::Critical,
        [_, _, ..] => Severity::ALL[(worst as usize + 1).min(Severity::Critical as usize)],
        _ => worst,
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Score, State};

    use super::*;

    fn anomaly(number: u64, class: &'static str, entity: &str, minute: i64, severity: Severity) -> Anomaly {
        let at = Timestamp::from_seconds(1_000_000 + minute * 60);
        Anomaly {
            id: AnomalyId(number),
            time: at,
            last: at,
            severity,
            score: Score::new(0.6),
            detector: "rules".into(),
            class: class.into(),
            scope: Scope::Client,
            entity: entity.into(),
            count: 1,
            reason: String::new(),
            parts: Vec::new(),
            expected: String::new(),
            observed: String::new(),
            one_in: 0,
            silenced_by: String::new(),
            related: Vec::new(),
            known: None,
            evidence: Vec::new(),
            state: State::Open,
            note: String::new(),
        }
    }

    fn of_victim(mut anomaly: Anomaly, victim: &str) -> Anomaly {
        anomaly.related.push(Entity::new(Scope::Victim, victim));
        anomaly
    }

    #[test]
    fn a_scan_then_guesses_then_a_login_then_data_going_out_of_the_victim_are_one_critical_incident() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        assert!(incidents.take(&of_victim(anomaly(1, "port-scan", "203.0.113.9", 0, Severity::Medium), "10.0.0.5")).is_none());
        let two = incidents.take(&of_victim(anomaly(2, "brute-force", "203.0.113.9", 5, Severity::Medium), "10.0.0.5")).cloned();
        assert_eq!(two.map(|incident| (incident.id, incident.severity)), Some((AnomalyId(1), Severity::High)));
        incidents.take(&anomaly(3, "success-after-failures", "203.0.113.9", 9, Severity::High));
        let all = incidents.take(&anomaly(4, "exfiltration", "10.0.0.5", 30, Severity::High)).expect("one story");
        assert_eq!((all.severity, all.timeline.len()), (Severity::Critical, 4));
        assert_eq!(
            all.title,
            "203.0.113.9 scanned ports, then guessed passwords, then got in after failed logins; then 10.0.0.5 sent much data out"
        );
    }

    #[test]
    fn attackers_of_the_same_victim_are_stories_of_their_own() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        for number in 0..5 {
            let attacker = format!("203.0.{number}.9");
            incidents.take(&of_victim(anomaly(2 * number, "port-scan", &attacker, 0, Severity::Medium), "10.0.0.5"));
            let story = incidents.take(&of_victim(anomaly(2 * number + 1, "xss", &attacker, 1, Severity::Medium), "10.0.0.5"));
            assert_eq!(story.map(|incident| incident.timeline.len()), Some(2));
        }
    }

    #[test]
    fn what_a_pair_does_belongs_to_who_acts_in_it() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        let mut beacon = anomaly(1, "beacon", "10.0.0.5 > 198.51.100.7", 0, Severity::Medium);
        beacon.scope = Scope::Pair;
        incidents.take(&beacon);
        let story = incidents.take(&anomaly(2, "exfiltration", "10.0.0.5", 9, Severity::High)).expect("one story");
        assert_eq!(story.title, "10.0.0.5 called home to 198.51.100.7, then sent much data out");
        assert!(
            incidents.take(&anomaly(3, "xss", "198.51.100.7", 9, Severity::High)).is_none(),
            "the other end is another story"
        );
    }

    #[test]
    fn those_of_one_network_outside_are_one_story_and_those_inside_are_not() {
        for (network, stories) in [("203.0.113", 1), ("10.0.0", 0)] {
            let mut incidents = Incidents::new(IncidentSettings::default());
            let all: Vec<_> = (1..=4)
                .map(|n| incidents.take(&anomaly(n, "port-scan", &format!("{network}.{n}"), n as i64, Severity::Medium)).cloned())
                .collect();
            assert_eq!(all.iter().flatten().filter(|story| story.id == AnomalyId(1)).count(), 2 * stories, "{all:?}");
            assert_eq!(all.iter().flatten().count(), 2 * stories, "from the third on it is a story");
        }
    }

    #[test]
    fn what_a_user_did_from_a_client_belongs_to_the_client() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        incidents.take(&anomaly(1, "password-spraying", "203.0.113.9", 0, Severity::Medium));
        let mut login = anomaly(2, "success-after-failures", "root", 3, Severity::High);
        login.scope = Scope::User;
        login.related.push(Entity::new(Scope::Client, "203.0.113.9"));
        assert_eq!(incidents.take(&login).map(|incident| incident.severity), Some(Severity::Critical));
    }

    #[test]
    fn one_anomaly_that_grows_is_no_incident_and_a_late_one_is_another_story() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        for minute in 0..9 {
            assert!(incidents.take(&anomaly(1, "port-scan", "203.0.113.9", minute, Severity::High)).is_none());
        }
        assert!(incidents.take(&anomaly(2, "brute-force", "203.0.113.9", 9 + 6 * 60 + 1, Severity::High)).is_none());
    }

    #[test]
    fn stories_stay_within_their_limit_and_continue_after_a_restart() {
        let settings = IncidentSettings { open_limit: 50, timeline_limit: 3, ..IncidentSettings::default() };
        let mut incidents = Incidents::new(settings.clone());
        for number in 0..500 {
            incidents
                .take(&of_victim(anomaly(number, "port-scan", &format!("c{number}"), 0, Severity::High), &format!("v{number}")));
        }
        assert_eq!((incidents.open.len(), incidents.owners.len(), incidents.touched.len()), (50, 50, 50));
        let (mut state, mut revived) = (Vec::new(), Incidents::new(settings));
        incidents.save(&mut state);
        revived.load(&state).expect("its own state");
        for number in 0..9 {
            let next = anomaly(1000 + number, "xss", "c499", 1, Severity::Low);
            assert_eq!(incidents.take(&next), revived.take(&next));
        }
        assert_eq!(incidents.take(&anomaly(2000, "xss", "c499", 1, Severity::Low)).map(|incident| incident.more), Some(8));
        assert!(revived.load(&state[..state.len() / 2]).is_err());
    }

    #[test]
    fn one_story_that_never_ends_stays_within_its_limits() {
        let mut incidents = Incidents::new(IncidentSettings::default());
        let mut sizes = Vec::new();
        for number in 0..20_000 {
            let attacker = format!("2001:db8:0:1::{:x}", number % 4096);
            let next = anomaly(number, "port-scan", &attacker, number as i64, Severity::High);
            let story = incidents.take(&of_victim(next, &format!("v{number}"))).map(|story| story.more);
            if number % 10_000 == 9_999 {
                let mut state = Vec::new();
                incidents.save(&mut state);
                sizes.push((state.len() / 1024, story));
            }
        }
        assert_eq!(sizes[0], sizes[1]);
        assert_eq!(sizes[0].1, Some(MOST_BEYOND as u64));
    }
}
