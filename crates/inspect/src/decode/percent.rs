//! Percent escapes: `%2e`, and `%u002e` as IIS and old browsers write it.

/// Decodes one layer in place; `+` is a blank where `plus` says so. Returns whether anything changed.
///
/// What is no escape stays as it is, and an escape right after a stray `%` is still read: `%%32%65` becomes `%2e`.
pub(super) fn decode(text: &mut Vec<u8>, plus: bool) -> bool {
    let (mut read, mut write) = (0, 0);
    let mut changed = false;
    while read < text.len() {
        let byte = text[read];
        if byte == b'%' {
            if let Some(value) = byte_at(text, read + 1) {
                text[write] = value;
                (read, write, changed) = (read + 3, write + 1, true);
                continue;
            }
            if let Some(value) = torn(text, read) {
                text[write] = value;
                (read, write, changed) = (read + 4, write + 1, true);
                continue;
            }
            if matches!(text.get(read + 1), Some(b'u' | b'U'))
                && let Some(character) = character_at(text, read + 2)
            {
                write += super::put(text, write, character);
                (read, changed) = (read + 6, true);
                continue;
            }
        }
        text[write] = if plus && byte == b'+' { b' ' } else { byte };
        changed |= text[write] != byte;
        (read, write) = (read + 1, write + 1);
    }
    text.truncate(write);
    changed
}

/// The value of `%2%f`: what is left of `%%32%%66`, where one layer was taken off.
fn torn(text: &[u8], at: usize) -> Option<u8> {
    let (high, low) = (digit(*text.get(at + 1)?)?, digit(*text.get(at + 3)?)?);
    let whole = text.get(at + 4).is_some_and(|&byte| digit(byte).is_some());
    (text[at + 2] == b'%' && !whole).then_some(high << 4 | low)
}

/// The value of two hexadecimal digits.
pub(super) fn byte_at(text: &[u8], at: usize) -> Option<u8> {
    let (high, low) = (digit(*text.get(at)?)?, digit(*text.get(at + 1)?)?);
    Some(high << 4 | low)
}

/// The character that four hexadecimal digits name.
pub(super) fn character_at(text: &[u8], at: usize) -> Option<char> {
    let (high, low) = (byte_at(text, at)?, byte_at(text, at + 2)?);
    char::from_u32(u32::from(high) << 8 | u32::from(low))
}

pub(super) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
