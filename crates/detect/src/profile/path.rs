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

const END: u8 = 1;
const DIGIT: u8 = 2;

/// What a byte is to a walk.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    (kinds[b'/' as usize], kinds[b'?' as usize]) = (END, END);
    let mut digit = b'0';
    while digit <= b'9' {
        kinds[digit as usize] = DIGIT;
        digit += 1;
    }
    kinds
};

/// Walks a path up to its query; `seed` sets sites apart, `folder` is called with the key and the end of each folder on the way.
#[inline]
pub(super) fn walk(seed: u64, path: &[u8], mut folder: impl FnMut(u64, usize)) -> Walked {
    let looked_at = &path[..path.len().min(MOST_BYTES)];
    let mut walked = Walked { key: seed, folder: seed, last: 0, end: looked_at.len() };
    let mut start = 0_usize;
    let digits = loop {
        let mut seen = 0;
        let ends = |byte: &u8| {
            let kind = KINDS[usize::from(*byte)];
            seen |= kind;
            kind & END != 0
        };
        let end = looked_at[start..].iter().position(ends).map_or(looked_at.len(), |length| start + length);
        let digits = seen & DIGIT != 0;
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
