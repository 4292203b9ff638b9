//! Paths as templates: `/shop/17.html` and `/shop/18.html` are one. The extension of what is masked stays, since it says what
//! kind of thing is asked for. (The key of scope `endpoint` masks it and knows nothing of folders.)

use lapwing_model::hash;

/// A path, walked once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Of the whole path.
    pub key: u64,
    /// Of what stands before the last segment.
    pub folder: u64,
    /// Where the last segment begins, and where the path ends: at its `?`, else at its end.
    pub last: usize,
    pub end: usize,
}

/// A longer segment is a title, a token or an attack.
const LONGEST_WORD: usize = 40;

/// Bytes of a path that are looked at.
const MOST_BYTES: usize = 1024;

/// Walks a path up to its query; `seed` sets sites apart, `folder` is called with the key and the end of each folder on the way.
#[inline]
pub(super) fn walk(seed: u64, path: &[u8], mut folder: impl FnMut(u64, usize)) -> Walked {
    let looked_at = &path[..path.len().min(MOST_BYTES)];
    let mut walked = Walked { key: seed, folder: seed, last: 0, end: looked_at.len() };
    let mut start = 0_usize;
    let digits = loop {
        let (length, digits) = first_segment(&looked_at[start..]);
        let end = start + length;
        if looked_at.get(end) != Some(&b'/') {
            walked.end = end;
            break digits;
        }
        walked.key = mix(walked.key, segment(&looked_at[start..end], digits));
        folder(walked.key, end);
        (walked.folder, walked.last) = (walked.key, end + 1);
        start = end + 1;
    };
    walked.key = mix(walked.key, segment(&looked_at[start..walked.end], digits) ^ 1);
    if walked.end == MOST_BYTES {
        walked.end += path[MOST_BYTES..].iter().position(|&byte| byte == b'?').unwrap_or(path.len() - MOST_BYTES);
    }
    walked
}

/// How long the first segment is, up to its `/` or `?`, and whether it has digits. Eight bytes at a time, as one number each
/// (Lamport: Multiple byte processing with full-word instructions, CACM 18, 1975).
#[inline]
fn first_segment(path: &[u8]) -> (usize, bool) {
    let (chunks, rest) = path.as_chunks::<8>();
    let mut digits = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        let [ends, of_chunk] = ends_and_digits(*chunk);
        if ends != 0 {
            return (8 * at + ends.trailing_zeros() as usize / 8, digits | of_chunk & up_to_first(ends) != 0);
        }
        digits |= of_chunk;
    }
    let mut last = [b'?'; 8];
    last[..rest.len()].copy_from_slice(rest);
    let [ends, of_rest] = ends_and_digits(last);
    (8 * chunks.len() + ends.trailing_zeros() as usize / 8, digits | of_rest & up_to_first(ends) != 0)
}

/// The bits up to the lowest one that is set.
#[inline]
const fn up_to_first(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

/// The high bit of each byte that is a `/` or `?`, exact up to the first of them; and of each that is a digit.
#[inline]
const fn ends_and_digits(bytes: [u8; 8]) -> [u64; 2] {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    // The two differ in one bit only.
    let ended = (word | (ONES * 0x10)) ^ (ONES * b'?' as u64);
    let counted = word ^ (ONES * b'0' as u64);
    let beyond = (counted & !HIGH) + ONES * (0x80 - 10);
    [ended.wrapping_sub(ONES) & !ended & HIGH, !(beyond | counted) & HIGH]
}

#[inline]
fn mix(key: u64, item: u64) -> u64 {
    (key ^ item).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(27)
}

/// The hash of a segment, or of its mask.
#[inline]
fn segment(text: &[u8], digits: bool) -> u64 {
    if digits || text.len() > LONGEST_WORD { masked(text) } else { hash(text) }
}

fn masked(text: &[u8]) -> u64 {
    let extension = extension(text);
    if !is_value(&text[..text.len() - extension.len()]) {
        return hash(text);
    }
    extension.iter().fold(0x5EED_0001, |key, byte| mix(key, u64::from(byte.to_ascii_lowercase())))
}

/// Whether a part of a path is a value: a number, an id, a hash, a long title. `v2` and `jquery-3` are words.
fn is_value(stem: &[u8]) -> bool {
    let digits = stem.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = stem.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    !stem.is_empty() && (digits == stem.len() || digits >= 4 || digits > 0 && hex && stem.len() >= 8 || stem.len() > LONGEST_WORD)
}

/// The extension of a segment with its dot (`.html`), or the `~` of a copy; empty where it has none.
pub(super) fn extension(segment: &[u8]) -> &[u8] {
    if segment.ends_with(b"~") {
        return &segment[segment.len() - 1..];
    }
    match segment.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if segment.len() - dot <= 12 => &segment[dot..],
        _ => &[],
    }
}

/// What pages are made of: a new file of such a kind on a site is natural.
pub(super) fn is_common(extension: &[u8]) -> bool {
    const COMMON: [&str; 26] = [
        "", ".html", ".htm", ".css", ".js", ".mjs", ".map", ".json", ".xml", ".txt", ".png", ".gif", ".jpg", ".jpeg", ".webp", ".svg",
        ".ico", ".woff", ".woff2", ".ttf", ".pdf", ".mp4", ".mp3", ".rss", ".atom", ".webmanifest",
    ];
    COMMON.iter().any(|common| extension.eq_ignore_ascii_case(common.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(path: &str) -> u64 {
        walk(7, path.as_bytes(), |_, _| {}).key
    }

    #[test]
    fn ids_are_masked_and_words_are_not() {
        assert_eq!(key("/shop/17.html"), key("/shop/4711.html"));
        assert_ne!(key("/shop/17.html"), key("/shop/17.bak"));
        assert_eq!(key("/u/550e8400-e29b-41d4-a716-446655440000/x"), key("/u/123e4567-e89b-12d3-a456-426614174000/x"));
        assert_ne!(key("/api/v1/x"), key("/api/v2/x"));
        assert_ne!(key("/a/b"), key("/a/c"));
        assert_ne!(key("/a/b"), key("/a/b/"));
    }

    proptest! {
        #[test]
        fn a_segment_is_what_its_bytes_one_by_one_say(path in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'7'), Just(b'/'), Just(b'?')], 0..40)) {
            let length = path.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(path.len());
            let digits = path[..length].iter().any(u8::is_ascii_digit);
            prop_assert_eq!(first_segment(&path), (length, digits));
        }
    }

    #[test]
    fn the_folders_on_the_way_are_told() {
        let mut folders = Vec::new();
        let walked = walk(7, b"/a/bc/d.txt", |_, end| folders.push(end));
        assert_eq!((folders, walked.last), (vec![0, 2, 5], 6));
        assert_eq!(walk(7, b"/a/bc/e.txt", |_, _| {}).folder, walked.folder);
    }

    #[test]
    fn a_path_ends_at_its_query_however_long_it_is() {
        assert_eq!(walk(7, b"/a/b?c/d", |_, _| {}).key, key("/a/b"));
        let long = format!("{}?x=1", "/a".repeat(5000));
        assert_eq!(walk(7, long.as_bytes(), |_, _| {}).end, 10_000);
        assert_eq!(walk(7, &long.as_bytes()[..1024], |_, _| {}).end, 1024);
    }

    #[test]
    fn an_extension_is_what_follows_the_last_dot_or_the_tilde_of_a_copy() {
        assert_eq!(extension(b"index.php.BAK"), b".BAK");
        assert_eq!(extension(b"index.php~"), b"~");
        assert_eq!(extension(b"README"), b"");
    }
}
