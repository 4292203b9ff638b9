//! `/anomalies`: what was found, what people say of it, and what they or other systems add.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lapwing_detect::Marks;
use lapwing_model::{Anomaly, AnomalyId, Mark, Severity, State as Standing, Timestamp};
use lapwing_store::{Change, Cursor, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Whole;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::{self, Json};
use super::manual::NewAnomaly;
use super::query::{Parameters, wrong};
use super::schema::{AnomalySchema, MarkSchema};
use super::{App, asked};

/// The longest note, in bytes.
const LONGEST_NOTE: usize = 10_000;

/// Which anomalies to list; all that is said must hold.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read strictly by name")]
pub(super) struct ListQuery {
    /// Began at this time or later (RFC 3339).
    #[param(example = "2015-05-17T00:00:00Z")]
    from: Option<String>,
    /// Began before this time (RFC 3339).
    to: Option<String>,
    /// At least this severe: `info`, `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// The detector that contributed most.
    detector: Option<String>,
    /// Name of the entity, of any scope.
    entity: Option<String>,
    class: Option<String>,
    /// `open`, `acknowledged`, `expected` or `real`.
    state: Option<String>,
    /// Words that all occur in reason, entity, class or evidence.
    text: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Most items of this page: 1 to 1,000, else 50.
    limit: Option<u64>,
}

/// One page of anomalies, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnomalyPage {
    #[schema(value_type = Vec<AnomalySchema>)]
    items: Vec<Anomaly>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
}

/// List anomalies
///
/// Newest first. A parameter that is not known is an error.
#[utoipa::path(get, path = "/anomalies", tag = "anomalies", params(ListQuery),
    responses((status = 200, body = AnomalyPage), (status = 400, description = "A parameter is wrong", body = ErrorBody)))]
pub(super) async fn list(State(app): State<App>, uri: Uri) -> ApiResult<Json<AnomalyPage>> {
    let query = query(&uri)?;
    let page = app.read(move |reader| reader.list(&query)).await?;
    Ok(Json(AnomalyPage { items: page.items, next: page.next.map(|next| next.to_string()) }))
}

fn query(uri: &Uri) -> ApiResult<Query> {
    let known = ["from", "to", "severity", "detector", "entity", "class", "state", "text", "cursor", "limit"];
    let parameters = Parameters::read(uri.query(), &known)?;
    let text = |name| parameters.get(name).map(str::to_owned);
    let limit = parameters.parse::<usize>("limit")?;
    if limit.is_some_and(|limit| !(1..=Query::MOST).contains(&limit)) {
        return Err(wrong("limit", format!("must be from 1 to {}", Query::MOST)));
    }
    Ok(Query {
        from: parameters.parse::<Moment>("from")?.map(|moment| moment.0),
        to: parameters.parse::<Moment>("to")?.map(|moment| moment.0),
        severity: parameters.parse::<Severity>("severity")?,
        detector: text("detector"),
        entity: text("entity"),
        class: text("class"),
        state: parameters.parse::<Standing>("state")?,
        text: text("text"),
        after: parameters.parse::<Cursor>("cursor")?,
        limit: limit.unwrap_or_default(),
    })
}

/// A time as RFC 3339 has it.
struct Moment(Timestamp);

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: jiff::Timestamp = text.parse().map_err(|_| "it is no time such as 2015-05-17T10:05:03Z".to_owned())?;
        i64::try_from(time.as_nanosecond())
            .map(|nanos| Moment(Timestamp::from_nanos(nanos)))
            .map_err(|_| "it lies outside 1677 to 2262".to_owned())
    }
}

/// Read one anomaly
#[utoipa::path(get, path = "/anomalies/{id}", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits")),
    responses((status = 200, body = AnomalySchema), (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn get_one(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Anomaly>> {
    let id = parse_id(&id)?;
    app.read(move |reader| reader.get(id)).await?.map(Json).ok_or_else(|| none_of(id))
}

/// What a person says of an anomaly; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnomalyChange {
    #[schema(value_type = Option<String>, example = "expected")]
    state: Option<Standing>,
    /// At most 10,000 bytes.
    #[schema(example = "load test of the shop")]
    note: Option<String>,
    /// For `expected`: for so many days the same finding about the same entity is muted; 90 where nothing is said.
    #[schema(example = 30)]
    expires_days: Option<u32>,
}

/// For how many days a mark holds, and at most.
const MARK_DAYS: u32 = 90;
const MOST_DAYS: u32 = 3650;

/// Say what an anomaly is
#[utoipa::path(patch, path = "/anomalies/{id}", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits")),
    request_body = AnomalyChange,
    responses((status = 200, description = "As it is now", body = AnomalySchema), (status = 400, body = ErrorBody, description = "Nothing or something wrong is said"),
        (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn patch_one(State(app): State<App>, Path(id): Path<String>, body: Whole) -> ApiResult<Json<Anomaly>> {
    let id = parse_id(&id)?;
    let AnomalyChange { state, note, expires_days } = asked::read(&body.bytes)?;
    if state.is_none() && note.is_none() {
        return Err(ApiError::bad_request(
            "nothing_to_change",
            "neither state nor note is said",
            "send {\"state\": \"expected\"} or {\"note\": \"...\"}",
        ));
    }
    if note.as_ref().is_some_and(|note| note.len() > LONGEST_NOTE) {
        return Err(ApiError::bad_request("too_long", format!("the note is longer than {LONGEST_NOTE} bytes"), "shorten it"));
    }
    let days = expires_days.unwrap_or(MARK_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(wrong("expires_days", format!("must be from 1 to {MOST_DAYS}")));
    }
    let made = (app.live.clock)();
    let expires = made + Duration::from_secs(86_400 * u64::from(days));
    let change = Change { state, note, made, expires };
    let changed = app.write(move |store| store.set(id, &change)).await?.ok_or_else(|| none_of(id))?;
    if state.is_some() {
        let marks = app.read(|reader| reader.marks()).await?;
        app.live.reload.marks(std::sync::Arc::new(Marks::new(marks)));
    }
    Ok(Json(changed))
}

/// What marking an anomaly as expected reaches, among the anomalies that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reach {
    /// The anomalies that would not have been told, newest first; at most 1,000.
    #[schema(value_type = Vec<AnomalySchema>)]
    items: Vec<Anomaly>,
    /// In words, what is muted.
    #[schema(example = "signatures sqli-union about client 203.0.113.9")]
    scope: String,
}

/// Preview a mark
///
/// What would have been muted, had this anomaly been marked as expected before: the same finding about the same entity.
#[utoipa::path(get, path = "/anomalies/{id}/reach", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits")),
    responses((status = 200, body = Reach), (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn get_reach(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Reach>> {
    let id = parse_id(&id)?;
    let anomaly = app.read(move |reader| reader.get(id)).await?.ok_or_else(|| none_of(id))?;
    let mark = Mark::of(&anomaly, Standing::Expected, anomaly.last, anomaly.last);
    let (detector, class) = (Some(mark.detector.to_string()), Some(mark.class.to_string()));
    let entity = Some(mark.entity.to_string());
    let query = Query { detector, class, entity, limit: Query::MOST, ..Query::default() };
    let mut items = app.read(move |reader| reader.list(&query)).await?.items;
    items.retain(|anomaly| mark.covers_anomaly(anomaly));
    Ok(Json(Reach { items, scope: format!("{} {} about {} {}", mark.detector, mark.rule, mark.scope, mark.entity) }))
}

/// What people said of anomalies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MarksAnswer {
    #[schema(value_type = Vec<MarkSchema>)]
    items: Vec<Mark>,
}

/// List marks
///
/// What people said of anomalies, the latest first. To take one back, set the anomaly's state to `open`.
#[utoipa::path(get, path = "/marks", tag = "anomalies", responses((status = 200, body = MarksAnswer)))]
pub(super) async fn list_marks(State(app): State<App>) -> ApiResult<Json<MarksAnswer>> {
    Ok(Json(MarksAnswer { items: app.read(|reader| reader.marks()).await? }))
}

/// Delete an anomaly
///
/// It stays deleted, also when more of the same is found for it.
#[utoipa::path(delete, path = "/anomalies/{id}", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits")),
    responses((status = 204, description = "It is deleted"), (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn delete_one(State(app): State<App>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let id = parse_id(&id)?;
    let deleted = app.write(move |store| store.delete(id)).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(none_of(id)) }
}

/// Add an anomaly
///
/// By hand or by another system. Its id derives from what it says: the same said again is the same anomaly.
#[utoipa::path(post, path = "/anomalies", tag = "anomalies", request_body = NewAnomaly,
    responses((status = 201, description = "It is stored, and told to listeners of /events", body = AnomalySchema),
        (status = 400, description = "Something is missing or wrong", body = ErrorBody),
        (status = 409, description = "The same was deleted before", body = ErrorBody)))]
pub(super) async fn post_one(State(app): State<App>, body: Whole) -> ApiResult<Response> {
    let anomaly = asked::read::<NewAnomaly>(&body.bytes)?.anomaly((app.live.clock)())?;
    let id = anomaly.id;
    app.write(move |store| store.put(&[anomaly])).await?;
    let Some(kept) = app.read(move |reader| reader.get(id)).await? else {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "deleted",
            format!("anomaly {id} was deleted before"),
            "say something else of it if it is another one",
        ));
    };
    // No listener is no error.
    let _ = app.live.notices.send(std::sync::Arc::new(kept.clone()));
    let mut response = json::created(kept);
    if let Ok(location) = HeaderValue::from_str(&format!("/anomalies/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response.into_response())
}

fn parse_id(text: &str) -> ApiResult<AnomalyId> {
    let no_id =
        |_| ApiError::not_found("this is no anomaly id", "ids have 16 hexadecimal digits; list anomalies with GET /anomalies");
    text.parse().map_err(no_id)
}

fn none_of(id: AnomalyId) -> ApiError {
    ApiError::not_found(format!("there is no anomaly {id}"), "it may be too old or deleted; list anomalies with GET /anomalies")
}
