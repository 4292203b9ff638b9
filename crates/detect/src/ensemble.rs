//! What several detectors say of one event becomes one verdict with one score.
//!
//! Each finding's score is weighted by its family and combined as independent chances: `1 - Π(1 - weight · score)`. Two mild
//! findings make a stronger verdict, none makes it weaker, and it never exceeds 1. The strongest comes first and each part
//! is what it adds to those before it, so the parts add up to the score.
//!
//! What detectors learned by themselves scores on one scale ([`Score::of_tail`]: 0.8 is one in 10,000). Alone it is an anomaly
//! only from the threshold on; below, it is noted.

mod alike;
mod assets;
mod marks;
mod rarity;

use std::collections::BTreeMap;
use std::sync::Arc;

use alike::Alike;
use assets::{Assets, Criticality};
use lapwing_enrich::Enrichment;
use lapwing_model::{Entity, Event, Evidence, Finding, Part, Position, Scope, Score, Severity, Timestamp, Verdict};
pub use marks::Marks;
use rarity::Rarity;
use serde::{Deserialize, Serialize};

use crate::{Batch, Family, Found, Kind, State};

/// The section `ensemble` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub mode: Mode,
    /// From this on, what learned detectors say together (before weights) is an anomaly without a rule's help.
    pub threshold: f32,
    pub weights: Weights,
    /// How much it changes a score whose assets are concerned.
    pub criticality: Criticality,
    /// Bytes of a line that are kept as evidence.
    pub evidence_bytes: usize,
}

/// Which detectors are at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Those that follow rules.
    RuleBased,
    /// Those that count and learn.
    Ml,
    #[default]
    Ensemble,
}

impl Mode {
    #[must_use]
    pub fn includes(self, family: Family) -> bool {
        match self {
            Mode::RuleBased => family == Family::Rules,
            Mode::Ml => family != Family::Rules,
            Mode::Ensemble => true,
        }
    }
}

/// How much each family of detectors counts, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    pub rules: f32,
    pub statistical: f32,
    pub learned: f32,
    pub sequence: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mode: Mode::default(),
            threshold: 0.8,
            weights: Weights::default(),
            criticality: Criticality::default(),
            evidence_bytes: 1024,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights { rules: 1.0, statistical: 0.6, learned: 0.6, sequence: 0.7 }
    }
}

/// Concludes verdicts. Remembers how often each score came, and what people said.
#[derive(Debug, Default)]
pub struct Ensemble {
    settings: Settings,
    rarity: Rarity,
    alike: Alike,
    marks: Arc<Marks>,
    muted: u64,
    allowed: u64,
}

/// The sections of a saved state.
const RARITY: &str = "ensemble/rarity";
const ALIKE: &str = "ensemble/alike";

impl Ensemble {
    #[must_use]
    pub fn new(settings: Settings) -> Ensemble {
        Ensemble { settings, ..Ensemble::default() }
    }

    /// What people say from now on.
    pub fn heed(&mut self, marks: Arc<Marks>) {
        self.marks = marks;
    }

    /// Findings that were muted because a person expects them.
    #[must_use]
    pub fn muted(&self) -> u64 {
        self.muted
    }

    /// The section that names entities of its own time: of no use to whoever begins anew.
    pub const NAMES: &str = ALIKE;

    /// Findings that were left out because an allow-list names whom they are about.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    pub fn save(&self, state: &mut State) {
        self.save_general(state);
        // Plain data always has a serial form.
        state.insert(ALIKE.to_owned(), postcard::to_stdvec(&self.alike).unwrap_or_default());
    }

    /// How often ordinary events score what: so everywhere, until it is known better.
    pub fn save_general(&self, state: &mut State) {
        // Plain data always has a serial form.
        state.insert(RARITY.to_owned(), postcard::to_stdvec(&self.rarity).unwrap_or_default());
    }

    /// Continues from a saved state; one that does not mention it starts afresh.
    ///
    /// # Errors
    /// Where the bytes are none of its own.
    pub fn load(&mut self, state: &State) -> Result<(), String> {
        if let Some(bytes) = state.get(RARITY) {
            let rarity: Rarity = postcard::from_bytes(bytes).map_err(|error| format!("{RARITY}: {error}"))?;
            if !rarity.is_whole() {
                return Err(format!("{RARITY}: it was saved with another number of steps"));
            }
            self.rarity = rarity;
        }
        if let Some(bytes) = state.get(ALIKE) {
            self.alike = postcard::from_bytes(bytes).map_err(|error| format!("{ALIKE}: {error}"))?;
        }
        Ok(())
    }

    /// The verdicts on a batch, in input order: one for each event (or tick) and entity that something was found about, so
    /// that a client's burst and its server's trouble, found at the same line, remain two things.
    #[must_use]
    pub fn conclude(&mut self, batch: &Batch, found: Vec<Found>) -> Vec<Verdict> {
        self.rarity.saw(batch.events.len() as u64);
        let mut verdicts = Vec::new();
        let mut found = found.into_iter().peekable();
        while let Some(first) = found.next() {
            let (at, tick, event) = (first.at, first.tick, first.event(&batch.events));
            let mut here = vec![first];
            while let Some(next) = found.next_if(|next| next.at == at && next.tick == tick) {
                here.push(next);
            }
            self.alike.name(&mut here, self.settings.threshold);
            let place = Place::of(batch, at, tick, event, self.settings.evidence_bytes);
            let all = here.len();
            here.retain(|found| !self.marks.mute(&found.finding, place.at));
            self.muted += (all - here.len()) as u64;
            let all = here.len();
            here.retain(|found| !is_allowed(&batch.enrichment, &place, &found.finding.entity));
            self.allowed += (all - here.len()) as u64;
            let concerned = Assets::of(&batch.enrichment, event);
            let found = self.by_entity(here).into_values();
            verdicts.extend(found.map(|found| self.verdict(&place, &batch.enrichment, &concerned, found)));
        }
        verdicts
    }

    /// What was found at one place, by whom it is about. What is found of others at a request of, say, a scanner (the pages it
    /// makes fail, the rush it causes) is part of the scan, unless it is grave in itself.
    fn by_entity(&self, here: Vec<Found>) -> BTreeMap<Entity, Vec<Found>> {
        let leader = here.iter().find(|found| found.leads).map(|found| found.finding.entity.clone());
        let mut by_entity: BTreeMap<Entity, Vec<Found>> = BTreeMap::new();
        for found in here {
            let own = found.finding.severity.max(Severity::of(Score::new(self.weighted(&found))));
            let entity = match &leader {
                Some(leader) if own < Severity::High => leader.clone(),
                _ => found.finding.entity.clone(),
            };
            by_entity.entry(entity).or_default().push(found);
        }
        by_entity
    }

    /// A finding's score as it counts: by its family, by what people said of it, and by how much its detector has seen.
    fn weighted(&self, found: &Found) -> f32 {
        let finding = &found.finding;
        self.weight(finding.detector) * self.marks.trust(finding.detector, &finding.rule) * found.maturity * finding.score.value()
    }

    fn verdict(&mut self, place: &Place, tables: &Enrichment, assets: &Assets<'_>, mut found: Vec<Found>) -> Verdict {
        found.sort_by(|a, b| {
            let (weight_a, weight_b) = (self.weighted(a), self.weighted(b));
            b.leads.cmp(&a.leads).then(b.finding.severity.cmp(&a.finding.severity)).then(weight_b.total_cmp(&weight_a))
        });
        let gathers = found.first().is_some_and(|first| first.leads || !first.earlier.is_empty());
        let mut ordinary = 1.0;
        let mut parts = Vec::with_capacity(found.len());
        for found in &found {
            let value = ordinary * self.weighted(found);
            ordinary -= value;
            parts.push(Part { detector: found.finding.detector.into(), rule: found.finding.rule.clone(), value });
        }
        let mut severity = self.severity(&found);
        let known =
            if severity < Severity::Low { None } else { found.first().and_then(|found| tables.of(&found.finding.entity)) };
        if severity >= Severity::Low
            && let Some(part) = assets.part(&self.settings.criticality, known.as_ref(), 1.0 - ordinary)
        {
            ordinary -= part.value;
            severity = demanded(&found).max(Severity::of(Score::new(1.0 - ordinary)));
            parts.push(part);
        }
        let score = Score::new(1.0 - ordinary);
        let silenced_by = if severity < Severity::Low { String::new() } else { self.silenced_by(&found) };
        let one_in = self.rarity.one_in(score.value());
        let findings: Vec<Finding> = found.into_iter().map(Found::into_finding).collect();
        let strongest = findings.first();
        let since = strongest.and_then(|finding| finding.since).map_or(place.at, |since| since.min(place.at));
        let count = strongest.map_or(1, |finding| finding.count);
        Verdict {
            at: place.at,
            since,
            count,
            gathers,
            origin: place.origin,
            position: place.position,
            score,
            severity,
            parts,
            one_in,
            silenced_by,
            related: place.related.iter().filter(|other| strongest.is_none_or(|own| own.entity != **other)).cloned().collect(),
            findings,
            known,
            evidence: place.evidence.clone(),
        }
    }

    /// What findings of one event, in any order, come to.
    fn severity(&self, found: &[Found]) -> Severity {
        let demanded = demanded(found);
        if demanded < Severity::Low && found.iter().all(is_learned) && joint(found) < self.settings.threshold {
            return Severity::Info;
        }
        let ordinary: f32 = found.iter().map(|found| 1.0 - self.weighted(found)).product();
        demanded.max(Severity::of(Score::new(1.0 - ordinary)))
    }

    /// The fewest of the findings, the strongest first, without which it would have been no anomaly.
    fn silenced_by(&self, found: &[Found]) -> String {
        let name = |found: &Found| format!("{} {}", found.finding.detector, found.finding.rule);
        let enough = (1..found.len()).find(|&left_out| self.severity(&found[left_out..]) < Severity::Low);
        let without: Vec<_> = found[..enough.unwrap_or(found.len())].iter().map(name).collect();
        let mut said = format!("nothing found by {}", without.join(", "));
        if found.iter().all(is_learned) {
            said += &format!("; or a threshold above {:.2}", joint(found));
        }
        said
    }

    /// The weight of a detector, by the family of its kind.
    #[must_use]
    pub fn weight(&self, detector: &str) -> f32 {
        let weights = &self.settings.weights;
        let weight = match Kind::named(detector).map(|kind| kind.family) {
            Some(Family::Rules) | None => weights.rules,
            Some(Family::Statistical) => weights.statistical,
            Some(Family::Learned) => weights.learned,
            Some(Family::Sequence) => weights.sequence,
        };
        weight.clamp(0.0, 1.0)
    }
}

/// The severity that findings ask for themselves, whatever they score.
fn demanded(found: &[Found]) -> Severity {
    found.iter().map(|found| found.finding.severity).max().unwrap_or_default()
}

/// Whether an allow-list names whom a finding is about, or who brought it about.
fn is_allowed(tables: &Enrichment, place: &Place, entity: &Entity) -> bool {
    !tables.allow().is_empty() && tables.allows(std::iter::once(entity).chain(&place.actors), place.at).is_some()
}

fn is_learned(found: &Found) -> bool {
    matches!(Kind::named(found.finding.detector).map(|kind| kind.family), Some(Family::Learned | Family::Sequence))
}

/// What findings come to together as independent chances, before any weight.
fn joint(found: &[Found]) -> f32 {
    1.0 - found.iter().map(|found| 1.0 - found.maturity * found.finding.score.value()).product::<f32>()
}

/// What a verdict says about where it was found.
struct Place {
    at: Timestamp,
    origin: u64,
    position: Position,
    evidence: Option<Evidence>,
    related: Vec<Entity>,
    /// Who brought the event about.
    actors: Vec<Entity>,
}

/// Whom else an event speaks of matters for these.
const RELATED: [Scope; 3] = [Scope::Client, Scope::User, Scope::Victim];

/// These may be named by an allow-list.
const ACTORS: [Scope; 3] = [Scope::Client, Scope::User, Scope::Host];

impl Place {
    fn of(batch: &Batch, at: u16, tick: Option<Timestamp>, event: Option<&Event>, evidence_bytes: usize) -> Place {
        match (event, tick) {
            (Some(event), _) => Place {
                at: event.at,
                origin: event.origin.id,
                position: event.position,
                evidence: Some(evidence(event, evidence_bytes)),
                related: RELATED.into_iter().filter_map(|scope| event.entity_of(scope)).collect(),
                actors: match batch.enrichment.allow().is_empty() {
                    true => Vec::new(),
                    false => ACTORS.into_iter().filter_map(|scope| event.entity_of(scope)).collect(),
                },
            },
            // A tick has no position of its own: its time and the batch's next event name it.
            (None, tick) => Place {
                at: tick.unwrap_or_default(),
                origin: tick.unwrap_or_default().nanos().unsigned_abs(),
                position: batch.events.get(at as usize).map(|event| event.position).unwrap_or_default(),
                evidence: None,
                related: Vec::new(),
                actors: Vec::new(),
            },
        }
    }
}

/// The line, cut to a bounded length at a character's boundary.
fn evidence(event: &Event, limit: usize) -> Evidence {
    let shown = event.shown();
    let text = String::from_utf8_lossy(&shown[..shown.len().min(limit)]).trim_end_matches('\u{fffd}').to_owned();
    Evidence { file: event.origin.name.clone(), line: event.position.line, text: text.into() }
}

#[cfg(test)]
mod tests {
    use lapwing_model::Mark;

    use super::*;
    use crate::testing::events;

    fn found(at: u16, detector: &'static str, entity: &str, score: f32) -> Found {
        let finding = Finding {
            detector,
            rule: "r".into(),
            class: "c".into(),
            entity: Entity::new(Scope::Client, entity),
            score: Score::new(score),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: String::new(),
            expected: String::new(),
            observed: String::new(),
        };
        Found::new(at, finding)
    }

    fn conclude(found: Vec<Found>) -> Vec<Verdict> {
        Ensemble::default().conclude(&Batch::new(0, events(3), Vec::new()), found)
    }

    #[test]
    fn the_parts_of_a_verdict_add_up_to_its_score() {
        let verdicts = conclude(vec![found(1, "novelty", "a", 0.5), found(1, "rules", "a", 0.6), found(1, "windows", "a", 0.9)]);
        assert_eq!(verdicts.len(), 1);
        let sum: f32 = verdicts[0].parts.iter().map(|part| part.value).sum();
        assert!((sum - verdicts[0].score.value()).abs() < 1e-6);
        assert!((sum - (1.0 - 0.4 * (1.0 - 0.54) * (1.0 - 0.3))).abs() < 1e-6);
    }

    #[test]
    fn what_is_found_about_two_entities_at_one_line_stays_two_verdicts() {
        assert_eq!(conclude(vec![found(1, "rules", "a", 0.6), found(1, "rules", "b", 0.6)]).len(), 2);
    }

    #[test]
    fn what_leads_comes_first_and_takes_in_what_is_mild_about_others_but_not_what_is_grave() {
        let mut lead = found(1, "behaviour", "a", 0.6);
        lead.leads = true;
        let mut grave = found(1, "rules", "c", 0.9);
        grave.finding.severity = Severity::High;
        let verdicts = conclude(vec![found(1, "rules", "a", 0.7), found(1, "rules", "b", 0.3), lead, grave]);
        let whose: Vec<_> = verdicts.iter().map(|verdict| (verdict.findings.len(), verdict.findings[0].detector)).collect();
        assert_eq!(whose, [(3, "behaviour"), (1, "rules")]);
        assert_eq!(&*verdicts[0].findings[0].entity.name, "a");
    }

    #[test]
    fn what_is_expected_is_muted_for_that_entity_until_it_expires_and_nothing_else_is() {
        let mark = |expires| Mark {
            anomaly: lapwing_model::AnomalyId(1),
            said: lapwing_model::State::Expected,
            detector: "rules".into(),
            rule: "r".into(),
            class: "c".into(),
            scope: Scope::Client,
            entity: "a".into(),
            made: Timestamp::default(),
            expires,
        };
        let far = Timestamp::from_seconds(10_000_000_000);
        let conclude = |marks: Marks| {
            let mut ensemble = Ensemble::default();
            ensemble.heed(Arc::new(marks));
            let found = vec![found(1, "rules", "a", 0.6), found(1, "windows", "a", 0.6), found(1, "rules", "b", 0.6)];
            let verdicts = ensemble.conclude(&Batch::new(0, events(3), Vec::new()), found);
            verdicts.iter().map(|verdict| verdict.findings.len()).collect::<Vec<_>>()
        };
        assert_eq!(conclude(Marks::default()), [2, 1]);
        assert_eq!(conclude(Marks::new([mark(far)])), [1, 1]);
        assert_eq!(conclude(Marks::new([mark(Timestamp::default())])), [2, 1], "it has expired");
    }

    #[test]
    fn an_anomaly_says_what_would_have_silenced_it_and_how_rare_its_score_is() {
        let mut ensemble = Ensemble::default();
        let batch = Batch::new(0, events(300), Vec::new());
        let verdicts = ensemble.conclude(&batch, vec![found(1, "rules", "a", 0.6), found(1, "novelty", "a", 0.2)]);
        assert_eq!((verdicts[0].one_in, &*verdicts[0].silenced_by), (300, "nothing found by rules r"));
        let verdicts = ensemble.conclude(&batch, vec![found(1, "rules", "a", 0.9), found(2, "rules", "a", 0.1)]);
        assert_eq!((verdicts[0].one_in, verdicts[1].one_in), (600, 200));
        assert_eq!(verdicts[1].silenced_by, "", "too mild to be an anomaly");
    }

    #[test]
    fn it_continues_from_a_saved_state_exactly() {
        let batch = Batch::new(0, events(300), Vec::new());
        let mut ensemble = Ensemble::default();
        let _ = ensemble.conclude(&batch, vec![found(1, "rules", "a", 0.6)]);
        let (mut state, mut revived) = (State::new(), Ensemble::default());
        ensemble.save(&mut state);
        revived.load(&state).expect("its own state");
        let again = || vec![found(1, "rules", "a", 0.5)];
        assert_eq!(ensemble.conclude(&batch, again()), revived.conclude(&batch, again()));
        state.values_mut().for_each(|bytes| bytes.truncate(7));
        assert!(revived.load(&state).is_err());
    }

    #[test]
    fn a_mode_leaves_the_other_detectors_out() {
        assert!(Mode::RuleBased.includes(Family::Rules) && !Mode::RuleBased.includes(Family::Statistical));
        assert!(Mode::Ml.includes(Family::Sequence) && !Mode::Ml.includes(Family::Rules));
    }

    #[test]
    fn a_statistical_finding_counts_less_than_a_rule() {
        let verdicts = conclude(vec![found(0, "windows", "a", 1.0), found(1, "rules", "a", 1.0)]);
        assert!((verdicts[0].score.value() - 0.6).abs() < 1e-6);
        assert!((verdicts[1].score.value() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_highest_severity_that_any_finding_demands_holds() {
        let mut rule = found(0, "rules", "a", 0.3);
        rule.finding.severity = Severity::High;
        assert_eq!(conclude(vec![rule])[0].severity, Severity::High);
    }
}
