//! `GET /health`, `/ready`: for whoever restarts services and balances load.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, ApiResult, ErrorBody};
use super::json::Json;

/// That Lapwing lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Since the start.
    uptime_seconds: u64,
}

/// Is it alive?
///
/// 200 for as long as Lapwing answers at all.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = Health)))]
pub(super) async fn get_health(State(app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), uptime_seconds: app.started.elapsed().as_secs() })
}

/// That Lapwing is ready.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
}

/// Is it ready for work?
///
/// 503 with the reasons until everything that was accepted before the start is judged again, and whenever the service is not
/// well: the store cannot be written, or a worker failed.
#[utoipa::path(get, path = "/ready", tag = "service",
    responses((status = 200, body = Ready), (status = 503, description = "Not ready, and why", body = ErrorBody)))]
pub(super) async fn get_ready(State(app): State<App>, headers: HeaderMap) -> ApiResult<Json<Ready>> {
    let trouble = app.stats(|stats| stats.trouble.clone());
    let ready = *app.live.ready.borrow();
    let mut reasons = Vec::new();
    match trouble {
        // What is wrong may name paths, which is nobody's business who may not read anything.
        Some(trouble) if app.auth.role(&headers).is_ok() => reasons.push(trouble),
        Some(_) => reasons.push("the service is not well; see its log".to_owned()),
        None if !ready => reasons.push("what was accepted before the start is still being judged".to_owned()),
        None => {}
    }
    if *app.stop.borrow() {
        reasons.push("the service is stopping".to_owned());
    }
    if reasons.is_empty() {
        return Ok(Json(Ready { status: "ready" }));
    }
    Err(ApiError::unavailable("not_ready", reasons.join("; "), "try again; see lapwing's log if it lasts"))
}
