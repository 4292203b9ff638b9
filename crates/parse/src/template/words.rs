//! What words are by themselves: values, units, names.

use super::tokens::{LEARNED, Token};

const fn number(text: &str) -> u64 {
    let mut number = 0;
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        number = number << 8 | text.as_bytes()[at] as u64;
    }
    number
}

/// Whether a word, given as a little-endian number, is one of those listed.
macro_rules! is_one_of {
    ($word:expr, $($text:literal)*) => {{ $( $word == const { number($text) } )||* }};
}

/// Names of days and months, and words that only ever say yes, no or nothing. `word` has at most eight bytes.
#[inline]
pub(super) fn is_value_word(word: u64, length: usize) -> bool {
    match length {
        3 if (word & 0xff) < b'a'.into() => {
            is_one_of!(word, "Jan" "Feb" "Mar" "Apr" "May" "Jun" "Jul" "Aug" "Sep" "Oct" "Nov" "Dec")
                || is_one_of!(word, "Mon" "Tue" "Wed" "Thu" "Fri" "Sat" "Sun")
        }
        4 => is_one_of!(word, "true" "True" "TRUE" "null" "NULL" "Null"),
        5 => is_one_of!(word, "false" "False" "FALSE"),
        _ => false,
    }
}

/// Units and the like, which belong to a number before them.
#[inline]
pub(super) fn is_unit(word: u64, length: usize) -> bool {
    match length {
        1 => is_one_of!(word, "B" "K" "M" "G" "T" "s" "m" "h" "d"),
        2 => is_one_of!(word, "KB" "kB" "MB" "GB" "TB" "ms" "us" "ns" "AM" "PM" "am" "pm"),
        3 => is_one_of!(word, "KiB" "MiB" "GiB" "TiB" "sec" "min" "hrs" "UTC" "GMT" "PST" "PDT" "EST" "EDT" "CET"),
        4 => is_one_of!(word, "secs" "mins" "CEST"),
        _ => false,
    }
}

/// Whether a word of eight and more bytes is hexadecimal though it has no digits.
pub(super) fn is_hex(text: &[u8]) -> bool {
    text.len() >= 8 && text.iter().all(u8::is_ascii_hexdigit)
}

/// Whether a word with dots is the name of a host: three labels and more, or a well-known end.
pub(super) fn is_host(text: &[u8]) -> bool {
    let Some(dot) = text.iter().rposition(|byte| *byte == b'.') else { return false };
    let (front, end) = (&text[..dot], &text[dot + 1..]);
    let known = matches!(
        end,
        b"com"
            | b"net"
            | b"org"
            | b"edu"
            | b"gov"
            | b"mil"
            | b"info"
            | b"biz"
            | b"local"
            | b"localdomain"
            | b"internal"
            | b"lan"
            | b"arpa"
    );
    let country = end.len() == 2 && end.iter().all(u8::is_ascii_lowercase) && front.contains(&b'.');
    (known || country) && !front.is_empty() && front.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'.'))
}

/// How a word looks and where it stands, as bits.
pub(super) mod shape {
    /// Looks like a name that a program made up: dots, underscores, capitals inside, a single letter.
    pub(crate) const NAME: u8 = 1;
    /// Stands directly behind `=` or `:`.
    pub(crate) const KEYED: u8 = 2;
    /// Stands in quotes.
    pub(crate) const QUOTED: u8 = 4;
    /// Stands behind a word that announces whose or what (`for`, `host`).
    pub(crate) const ANNOUNCED: u8 = 8;
    /// Stands behind a word that announces a person (`user`).
    pub(crate) const PERSON: u8 = 16;
}

const PERSONS: &[&[u8]] = &[b"user", b"username", b"login", b"account"];
const ANNOUNCERS: &[&[u8]] = &[
    b"for",
    b"from",
    b"to",
    b"by",
    b"on",
    b"name",
    b"named",
    b"host",
    b"hostname",
    b"server",
    b"client",
    b"node",
    b"group",
    b"domain",
    b"device",
    b"interface",
    b"file",
    b"class",
    b"service",
    b"module",
];

/// The shape of a word of `line`, behind the token `before`.
pub(super) fn shape_of(line: &[u8], token: Token, before: Option<Token>) -> u8 {
    if token.hash <= LEARNED {
        return 0;
    }
    let text = token.text(line);
    // Names of states and kinds are written in capitals: they are what a pattern is about, not its values.
    if text.len() > 1 && !text.iter().any(u8::is_ascii_lowercase) {
        return 0;
    }
    let mut shape = if looks_like_name(text) { shape::NAME } else { 0 };
    shape |= match (token.start as usize).checked_sub(1).and_then(|at| line.get(at)) {
        Some(b'=' | b':') => shape::KEYED,
        Some(b'"' | b'\'') => shape::QUOTED,
        _ => 0,
    };
    let Some(before) = before.map(|before| before.text(line)) else { return shape };
    let is_one = |words: &[&[u8]]| words.iter().any(|word| before.eq_ignore_ascii_case(word));
    if is_one(PERSONS) && shape & shape::KEYED == 0 {
        shape |= shape::PERSON;
    } else if is_one(ANNOUNCERS) {
        shape |= shape::ANNOUNCED;
    }
    shape
}

fn looks_like_name(text: &[u8]) -> bool {
    text.len() == 1
        || text[1..].iter().any(|byte| matches!(byte, b'.' | b'_' | b'$' | b'/' | b'\\'))
        || text.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}
