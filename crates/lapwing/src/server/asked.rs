//! What is asked for in JSON.

use serde::de::DeserializeOwned;

use super::error::{ApiError, ApiResult, did_you_mean};

/// Reads a body as JSON of a known form.
///
/// # Errors
/// 400 with the place, and for an unknown key the one that was probably meant.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

/// 400 for JSON that cannot be read.
pub(super) fn malformed(error: &serde_json::Error) -> ApiError {
    let message = error.to_string();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown").then(|| quoted.next()).flatten();
    let hint = unknown.map(|word| did_you_mean(word, quoted)).unwrap_or_default();
    ApiError::bad_request(
        "invalid_json",
        format!("the body is not the JSON asked for: {message}{hint}"),
        "see /docs for the form of this request",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_answered_with_the_one_meant() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            #[expect(dead_code, reason = "only read")]
            log_line: String,
        }
        let error = read::<Wanted>(br#"{"log_lin":"x"}"#).expect_err("a wrong key");
        assert!(format!("{error:?}").contains("did you mean 'log_line'?"), "{error:?}");
    }
}
