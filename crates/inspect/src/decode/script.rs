//! Escapes of scripts: `\x3c`, `\u003c`, `\u{3c}`.

use super::percent::{byte_at, character_at, digit};

/// Decodes one layer in place. Returns whether anything changed.
pub(super) fn decode(text: &mut Vec<u8>) -> bool {
    let (mut read, mut write) = (0, 0);
    while read < text.len() {
        if text[read] == b'\\'
            && let Some((character, length)) = escape(&text[read..])
        {
            write += super::put(text, write, character);
            read += length;
            continue;
        }
        text[write] = text[read];
        (read, write) = (read + 1, write + 1);
    }
    let changed = write != text.len();
    text.truncate(write);
    changed
}

fn escape(text: &[u8]) -> Option<(char, usize)> {
    match text.get(1)? {
        b'x' | b'X' => byte_at(text, 2).map(|byte| (char::from(byte), 4)),
        b'u' | b'U' if text.get(2) == Some(&b'{') => braced(text),
        b'u' | b'U' => character_at(text, 2).map(|character| (character, 6)),
        _ => None,
    }
}

fn braced(text: &[u8]) -> Option<(char, usize)> {
    let digits = text[3..].iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let value = text[3..3 + digits].iter().filter_map(|&byte| digit(byte)).fold(0, |value, digit| value << 4 | u32::from(digit));
    let closed = digits > 0 && text.get(3 + digits) == Some(&b'}');
    char::from_u32(value).filter(|_| closed).map(|character| (character, digits + 4))
}
