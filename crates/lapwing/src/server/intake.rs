//! `POST /logs`: takes records in and answers once they are in the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lapwing_model::{Origin, Position, Reading, Record};
use lapwing_source::{Accepted, Block, Heading, Intake, NotTaken};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::App;
use super::body::Whole;
use super::doubts::Doubts;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::Json;
use super::query::{Parameters, wrong};
use super::split::Splitter;

/// How long a request of several blocks waits for room in all. The first block never waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Blocks of one request that may wait for the journal.
const UNANSWERED: usize = 16;

/// Sources that clients may name in one run; records of any further one come from `http/other`.
const SOURCES: usize = 100;

/// How the records of a request are to be read; what is not said is found out from each record.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read strictly by name")]
pub(super) struct LogsQuery {
    /// Name of the source, for metrics and detectors: 1 to 64 of `A-Z a-z 0-9 . _ - /`.
    #[param(example = "shop")]
    source: Option<String>,
    /// The service that writes these logs, where records do not say.
    service: Option<String>,
    /// Name of the format of all records, such as `combined`.
    format: Option<String>,
    /// Time zone of times that carry none: an IANA name or an offset such as `+02:00`.
    zone: Option<String>,
    /// The session that all records belong to, where they do not say.
    session_id: Option<String>,
}

/// What became of the records of a request.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Receipt {
    /// Records that are safe in the journal and will be judged.
    #[schema(example = 100)]
    accepted: u64,
    /// How many of these were not understood; they are judged as plain text all the same.
    #[schema(example = 1)]
    not_understood: u64,
    /// Why they were not, with how many.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"invalid-utf8": 1}))]
    reasons: BTreeMap<&'static str, u64>,
}

/// Send logs
///
/// The body is one JSON object, a JSON array (each element is one record), JSON lines or plain lines, also packed with gzip or
/// zstd. `text/plain` and `application/x-ndjson` are always lines, `application/json` must be JSON; for any other Content-Type
/// it is found out. Lines that name the columns of those below them in the same body (Zeek's `#fields` and its companions, the first
/// line of VPC flow logs) are no records and not counted. The answer comes when all records are in the journal: what was accepted is not lost. A request is accepted
/// or refused as a whole, except that one of more than 1,024 records, or with other headings of columns in its middle, may be cut off there when Lapwing is overloaded;
/// the error then tells how many were `accepted`.
#[utoipa::path(post, path = "/logs", tag = "logs", params(LogsQuery),
    request_body(content(
        (String = "text/plain", example = json!("203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /cart HTTP/1.1\" 500 612\n")),
        (String = "application/x-ndjson", example = json!("{\"timestamp\":\"2015-05-17T10:05:03Z\",\"level\":\"ERROR\",\"source\":\"shop\",\"message\":\"payment failed\"}\n")),
        (Object = "application/json", example = json!([{"timestamp": "2015-05-17T10:05:03Z", "level": "ERROR", "source": "shop", "message": "payment failed"}])))),
    responses(
        (status = 202, description = "All records are in the journal", body = Receipt),
        (status = 400, description = "The body cannot be unpacked or is not the JSON it says it is", body = ErrorBody),
        (status = 413, description = "The body is too large, as sent or unpacked", body = ErrorBody),
        (status = 415, description = "The Content-Encoding is not known", body = ErrorBody),
        (status = 429, description = "Lapwing is behind: try again after `Retry-After` seconds", body = ErrorBody),
        (status = 503, description = "The journal cannot take them (disk full, stopping)", body = ErrorBody)))]
pub(super) async fn post_logs(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Whole) -> ApiResult<Response> {
    let origin = origin(&app, &uri)?;
    let mut splitter = Splitter::new(&headers, body.bytes.clone())?;
    let mut sending = Sending::new(&app, origin);
    while let Some(pieces) = splitter.next_block() {
        sending.put(pieces).await?;
    }
    let receipt = sending.finish(splitter.too_long()).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt)).into_response())
}

fn origin(app: &App, uri: &Uri) -> ApiResult<Arc<Origin>> {
    let parameters = Parameters::read(uri.query(), &["source", "service", "format", "zone", "session_id"])?;
    let said = |name| parameters.get(name).filter(|value| !value.is_empty()).map(Box::<str>::from);
    let (format, zone, service, session) = (said("format"), said("zone"), said("service"), said("session_id"));
    let reading = Reading { format, zone, service, session, ..Reading::default() };
    if let Some(format) = &reading.format {
        lapwing_parse::check_format(format).map_err(|error| wrong("format", format!("is wrong: {error}")))?;
    }
    if let Some(zone) = &reading.zone {
        lapwing_parse::check_zone(zone).map_err(|error| wrong("zone", format!("is wrong: {error}")))?;
    }
    let name = match parameters.get("source") {
        None | Some("") => "http".to_owned(),
        Some(source) if is_name(source) => app.sources.name(source),
        Some(_) => return Err(wrong("source", "is no name; use 1 to 64 of A-Z a-z 0-9 . _ - /")),
    };
    Ok(Origin::read_as(name, reading))
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

/// The sources that clients named so far: as many as there may be labels in metrics.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<BTreeSet<String>>);

impl Sources {
    fn name(&self, source: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(source) {
            if known.len() >= SOURCES {
                return "http/other".to_owned();
            }
            known.insert(source.to_owned());
        }
        format!("http/{source}")
    }
}

/// The blocks of one request on their way into the journal.
struct Sending<'a> {
    app: &'a App,
    origin: Arc<Origin>,
    heading: Heading,
    doubts: Doubts<'a>,
    unanswered: VecDeque<(u64, oneshot::Receiver<Accepted>)>,
    accepted: u64,
    first: bool,
    deadline: Instant,
}

impl<'a> Sending<'a> {
    fn new(app: &'a App, origin: Arc<Origin>) -> Sending<'a> {
        let doubts = Doubts::new(&app.parsers);
        Sending {
            app,
            origin,
            heading: Heading::default(),
            doubts,
            unanswered: VecDeque::new(),
            accepted: 0,
            first: true,
            deadline: Instant::now() + PATIENCE,
        }
    }

    async fn put(&mut self, pieces: Vec<axum::body::Bytes>) -> ApiResult<()> {
        let received = (self.app.live.clock)();
        let mut records = Vec::with_capacity(pieces.len());
        for body in pieces {
            if Heading::has(&body) {
                let above = self.origin.clone();
                self.heading.take(&body, &mut self.origin);
                if !Arc::ptr_eq(&above, &self.origin) {
                    // A block has one origin, and what comes below has another.
                    self.put_block(std::mem::take(&mut records)).await?;
                }
                continue;
            }
            records.push(Record { body, origin: self.origin.clone(), position: Position::default(), received });
        }
        self.put_block(records).await
    }

    async fn put_block(&mut self, records: Vec<Record>) -> ApiResult<()> {
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        self.doubts.look(&records);
        while self.unanswered.len() >= UNANSWERED {
            self.answer().await?;
        }
        let (accepted, answer) = oneshot::channel();
        let block = Block { records, accepted: Some(accepted), bookmark: None };
        let room = if std::mem::take(&mut self.first) {
            self.app.live.intake.try_put(block)
        } else {
            wait_to_put(&self.app.live.intake, block, self.deadline).await
        };
        match room {
            Ok(()) => self.unanswered.push_back((count, answer)),
            Err(NotTaken::Full(_)) => return Err(self.give_up(full()).await),
            Err(NotTaken::Closed) => return Err(self.give_up(stopping()).await),
        }
        Ok(())
    }

    /// Waits for the journal's word on the oldest block.
    async fn answer(&mut self) -> ApiResult<()> {
        let Some((count, answer)) = self.unanswered.pop_front() else { return Ok(()) };
        match answer.await {
            Ok(Ok(())) => {
                self.accepted += count;
                Ok(())
            }
            Ok(Err(refused)) => {
                let error = ApiError::unavailable("journal_refused", refused.to_string(), "make room, then send it again");
                Err(self.give_up(error).await)
            }
            Err(_) => Err(self.give_up(stopping()).await),
        }
    }

    /// Puts into the error how many records were accepted before it.
    async fn give_up(&mut self, error: ApiError) -> ApiError {
        while let Some((count, answer)) = self.unanswered.pop_front() {
            self.accepted += if matches!(answer.await, Ok(Ok(()))) { count } else { 0 };
        }
        error.accepted(self.accepted)
    }

    async fn finish(mut self, too_long: u64) -> ApiResult<Receipt> {
        while !self.unanswered.is_empty() {
            self.answer().await?;
        }
        let mut reasons = self.doubts.finish();
        if too_long > 0 {
            *reasons.entry("too-long").or_default() += too_long;
        }
        Ok(Receipt { accepted: self.accepted, not_understood: reasons.values().sum(), reasons })
    }
}

async fn wait_to_put(intake: &Intake, block: Block, deadline: Instant) -> Result<(), NotTaken> {
    match intake.try_put(block) {
        Err(NotTaken::Full(block)) => {
            let waited = tokio::time::timeout_at(deadline, intake.put(block)).await;
            // The block that did not get in is not needed any more: its records are refused.
            let none = Block { records: Vec::new(), accepted: None, bookmark: None };
            waited.map_err(|_| NotTaken::Full(none))?.map_err(|_| NotTaken::Closed)
        }
        done => done,
    }
}

fn full() -> ApiError {
    ApiError::too_many(
        "intake_full",
        "lapwing is behind: there is no room for more records just now",
        "try again in a moment, with longer pauses while this lasts",
    )
}

fn stopping() -> ApiError {
    ApiError::unavailable(
        "stopping",
        "lapwing is stopping or not well and takes no more records",
        "try again when GET /ready says so",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_sources_are_bounded() {
        let sources = Sources::default();
        let names: BTreeSet<String> = (0..1000).map(|i| sources.name(&format!("s{i}"))).collect();
        assert_eq!(names.len(), SOURCES + 1);
        assert_eq!(sources.name("s7"), "http/s7");
        assert_eq!(sources.name("s999"), "http/other");
    }

    #[test]
    fn a_name_has_nothing_that_a_label_or_a_terminal_minds() {
        assert!(is_name("shop-1/eu_west.a"));
        for wrong in ["a b", "a\n", "é", "a\"b", &"a".repeat(65)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
