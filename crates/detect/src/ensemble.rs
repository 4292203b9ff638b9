//! What several detectors say of one event becomes one verdict with one score.
//!
//! Each finding's score is weighted by its family and combined as independent chances: `1 - Π(1 - weight · score)`. Two mild
//! findings make a stronger verdict, none makes it weaker, and it never exceeds 1. The strongest comes first and each part
//! is what it adds to those before it, so the parts add up to the score.

use std::collections::BTreeMap;

use lapwing_model::{Entity, Event, Evidence, Finding, Part, Position, Score, Severity, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use crate::{Batch, Family, Found, Kind};

/// The section `ensemble` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub weights: Weights,
    /// Bytes of a line that are kept as evidence.
    pub evidence_bytes: usize,
}

/// How much each family of detectors counts, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    pub rules: f32,
    pub statistical: f32,
    pub sequence: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { weights: Weights::default(), evidence_bytes: 1024 }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights { rules: 1.0, statistical: 0.6, sequence: 0.7 }
    }
}

/// Concludes verdicts. Remembers nothing between batches.
#[derive(Debug, Clone, Default)]
pub struct Ensemble {
    settings: Settings,
}

impl Ensemble {
    #[must_use]
    pub fn new(settings: Settings) -> Ensemble {
        Ensemble { settings }
    }

    /// The verdicts on a batch, in input order: one for each event (or tick) and entity that something was found about, so
    /// that a client's burst and its server's trouble, found at the same line, remain two things.
    #[must_use]
    pub fn conclude(&self, batch: &Batch, found: Vec<Found>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut found = found.into_iter().peekable();
        while let Some(first) = found.next() {
            let (at, tick, event) = (first.at, first.tick, first.event(&batch.events));
            let mut here = vec![first];
            while let Some(next) = found.next_if(|next| next.at == at && next.tick == tick) {
                here.push(next);
            }
            let place = Place::of(batch, at, tick, event, self.settings.evidence_bytes);
            verdicts.extend(self.by_entity(here).into_values().map(|found| self.verdict(&place, found)));
        }
        verdicts
    }

    /// What was found at one place, by whom it is about. What is found of others at a request of, say, a scanner (the pages it
    /// makes fail, the rush it causes) is part of the scan, unless it is grave in itself.
    fn by_entity(&self, here: Vec<Found>) -> BTreeMap<Entity, Vec<Found>> {
        let leader = here.iter().find(|found| found.leads).map(|found| found.finding.entity.clone());
        let mut by_entity: BTreeMap<Entity, Vec<Found>> = BTreeMap::new();
        for found in here {
            let own = found.finding.severity.max(Severity::of(Score::new(self.weighted(&found.finding))));
            let entity = match &leader {
                Some(leader) if own < Severity::High => leader.clone(),
                _ => found.finding.entity.clone(),
            };
            by_entity.entry(entity).or_default().push(found);
        }
        by_entity
    }

    fn weighted(&self, finding: &Finding) -> f32 {
        self.weight(finding.detector) * finding.score.value()
    }

    fn verdict(&self, place: &Place, mut found: Vec<Found>) -> Verdict {
        found.sort_by(|a, b| {
            let (weight_a, weight_b) = (self.weighted(&a.finding), self.weighted(&b.finding));
            b.leads.cmp(&a.leads).then(b.finding.severity.cmp(&a.finding.severity)).then(weight_b.total_cmp(&weight_a))
        });
        let gathers = found.first().is_some_and(|first| first.leads || !first.earlier.is_empty());
        let findings: Vec<Finding> = found.into_iter().map(|found| found.finding).collect();
        let mut ordinary = 1.0;
        let mut parts = Vec::with_capacity(findings.len());
        for finding in &findings {
            let value = ordinary * self.weighted(finding);
            ordinary -= value;
            parts.push(Part { detector: finding.detector.into(), rule: finding.rule.clone(), value });
        }
        let score = Score::new(1.0 - ordinary);
        let severity = findings.iter().map(|finding| finding.severity).fold(Severity::of(score), Severity::max);
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
            findings,
            evidence: place.evidence.clone(),
        }
    }

    /// The weight of a detector, by the family of its kind.
    #[must_use]
    pub fn weight(&self, detector: &str) -> f32 {
        let weights = &self.settings.weights;
        let weight = match Kind::named(detector).map(|kind| kind.family) {
            Some(Family::Rules) | None => weights.rules,
            Some(Family::Statistical) => weights.statistical,
            Some(Family::Sequence) => weights.sequence,
        };
        weight.clamp(0.0, 1.0)
    }
}

/// What a verdict says about where it was found.
struct Place {
    at: Timestamp,
    origin: u64,
    position: Position,
    evidence: Option<Evidence>,
}

impl Place {
    fn of(batch: &Batch, at: u16, tick: Option<Timestamp>, event: Option<&Event>, evidence_bytes: usize) -> Place {
        match (event, tick) {
            (Some(event), _) => Place {
                at: event.at,
                origin: event.origin.id,
                position: event.position,
                evidence: Some(evidence(event, evidence_bytes)),
            },
            // A tick has no position of its own: its time and the batch's next event name it.
            (None, tick) => Place {
                at: tick.unwrap_or_default(),
                origin: tick.unwrap_or_default().nanos().unsigned_abs(),
                position: batch.events.get(at as usize).map(|event| event.position).unwrap_or_default(),
                evidence: None,
            },
        }
    }
}

/// The line, cut to a bounded length at a character's boundary.
fn evidence(event: &Event, limit: usize) -> Evidence {
    let text = &event.raw[..event.raw.len().min(limit)];
    let text = String::from_utf8_lossy(text).trim_end_matches('\u{fffd}').to_owned();
    Evidence { file: event.origin.name.clone(), line: event.position.line, text: text.into() }
}

#[cfg(test)]
mod tests {
    use lapwing_model::Scope;

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
        Found { at, tick: None, order: 0, finding, leads: false, earlier: Vec::new() }
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
