//! Answers in JSON. Log text is attacker text: what could act in a terminal or reverse the order of text is escaped in every
//! answer, so that looking at it with a command-line client is safe.

use std::io;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

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
}
