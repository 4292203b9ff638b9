//! Anomalies that people or other systems report.

use std::borrow::Cow;

use lapwing_model::{Anomaly, AnomalyId, Evidence, Part, Scope, Score, Severity, State, Timestamp, hash};
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult};
use super::schema::EvidenceSchema;

/// The longest text of one field, in bytes.
const LONGEST: usize = 4096;

/// Lines of evidence that are kept.
const MOST_EVIDENCE: usize = 20;

/// An anomaly as it is reported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnomaly {
    /// What kind of thing happened.
    #[schema(example = "credential-stuffing")]
    class: String,
    /// Who or what it is about.
    #[schema(example = "203.0.113.9")]
    entity: String,
    /// What kind of thing the entity is: `client`, `user`, `service`, `host`...
    #[serde(default = "client")]
    #[schema(value_type = Option<String>, example = "client", default = "client")]
    scope: Scope,
    /// Why, in one sentence.
    #[schema(example = "412 accounts tried from one address")]
    reason: String,
    /// Medium where neither this nor a score is said.
    #[schema(value_type = Option<String>, example = "high")]
    severity: Option<Severity>,
    /// From 0 to 1.
    #[schema(example = 0.8)]
    score: Option<f32>,
    /// When it began; now where it is not said.
    #[schema(value_type = Option<String>, example = "2015-05-17T10:05:03Z")]
    time: Option<Timestamp>,
    /// Who says so.
    #[serde(default = "manual")]
    #[schema(default = "manual", example = "waf")]
    detector: String,
    #[serde(default)]
    #[schema(value_type = Vec<EvidenceSchema>)]
    evidence: Vec<Evidence>,
}

fn client() -> Scope {
    Scope::Client
}

fn manual() -> String {
    "manual".to_owned()
}

impl NewAnomaly {
    /// # Errors
    /// 400 where something is empty, too long or out of range.
    pub(super) fn anomaly(self, now: Timestamp) -> ApiResult<Anomaly> {
        for (name, text) in
            [("class", &self.class), ("entity", &self.entity), ("reason", &self.reason), ("detector", &self.detector)]
        {
            check(name, text)?;
        }
        if self.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err(refused("score must be from 0 to 1"));
        }
        if self.evidence.len() > MOST_EVIDENCE
            || self.evidence.iter().any(|line| line.text.len() > LONGEST || line.file.len() > LONGEST)
        {
            return Err(refused(format!("evidence may have {MOST_EVIDENCE} lines of {LONGEST} bytes")));
        }
        let time = self.time.unwrap_or(now);
        let severity = self.severity.or(self.score.map(|score| Severity::of(Score::new(score)))).unwrap_or(Severity::Medium);
        let score = Score::new(self.score.unwrap_or_else(|| usual(severity)));
        let said = [&*self.detector, &self.class, self.scope.name(), &self.entity, &self.reason, &time.to_string()].join("\0");
        let part = Part { detector: self.detector.clone().into(), rule: Cow::Borrowed("reported"), value: score.value() };
        Ok(Anomaly {
            id: AnomalyId(hash(said.as_bytes())),
            time,
            last: time,
            severity,
            score,
            detector: self.detector.into(),
            class: self.class.into(),
            scope: self.scope,
            entity: self.entity.into(),
            count: 1,
            reason: self.reason,
            parts: vec![part],
            expected: String::new(),
            observed: String::new(),
            one_in: 0,
            silenced_by: String::new(),
            related: Vec::new(),
            known: None,
            evidence: self.evidence,
            state: State::Open,
            note: String::new(),
        })
    }
}

/// A score that stands for a severity: the middle of what [`Severity::of`] maps to it.
const fn usual(severity: Severity) -> f32 {
    match severity {
        Severity::Info => 0.1,
        Severity::Low => 0.35,
        Severity::Medium => 0.6,
        Severity::High => 0.85,
        Severity::Critical => 1.0,
    }
}

fn check(name: &str, text: &str) -> ApiResult<()> {
    match text.len() {
        0 => Err(refused(format!("{name} is empty"))),
        length if length > LONGEST => Err(refused(format!("{name} is longer than {LONGEST} bytes"))),
        _ => Ok(()),
    }
}

fn refused(why: impl Into<String>) -> ApiError {
    ApiError::bad_request("invalid_anomaly", why, "see /docs for what an anomaly needs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(json: &str) -> ApiResult<Anomaly> {
        serde_json::from_str::<NewAnomaly>(json).expect("valid").anomaly(Timestamp::from_seconds(9))
    }

    #[test]
    fn the_same_said_again_is_the_same_anomaly() {
        let text = r#"{"class":"c","entity":"e","reason":"r","time":"2015-05-17T10:05:03Z","severity":"high"}"#;
        let (one, two) = (reported(text).expect("complete"), reported(text).expect("complete"));
        assert_eq!(one, two);
        assert_eq!(Severity::of(one.score), one.severity);
        assert_ne!(reported(&text.replace("\"e\"", "\"f\"")).expect("complete").id, one.id);
    }

    #[test]
    fn a_score_without_severity_gives_one() {
        let anomaly = reported(r#"{"class":"c","entity":"e","reason":"r","score":0.97}"#).expect("complete");
        assert_eq!((anomaly.severity, anomaly.time), (Severity::Critical, Timestamp::from_seconds(9)));
    }

    #[test]
    fn what_is_empty_or_out_of_range_is_refused() {
        assert!(reported(r#"{"class":"","entity":"e","reason":"r"}"#).is_err());
        assert!(reported(r#"{"class":"c","entity":"e","reason":"r","score":1.5}"#).is_err());
        let long = "x".repeat(LONGEST + 1);
        assert!(reported(&format!(r#"{{"class":"c","entity":"e","reason":"{long}"}}"#)).is_err());
    }
}
