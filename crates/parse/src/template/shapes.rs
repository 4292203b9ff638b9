use super::tokens::{LEARNED, Token};

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
