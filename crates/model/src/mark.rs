use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, AnomalyId, Entity, Finding, Scope, State, Timestamp};

/// What a person said of an anomaly, and how far that reaches: the same finding about the same entity, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub anomaly: AnomalyId,
    /// [`State::Expected`] mutes what it covers; [`State::Real`] says that the detector was right.
    pub said: State,
    pub detector: Cow<'static, str>,
    pub rule: Cow<'static, str>,
    pub class: Cow<'static, str>,
    pub scope: Scope,
    pub entity: Box<str>,
    pub made: Timestamp,
    /// From then on it mutes no longer.
    pub expires: Timestamp,
}

impl Mark {
    /// What is said of an anomaly reaches as far as its strongest finding.
    #[must_use]
    pub fn of(anomaly: &Anomaly, said: State, made: Timestamp, expires: Timestamp) -> Mark {
        let rule = anomaly.parts.iter().find(|part| part.detector == anomaly.detector).map(|part| part.rule.clone());
        Mark {
            anomaly: anomaly.id,
            said,
            detector: anomaly.detector.clone(),
            rule: rule.unwrap_or_default(),
            class: anomaly.class.clone(),
            scope: anomaly.scope,
            entity: anomaly.entity.clone(),
            made,
            expires,
        }
    }

    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        finding.detector == self.detector
            && finding.rule == self.rule
            && finding.class == self.class
            && self.is_about(&finding.entity)
    }

    /// Whether it would have muted that anomaly.
    #[must_use]
    pub fn covers_anomaly(&self, anomaly: &Anomaly) -> bool {
        let same_rule = anomaly.parts.iter().any(|part| part.detector == self.detector && part.rule == self.rule);
        anomaly.detector == self.detector
            && anomaly.class == self.class
            && same_rule
            && anomaly.scope == self.scope
            && anomaly.entity == self.entity
    }

    fn is_about(&self, entity: &Entity) -> bool {
        entity.scope == self.scope && entity.name == self.entity
    }
}
