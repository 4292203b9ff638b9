//! `/incidents`: anomalies that make one story.

use axum::extract::{Path, State};
use axum::http::Uri;
use lapwing_model::{AnomalyId, Incident, Severity};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::Json;
use super::query::{Parameters, wrong};
use super::schema::IncidentSchema;

/// Incidents of one answer, where nothing else is asked for, and at most.
const USUAL: u64 = 50;
const MOST: u64 = 1000;

/// Which incidents to list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read strictly by name")]
pub(super) struct ListQuery {
    /// At least this severe: `info`, `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// Most items: 1 to 1,000, else 50.
    limit: Option<u64>,
}

/// Incidents, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentList {
    #[schema(value_type = Vec<IncidentSchema>)]
    items: Vec<Incident>,
}

/// List incidents
///
/// Anomalies of different kinds about one entity, and of those that it met, within some hours: the latest first.
#[utoipa::path(get, path = "/incidents", tag = "anomalies", params(ListQuery),
    responses((status = 200, body = IncidentList), (status = 400, description = "A parameter is wrong", body = ErrorBody)))]
pub(super) async fn list(State(app): State<App>, uri: Uri) -> ApiResult<Json<IncidentList>> {
    let parameters = Parameters::read(uri.query(), &["severity", "limit"])?;
    let severity = parameters.parse::<Severity>("severity")?.unwrap_or_default();
    let most = parameters.parse::<u64>("limit")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&most) {
        return Err(wrong("limit", format!("must be from 1 to {MOST}")));
    }
    Ok(Json(IncidentList { items: app.read(move |reader| reader.incidents(severity, most)).await? }))
}

/// Read one incident
#[utoipa::path(get, path = "/incidents/{id}", tag = "anomalies", params(("id" = String, Path, description = "16 hexadecimal digits: the id of its first anomaly")),
    responses((status = 200, body = IncidentSchema), (status = 404, description = "There is none of this id", body = ErrorBody)))]
pub(super) async fn get_one(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Incident>> {
    let none = || ApiError::not_found("there is no such incident", "it may be too old; list incidents with GET /incidents");
    let id: AnomalyId = id.parse().map_err(|_| none())?;
    app.read(move |reader| reader.incident(id)).await?.map(Json).ok_or_else(none)
}
