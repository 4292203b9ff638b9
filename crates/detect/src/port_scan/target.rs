//! What is remembered of one that others fail to reach: many sources may scan it together, each of them a little.

use lapwing_learn::Distinct;
use lapwing_model::{Entity, Finding, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::Attempt;
use super::settings::{Distributed, NAME};
use crate::flows::{HOUR, span};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    sources: Distinct,
    services: Distinct,
    began: i64,
    told: f64,
}

impl Target {
    pub(super) fn new(at: i64) -> Target {
        Target { sources: Distinct::new(), services: Distinct::new(), began: at, told: 0.0 }
    }

    /// Whether it is told that many scan it together.
    pub(super) fn is_told(&self) -> bool {
        self.told > 0.0
    }

    /// A failure of one that is not told as a scanner by itself.
    pub(super) fn fail(&mut self, attempt: &Attempt, settings: &Distributed) -> Option<Finding> {
        if attempt.at.saturating_sub(self.began) > HOUR {
            *self = Target::new(attempt.at);
        }
        self.began = self.began.min(attempt.at);
        self.sources.insert(attempt.client);
        if !self.services.insert(attempt.service()) {
            return None;
        }
        let (sources, services) = (self.sources.count(), self.services.count());
        let many = sources >= f64::from(settings.sources) && services >= f64::from(settings.ports);
        if !many || services < 10.0 * self.told {
            return None;
        }
        let news = (services - self.told).max(1.0) as u64;
        self.told = services;
        Some(self.finding(attempt, settings, news))
    }

    fn finding(&self, attempt: &Attempt, settings: &Distributed, news: u64) -> Finding {
        let (sources, services) = (self.sources.count(), self.services.count());
        let within = span(attempt.at.saturating_sub(self.began));
        Finding {
            detector: NAME,
            rule: "distributed-scan".into(),
            class: "port-scan".into(),
            entity: Entity::new(Scope::Victim, attempt.host.to_string()),
            score: Score::new(0.65),
            severity: Severity::Medium,
            count: news,
            since: Some(Timestamp::from_nanos(self.began)),
            reason: format!(
                "{sources:.0} sources together tried {services:.0} ports of {} within {within}, each of them a few (ATT&CK T1046)",
                attempt.host
            ),
            expected: format!("fewer than {} ports of a host tried in vain by {} sources within an hour", settings.ports, settings.sources),
            observed: format!("{services:.0} ports by {sources:.0} sources within {within}"),
        }
    }
}
