//! Characters that stand in for ASCII ones: overlong UTF-8, full-width forms, look-alikes that servers map back.

/// Folds in place. Returns whether anything changed.
pub(super) fn fold(text: &mut Vec<u8>) -> bool {
    let (mut read, mut write) = (0, 0);
    while read < text.len() {
        let byte = text[read];
        if byte >= 0x80
            && let Some((folded, length)) = sequence(&text[read..])
        {
            if let Some(folded) = folded {
                text[write] = folded;
                write += 1;
            }
            read += length;
            continue;
        }
        text[write] = byte;
        (read, write) = (read + 1, write + 1);
    }
    let changed = write != text.len();
    text.truncate(write);
    changed
}

/// The ASCII character (or nothing) that a sequence at the start of `text` stands for, and its length; none where it stands
/// for itself.
fn sequence(text: &[u8]) -> Option<(Option<u8>, usize)> {
    let lead = text[0];
    let (length, bits) = match lead {
        // Never valid in UTF-8. Sloppy decoders take six bits of whatever follows.
        0xc0 | 0xc1 => return overlong_pair(lead, *text.get(1)?, text),
        0xc2..=0xdf => (2, lead & 0x1f),
        0xe0..=0xef => (3, lead & 0x0f),
        0xf0..=0xf7 => (4, lead & 0x07),
        0xf8..=0xfb => (5, lead & 0x03),
        0xfc..=0xfd => (6, lead & 0x01),
        _ => return None,
    };
    let mut value = u32::from(bits);
    for at in 1..length {
        let next = *text.get(at)?;
        if next & 0xc0 != 0x80 {
            return None;
        }
        value = value << 6 | u32::from(next & 0x3f);
    }
    if value < 0x80 {
        return Some((Some(value as u8), length));
    }
    stand_in(value).map(|folded| (folded, length))
}

fn overlong_pair(lead: u8, next: u8, text: &[u8]) -> Option<(Option<u8>, usize)> {
    match (lead, next) {
        // IIS took `%c0%9v` and `%c1%pc` for slashes.
        (_, b'%') if text.len() >= 4 && text[2..4].iter().all(u8::is_ascii_alphanumeric) => return Some((Some(b'/'), 4)),
        (_, b'.' | b'/' | b'\\') => return Some((Some(next), 2)),
        (0xc1, 0xaf) => return Some((Some(b'/'), 2)),
        _ => {}
    }
    let value = (lead & 1) << 6 | next & 0x3f;
    let meant = next & 0xc0 == 0x80 || matches!(value, b'.' | b'/' | b'\\') && !next.is_ascii_digit();
    meant.then_some((Some(value), 2))
}

/// The ASCII character that a character is taken for, where it is; `Some(None)` for one that is dropped.
fn stand_in(character: u32) -> Option<Option<u8>> {
    let ascii = match character {
        0xff01..=0xff5e => (character - 0xff01) as u8 + b'!',
        0x24b6..=0x24cf => (character - 0x24b6) as u8 + b'a',
        0x24d0..=0x24e9 => (character - 0x24d0) as u8 + b'a',
        0x2018 | 0x2019 | 0x201b | 0x2032 | 0x02b9 | 0x02bc => b'\'',
        0x201c | 0x201d | 0x2033 | 0x02ba => b'"',
        0x2039 | 0x2329 | 0x3008 | 0xfe64 | 0x27e8 => b'<',
        0x203a | 0x232a | 0x3009 | 0xfe65 | 0x27e9 => b'>',
        0x2044 | 0x2215 | 0x29f8 => b'/',
        0x2216 | 0x29f5 | 0x29f9 | 0xf025 | 0xefc8 | 0xfe68 => b'\\',
        0x2024 => b'.',
        0x00a0 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x3000 => b' ',
        // UTF-16 of a line's end cut to its low byte.
        0x560d | 0x530d => b'\r',
        0x560a => b'\n',
        0x200b..=0x200d | 0x2060 | 0xfeff | 0x00ad => return Some(None),
        _ => return None,
    };
    Some(Some(ascii))
}
