//! The keys of a JSON body and their values, without building anything: what is no JSON ends the reading.

/// Bytes of a body that are looked at.
const MOST_BYTES: usize = 1 << 16;

/// Calls `each` with every key and its value, as they are written; a nested object's keys stand for themselves, the elements of
/// a list for the key of the list.
pub(super) fn read<'a>(body: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) {
    let body = &body[..body.len().min(MOST_BYTES)];
    let mut key: &[u8] = b"";
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => {
                let end = string_end(body, at + 1);
                let text = &body[at + 1..end];
                at = end + 1;
                let next = body[at.min(body.len())..].iter().find(|byte| !byte.is_ascii_whitespace());
                if next == Some(&b':') { key = text } else { each(key, text) }
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at += 1,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let rest = &body[at..];
                let length = rest.iter().position(|byte| b",]} \t\r\n".contains(byte)).unwrap_or(rest.len());
                each(key, &rest[..length]);
                at += length;
            }
        }
    }
}

/// Where a string that began before `at` ends: its quote, or the end of the body.
fn string_end(body: &[u8], mut at: usize) -> usize {
    while at < body.len() && body[at] != b'"' {
        at += if body[at] == b'\\' { 2 } else { 1 };
    }
    at.min(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        read(body.as_bytes(), |key, value| pairs.push((text(key), text(value))));
        pairs
    }

    #[test]
    fn keys_and_values_are_found_at_any_depth() {
        let found = pairs(r#"{"user": {"name": "Bob \"B\"", "age": 7}, "tags": ["a", "b"], "ok": true}"#);
        let expected = [("name", r#"Bob \"B\""#), ("age", "7"), ("tags", "a"), ("tags", "b"), ("ok", "true")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_cut_or_no_json_ends_without_harm() {
        assert_eq!(pairs(r#"{"a": "b"#), [("a".to_owned(), "b".to_owned())]);
        for body in ["{", "[[[[", r#"{"a"#, "\"\\", "{:::,,,", "{\"a\":\\"] {
            pairs(body);
        }
    }
}
