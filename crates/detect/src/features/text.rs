//! What a text looks like, in one pass over its bytes.

/// More bytes than this are not looked at for digits, words and entropy.
const LOOKED_AT: usize = 128;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Looks {
    pub(super) digits: f32,
    pub(super) words: f32,
    pub(super) slashes: f32,
}

pub(super) fn looks(text: &[u8]) -> Looks {
    let seen = &text[..text.len().min(LOOKED_AT)];
    let count = |wanted: fn(&u8) -> bool| seen.iter().filter(|byte| wanted(byte)).count() as f32;
    let digits = count(u8::is_ascii_digit);
    Looks {
        digits: digits / (seen.len().max(1)) as f32,
        words: count(|&byte| byte == b' ') + 1.0,
        slashes: count(|&byte| byte == b'/'),
    }
}

/// `n log2 n` for as many equal bytes as there can be.
#[derive(Debug)]
pub(super) struct Entropy([f32; LOOKED_AT + 1]);

impl Entropy {
    pub(super) fn new() -> Entropy {
        Entropy(std::array::from_fn(|n| if n == 0 { 0.0 } else { n as f32 * (n as f32).log2() }))
    }

    /// Bits per byte (Shannon, 1948) of the first bytes; bytes that differ by 128 count as one.
    pub(super) fn of(&self, text: &[u8]) -> f32 {
        let seen = &text[..text.len().min(LOOKED_AT)];
        if seen.is_empty() {
            return 0.0;
        }
        let mut counts = [0_u8; 128];
        let mut sum = 0.0;
        for &byte in seen {
            // What one more of the same byte adds to the sum of `n log2 n`.
            let count = &mut counts[usize::from(byte & 127)];
            let before = usize::from(*count);
            *count += 1;
            sum += self.0[before + 1] - self.0[before];
        }
        let all = seen.len();
        ((self.0[all] - sum) / all as f32).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_shannon() {
        let entropy = Entropy::new();
        assert_eq!((entropy.of(b""), entropy.of(b"aaaa")), (0.0, 0.0));
        assert!((entropy.of(b"abab") - 1.0).abs() < 1e-5 && (entropy.of(b"abcdefgh") - 3.0).abs() < 1e-5);
        assert!(entropy.of(&[b'x'; 5000]) < 1e-3, "a long text is looked at in part");
    }

    #[test]
    fn shares_are_of_what_was_looked_at() {
        assert_eq!(looks(b"/a/12"), Looks { digits: 0.4, words: 1.0, slashes: 2.0 });
        assert_eq!(looks(b"").digits, 0.0);
    }
}
