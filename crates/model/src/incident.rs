use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, AnomalyId, Entity, Score, Severity, Timestamp};

/// Anomalies that make one story: of one entity, or of those that it met, within some hours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// That of its first anomaly.
    pub id: AnomalyId,
    pub time: Timestamp,
    pub last: Timestamp,
    /// Of its worst anomaly, and more where stages follow one another.
    pub severity: Severity,
    /// What happened, as a sentence.
    pub title: String,
    /// Whom it is about; the first is whom it began with.
    pub entities: Vec<Entity>,
    /// Its anomalies in the order in which they began.
    pub timeline: Vec<Step>,
    /// Anomalies beyond those that the timeline keeps.
    pub more: u64,
}

/// One anomaly as a part of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub anomaly: AnomalyId,
    pub time: Timestamp,
    pub last: Timestamp,
    pub stage: Stage,
    pub severity: Severity,
    pub score: Score,
    pub detector: Cow<'static, str>,
    pub class: Cow<'static, str>,
    pub entity: Entity,
    pub count: u64,
    pub reason: String,
}

/// How far an attacker is, roughly as ATT&CK orders its tactics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nobody need be behind it: errors, bursts, silences.
    Symptom,
    /// Looks around.
    Reconnaissance,
    /// Tries to get in.
    Attempt,
    /// Got in.
    Access,
    /// Does what it came for.
    Action,
}

impl Stage {
    /// The stage that a class of anomaly stands for.
    #[must_use]
    pub fn of(class: &str) -> Stage {
        match class {
            "probing" | "scanning" | "scanner" | "crawling" | "fuzzing" | "user-enumeration" | "port-scan" | "host-sweep"
            | "sensitive-file" | "lateral-movement" => Stage::Reconnaissance,
            "brute-force"
            | "password-spraying"
            | "credential-stuffing"
            | "sql-injection"
            | "xss"
            | "path-traversal"
            | "file-inclusion"
            | "command-injection"
            | "code-injection"
            | "template-injection"
            | "nosql-injection"
            | "xxe"
            | "ldap-injection"
            | "ssi"
            | "crlf"
            | "ssrf"
            | "log4shell"
            | "open-redirect"
            | "exploit"
            | "protocol-abuse" => Stage::Attempt,
            "success-after-failures" | "backdoor" => Stage::Access,
            "exfiltration" | "beacon" | "dns-tunnel" | "flood" => Stage::Action,
            _ => Stage::Symptom,
        }
    }
}

impl Step {
    #[must_use]
    pub fn of(anomaly: &Anomaly) -> Step {
        Step {
            anomaly: anomaly.id,
            time: anomaly.time,
            last: anomaly.last,
            stage: Stage::of(&anomaly.class),
            severity: anomaly.severity,
            score: anomaly.score,
            detector: anomaly.detector.clone(),
            class: anomaly.class.clone(),
            entity: Entity::new(anomaly.scope, anomaly.entity.clone()),
            count: anomaly.count,
            reason: anomaly.reason.clone(),
        }
    }
}
