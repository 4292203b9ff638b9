//! Values as the application behind the server will read them, however often and in whatever way they were encoded.

mod base64;
mod entity;
mod percent;
mod script;
mod unicode;

pub use base64::text as base64;

use crate::marks::{self, marks};

/// Layers that are taken off; nobody needs more, and an attacker must not choose how long we work.
const ROUNDS: usize = 5;

/// Longer values are looked at from both ends: so many bytes of each.
const END: usize = 6 << 10;

/// Puts the decoded value into `out`. `plus`: a `+` is a blank, as in queries and forms.
pub fn decode(value: &[u8], plus: bool, out: &mut Vec<u8>) {
    out.clear();
    if value.len() > 2 * END {
        out.extend_from_slice(&value[..END]);
        out.push(b'\n');
        out.extend_from_slice(&value[value.len() - END..]);
    } else {
        out.extend_from_slice(value);
    }
    let mut plus = plus;
    for _ in 0..ROUNDS {
        let seen = marks(out);
        let mut changed = false;
        if seen & marks::PERCENT != 0 || plus && seen & marks::PLUS != 0 {
            changed |= percent::decode(out, plus);
        }
        plus = false;
        if seen & marks::AMPERSAND != 0 || changed {
            changed |= entity::decode(out);
        }
        if seen & marks::BACKSLASH != 0 || changed {
            changed |= script::decode(out);
        }
        if seen & marks::HIGH != 0 || changed {
            changed |= unicode::fold(out);
        }
        if !changed {
            break;
        }
    }
}

/// Puts the value into `out` as a server decodes it, once: what attackers hide below that still stands there. Returns whether
/// anything may be hidden. A long value is left out: it is no lone sign.
pub fn once(value: &[u8], plus: bool, out: &mut Vec<u8>) -> bool {
    out.clear();
    if value.len() > END {
        return false;
    }
    out.extend_from_slice(value);
    percent::decode(out, plus);
    marks(out) & (marks::PERCENT | marks::AMPERSAND | marks::BACKSLASH) != 0
}

/// Writes a character at `at`, where there is room for it. Returns its length.
fn put(text: &mut [u8], at: usize, character: char) -> usize {
    let mut bytes = [0; 4];
    let bytes = if (character as u32) < 0x100 {
        bytes[0] = character as u32 as u8;
        &bytes[..1]
    } else {
        character.encode_utf8(&mut bytes).as_bytes()
    };
    text[at..at + bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(value: &str) -> String {
        let mut out = Vec::new();
        decode(value.as_bytes(), true, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_layer_of_encoding_is_taken_off() {
        assert_eq!(decoded("a%20b+c"), "a b c");
        assert_eq!(decoded("%2525252e"), ".");
        assert_eq!(decoded("%%32%65"), ".");
        assert_eq!(decoded("%u002e%u2215"), "./");
        assert_eq!(decoded("&lt;svg&#x2F;onload&equals;1&gt"), "<svg/onload=1>");
        assert_eq!(decoded("j&#0000097;va"), "java");
        assert_eq!(decoded("\\u003cscript\\x3e\\u{61}"), "<script>a");
        assert_eq!(decoded("%c0%ae%c0%ae%c0%af%e0%80%ae%f0%80%80%af"), "../".to_owned() + "./");
        assert_eq!(decoded("%ef%bc%9cscript%ef%bc%9e"), "<script>");
        assert_eq!(decoded("%26lt%3B"), "<");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["Größe", "100%", "a&b=c", "C:\\temp\\new", "AT&T", "&copy; 2020", "%zz", "\u{c1}lava"] {
            assert_eq!(decoded(text), text);
        }
    }

    #[test]
    fn a_long_value_is_looked_at_from_both_ends() {
        let mut value = vec![b'a'; 1 << 20];
        value[0] = b'<';
        *value.last_mut().expect("bytes") = b'>';
        let mut out = Vec::new();
        decode(&value, false, &mut out);
        assert_eq!((out.len(), out[0], out[out.len() - 1]), (2 * END + 1, b'<', b'>'));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_grows(value in proptest::collection::vec(prop_oneof![Just(b'%'), Just(b'&'), Just(b'#'), Just(b'\\'), Just(b'u'), Just(b'x'), Just(b'3'), Just(b';'), any::<u8>()], 0..200)) {
            let mut out = Vec::new();
            decode(&value, true, &mut out);
            prop_assert!(out.len() <= value.len());
        }
    }
}
