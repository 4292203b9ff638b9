//! Cuts a body into records: one JSON object, the elements of a JSON array, or lines. Always lazily: a body of millions of
//! tiny lines takes no more memory than the block that is being made of it.

use std::ops::Range;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::BytesMut;
use lapwing_source::BLOCK;
use lapwing_source::lines::{Framer, MAX_LINE};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::asked::malformed;
use super::error::{ApiError, ApiResult};

/// Elements that a JSON array may have.
const MOST_ELEMENTS: usize = 1 << 20;

/// A block is full also when its records have so many bytes.
const BLOCK_BYTES: usize = 1 << 20;

/// The records of larger bodies are copied out block by block, so that one record does not keep a whole body in memory.
const SHARED: usize = 256 << 10;

/// A body on its way to becoming records.
#[derive(Debug)]
pub(super) struct Splitter {
    pieces: Pieces,
    copies: bool,
    /// Records of which only the head was kept.
    too_long: u64,
}

#[derive(Debug)]
enum Pieces {
    Lines(Box<Framer>),
    Values(Bytes, std::vec::IntoIter<Range<usize>>),
}

/// What the client says the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    Json,
    Lines,
    Nothing,
}

impl Splitter {
    /// # Errors
    /// 400 for a JSON array or a JSON document that is none; 413 for more elements than can be told apart.
    pub(super) fn new(headers: &HeaderMap, body: Bytes) -> ApiResult<Splitter> {
        let body = if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body };
        let copies = body.len() > SHARED;
        let pieces = match shape(declared(headers), &body)? {
            Some(values) => Pieces::Values(body, values.into_iter()),
            None => {
                let mut framer = Framer::new(MAX_LINE);
                framer.feed(body);
                Pieces::Lines(Box::new(framer))
            }
        };
        Ok(Splitter { pieces, copies, too_long: 0 })
    }

    /// The bytes of up to [`BLOCK`] records; none at the end.
    pub(super) fn next_block(&mut self) -> Option<Vec<Bytes>> {
        let (mut block, mut bytes) = (Vec::new(), 0);
        while block.len() < BLOCK && bytes < BLOCK_BYTES {
            let Some(piece) = self.next_piece() else { break };
            if block.is_empty() {
                block.reserve(128);
            }
            bytes += piece.len();
            block.push(piece);
        }
        if self.copies {
            copy_out(&mut block, bytes);
        }
        (!block.is_empty()).then_some(block)
    }

    /// How many records were longer than [`MAX_LINE`] and cut.
    pub(super) fn too_long(&self) -> u64 {
        self.too_long
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        loop {
            let piece = match &mut self.pieces {
                Pieces::Values(body, values) => {
                    let value = values.next()?;
                    self.too_long += u64::from(value.len() > MAX_LINE);
                    body.slice(value.start..value.end.min(value.start + MAX_LINE))
                }
                Pieces::Lines(framer) => {
                    let line = framer.next_line().or_else(|| framer.finish())?;
                    self.too_long += u64::from(line.cut);
                    line.body
                }
            };
            if !piece.trim_ascii_start().is_empty() {
                return Some(piece);
            }
        }
    }
}

fn copy_out(block: &mut [Bytes], bytes: usize) {
    let mut copy = BytesMut::with_capacity(bytes);
    block.iter().for_each(|piece| copy.extend_from_slice(piece));
    let mut copy = copy.freeze();
    for piece in block {
        *piece = copy.split_to(piece.len());
    }
}

fn declared(headers: &HeaderMap) -> Declared {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => Declared::Json,
        "text/plain" | "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Declared::Lines
        }
        kind if kind.ends_with("+json") => Declared::Json,
        _ => Declared::Nothing,
    }
}

/// Where the JSON values are that are the records; nothing where lines are.
fn shape(declared: Declared, body: &[u8]) -> ApiResult<Option<Vec<Range<usize>>>> {
    let trimmed = body.trim_ascii_start();
    match trimmed {
        _ if declared == Declared::Lines => Ok(None),
        [] => Ok(None),
        // A line of Apache's error log begins with a bracket too.
        [b'[', rest @ ..] if declared == Declared::Json || matches!(rest.trim_ascii_start(), [b'{' | b'"' | b']', ..]) => {
            elements(body).map(Some)
        }
        [b'{', ..] => documents(declared, body),
        _ if declared == Declared::Json => Err(ApiError::bad_request(
            "invalid_json",
            "the body is neither a JSON object nor a JSON array",
            "send lines as text/plain or application/x-ndjson",
        )),
        _ => Ok(None),
    }
}

/// JSON Lines have their first value on the first line; a value that spans lines is a document, perhaps with others behind it.
fn documents(declared: Declared, body: &[u8]) -> ApiResult<Option<Vec<Range<usize>>>> {
    let mut stream = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    let start = body.len() - body.trim_ascii_start().len();
    let spans = |end: usize| memchr::memchr(b'\n', &body[start..end.max(start)]).is_some();
    match stream.next() {
        Some(Ok(_)) if !spans(stream.byte_offset()) => return Ok(None),
        Some(Err(error)) if declared == Declared::Json && (error.line() > 1 || !spans(body.trim_ascii_end().len())) => {
            return Err(malformed(&error));
        }
        Some(Ok(_)) => {}
        _ => return Ok(None),
    }
    let mut values: Vec<_> = std::iter::once(start..stream.byte_offset()).collect();
    while let Some(value) = stream.next() {
        match value {
            Ok(_) if values.len() < MOST_ELEMENTS => {
                let from = values.last().map_or(start, |value| value.end);
                let gap = body[from..].len() - body[from..].trim_ascii_start().len();
                values.push(from + gap..stream.byte_offset());
            }
            Ok(_) => return Err(too_many()),
            Err(error) => return Err(malformed(&error)),
        }
    }
    Ok(Some(values))
}

fn elements(body: &[u8]) -> ApiResult<Vec<Range<usize>>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = deserializer.deserialize_seq(Elements(body)).and_then(|elements| deserializer.end().map(|()| elements));
    elements.map_err(|error| malformed(&error))?.ok_or_else(too_many)
}

fn too_many() -> ApiError {
    let message = format!("the body has more than {MOST_ELEMENTS} records");
    ApiError::new(axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, "send them in several requests")
}

/// Notes where each element lies in the body, none of which is read any further.
struct Elements<'a>(&'a [u8]);

impl<'a> Visitor<'a> for Elements<'a> {
    type Value = Option<Vec<Range<usize>>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of log records")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut places = Vec::new();
        while let Some(element) = elements.next_element::<&RawValue>()? {
            let element = element.get();
            let start = (element.as_ptr() as usize).wrapping_sub(self.0.as_ptr() as usize);
            if places.len() < MOST_ELEMENTS {
                places.push(start..start + element.len());
            } else {
                // Read to the end all the same: whether the array is one comes first.
                places.truncate(MOST_ELEMENTS + 1);
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(places))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn split_as(kind: &'static str, body: &[u8]) -> Result<Vec<String>, String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let mut splitter = Splitter::new(&headers, Bytes::copy_from_slice(body)).map_err(|error| format!("{error:?}"))?;
        let blocks = std::iter::from_fn(|| splitter.next_block()).flatten();
        Ok(blocks.map(|piece| String::from_utf8_lossy(&piece).into_owned()).collect())
    }

    fn split(body: &str) -> Vec<String> {
        split_as("application/x-www-form-urlencoded", body.as_bytes()).expect("records")
    }

    #[test]
    fn lines_are_records_and_empty_ones_are_not() {
        assert_eq!(split("one\r\n\n  \ntwo"), ["one", "two"]);
        assert_eq!(split("\u{feff}one"), ["one"]);
        assert!(split("").is_empty() && split("\n\n").is_empty());
    }

    #[test]
    fn elements_of_an_array_are_records_with_their_exact_bytes() {
        assert_eq!(split("[ {\"a\" : 1e2},\n\"x\\n\" ,[1] ]"), ["{\"a\" : 1e2}", "\"x\\n\"", "[1]"]);
        assert!(split("[]").is_empty());
    }

    #[test]
    fn an_object_over_several_lines_is_one_record() {
        assert_eq!(split("{\n \"a\": 1\n}\n"), ["{\n \"a\": 1\n}"]);
        assert_eq!(split("{\n \"a\": 1\n}\n\n {\"b\":2}"), ["{\n \"a\": 1\n}", "{\"b\":2}"]);
        assert_eq!(split("{\"a\":1}\n{\"b\":\n"), ["{\"a\":1}", "{\"b\":"]);
        assert_eq!(split("{broken\n{\"b\":2}"), ["{broken", "{\"b\":2}"]);
    }

    #[test]
    fn a_line_that_begins_with_a_bracket_is_no_array() {
        let line = "[Sun Dec 04 04:47:44 2005] [error] mod_jk child";
        assert_eq!(split(line), [line]);
        assert_eq!(split_as("text/plain", b"[\"a\"").expect("lines"), ["[\"a\""]);
    }

    #[test]
    fn what_says_that_it_is_json_and_is_not_is_refused() {
        for body in ["[{\"a\":1},", "[1] 2", "{\"a\":", "{\n\"a\":\n", "hello", "3"] {
            assert!(split_as("application/json; charset=utf-8", body.as_bytes()).is_err(), "{body}");
        }
        assert!(split_as("application/json", b"[\"\xff\"]").is_err());
        assert_eq!(split_as("application/json", b"{\"a\":1}\n{\"b\":2}\n").expect("lines"), ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn json_however_deep_is_cut_without_recursion() {
        let deep = format!("[{}1{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(split_as("application/json", deep.as_bytes()).expect("records").len(), 1);
    }

    #[test]
    fn blocks_are_bounded_in_records_and_bytes_and_share_nothing_with_a_large_body() {
        let body = Bytes::from("x\n".repeat(300_000));
        let mut splitter = Splitter::new(&HeaderMap::new(), body.clone()).expect("lines");
        let block = splitter.next_block().expect("a block");
        assert_eq!(block.len(), BLOCK);
        assert!(!body.as_ptr_range().contains(&block[0].as_ptr()));
        let long = "y".repeat(2 * MAX_LINE);
        let mut splitter = Splitter::new(&HeaderMap::new(), Bytes::from(format!("{long}\n{long}\nz"))).expect("lines");
        let lengths: Vec<Vec<usize>> =
            std::iter::from_fn(|| splitter.next_block()).map(|block| block.iter().map(Bytes::len).collect()).collect();
        assert_eq!(lengths, [vec![MAX_LINE], vec![MAX_LINE], vec![1]]);
        assert_eq!(splitter.too_long(), 2);
    }

    #[test]
    fn an_array_of_very_many_elements_is_refused() {
        let body = format!("[{}1]", "1,".repeat(MOST_ELEMENTS));
        assert!(split_as("application/json", body.as_bytes()).expect_err("too many").contains("too_large"));
    }
}
