//! The ways in which Sigma rewrites a value before it is looked for.

use crate::pattern::{Pattern, Piece};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4), padded.
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() { ALPHABET[index as usize] } else { b'=' });
        }
    }
    out
}

/// What of the base64 of a longer text stays the same wherever in it `bytes` begin: one form for each offset modulo 3.
pub(crate) fn base64_offsets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let form = |offset: usize| {
        let padded: Vec<u8> = std::iter::repeat_n(b' ', offset).chain(bytes.iter().copied()).collect();
        let encoded = base64(&padded);
        let start = [0, 2, 3][offset];
        let end = encoded.len().saturating_sub([0, 3, 2][padded.len() % 3]);
        encoded.get(start..end).unwrap_or_default().to_vec()
    };
    (0..3).map(form).collect()
}

/// The byte order and mark of UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utf16 {
    Little,
    Big,
    /// Little endian behind a byte order mark.
    Marked,
}

/// A pattern's literal text as UTF-16; bytes that are not UTF-8 stay as they are.
pub(crate) fn utf16(pattern: &Pattern, order: Utf16) -> Pattern {
    let mut wide = Pattern::default();
    wide.cased = pattern.cased;
    if order == Utf16::Marked {
        wide.push(Piece::Literal(vec![0xff, 0xfe]));
    }
    for piece in pattern.pieces() {
        wide.push(match piece {
            Piece::Literal(bytes) => Piece::Literal(utf16_bytes(bytes, order)),
            other => other.clone(),
        });
    }
    wide
}

fn utf16_bytes(bytes: &[u8], order: Utf16) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    text.encode_utf16().flat_map(|unit| if order == Utf16::Big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

/// The signs with which a Windows command line option may begin.
const DASHES: [&str; 5] = ["-", "/", "\u{2013}", "\u{2014}", "\u{2015}"];
/// Beyond this many options in one value all get the same dash: 5 forms instead of 5 to the power of their number.
const FREE_DASHES: usize = 4;

/// The text with every option's dash (`-` or `/` before a word) in all its forms.
pub(crate) fn windash(text: &str) -> Vec<String> {
    let places = option_dashes(text);
    if places.is_empty() {
        return vec![text.to_owned()];
    }
    let mut starts = places.iter().copied();
    let first = starts.next().unwrap_or_default();
    let mut forms = vec![text[..first].to_owned()];
    let together = places.len() > FREE_DASHES;
    if together {
        let with = |dash: &&str| {
            let mut form = String::new();
            let mut from = 0;
            for &place in &places {
                form += &text[from..place];
                form += dash;
                from = place + 1;
            }
            form + &text[from..]
        };
        return DASHES.iter().map(with).collect();
    }
    for (number, &place) in places.iter().enumerate() {
        let until = places.get(number + 1).copied().unwrap_or(text.len());
        let rest = &text[place + 1..until];
        forms = forms.iter().flat_map(|form| DASHES.iter().map(move |dash| format!("{form}{dash}{rest}"))).collect();
    }
    forms
}

fn option_dashes(text: &str) -> Vec<usize> {
    let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(['-', '/'])
        .map(|(at, _)| at)
        .filter(|&at| !is_word(text[..at].chars().next_back()) && is_word(text[at + 1..].chars().next()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(text(&base64(plain.as_bytes())), encoded);
        }
    }

    #[test]
    fn base64_offsets_are_found_wherever_the_text_begins() {
        let forms = base64_offsets(b"foobar");
        assert_eq!(forms.iter().map(|form| text(form)).collect::<Vec<_>>(), ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
        for before in 0..9 {
            for after in 0..4 {
                let whole = text(&base64(format!("{}foobar{}", "x".repeat(before), "y".repeat(after)).as_bytes()));
                assert!(forms.iter().any(|form| whole.contains(&text(form))), "{whole}");
            }
        }
    }

    #[test]
    fn wide_puts_a_zero_after_each_ascii_byte_and_leaves_wildcards() {
        let wide = utf16(&Pattern::parse("ab*"), Utf16::Little);
        assert_eq!(wide.pieces(), [Piece::Literal(b"a\0b\0".to_vec()), Piece::Many]);
        assert_eq!(utf16(&Pattern::parse("a"), Utf16::Marked).as_literal(), Some(&b"\xff\xfea\0"[..]));
        assert_eq!(utf16(&Pattern::parse("a"), Utf16::Big).as_literal(), Some(&b"\0a"[..]));
    }

    #[test]
    fn windash_varies_the_dashes_of_options_only() {
        assert_eq!(
            windash(" -param-name "),
            [" -param-name ", " /param-name ", " –param-name ", " —param-name ", " ―param-name "]
        );
        assert_eq!(windash("no-option"), ["no-option"]);
        assert_eq!(windash("-a /b").len(), 25);
        assert!(windash("-a /b").contains(&"–a —b".to_owned()));
        assert_eq!(windash(&" -x".repeat(1000)).len(), 5);
    }
}
