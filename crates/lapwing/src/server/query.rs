//! Query parameters, read strictly: a name that is not known, said twice or empty is an error and never ignored.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use super::error::{ApiError, ApiResult, did_you_mean};

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// The longest value of a parameter, in bytes.
const LONGEST: usize = 512;

impl<'a> Parameters<'a> {
    /// # Errors
    /// 400 where a parameter is not among `known`, or is said twice, or is too long.
    pub(super) fn read(query: Option<&'a str>, known: &[&str]) -> ApiResult<Parameters<'a>> {
        let mut read: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(unknown(&name, known));
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(wrong(&name, "is said twice"));
            }
            if value.len() > LONGEST {
                return Err(wrong(&name, format!("is longer than {LONGEST} bytes")));
            }
            read.push((name, value));
        }
        Ok(Parameters(read))
    }

    /// The value of a parameter, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter as something else than text.
    ///
    /// # Errors
    /// 400 with what `T` says is wrong.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> ApiResult<Option<T>> {
        self.get(name)
            .map(|value| value.parse().map_err(|error: T::Err| wrong(name, format!("cannot be read: {error}"))))
            .transpose()
    }
}

fn unknown(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    let message = format!("unknown parameter '{shown}'{}", did_you_mean(&shown, known.iter().copied()));
    let help = if known.is_empty() {
        "this address takes no parameters".to_owned()
    } else {
        format!("parameters are {}", known.join(", "))
    };
    ApiError::bad_request("unknown_parameter", message, help)
}

/// 400 for a parameter whose value will not do.
pub(super) fn wrong(name: &str, why: impl Display) -> ApiError {
    ApiError::bad_request("invalid_parameter", format!("parameter '{name}' {why}"), "see /docs for what it may be")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(query: &str) -> String {
        format!("{:?}", Parameters::read(Some(query), &["severity", "limit"]).expect_err("refused"))
    }

    #[test]
    fn what_is_not_known_or_said_twice_is_refused() {
        assert!(refusal("severty=high").contains("did you mean 'severity'?"));
        assert!(refusal("limit=1&limit=2").contains("is said twice"));
        assert!(refusal(&format!("limit={}", "9".repeat(600))).contains("is longer than"));
    }

    #[test]
    fn values_are_decoded_and_read() {
        let parameters = Parameters::read(Some("severity=a%20b+c&limit=7"), &["severity", "limit"]).expect("known");
        assert_eq!(parameters.get("severity"), Some("a b c"));
        assert_eq!(parameters.parse::<usize>("limit").expect("a number"), Some(7));
        assert!(parameters.parse::<usize>("severity").is_err());
        assert_eq!(parameters.parse::<usize>("absent").expect("absent"), None);
    }
}
