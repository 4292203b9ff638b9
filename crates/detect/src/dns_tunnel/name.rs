//! A name that was asked for: what is registered, and what stands before it.

use lapwing_model::hash;

/// Second-level names under which countries register: `co.uk`, `com.br`.
const GENERIC: [&[u8]; 10] = [b"co", b"com", b"net", b"org", b"edu", b"gov", b"ac", b"or", b"ne", b"go"];

/// Longer names are none.
const LONGEST: usize = 255;

/// In lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub domain: Vec<u8>,
    before: Vec<u8>,
}

impl Asked {
    /// `None` where nothing stands before the registered domain, or it is no name.
    pub(super) fn of(query: &[u8]) -> Option<Asked> {
        let query = query.strip_suffix(b".").unwrap_or(query);
        if query.len() > LONGEST {
            return None;
        }
        let name = query.to_ascii_lowercase();
        let mut dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let (last, second) = (dots.next()?, dots.next()?);
        let country = name.len() - last - 1 == 2 && GENERIC.contains(&&name[second + 1..last]);
        let reverse = &name[last + 1..] == b"arpa";
        let cut = if country && !reverse { dots.next()? } else { second };
        Some(Asked { domain: name[cut + 1..].to_vec(), before: name[..cut].to_vec() })
    }

    /// Characters before the registered domain.
    pub(super) fn length(&self) -> usize {
        self.before.len()
    }

    pub(super) fn name_hash(&self) -> u64 {
        hash(&self.before)
    }

    /// Bits that these characters hold, by how often each of them comes (Shannon).
    pub(super) fn bits(&self) -> f64 {
        let mut counts = [0_u8; 256];
        self.before.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let all = self.before.len() as f64;
        counts.iter().filter(|&&count| count > 0).map(|&count| -f64::from(count) * (f64::from(count) / all).log2()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_domain_is_the_last_two_labels_or_three_under_a_country() {
        let of = |name: &str| Asked::of(name.as_bytes()).map(|asked| String::from_utf8(asked.domain).unwrap());
        assert_eq!(of("A.b.Evil.example."), Some("evil.example".into()));
        assert_eq!(of("a.evil.co.uk"), Some("evil.co.uk".into()));
        assert_eq!(of("9.113.0.203.in-addr.arpa"), Some("in-addr.arpa".into()));
        assert_eq!((of("evil.example"), of("evil.co.uk"), of("localhost"), of("")), (None, None, None, None));
    }

    #[test]
    fn random_characters_hold_more_bits_than_words() {
        let bits = |name: &str| Asked::of(name.as_bytes()).map(|asked| asked.bits() / asked.length() as f64).unwrap();
        assert!(bits("vaaaakardliqz12ynd1efljwlkjcgwy.evil.example") > 3.5);
        assert!(bits("aaaa.evil.example") < 0.1);
    }
}
