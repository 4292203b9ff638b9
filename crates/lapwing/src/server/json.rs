//! JSON in and out. Log text is attacker text: what could act in a terminal or reverse the order of text is escaped in every
//! answer, so that looking at it with a command-line client is safe.

use std::io;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{Formatter, Serializer};

use super::error::{ApiError, ApiResult, did_you_mean};

/// An answer in JSON.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], text(&self.0)).into_response()
    }
}

/// An answer in JSON with 201.
pub(super) fn created<T: Serialize>(value: T) -> Response {
    (StatusCode::CREATED, Json(value)).into_response()
}

/// The JSON form on one line.
pub(super) fn text<T: Serialize>(value: &T) -> String {
    let mut out = Vec::with_capacity(256);
    // What is answered is plain data whose keys are all strings; writing into memory does not fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Inert));
    String::from_utf8(out).unwrap_or_default()
}

/// Escapes what JSON itself leaves alone: DEL, C1 controls, and characters that hide or reorder text (Unicode TR 36).
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| acts(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

const fn acts(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

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
    fn an_answer_holds_nothing_that_acts_in_a_terminal_and_reads_back_the_same() {
        let hostile = "\u{1b}[2J\u{9b}31m a\u{202e}gpj.exe \u{7f}\u{e0041} Größe 大きさ";
        let text = text(&hostile);
        assert!(text.chars().all(|c| !c.is_control() && !acts(c)), "{text}");
        assert!(text.contains("Größe 大きさ"));
        assert_eq!(serde_json::from_str::<String>(&text).expect("valid JSON"), hostile);
    }

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
