//! The forms of what the model itself serialises, for the API's documentation. A test holds them to what is really answered.

use utoipa::ToSchema;

/// Verdicts that belong together: same entity, same class, close in time.
#[derive(Debug, ToSchema)]
#[schema(as = Anomaly)]
#[expect(dead_code, reason = "describes lapwing_model::Anomaly")]
pub(super) struct AnomalySchema {
    /// 16 hexadecimal digits, the same whenever the same input is read.
    #[schema(example = "00abcdef01234567")]
    id: String,
    /// The earliest event of it (RFC 3339).
    #[schema(example = "2015-05-17T10:05:03Z")]
    time: String,
    /// The latest event of it.
    #[schema(example = "2015-05-17T10:06:41Z")]
    last: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    #[schema(example = "high")]
    severity: String,
    /// From 0 (ordinary) to 1 (certain).
    #[schema(example = 0.87)]
    score: f32,
    /// The detector that contributed most.
    #[schema(example = "rules")]
    detector: String,
    #[schema(example = "server-error")]
    class: String,
    /// What kind of thing the entity is.
    #[schema(example = "client")]
    scope: String,
    #[schema(example = "203.0.113.9")]
    entity: String,
    /// How many verdicts are in it.
    #[schema(example = 12)]
    count: u64,
    /// Why, in one sentence.
    #[schema(example = "answered 500 for /cart")]
    reason: String,
    parts: Vec<PartSchema>,
    expected: String,
    observed: String,
    /// One in so many events scored as high, of those seen until then; 0 where nobody counted.
    #[schema(example = 20_000)]
    one_in: u64,
    /// What would have kept it from being an anomaly.
    silenced_by: String,
    /// Who else is in it; at most 8.
    related: Vec<EntitySchema>,
    /// Where the entity is, whose it is and how much it matters, as far as that was known.
    known: Option<KnownSchema>,
    evidence: Vec<EvidenceSchema>,
    /// `open`, `acknowledged`, `expected` or `real`.
    #[schema(example = "open")]
    state: String,
    note: String,
}

/// Who or what something is about.
#[derive(Debug, ToSchema)]
#[schema(as = Entity)]
#[expect(dead_code, reason = "describes lapwing_model::Entity")]
pub(super) struct EntitySchema {
    #[schema(example = "victim")]
    scope: String,
    #[schema(example = "10.0.0.5")]
    name: String,
}

/// What tables, lists and people know of an address or a host.
#[derive(Debug, ToSchema)]
#[schema(as = Known)]
#[expect(dead_code, reason = "describes lapwing_model::Known")]
pub(super) struct KnownSchema {
    /// `public`, `private`, `loopback`, `linklocal`, `cgn`, `multicast`, `documentation`, `reserved`, `tor`, `vpn` or `hosting`.
    #[schema(example = "public")]
    network_class: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "PL")]
    country: Option<String>,
    autonomous_system: Option<AutonomousSystemSchema>,
    /// Its name by reverse DNS.
    domain: Option<String>,
    asset: Option<AssetSchema>,
    /// Entries of threat lists that name it.
    threats: Vec<ThreatSchema>,
}

/// Who routes an address.
#[derive(Debug, ToSchema)]
#[schema(as = AutonomousSystem)]
#[expect(dead_code, reason = "describes lapwing_model::AutonomousSystem")]
pub(super) struct AutonomousSystemSchema {
    #[schema(example = 64_500)]
    number: u32,
    organization: String,
}

/// Something of one's own that has an address or a name.
#[derive(Debug, ToSchema)]
#[schema(as = Asset)]
#[expect(dead_code, reason = "describes lapwing_model::Asset")]
pub(super) struct AssetSchema {
    name: String,
    owner: String,
    /// `low`, `medium`, `high` or `critical`.
    #[schema(example = "critical")]
    criticality: String,
}

/// An entry of a threat list.
#[derive(Debug, ToSchema)]
#[schema(as = Threat)]
#[expect(dead_code, reason = "describes lapwing_model::Threat")]
pub(super) struct ThreatSchema {
    list: String,
    #[schema(example = "203.0.113.0/24")]
    entry: String,
}

/// Anomalies that make one story.
#[derive(Debug, ToSchema)]
#[schema(as = Incident)]
#[expect(dead_code, reason = "describes lapwing_model::Incident")]
pub(super) struct IncidentSchema {
    /// That of its first anomaly.
    #[schema(example = "00abcdef01234567")]
    id: String,
    time: String,
    last: String,
    /// Of its worst anomaly, and more where stages follow one another.
    #[schema(example = "critical")]
    severity: String,
    #[schema(example = "client 203.0.113.9: port scan, then brute force, then success after failures")]
    title: String,
    entities: Vec<EntitySchema>,
    /// Its anomalies in the order in which they began.
    timeline: Vec<StepSchema>,
    /// Anomalies beyond those that the timeline keeps.
    more: u64,
}

/// One anomaly as a part of an incident.
#[derive(Debug, ToSchema)]
#[schema(as = Step)]
#[expect(dead_code, reason = "describes lapwing_model::Step")]
pub(super) struct StepSchema {
    anomaly: String,
    time: String,
    last: String,
    /// `symptom`, `reconnaissance`, `attempt`, `access` or `action`.
    stage: String,
    severity: String,
    score: f32,
    detector: String,
    class: String,
    entity: EntitySchema,
    count: u64,
    reason: String,
}

/// What a person said of an anomaly; it reaches as far as the same finding about the same entity.
#[derive(Debug, ToSchema)]
#[schema(as = Mark)]
#[expect(dead_code, reason = "describes lapwing_model::Mark")]
pub(super) struct MarkSchema {
    #[schema(example = "00abcdef01234567")]
    anomaly: String,
    /// `expected` mutes, `real` does not.
    #[schema(example = "expected")]
    said: String,
    detector: String,
    rule: String,
    class: String,
    scope: String,
    entity: String,
    made: String,
    /// From then on it mutes no longer.
    expires: String,
}

/// What one detector contributes to a score; the parts add up to it.
#[derive(Debug, ToSchema)]
#[schema(as = Part)]
#[expect(dead_code, reason = "describes lapwing_model::Part")]
pub(super) struct PartSchema {
    detector: String,
    rule: String,
    value: f32,
}

/// One line that shows an anomaly. It is attacker text: make it safe before you show it.
#[derive(Debug, ToSchema)]
#[schema(as = Evidence)]
#[expect(dead_code, reason = "describes lapwing_model::Evidence")]
pub(super) struct EvidenceSchema {
    #[schema(example = "http/shop")]
    file: String,
    line: u64,
    #[schema(example = "203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /cart HTTP/1.1\" 500 612")]
    text: String,
}
