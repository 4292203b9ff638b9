//! `GET /metrics`: the same figures for Prometheus, in its base units. Labels are few and ours: never text that somebody
//! wrote into a log, and an address only of who sends syslog or flows, of a bounded number of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use lapwing_flow::Counters;
use lapwing_model::Severity;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::App;
use super::error::{ApiError, ApiResult};
use crate::pipeline::Stats;

/// One of the things that are counted of an exporter.
type Count = fn(&Counters) -> &u64;

/// OpenMetrics 1.0, which Prometheus and everything that reads its format takes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many requests were answered, by route and status.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<BTreeMap<String, BTreeMap<u16, u64>>>);

impl Requests {
    /// `route` is the pattern that matched, so there are only as many as there are routes.
    pub(super) fn count(&self, route: &str, status: u16) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !requests.contains_key(route) {
            requests.insert(route.to_owned(), BTreeMap::new());
        }
        if let Some(statuses) = requests.get_mut(route) {
            *statuses.entry(status).or_default() += 1;
        }
    }

    fn all(&self) -> BTreeMap<String, BTreeMap<u16, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String)))]
pub(super) async fn get_metrics(State(app): State<App>) -> ApiResult<Response> {
    let store_bytes = app.read(|reader| Ok(reader.bytes())).await?;
    let stats = app.stats(Stats::clone);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        losses: app.losses(&stats).into_iter().collect(),
        stats,
        store_bytes,
        intake: app.live.intake.depth().0,
        requests: app.requests.all(),
        ready: *app.live.ready.borrow(),
        started: app.started_at.nanos() as f64 / 1e9,
    }));
    let mut out = String::new();
    text::encode(&mut out, &registry).map_err(|error| ApiError::internal(&error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], out).into_response())
}

/// Everything as of one moment.
#[derive(Debug)]
struct Snapshot {
    stats: Stats,
    losses: Vec<(String, u64)>,
    store_bytes: u64,
    intake: usize,
    requests: BTreeMap<String, BTreeMap<u16, u64>>,
    ready: bool,
    started: f64,
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.intake(&mut out)?;
        self.exporters(&mut out)?;
        self.findings(&mut out)?;
        self.sizes(&mut out)?;
        self.service(&mut out)
    }
}

impl Snapshot {
    fn intake(&self, out: &mut Out<'_>) -> fmt::Result {
        let stats = &self.stats;
        let mut sources = BTreeMap::new();
        for (source, count) in &stats.received {
            *sources.entry(label(source)).or_default() += count;
        }
        out.counters("lapwing_events_received", "Records taken in, by source", "source", &sources)?;
        out.counters("lapwing_events_parsed", "Records understood, by format", "format", &stats.parsed)?;
        out.counters("lapwing_events_unparsed", "Records not understood, by reason", "reason", &stats.unparsed)?;
        let mut malformed = BTreeMap::new();
        for (source, count) in &stats.malformed {
            *malformed.entry(label(source)).or_default() += count;
        }
        out.counters("lapwing_events_malformed", "Records not understood, by source", "source", &malformed)?;
        out.counters(
            "lapwing_dropped",
            "What was lost, by reason",
            "reason",
            self.losses.iter().map(|(reason, count)| (reason, count)),
        )?;
        out.gauge(
            "lapwing_processing_lag",
            "From the receipt of a record to its verdict",
            Some(&Unit::Seconds),
            stats.lag.as_secs_f64(),
        )?;
        let depths = [("intake", self.intake as f64), ("pipeline", stats.in_flight as f64)];
        out.gauges("lapwing_queue_depth", "Blocks that wait or are being judged", "queue", depths)
    }

    /// Of as many exporters as are counted by themselves; all others are `other`.
    fn exporters(&self, out: &mut Out<'_>) -> fmt::Result {
        let Some(exporters) = &self.stats.figures.exporters else { return Ok(()) };
        let counts: [(&str, &str, Count); 7] = [
            ("lapwing_flow_datagrams", "Datagrams with flows, by exporter", |counters| &counters.received),
            ("lapwing_flow_rows", "Flows decoded, by exporter", |counters| &counters.flows),
            ("lapwing_flow_malformed", "Datagrams that were wrong somewhere, by exporter", |counters| &counters.malformed),
            ("lapwing_flow_missing_template", "Sets of data before their template, by exporter", |counters| {
                &counters.missing_template
            }),
            ("lapwing_flow_dropped", "Sets of data dropped for want of a template, by exporter", |counters| &counters.dropped),
            ("lapwing_flow_lost", "Missing by the exporter's own count, by exporter", |counters| &counters.lost),
            ("lapwing_flow_times_replaced", "Flows with implausible times, by exporter", |counters| &counters.times_replaced),
        ];
        counts.into_iter().try_for_each(|(name, help, count)| {
            out.counters(name, help, "exporter", exporters.iter().map(|(exporter, counters)| (exporter, count(counters))))
        })
    }

    fn findings(&self, out: &mut Out<'_>) -> fmt::Result {
        let stats = &self.stats;
        let findings = stats
            .findings
            .iter()
            .map(|((detector, severity), count)| ([("detector", *detector), ("severity", severity.name())], count));
        out.family("lapwing_findings", "Findings, by detector and severity of their verdict", findings)?;
        let anomalies = Severity::ALL.map(|severity| (severity.name(), stats.anomalies.get(&severity).unwrap_or(&0)));
        out.counters("lapwing_anomalies", "Anomalies opened, by severity", "severity", anomalies)?;
        out.counters("lapwing_alerts", "Alerts told, by sink", "sink", &stats.alerts)?;
        out.counters("lapwing_alert_failures", "Failed tries to tell, by sink", "sink", &stats.alert_failures)?;
        out.counter("lapwing_findings_muted", "Findings that people expect", stats.muted)?;
        out.counter("lapwing_findings_allowed", "Findings about whom an allow-list names", stats.allowed)?;
        out.gauge("lapwing_last_score", "Score of the last verdict, from 0 to 1", None, f64::from(stats.last_score))
    }

    fn sizes(&self, out: &mut Out<'_>) -> fmt::Result {
        let figures = &self.stats.figures;
        let entities = figures.entities.iter().map(|(detector, count)| (*detector, *count as f64));
        out.gauges("lapwing_entities", "Keys that each kind of detector remembers", "detector", entities)?;
        out.gauge("lapwing_templates", "Templates of log texts", None, figures.templates as f64)?;
        out.counter("lapwing_templates_evicted", "Templates forgotten to make room", figures.templates_evicted)?;
        out.counter("lapwing_events_clamped", "Events that told of an absurd time", figures.clamped)?;
        out.gauge("lapwing_store_size", "Size of the database on disk", Some(&Unit::Bytes), self.store_bytes as f64)?;
        out.gauge("lapwing_journal_size", "Size of the journal on disk", Some(&Unit::Bytes), self.stats.journal_bytes as f64)
    }

    fn service(&self, out: &mut Out<'_>) -> fmt::Result {
        let requests =
            self.requests.iter().flat_map(|(route, statuses)| statuses.iter().map(move |(status, count)| (route, status, count)));
        let requests = requests.map(|(route, status, count)| ([("route", route.clone()), ("status", status.to_string())], count));
        out.family("lapwing_http_requests", "Requests answered, by route and status", requests)?;
        out.gauge(
            "lapwing_ready",
            "Whether everything accepted before the start is judged",
            None,
            f64::from(u8::from(self.ready)),
        )?;
        if let Some(at) = self.stats.snapshot_at {
            out.gauge(
                "lapwing_snapshot_timestamp",
                "When the state was saved last",
                Some(&Unit::Seconds),
                at.nanos() as f64 / 1e9,
            )?;
        }
        out.gauges("lapwing_build_info", "What is running", "version", [(env!("CARGO_PKG_VERSION"), 1.0)])?;
        out.gauge("process_start_time", "Start of the process since the Unix epoch", Some(&Unit::Seconds), self.started)
    }
}

/// A source's name, unless it is an address.
fn label(source: &str) -> &str {
    let bare = source.strip_prefix("http/").unwrap_or(source);
    let host = bare.rsplit_once(':').map_or(bare, |(host, _)| host).trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_ok() || host.parse::<IpAddr>().is_ok() { "other" } else { source }
}

/// Writes metrics of a few forms.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn family<'v, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, &'v u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in rows {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        Ok(())
    }

    fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        key: &'static str,
        rows: impl IntoIterator<Item = (impl AsRef<str>, &'v u64)>,
    ) -> fmt::Result {
        self.family(name, help, rows.into_iter().map(|(label, count)| ([(key, label.as_ref().to_owned())], count)))
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        key: &'static str,
        rows: impl IntoIterator<Item = (&'l str, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (label, value) in rows {
            family.encode_family(&[(key, label)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_never_a_label() {
        for address in ["203.0.113.9", "http/203.0.113.9", "http/2001:db8::1", "[2001:db8::1]:514", "203.0.113.9:514"] {
            assert_eq!(label(address), "other", "{address}");
        }
        for name in ["http/shop", "tcp", "/var/log/nginx/access.log", "http/v1.2.3"] {
            assert_eq!(label(name), name);
        }
    }
}
