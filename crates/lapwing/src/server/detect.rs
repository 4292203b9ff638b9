//! `POST /detect`, `/detect/batch`, `/reset/...`: a verdict at once, from an engine of its own that remembers what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use lapwing_model::{Event, Finding, Known, Origin, Position, Reading, Record, Scope, Score, Severity, Timestamp, Verdict};
use lapwing_source::lines::MAX_LINE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::asked;
use super::body::Whole;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::Json;
use super::schema::KnownSchema;
use super::{App, Shared};
use crate::pipeline::{Engine, Judged};

/// Lines of one request.
const MOST_LINES: usize = 10_000;

/// The longest name of a session, in bytes.
const LONGEST_SESSION: usize = 512;

/// Where lines come from that are only asked about.
const ORIGIN: &str = "detect";

/// One line to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DetectRequest {
    /// A line of any log, or a JSON object.
    #[schema(value_type = String, example = "2015-05-17 10:05:03 CRITICAL payment service unreachable")]
    log_line: Box<RawValue>,
    /// Lines of the same session are judged knowing those before them.
    #[schema(example = "s-17")]
    session_id: Option<String>,
}

/// Several lines to judge, in order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DetectBatchRequest {
    /// Lines, JSON objects that are log records, or `{"log_line", "session_id"}` objects; at most 10,000.
    #[schema(value_type = Vec<String>, example = json!(["first line", "second line"]))]
    log_lines: Vec<Box<RawValue>>,
    /// The session of the lines that do not name one.
    session_id: Option<String>,
}

/// What is thought of one line.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Judgement {
    /// The number of the line among all that were asked about: the `earlier` of a later finding may name it.
    line: u64,
    /// Whether the severity is at least `low`.
    is_anomaly: bool,
    /// From 0 (ordinary) to 1 (certain).
    score: f32,
    #[schema(value_type = String, example = "high")]
    severity: Severity,
    /// What kind of thing the strongest finding tells of.
    #[schema(example = "fatal-error")]
    class: Option<String>,
    /// What kinds of things all findings tell of.
    #[schema(value_type = Vec<String>, example = json!(["fatal-error"]))]
    classes: BTreeSet<String>,
    /// Why, in one sentence.
    reason: Option<String>,
    /// The score of each detector that found something.
    #[schema(value_type = BTreeMap<String, f32>, example = json!({"rules": 0.85}))]
    detectors: BTreeMap<&'static str, f32>,
    /// The strongest first.
    findings: Vec<FindingAnswer>,
    /// The pattern of the line, `<*>` for what varies.
    template: Option<String>,
    session_id: Option<String>,
    /// Where the one is whom the strongest finding is about (where nothing was found, the client), whose it is and how much it matters, as
    /// far as that is known.
    #[schema(value_type = Option<KnownSchema>)]
    known: Option<Known>,
    /// The same of where a flow goes to.
    #[schema(value_type = Option<KnownSchema>)]
    destination_known: Option<Known>,
}

/// What one detector found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingAnswer {
    #[schema(value_type = String)]
    detector: &'static str,
    rule: String,
    class: String,
    #[schema(value_type = String)]
    scope: Scope,
    entity: String,
    score: f32,
    #[schema(value_type = String)]
    severity: Severity,
    reason: String,
    expected: String,
    observed: String,
    /// How many lines it stands for: those that no earlier finding stood for.
    count: u64,
    /// When that began, where it did not begin with this line.
    #[schema(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Lines before this one that it is about as well. Those of the same request are told so themselves.
    #[schema(value_type = Vec<u64>)]
    earlier: Vec<u64>,
}

/// What is thought of several lines, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Judgements {
    results: Vec<Judgement>,
    /// How many of them are anomalies.
    anomalies: usize,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reset {
    /// The session, or `all`.
    #[schema(example = "s-17")]
    reset: String,
}

/// Judge a line
///
/// Answers at once, without the pipeline, from a memory of its own: nothing is stored and nobody is alerted.
#[utoipa::path(post, path = "/detect", tag = "detect", request_body = DetectRequest,
    responses((status = 200, body = Judgement), (status = 400, description = "The request is not the JSON asked for", body = ErrorBody)))]
pub(super) async fn post_detect(State(app): State<App>, body: Whole) -> ApiResult<Json<Judgement>> {
    let DetectRequest { log_line, session_id } = asked::read(&body.bytes)?;
    let judgement = app.judge(vec![(line_of(&log_line)?, session(session_id)?)]).await?.pop();
    judgement.map(Json).ok_or_else(|| ApiError::internal("a line was not judged"))
}

/// Judge several lines
#[utoipa::path(post, path = "/detect/batch", tag = "detect", request_body = DetectBatchRequest,
    responses((status = 200, body = Judgements), (status = 400, description = "The request is not the JSON asked for", body = ErrorBody),
        (status = 413, description = "More than 10,000 lines", body = ErrorBody)))]
pub(super) async fn post_batch(State(app): State<App>, body: Whole) -> ApiResult<Json<Judgements>> {
    let DetectBatchRequest { log_lines, session_id } = asked::read(&body.bytes)?;
    if log_lines.len() > MOST_LINES {
        let message = format!("log_lines has more than {MOST_LINES} lines");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, "send them in several requests"));
    }
    let session_id = session(session_id)?;
    let lines = log_lines.iter().map(|line| line_and_session(line, session_id.as_deref())).collect::<ApiResult<Vec<_>>>()?;
    let results = app.judge(lines).await?;
    let anomalies = results.iter().filter(|result| result.is_anomaly).count();
    Ok(Json(Judgements { results, anomalies }))
}

/// Forget a session
///
/// What `/detect` knows of one session. What the service itself learned from logs stays.
#[utoipa::path(post, path = "/reset/{session_id}", tag = "detect", params(("session_id" = String, Path, description = "As sent to /detect")),
    responses((status = 200, body = Reset)))]
pub(super) async fn post_reset(State(app): State<App>, Path(session_id): Path<String>) -> ApiResult<Json<Reset>> {
    let session_id = session(Some(session_id))?.unwrap_or_default();
    app.engine(|engine| engine.forget(&session_id));
    Ok(Json(Reset { reset: session_id }))
}

/// Forget all that `/detect` knows
#[utoipa::path(post, path = "/reset/all", tag = "detect", responses((status = 200, body = Reset)))]
pub(super) async fn post_reset_all(State(app): State<App>) -> ApiResult<Json<Reset>> {
    app.live.reset_engine().map_err(|error| ApiError::internal(&error))?;
    Ok(Json(Reset { reset: "all".to_owned() }))
}

/// A string is a line; an object is a record as it stands.
fn line_of(value: &RawValue) -> ApiResult<Bytes> {
    let text = value.get();
    let line = match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).map_err(|error| asked::malformed(&error))?,
        Some(b'{') => text.to_owned(),
        _ => {
            return Err(ApiError::bad_request(
                "invalid_line",
                "a log line is neither a string nor an object",
                "send {\"log_line\": \"...\"}",
            ));
        }
    };
    if line.len() > MAX_LINE {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a log line is longer than {MAX_LINE} bytes"),
            "shorten it",
        ));
    }
    Ok(line.into())
}

fn line_and_session(value: &RawValue, session_id: Option<&str>) -> ApiResult<(Bytes, Option<String>)> {
    if value.get().starts_with('{')
        && let Ok(request) = serde_json::from_str::<DetectRequest>(value.get())
    {
        return Ok((line_of(&request.log_line)?, session(request.session_id)?.or_else(|| session_id.map(str::to_owned))));
    }
    Ok((line_of(value)?, session_id.map(str::to_owned)))
}

fn session(session_id: Option<String>) -> ApiResult<Option<String>> {
    let session_id = session_id.filter(|session_id| !session_id.is_empty());
    if session_id.as_ref().is_some_and(|session_id| session_id.len() > LONGEST_SESSION) {
        return Err(ApiError::bad_request(
            "too_long",
            format!("session_id is longer than {LONGEST_SESSION} bytes"),
            "shorten it",
        ));
    }
    Ok(session_id)
}

impl Shared {
    async fn judge(self: &App, lines: Vec<(Bytes, Option<String>)>) -> ApiResult<Vec<Judgement>> {
        let app = self.clone();
        // One line takes microseconds; many would hold up everything else that this thread serves.
        if lines.len() < 8 {
            return Ok(app.judge_here(&lines));
        }
        tokio::task::spawn_blocking(move || app.judge_here(&lines)).await.map_err(|panic| ApiError::internal(&panic.to_string()))
    }

    fn judge_here(&self, lines: &[(Bytes, Option<String>)]) -> Vec<Judgement> {
        let ask = |(line, session): &(Bytes, Option<String>)| {
            let number = self.asked.fetch_add(1, Relaxed);
            Asked { record: record(number, line.clone(), session.as_deref(), (self.live.clock)()), session: session.clone() }
        };
        let asked: Vec<_> = lines.iter().map(ask).collect();
        let mut judgements = Vec::with_capacity(lines.len());
        for asked in asked.chunks(lapwing_detect::BATCH_EVENTS) {
            judgements.extend(self.engine(|engine| judge(engine, asked)));
        }
        tell_earlier(&asked, &mut judgements);
        judgements
    }

    fn engine<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        act(&mut self.live.engine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A line that is asked about, and the session it was said to be of.
struct Asked {
    record: Record,
    session: Option<String>,
}

fn record(number: u64, body: Bytes, session: Option<&str>, received: Timestamp) -> Record {
    let reading = Reading { session: session.map(Into::into), ..Reading::default() };
    let position = Position { offset: number, line: number };
    Record { body, origin: Origin::read_as(ORIGIN, reading), position, received }
}

/// At most [`lapwing_detect::BATCH_EVENTS`] lines.
fn judge(engine: &mut Engine, asked: &[Asked]) -> Vec<Judgement> {
    let records: Vec<_> = asked.iter().map(|asked| asked.record.clone()).collect();
    let judged = engine.judge(&records);
    asked.iter().map(|Asked { record, session }| answer(engine, &judged, record, session.clone())).collect()
}

/// What `POST /detect` answers, of an engine of one's own: a JSON object. Lines are numbered as they are asked about.
///
/// # Errors
/// Where there is no room for it.
pub fn detect(
    engine: &mut Engine,
    number: u64,
    line: Bytes,
    session: Option<String>,
    now: Timestamp,
) -> serde_json::Result<Vec<u8>> {
    let record = record(number, line, session.as_deref(), now);
    serde_json::to_vec(&judge(engine, &[Asked { record, session }]).pop())
}

/// That a line was the beginning of something shows only some lines later: tells those of this request so.
fn tell_earlier(asked: &[Asked], judgements: &mut [Judgement]) {
    let later: Vec<FindingAnswer> = judgements
        .iter()
        .flat_map(|judgement| &judgement.findings)
        .filter(|finding| !finding.earlier.is_empty())
        .cloned()
        .collect();
    for finding in &later {
        for number in &finding.earlier {
            // The numbers of one request only rise.
            if let Ok(at) = asked.binary_search_by_key(number, |asked| asked.record.position.line) {
                judgements[at].also(finding);
            }
        }
    }
}

/// What came of one record: events and verdicts are found by its position, which no other record has.
fn answer(engine: &Engine, judged: &Judged, record: &Record, session_id: Option<String>) -> Judgement {
    let event = judged.batch.events.iter().find(|event| event.position == record.position);
    // A verdict without evidence is of a tick, and about something else than this line.
    let is_own = |verdict: &&Verdict| verdict.position == record.position && verdict.evidence.is_some();
    let mut verdicts: Vec<_> = judged.verdicts.iter().filter(is_own).collect();
    verdicts.sort_by_key(|verdict| std::cmp::Reverse((verdict.severity, verdict.score)));
    let findings: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.findings).collect();
    // An event that is another's beginning is named where the finding was made, not in the verdict.
    let earlier = |finding: &Finding| {
        let own = |at: u16| judged.batch.events.get(usize::from(at)).is_some_and(|event| event.position == record.position);
        let found = judged.found.iter().find(|found| !found.earlier.is_empty() && own(found.at) && found.finding == *finding);
        found.map_or(Vec::new(), |found| found.earlier.iter().map(|(_, position)| position.line).collect())
    };
    let mut detectors = BTreeMap::new();
    for finding in &findings {
        let score: &mut f32 = detectors.entry(finding.detector).or_default();
        *score = score.max(finding.score.value());
    }
    let severity = verdicts.first().map(|verdict| verdict.severity).unwrap_or_default();
    Judgement {
        line: record.position.line,
        is_anomaly: severity >= Severity::Low,
        score: verdicts.iter().map(|verdict| verdict.score.value()).fold(0.0, f32::max),
        severity,
        class: findings.first().map(|finding| finding.class.to_string()),
        reason: findings.first().map(|finding| finding.reason.clone()),
        classes: findings.iter().map(|finding| finding.class.to_string()).collect(),
        detectors,
        findings: findings
            .into_iter()
            .map(|finding| FindingAnswer { earlier: earlier(finding), ..FindingAnswer::of(finding) })
            .collect(),
        template: event.and_then(|event| template(engine, event)),
        session_id,
        known: verdicts.first().and_then(|verdict| verdict.known.clone()).or_else(|| of(event?.client_known.as_ref())),
        destination_known: of(event.and_then(|event| event.destination_known.as_ref())),
    }
}

fn of(known: Option<&Arc<Known>>) -> Option<Known> {
    known.map(|known| Known::clone(known))
}

fn template(engine: &Engine, event: &Event) -> Option<String> {
    engine.sequencer().miner().get(event.template).map(|template| template.text())
}

impl FindingAnswer {
    fn of(finding: &Finding) -> FindingAnswer {
        FindingAnswer {
            detector: finding.detector,
            rule: finding.rule.to_string(),
            class: finding.class.to_string(),
            scope: finding.entity.scope,
            entity: finding.entity.name.to_string(),
            score: finding.score.value(),
            severity: finding.severity,
            reason: finding.reason.clone(),
            expected: finding.expected.clone(),
            observed: finding.observed.clone(),
            count: finding.count,
            since: finding.since,
            earlier: Vec::new(),
        }
    }
}

impl Judgement {
    /// What was found later is about this line as well.
    fn also(&mut self, later: &FindingAnswer) {
        let is_same =
            |own: &FindingAnswer| (own.detector, &own.rule, &own.entity) == (later.detector, &later.rule, &later.entity);
        if self.findings.iter().any(is_same) {
            return;
        }
        let severity = later.severity.max(Severity::of(Score::new(later.score)));
        if severity > self.severity || self.findings.is_empty() {
            (self.class, self.reason) = (Some(later.class.clone()), Some(later.reason.clone()));
            self.findings.insert(0, FindingAnswer { earlier: Vec::new(), ..later.clone() });
        } else {
            self.findings.push(FindingAnswer { earlier: Vec::new(), ..later.clone() });
        }
        self.severity = self.severity.max(severity);
        self.score = self.score.max(later.score);
        self.is_anomaly = self.severity >= Severity::Low;
        self.classes.insert(later.class.clone());
        let score = self.detectors.entry(later.detector).or_default();
        *score = score.max(later.score);
    }
}
