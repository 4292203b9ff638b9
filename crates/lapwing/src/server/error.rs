//! One form for everything that goes wrong: `{"error":{"code":"too_large","message":"...","help":"..."}}`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lapwing_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Json;

/// What every error answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
    /// Only from `POST /logs`: records of this request that were accepted all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<u64>,
}

/// What went wrong, for programs and for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// A stable word to act upon.
    #[schema(example = "too_large")]
    code: &'static str,
    /// What failed, and why.
    #[schema(example = "the body is larger than 16777216 bytes")]
    message: String,
    /// What to do about it.
    #[schema(example = "send it in several requests, or raise server.limits.body_bytes")]
    help: Cow<'static, str>,
}

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What handlers answer.
pub(super) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Cow<'static, str>>,
    ) -> ApiError {
        let error = ErrorDetail { code, message: message.into(), help: help.into() };
        ApiError { status, body: Box::new(ErrorBody { error, accepted: None }), header: None }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>, help: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message, help)
    }

    pub(super) fn too_many(code: &'static str, message: impl Into<String>, help: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, message, help).retry_after(1)
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<String>, help: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message, help).retry_after(5)
    }

    pub(super) fn not_found(what: impl Into<String>, help: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", what, help)
    }

    /// Where Lapwing itself failed. The cause goes to its log, not to the client.
    pub(super) fn internal(cause: &str) -> ApiError {
        tracing::error!("a request failed: {cause}");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "lapwing failed to answer this request",
            "see lapwing's own log for the cause",
        )
    }

    pub(super) fn retry_after(self, seconds: u32) -> ApiError {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> ApiError {
        self.header = Some((name, value));
        self
    }

    /// Says how many records were accepted before it went wrong.
    pub(super) fn accepted(mut self, count: u64) -> ApiError {
        self.body.accepted = Some(count);
        if count > 0 {
            self.body.error.help =
                Cow::Borrowed("send the records after the first `accepted` ones again; sending all again repeats those");
        }
        self
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        if error.is_passing() {
            tracing::warn!("{error}");
            return ApiError::unavailable(
                "store_busy",
                "the store cannot be used just now",
                "try again; see GET /ready if it lasts",
            );
        }
        ApiError::internal(&error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(*self.body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Gives errors that did not come from our handlers (no such method, a broken head of a request) the one form.
pub(super) fn uniform(response: Response) -> Response {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let status = response.status();
    if json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let allow = response.headers().get(ALLOW).cloned();
    let (code, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this address does not know that method".to_owned()),
        StatusCode::NOT_FOUND => ("not_found", "there is nothing at this address".to_owned()),
        other => ("refused", other.canonical_reason().unwrap_or("refused").to_lowercase()),
    };
    let error = ApiError::new(status, code, message, "see /docs for what is served");
    match allow {
        Some(allow) => error.with_header(ALLOW, allow).into_response(),
        None => error.into_response(),
    }
}

/// What a panic in a handler answers: its text is for the log only.
#[expect(clippy::needless_pass_by_value, reason = "the layer that catches panics asks for this form")]
pub(super) fn of_panic(panic: Box<dyn std::any::Any + Send>) -> axum::http::Response<Body> {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal(&format!("a handler panicked: {}", said.unwrap_or("without words"))).into_response()
}

/// The known word that was probably meant, as `; did you mean 'x'?`; nothing where none is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(known, word), known)).min();
    match near.filter(|(distance, known)| *distance <= known.len().max(4) / 2) {
        Some((_, known)) => format!("; did you mean '{known}'?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("severty", ["severity", "state"]), "; did you mean 'severity'?");
        assert_eq!(did_you_mean("zzzzzz", ["severity", "state"]), "");
    }

    #[test]
    fn a_panic_answers_500_and_keeps_its_words_to_itself() {
        let response = of_panic(Box::new("secret".to_owned()));
        assert_eq!((response.status().as_u16(), response.headers()[CONTENT_TYPE].as_bytes()), (500, &b"application/json"[..]));
        let body = futures_util::StreamExt::collect::<Vec<_>>(response.into_body().into_data_stream());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let text = format!("{:?}", runtime.block_on(body));
        assert!(text.contains("internal") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn an_answer_without_our_form_gets_it_and_keeps_what_is_allowed() {
        let bare = (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response();
        let uniform = uniform(bare);
        assert_eq!(uniform.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(uniform.headers()[ALLOW], "GET");
    }
}
