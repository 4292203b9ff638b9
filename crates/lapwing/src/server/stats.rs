//! `GET /stats`: what the service knows about itself, for people and dashboards.

use std::collections::BTreeMap;

use axum::extract::State;
use lapwing_flow::Counters;
use lapwing_model::Timestamp;
use lapwing_store::Stats as StoreStats;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::ApiResult;
use super::feed::Rates;
use super::json::Json;
use crate::pipeline::Stats;

/// What the service knows about itself. Counts are since the start, except those of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    #[schema(value_type = String)]
    version: &'static str,
    uptime_seconds: u64,
    rates: Rates,
    /// Records taken in, by source.
    sources: BTreeMap<Box<str>, u64>,
    /// Records understood, by format.
    #[schema(value_type = BTreeMap<String, u64>)]
    formats: BTreeMap<&'static str, u64>,
    /// Records not understood, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    not_understood: BTreeMap<&'static str, u64>,
    /// Exporters of flows by address, as many as are counted by themselves; all others are `other`.
    #[schema(value_type = BTreeMap<String, Exporter>)]
    exporters: BTreeMap<Box<str>, Exporter>,
    /// What was lost, by reason.
    dropped: BTreeMap<String, u64>,
    /// Findings by detector.
    #[schema(value_type = BTreeMap<String, u64>)]
    findings: BTreeMap<&'static str, u64>,
    /// Anomalies opened, by severity.
    #[schema(value_type = BTreeMap<String, u64>)]
    anomalies: BTreeMap<&'static str, u64>,
    /// Alerts told, by sink.
    alerts: BTreeMap<String, u64>,
    /// Failed tries to tell, by sink.
    alert_failures: BTreeMap<String, u64>,
    /// Keys that each kind of detector remembers.
    #[schema(value_type = BTreeMap<String, usize>)]
    entities: BTreeMap<&'static str, usize>,
    /// How far each kind of detector is that still learns, from 0 to 1.
    #[schema(value_type = BTreeMap<String, f32>, example = json!({"iforest": 0.4}))]
    learning: BTreeMap<&'static str, f32>,
    /// Findings muted because people marked them as expected.
    muted: u64,
    /// Findings left out because an allow-list names whom they are about.
    allowed: u64,
    templates: usize,
    last_score: f32,
    /// From the receipt of a record to its verdict.
    lag_seconds: f64,
    /// Blocks that wait before the journal, and how many may.
    intake: Depth,
    /// Blocks between the journal and the verdicts.
    in_flight: usize,
    journal_bytes: u64,
    /// Event time so far; null before the first event.
    #[schema(value_type = Option<String>)]
    event_time: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    snapshot_at: Option<Timestamp>,
    /// Why the service is not well, if it is not.
    trouble: Option<String>,
    store: StoreAnswer,
}

/// What came of the datagrams of an exporter of flows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Exporter {
    datagrams: u64,
    flows: u64,
    /// Datagrams that were wrong somewhere.
    malformed: u64,
    /// Sets of data that came before their template.
    missing_template: u64,
    /// Sets of data dropped for want of a template.
    dropped: u64,
    /// How often something was missing by the exporter's own count.
    gaps: u64,
    /// How much, in the unit that it counts in.
    lost: u64,
    /// Flows with implausible times, for which the time of receipt stands in.
    times_replaced: u64,
}

impl Exporter {
    fn of(counters: &Counters) -> Exporter {
        Exporter {
            datagrams: counters.received,
            flows: counters.flows,
            malformed: counters.malformed,
            missing_template: counters.missing_template,
            dropped: counters.dropped,
            gaps: counters.gaps,
            lost: counters.lost,
            times_replaced: counters.times_replaced,
        }
    }
}

/// How full a queue is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Depth {
    waiting: usize,
    bound: usize,
}

/// What the store holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreAnswer {
    anomalies: u64,
    #[schema(value_type = BTreeMap<String, u64>)]
    severities: BTreeMap<&'static str, u64>,
    #[schema(value_type = BTreeMap<String, u64>)]
    states: BTreeMap<&'static str, u64>,
    /// The 50 with most anomalies, the first one first.
    detectors: Vec<Counted>,
    /// The 50 with most anomalies, the first one first.
    classes: Vec<Counted>,
    /// The 50 with most anomalies, the first one first.
    entities: Vec<Counted>,
    bytes: u64,
}

/// A name and how many there are of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counted {
    name: String,
    count: u64,
}

/// Figures of the service
#[utoipa::path(get, path = "/stats", tag = "service", responses((status = 200, body = StatsAnswer)))]
pub(super) async fn get_stats(State(app): State<App>) -> ApiResult<Json<StatsAnswer>> {
    let store = app.read(|reader| reader.stats()).await?;
    let stats = app.stats(Stats::clone);
    Ok(Json(answer(&app, stats, store)))
}

fn answer(app: &App, stats: Stats, store: StoreStats) -> StatsAnswer {
    let mut findings = BTreeMap::new();
    for ((detector, _), count) in &stats.findings {
        *findings.entry(*detector).or_default() += count;
    }
    let (waiting, bound) = app.live.intake.depth();
    let watermark = stats.figures.watermark;
    StatsAnswer {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.started.elapsed().as_secs(),
        rates: *app.feed.rates().borrow(),
        dropped: app.losses(&stats),
        exporters: stats
            .figures
            .exporters
            .iter()
            .flat_map(|all| all.iter())
            .map(|(name, counters)| (name.clone(), Exporter::of(counters)))
            .collect(),
        sources: stats.received,
        formats: stats.parsed,
        not_understood: stats.unparsed,
        findings,
        anomalies: stats.anomalies.iter().map(|(severity, count)| (severity.name(), *count)).collect(),
        alerts: stats.alerts,
        alert_failures: stats.alert_failures,
        entities: stats.figures.entities,
        learning: stats.figures.learning,
        muted: stats.muted,
        allowed: stats.allowed,
        templates: stats.figures.templates,
        last_score: stats.last_score,
        lag_seconds: stats.lag.as_secs_f64(),
        intake: Depth { waiting, bound },
        in_flight: stats.in_flight,
        journal_bytes: stats.journal_bytes,
        event_time: (watermark > Timestamp::EPOCH).then_some(watermark),
        snapshot_at: stats.snapshot_at,
        trouble: stats.trouble,
        store: store_answer(store),
    }
}

fn store_answer(store: StoreStats) -> StoreAnswer {
    let named = |counts: Vec<(String, u64)>| counts.into_iter().map(|(name, count)| Counted { name, count }).collect();
    StoreAnswer {
        anomalies: store.total,
        severities: store.severities.into_iter().map(|(severity, count)| (severity.name(), count)).collect(),
        states: store.states.into_iter().map(|(state, count)| (state.name(), count)).collect(),
        detectors: named(store.detectors),
        classes: named(store.classes),
        entities: store.entities.into_iter().map(|(entity, count)| Counted { name: entity.name.into(), count }).collect(),
        bytes: store.bytes,
    }
}
