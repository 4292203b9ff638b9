//! Protection of a server on loopback without tokens from the pages that its user visits: DNS rebinding (a foreign name that
//! resolves to 127.0.0.1) is told by the header `Host`, forged requests by `Sec-Fetch-Site` and `Origin`.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};

use super::error::{ApiError, ApiResult};

/// Whom an open server answers.
#[derive(Debug)]
pub(super) struct Guard {
    /// Off where tokens are asked for: a page of another site does not have them.
    on: bool,
    /// The host name that people told us to listen on.
    own: String,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(open: bool, listen: &str, cors_origins: &[String]) -> Guard {
        Guard { on: open, own: name_of(listen).to_ascii_lowercase(), origins: cors_origins.to_vec() }
    }

    /// # Errors
    /// 403 for a request that another site's page seems to have made.
    pub(super) fn admit(&self, method: &Method, headers: &HeaderMap) -> ApiResult<()> {
        if !self.on {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !self.is_own(host) {
            let message = "the header Host names neither loopback nor the address that is listened on";
            return Err(refusal(message, "use http://localhost or the address of server.listen, or set server.tokens"));
        }
        if method.is_safe() || !self.is_foreign(host, headers) {
            return Ok(());
        }
        Err(refusal(
            "a page of another site may not change anything here",
            "allow its origin with server.cors_origins, or set server.tokens",
        ))
    }

    fn is_own(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") || (!name.is_empty() && name == self.own) {
            return true;
        }
        name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn is_foreign(&self, host: &str, headers: &HeaderMap) -> bool {
        let said = |name: &str| headers.get(name).map(|value| value.as_bytes());
        if let Some(origin) = headers.get(ORIGIN) {
            let Ok(origin) = origin.to_str() else { return true };
            let same = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
            return !same && !self.origins.iter().any(|allowed| allowed == origin);
        }
        // Not all browsers send an origin with every form; those that do not say whether another site is behind it.
        matches!(said("sec-fetch-site"), Some(b"cross-site" | b"same-site"))
    }
}

fn refusal(message: &str, help: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "foreign_request", message, help)
}

/// `[::1]:80` -> `::1`, `localhost:80` -> `localhost`.
fn name_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn admits(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let guard = Guard::new(true, "box.lan:8080", &["https://grafana.example".to_owned()]);
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        guard.admit(method, &headers.iter().map(header).collect()).is_ok()
    }

    #[test]
    fn only_loopback_and_the_own_name_are_answered() {
        for own in ["localhost", "LOCALHOST:8080", "a.localhost:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "box.lan:8080"] {
            assert!(admits(&Method::GET, &[("host", own)]), "{own}");
        }
        for foreign in ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", "", "[::2]:80"] {
            assert!(!admits(&Method::GET, &[("host", foreign)]), "{foreign}");
        }
        assert!(!admits(&Method::GET, &[]));
    }

    #[test]
    fn a_foreign_page_may_not_post_unless_it_is_allowed() {
        let host = ("host", "localhost:8080");
        assert!(admits(&Method::POST, &[host]));
        assert!(admits(&Method::POST, &[host, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]));
        assert!(admits(&Method::POST, &[host, ("origin", "https://grafana.example"), ("sec-fetch-site", "cross-site")]));
        for origin in ["https://evil.example", "null", "http://localhost:3000"] {
            assert!(!admits(&Method::POST, &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!admits(&Method::DELETE, &[host, ("sec-fetch-site", "cross-site")]));
        assert!(admits(&Method::GET, &[host, ("sec-fetch-site", "cross-site")]));
    }
}
