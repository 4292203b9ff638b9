use std::fmt::{self, Write};

/// Log text made safe to show: see [`printable`].
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a> {
    bytes: &'a [u8],
    limit: usize,
}

/// Shows log text in a terminal, a chat or a page without letting it act there.
///
/// Log text is attacker text: control characters (terminal escapes among them), characters that change the direction of
/// writing or hide, and bytes that are no UTF-8 are shown as escapes such as `\x1b`; everything else is as it came.
#[must_use]
pub fn printable(bytes: &[u8]) -> Printable<'_> {
    Printable { bytes, limit: usize::MAX }
}

impl Printable<'_> {
    /// Ends with an ellipsis after `characters` characters.
    #[must_use]
    pub fn within(mut self, characters: usize) -> Self {
        self.limit = characters;
        self
    }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.limit;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if left == 0 {
                    return f.write_char('…');
                }
                left -= 1;
                write_safely(f, c)?;
            }
            for byte in chunk.invalid() {
                if left == 0 {
                    return f.write_char('…');
                }
                left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character may be shown as it is: no control character, and none that hides or changes the direction of writing.
#[must_use]
pub fn is_harmless(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

fn write_safely(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\t' => f.write_char(' '),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        c if c.is_control() && c.is_ascii() => write!(f, "\\x{:02x}", c as u32),
        c if is_harmless(c) => f.write_char(c),
        c => write!(f, "\\u{{{:x}}}", c as u32),
    }
}

/// Zero-width and bidirectional formatting characters (Unicode TR 36, "Trojan Source"), separators that break lines, tags.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_never_reach_a_terminal() {
        assert_eq!(printable(b"\x1b]0;owned\x07\x1b[2J").to_string(), "\\x1b]0;owned\\x07\\x1b[2J");
        assert_eq!(printable("\u{9b}31m".as_bytes()).to_string(), "\\u{9b}31m");
        assert_eq!(printable("a\u{202e}gpj.exe".as_bytes()).to_string(), "a\\u{202e}gpj.exe");
    }

    #[test]
    fn invalid_utf8_is_shown_byte_by_byte() {
        assert_eq!(printable(b"ok \xff\xfe\x00").to_string(), "ok \\xff\\xfe\\x00");
    }

    #[test]
    fn ordinary_text_in_any_script_is_as_it_came() {
        assert_eq!(printable("Größe 大きさ ok".as_bytes()).to_string(), "Größe 大きさ ok");
    }

    #[test]
    fn long_text_ends_with_an_ellipsis() {
        assert_eq!(printable(b"abcdef").within(3).to_string(), "abc…");
        assert_eq!(printable(b"abc").within(3).to_string(), "abc");
    }
}
