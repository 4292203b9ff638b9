//! What words are by themselves: values, units, names.

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
