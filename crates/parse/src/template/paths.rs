//! Paths of web requests: split at slashes, segments that carry a value masked.

use super::tokens::{MAX_BYTES, MAX_TOKENS, Token, VALUE, mix, word_hash};
use super::words::is_hex;

/// Calls `each` for the method (with an empty span) and for every segment of the path, in order; spans are into `path`.
/// The query is not looked at.
#[inline]
pub(super) fn walk(method: &[u8], path: &[u8], mut each: impl FnMut(Token)) {
    let path = &path[..path.len().min(MAX_BYTES)];
    each(Token { hash: mix(word_hash(method, 0, method.len().min(MAX_BYTES)), PATH), start: 0, end: 0 });
    let mut start = 0;
    let mut count = 1;
    while start < path.len() && count < MAX_TOKENS {
        let length = path[start..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(path.len() - start);
        let end = start + length;
        if end > start {
            let hash = if is_path_value(&path[start..end]) { VALUE } else { word_hash(path, start, end) };
            each(Token { hash, start: start as u32, end: end as u32 });
            count += 1;
        }
        if path.get(end).is_some_and(|byte| *byte != b'/') {
            return;
        }
        start = end + 1;
    }
}

/// Sets the patterns of requests apart from those of texts.
const PATH: u64 = 0xA076_1D64_78BD_642F;

/// The hash of a request with the values in its path masked: `/blog/17` and `/blog/18` are the same, `GET` and `POST` not.
/// Never 0; the same on every machine.
#[must_use]
pub fn path_skeleton(method: &[u8], path: &[u8]) -> u64 {
    let mut hash = PATH;
    walk(method, path, |token| hash = mix(hash, token.hash));
    hash.max(1)
}

/// Whether a segment of a path is a value: it has digits, is encoded, long, or many words joined. Versions (`v2`) are words.
fn is_path_value(segment: &[u8]) -> bool {
    if let [b'v', version @ ..] = segment
        && (1..=2).contains(&version.len())
    {
        return false;
    }
    let mut joints = 0;
    for byte in segment {
        match byte {
            b'0'..=b'9' | b'%' | b'@' | b'=' => return true,
            b'-' | b'_' | b'+' => joints += 1,
            _ => {}
        }
    }
    joints > 2 || segment.len() > 32 || is_hex(segment)
}
