//! What happens to every request before and after its handler.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::App;
use super::error::{ApiError, ApiResult, did_you_mean, uniform};

/// Nothing may be loaded by what we answer, and nobody may frame it. Pages that need more say so themselves.
const CLOSED: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// How long a browser may remember what another origin may do.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// Lets in who may come in, for as long as a request may take; counts and makes safe what goes out.
pub(super) async fn around(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let response = match admit(&app, route, peer, &request) {
        Ok(()) => within(app.limits.request_seconds, next.run(request)).await,
        Err(error) => error.into_response(),
    };
    let mut response = uniform(response);
    app.requests.count(route, response.status().as_u16());
    let headers = response.headers_mut();
    set(headers, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(headers, CONTENT_SECURITY_POLICY, CLOSED);
    set(headers, REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set(headers, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

fn admit(app: &App, route: &str, peer: SocketAddr, request: &Request) -> ApiResult<()> {
    // Whoever restarts services asks these often, and by any name.
    if matches!(route, "/health" | "/ready") {
        return Ok(());
    }
    app.rates.admit(peer.ip())?;
    app.guard.admit(request.method(), request.headers())
}

async fn within(seconds: u64, response: impl Future<Output = Response>) -> Response {
    if seconds == 0 {
        return response.await;
    }
    let late = |_| {
        let message = format!("the request took longer than {seconds} seconds");
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            message,
            "send less at once, or raise server.limits.request_seconds",
        )
        .into_response()
    };
    tokio::time::timeout(Duration::from_secs(seconds), response).await.unwrap_or_else(late)
}

/// Which other origins' pages may call the API. None where none are set.
pub(super) fn cors(origins: &[String]) -> Result<CorsLayer, String> {
    if origins.is_empty() {
        return Ok(CorsLayer::new());
    }
    let parse = |origin: &String| {
        let valid = origin.split_once("://").is_some_and(|(_, authority)| !authority.is_empty() && !authority.contains('/'));
        let wrong =
            || format!("cannot use '{origin}' in server.cors_origins: it is no origin; write it like https://grafana.example");
        HeaderValue::from_str(origin).ok().filter(|_| valid).ok_or_else(wrong)
    };
    let origins = origins.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName::from_static("last-event-id")])
        .max_age(PREFLIGHT))
}

/// 404, with the address that was probably meant.
pub(super) async fn nowhere(State(app): State<App>, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(100).collect();
    let hint = did_you_mean(&path, app.paths.iter().map(String::as_str));
    ApiError::not_found(format!("there is nothing at {path}{hint}"), "see /docs for what is served")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_with_a_path_or_without_a_scheme_is_refused() {
        assert!(cors(&["https://grafana.example".to_owned(), "http://localhost:3000".to_owned()]).is_ok());
        for wrong in ["grafana.example", "https://grafana.example/", "*", "https://"] {
            assert!(cors(&[wrong.to_owned()]).expect_err("no origin").contains("server.cors_origins"), "{wrong}");
        }
    }
}
