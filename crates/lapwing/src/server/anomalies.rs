//! `/anomalies`: what was found, what people say of it, and what they or other systems add.

use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lapwing_model::{Anomaly, AnomalyId, Severity, State as Standing, Timestamp};
use lapwing_store::{Change, Cursor, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Whole;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::{self, Json};
use super::manual::NewAnomaly;
use super::query::{Parameters, wrong};
use super::schema::AnomalySchema;
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
}

/// Say what an anomaly is
#[utoipa::path(patch, path = "/anomalies/{id}", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits")),
    request_body = AnomalyChange,
    responses((status = 200, description = "As it is now", body = AnomalySchema), (status = 400, body = ErrorBody, description = "Nothing or something wrong is said"),
        (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn patch_one(State(app): State<App>, Path(id): Path<String>, body: Whole) -> ApiResult<Json<Anomaly>> {
    let id = parse_id(&id)?;
    let AnomalyChange { state, note } = asked::read(&body.bytes)?;
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
    let change = Change { state, note };
    app.write(move |store| store.set(id, &change)).await?.map(Json).ok_or_else(|| none_of(id))
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
