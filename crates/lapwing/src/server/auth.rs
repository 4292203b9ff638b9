//! Who may do what: bearer tokens (RFC 6750), each with a role.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::error::{ApiError, ApiResult};
use super::{Role, Shared, Token};

/// The tokens that are known.
#[derive(Debug, Clone)]
pub(super) struct Auth(Vec<Token>);

impl Auth {
    /// # Errors
    /// Where a token could never be sent or is too short to keep anybody out.
    pub(super) fn new(tokens: &[Token]) -> Result<Auth, String> {
        for Token { role, token } in tokens {
            let token = token.reveal();
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "cannot use a token of role {}: it is empty or has characters that a header cannot carry; use letters and digits",
                    role.name()
                ));
            }
            if token.len() < 16 {
                tracing::warn!("a token of role {} is shorter than 16 characters and may be guessed", role.name());
            }
        }
        Ok(Auth(tokens.to_vec()))
    }

    /// Whether anybody is asked who they are.
    pub(super) fn required(&self) -> bool {
        !self.0.is_empty()
    }

    /// The role of whoever sent these headers: the highest one where no tokens are set.
    ///
    /// # Errors
    /// 401 where there is no token or not one that is known.
    pub(super) fn role(&self, headers: &HeaderMap) -> ApiResult<Role> {
        if !self.required() {
            return Ok(Role::Admin);
        }
        let Some(given) = bearer(headers) else {
            return Err(unauthorized("this address asks for a token", "Bearer realm=\"lapwing\""));
        };
        // Every token is compared to its end, whichever matches: how long it takes tells nothing but their lengths.
        let mut found = 0_u8;
        for (rank, role) in (1..).zip([Role::Viewer, Role::Analyst, Role::Admin]) {
            for token in self.0.iter().filter(|token| token.role == role) {
                let same: Choice = token.token.reveal().as_bytes().ct_eq(given);
                found.conditional_assign(&rank, same);
            }
        }
        match found {
            1 => Ok(Role::Viewer),
            2 => Ok(Role::Analyst),
            3 => Ok(Role::Admin),
            _ => Err(unauthorized(
                "the token is not one of those that are set",
                "Bearer realm=\"lapwing\", error=\"invalid_token\"",
            )),
        }
    }
}

/// Lets through who has at least the role that these routes need.
pub(super) async fn require(State((shared, needed)): State<(Arc<Shared>, Role)>, request: Request, next: Next) -> Response {
    match shared.auth.role(request.headers()) {
        Ok(role) if role >= needed => next.run(request).await,
        Ok(role) => forbidden(role, needed).into_response(),
        Err(error) => error.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn unauthorized(message: &str, challenge: &'static str) -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        message,
        "send the header `Authorization: Bearer TOKEN` with a token of server.tokens",
    )
    .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn forbidden(role: Role, needed: Role) -> ApiError {
    let message = format!("role {} may not do this; it needs role {}", role.name(), needed.name());
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message, format!("use a token of role {}", needed.name()))
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lapwing\", error=\"insufficient_scope\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> Auth {
        let tokens: Vec<Token> = serde_json::from_str(
            r#"[{"role":"viewer","token":"v-0123456789abcdef"},{"role":"admin","token":"a-0123456789abcdef"}]"#,
        )
        .expect("valid");
        Auth::new(&tokens).expect("usable")
    }

    fn sent(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn a_token_gives_its_role_and_anything_else_nothing() {
        assert_eq!(auth().role(&sent("Bearer v-0123456789abcdef")).expect("known"), Role::Viewer);
        assert_eq!(auth().role(&sent("bearer  a-0123456789abcdef")).expect("known"), Role::Admin);
        for wrong in
            ["Bearer v-0123456789abcde", "Bearer v-0123456789abcdefg", "Bearer ", "Basic v-0123456789abcdef", "x", "Bearer"]
        {
            assert!(auth().role(&sent(wrong)).is_err(), "{wrong}");
        }
        assert!(auth().role(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_tokens_everybody_may_do_everything() {
        assert_eq!(Auth::new(&[]).expect("none").role(&HeaderMap::new()).expect("open"), Role::Admin);
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        let token: Token = serde_json::from_str(r#"{"role":"admin","token":"with space"}"#).expect("valid");
        assert!(Auth::new(&[token]).expect_err("refused").contains("admin"));
    }
}
