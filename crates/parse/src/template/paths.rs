//! Paths of web requests: split at slashes, segments that carry a value masked.

use super::tokens::{MAX_BYTES, MAX_TOKENS, Token, VALUE, mix, word_hash};

/// Calls `each` for the method (with an empty span) and for every segment of the path, in order; spans are into `path`.
/// The query is not looked at.
#[inline]
pub(super) fn walk(method: &[u8], path: &[u8], mut each: impl FnMut(Token)) {
    let path = &path[..path.len().min(MAX_BYTES)];
    each(Token { hash: mix(word_hash(method, 0, method.len().min(MAX_BYTES)), PATH), start: 0, end: 0 });
    let mut start = 0;
    let mut count = 1;
    while start < path.len() && count < MAX_TOKENS {
        let segment = Segment::at(path, start);
        if segment.end > start {
            let hash = if segment.is_value(&path[start..segment.end]) { VALUE } else { word_hash(path, start, segment.end) };
            each(Token { hash, start: start as u32, end: segment.end as u32 });
            count += 1;
        }
        if path.get(segment.end).is_some_and(|byte| *byte != b'/') {
            return;
        }
        start = segment.end + 1;
    }
}

/// Sets the patterns of requests apart from those of texts.
const PATH: u64 = 0xA076_1D64_78BD_642F;

/// The hash of a request with the values in its path masked: `/blog/17` and `/blog/18` are the same, `GET` and `POST` not. What
/// follows the path, its `?` or `#` first, is not looked at.
/// Never 0; the same on every machine.
#[must_use]
pub fn path_skeleton(method: &[u8], path: &[u8]) -> u64 {
    let mut hash = PATH;
    walk(method, path, |token| hash = mix(hash, token.hash));
    hash.max(1)
}

/// A segment of a path: where it ends, and what its bytes are.
struct Segment {
    end: usize,
    /// What any of its bytes is.
    seen: u8,
    joints: usize,
}

/// Ends a segment.
const END: u8 = 1;
/// Joins words.
const JOINT: u8 = 2;
/// Stands in values only: digits, signs of encoding.
const ODD: u8 = 4;
/// No hexadecimal digit.
const NOT_HEX: u8 = 8;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'/' | b'?' | b'#' => END,
            b'0'..=b'9' => ODD,
            b'%' | b'@' | b'=' => ODD | NOT_HEX,
            b'-' | b'_' | b'+' => JOINT | NOT_HEX,
            byte if byte.is_ascii_hexdigit() => 0,
            _ => NOT_HEX,
        };
        byte += 1;
    }
    kinds
};

impl Segment {
    #[inline]
    fn at(path: &[u8], start: usize) -> Segment {
        let (mut end, mut seen, mut joints) = (start, 0, 0);
        for &byte in &path[start..] {
            let kind = KINDS[usize::from(byte)];
            if kind & END != 0 {
                break;
            }
            seen |= kind;
            joints += usize::from(kind & JOINT != 0);
            end += 1;
        }
        Segment { end, seen, joints }
    }

    /// Whether it is a value: it has digits, is encoded, long, or many words joined. Versions (`v2`) are words.
    #[inline]
    fn is_value(&self, text: &[u8]) -> bool {
        if let [b'v', version @ ..] = text
            && (1..=2).contains(&version.len())
        {
            return false;
        }
        let hex = self.seen & NOT_HEX == 0 && text.len() >= 8;
        self.seen & ODD != 0 || self.joints > 2 || text.len() > 32 || hex
    }
}
