//! Base64, where it holds text.

/// Shorter values are words.
const SHORTEST: usize = 16;
const LONGEST: usize = 8 << 10;

/// The text that a value holds in base64 (of either alphabet, padded or not). None as soon as a byte is none of text, which
/// for words, numbers and random tokens is one of the first few.
#[must_use]
pub fn text(value: &[u8]) -> Option<Vec<u8>> {
    let end = value.iter().rposition(|&byte| byte != b'=')? + 1;
    if !(SHORTEST..=LONGEST).contains(&end) || value.len() - end > 2 {
        return None;
    }
    let bytes = |group: &[u8]| -> Option<([u8; 3], usize)> {
        let mut bits = 0_u32;
        for &byte in group {
            bits = bits << 6 | digit(byte)?;
        }
        bits <<= 6 * (4 - group.len());
        Some(([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8], group.len() * 3 / 4))
    };
    let mut out = Vec::new();
    for group in value[..end].chunks(4) {
        let (three, length) = bytes(group)?;
        if !three[..length].iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
            return None;
        }
        out.extend_from_slice(&three[..length]);
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(digit.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_text_is_unpacked() {
        assert_eq!(text(b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==").as_deref(), Some(&b"<script>alert(1)</script>"[..]));
        assert_eq!(text(b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg").as_deref(), Some(&b"<script>alert(1)</script>"[..]));
        for other in ["", "====", "short", "internationalization", "d41d8cd98f00b204e9800998ecf8427e", "not base64 at all, no"] {
            assert_eq!(text(other.as_bytes()), None, "{other}");
        }
    }
}
