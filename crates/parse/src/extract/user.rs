//! User names in the phrases of sshd, PAM, sudo and their like.

use super::words::{Word, value_after};
use super::{Part, value};

/// The user that a word announces: `user=root`, `for user root`, `Failed password for root from`.
pub(super) fn after(text: &[u8], word: Word, before: &[u8], auth: bool) -> Option<Part> {
    match word.of(text) {
        b"user" | b"User" | b"username" | b"user_name" | b"userid" | b"user_id" | b"acct" => named(text, word, before),
        b"for" if auth => for_whom(text, word, before),
        _ => None,
    }
}

/// `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`: who called sudo.
pub(super) fn of_sudo(text: &[u8]) -> Option<Part> {
    let start = text.len() - text.trim_ascii_start().len();
    let end = start + memchr::memchr(b' ', &text[start..])?;
    text[end..].starts_with(b" : ").then_some((start, end))
}

fn named(text: &[u8], word: Word, before: &[u8]) -> Option<Part> {
    if let Some(at) = value_after(text, word.end, true) {
        return Some(value(text, at)).filter(|part| is_name(text, *part));
    }
    let at = value_after(text, word.end, false)?;
    // Two spaces: sshd tells of a user whose name is empty.
    if text[word.end..].starts_with(b"  ") {
        return None;
    }
    let part = value(text, at);
    let introduced = [b"for".as_slice(), b"of", b"by", b"as", b"invalid", b"illegal", b"authenticating"]
        .iter()
        .any(|known| before.eq_ignore_ascii_case(known));
    let continued = [
        b" from ".as_slice(),
        b" logged ",
        b" failed ",
        b" login ",
        b" not ",
        b" authenticated",
        b" connected",
        b" disconnected",
    ]
    .iter()
    .any(|known| text[part.1..].starts_with(known));
    (introduced || continued).then_some(part).filter(|part| is_name(text, *part))
}

/// `Accepted publickey for alice from`, `Too many authentication failures for root [preauth]`
fn for_whom(text: &[u8], word: Word, before: &[u8]) -> Option<Part> {
    let part = value(text, value_after(text, word.end, false)?);
    let rest = &text[part.1..];
    let fits = rest.starts_with(b" from ") || (before == b"failures" && (rest.is_empty() || rest.starts_with(b" [")));
    fits.then_some(part).filter(|part| is_name(text, *part))
}

/// Words of the phrases themselves are no names.
fn is_name(text: &[u8], (start, end): Part) -> bool {
    let name = &text[start..end];
    !matches!(
        name,
        b"" | b"from"
            | b"unknown"
            | b"is"
            | b"not"
            | b"was"
            | b"has"
            | b"name"
            | b"invalid"
            | b"user"
            | b"illegal"
            | b"authentication"
    )
}
