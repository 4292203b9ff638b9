//! Other readings of a decoded value: as a database, a shell, a file system or a browser would take it.
//!
//! Each takes out what its reader ignores, so that one regex sees through all the ways of hiding behind it.

use crate::marks;

/// A reading of a value. Each rule says in which readings it looks; the text itself is always one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Decoded, in lower case.
    Text,
    /// Comments are blanks, several blanks are one.
    Sql,
    /// Without quotes, backslashes and carets; `$IFS` is a blank.
    Shell,
    /// Backslashes are slashes; without empty and `.` steps.
    Path,
    /// Without blanks, control characters and comments.
    Compact,
    /// Only as a server decodes it, where more was hidden: references, escapes of scripts and further percents still stand.
    Wire,
}

impl View {
    /// The readings that are made of the decoded text.
    pub const ALL: [View; 5] = [View::Text, View::Sql, View::Shell, View::Path, View::Compact];

    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Writes this reading of `text` (whose marks are `seen`) to `out`; returns whether it differs from the text.
    pub fn read(self, text: &[u8], seen: u16, out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            View::Text | View::Wire => false,
            View::Sql => seen & (marks::STAR | marks::CONTROL | marks::BLANK | marks::QUOTE) != 0 && sql(text, out),
            View::Shell => seen & (marks::BACKSLASH | marks::QUOTE | marks::SHELL | marks::CONTROL) != 0 && shell(text, out),
            View::Path => seen & (marks::BACKSLASH | marks::SLASH) != 0 && path(text, out),
            View::Compact => {
                let hides = marks::CONTROL | marks::BLANK | marks::STAR | marks::BACKSLASH | marks::QUOTE;
                seen & hides != 0 && seen & marks::MARKUP != 0 && compact(text, out)
            }
        }
    }
}

fn sql(text: &[u8], out: &mut Vec<u8>) -> bool {
    let last_end = last_end(text);
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(b"/*!") {
            // MySQL runs what stands in such a comment.
            at += 3 + rest[3..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            blank(out);
        } else if at + 1 < last_end && rest.starts_with(b"/*") {
            at = after_comment(text, at);
            blank(out);
        } else if rest.starts_with(b"*/") {
            at += 2;
            blank(out);
        } else {
            match rest[0] {
                b'`' => {}
                byte if byte <= b' ' || byte == 0xa0 => blank(out),
                byte => out.push(byte),
            }
            at += 1;
        }
    }
    out != text
}

fn blank(out: &mut Vec<u8>) {
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
}

/// Where the last `*/` begins: beyond it no comment is closed, and nothing need be searched again and again.
fn last_end(text: &[u8]) -> usize {
    text.windows(2).rposition(|window| window == b"*/").unwrap_or(0)
}

/// Behind the comment that begins at `at`, or at the end.
fn after_comment(text: &[u8], at: usize) -> usize {
    let inner = (at + 2).min(text.len());
    text[inner..].windows(2).position(|window| window == b"*/").map_or(text.len(), |end| inner + end + 2)
}

fn shell(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let ifs: &[&[u8]] = &[b"${ifs}", b"$ifs$9", b"$ifs"];
        if rest[0] == b'$'
            && let Some(word) = ifs.iter().find(|word| rest.starts_with(word))
        {
            out.push(b' ');
            at += word.len();
            continue;
        }
        let nothing = empty(rest);
        if nothing > 0 {
            at += nothing;
            continue;
        }
        match rest[0] {
            b'\\' | b'\'' | b'"' | b'^' => {}
            b'\t' | 0x0b | 0x0c => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    out != text
}

/// The length of what a shell puts nothing in for, at the start of `text`: variables that are empty there, empty commands.
fn empty(text: &[u8]) -> usize {
    let ends = |at: usize| text.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    match text {
        [b'$', b'!' | b'-' | b'?' | b'$' | b'#' | b'@' | b'*', ..] => 2,
        [b'$', b'_' | b'a'..=b'z', ..] if text.len() > 2 && ends(2) && text[2] != b'=' => 2,
        [b'$' | b'<' | b'>', b'(', b')', ..] => 3,
        [b'`', b'`', ..] => 2,
        _ => 0,
    }
}

fn path(text: &[u8], out: &mut Vec<u8>) -> bool {
    for &byte in text {
        let byte = if byte == b'\\' { b'/' } else { byte };
        if byte == b'/' {
            if out.ends_with(b"/.") {
                out.pop();
            }
            if out.ends_with(b"/") {
                continue;
            }
        } else if byte == 0 {
            continue;
        }
        out.push(byte);
    }
    out != text
}

fn compact(text: &[u8], out: &mut Vec<u8>) -> bool {
    let last_end = last_end(text);
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if at + 1 < last_end && rest.starts_with(b"/*") {
            at = after_comment(text, at);
            continue;
        }
        if rest[0] > b' ' && rest[0] != 127 && rest[0] != b'\\' {
            out.push(rest[0]);
        }
        at += 1;
    }
    out != text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(view: View, text: &str) -> String {
        let mut out = Vec::new();
        view.read(text.as_bytes(), marks::marks(text.as_bytes()), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn each_reader_sees_through_its_own_ways_of_hiding() {
        assert_eq!(read(View::Sql, "1/**/union/*!50000select*/\t\n1"), "1 union select 1");
        assert_eq!(read(View::Shell, "c'a't$ifs$9/e\\tc/pa\"\"sswd"), "cat /etc/passwd");
        assert_eq!(read(View::Shell, "c$!at$u /et$()c/pas``swd"), "cat /etc/passwd");
        assert_eq!(read(View::Path, "..\\/././//..\\\\etc/passwd"), "../../etc/passwd");
        assert_eq!(read(View::Compact, "ja\tva scr\u{1}ipt:/*x*/alert(1)"), "javascript:alert(1)");
    }
}
