/// Says quickly that none of many literals is in a text, without reading all of it.
///
/// If every literal has at least `m` bytes, an occurrence covers one of any `m - q + 1` neighbouring places wholly with one of
/// its grams of `q` bytes. So it is enough to look at every `m - q + 1`th place and ask whether the gram there is one of the
/// literals' (q-gram sampling, as in Wu and Manber's search of 1994, but with independent looks). Case does not count.
#[derive(Debug)]
pub(super) struct GramFilter {
    bits: Box<[u64; WORDS]>,
    mask: u32,
    width: usize,
    stride: usize,
}

const BITS: u32 = 15;
const WORDS: usize = 1 << (BITS - 6);
/// Longer literals do not make the stride longer: the steps would save little, and each step costs another gram per literal.
const LONGEST: usize = 12;
/// With more grams than this the filter would mostly say "perhaps".
const GRAMS: usize = (1 << BITS) / 40;
/// Sets bit 5 of each byte, which makes ASCII letters small (and merges a few signs, which does no harm to a filter).
const FOLD: u32 = 0x2020_2020;

impl GramFilter {
    /// Nothing where a filter would not help: a literal is too short, or there are too many.
    pub(super) fn new(literals: &[Vec<u8>]) -> Option<GramFilter> {
        let shortest = literals.iter().map(Vec::len).min()?.min(LONGEST);
        let width = match shortest {
            0..=2 => return None,
            3..=5 => 3,
            _ => 4,
        };
        let stride = shortest - width + 1;
        if literals.len() * stride > GRAMS {
            return None;
        }
        let mask = if width == 4 { u32::MAX } else { 0x00ff_ffff };
        let mut filter = GramFilter { bits: Box::new([0; WORDS]), mask, width, stride };
        for literal in literals {
            for place in 0..stride {
                let slot = filter.slot(gram(literal, place));
                filter.bits[slot >> 6] |= 1 << (slot & 63);
            }
        }
        Some(filter)
    }

    fn slot(&self, gram: u32) -> usize {
        let folded = (gram | FOLD) & self.mask;
        (folded.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
    }

    /// Where the first occurrence of a literal may begin, at the earliest; nothing if no literal is in the text.
    pub(super) fn earliest(&self, text: &[u8]) -> Option<usize> {
        // An occurrence that began a stride before the first gram would have had an earlier gram.
        self.first(text).map(|place| place.saturating_sub(self.stride))
    }

    /// The place of the first gram that a literal may have.
    fn first(&self, text: &[u8]) -> Option<usize> {
        if text.len() < self.width + self.stride - 1 {
            return None;
        }
        let whole = text.len().saturating_sub(3);
        let mut place = 0;
        while place < whole {
            if self.has(four(text, place)) {
                return Some(place);
            }
            place += self.stride;
        }
        // Where three bytes are a gram, the last of them begins three bytes before the end.
        (place + self.width <= text.len() && self.has(gram(text, place))).then_some(place)
    }

    fn has(&self, gram: u32) -> bool {
        let slot = self.slot(gram);
        self.bits[slot >> 6] >> (slot & 63) & 1 == 1
    }
}

fn four(text: &[u8], place: usize) -> u32 {
    match text[place..].first_chunk() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => gram(text, place),
    }
}

/// Up to four bytes from a place on.
fn gram(text: &[u8], place: usize) -> u32 {
    text[place..].iter().take(4).rev().fold(0, |gram, byte| gram << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_literal_at_every_place() {
        for literals in [vec!["attack", "Exploit"], vec!["abc"], vec!["abcd", "xyzuv"], vec!["averylongliteral", "anotherlongone"]] {
            let bytes: Vec<Vec<u8>> = literals.iter().map(|text| text.as_bytes().to_vec()).collect();
            let filter = GramFilter::new(&bytes).unwrap();
            for literal in literals {
                for before in 0..40 {
                    for after in 0..10 {
                        let text = format!("{}{}{}", ".".repeat(before), literal.to_uppercase(), ".".repeat(after));
                        let place = filter.first(text.as_bytes()).unwrap();
                        assert!(place >= before && place < before + literal.len(), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn passes_over_most_ordinary_text() {
        let literals: Vec<Vec<u8>> = ["attack", "breach", "unauthorized", "exploit", "malicious"].map(|text| text.into()).to_vec();
        let filter = GramFilter::new(&literals).unwrap();
        assert_eq!(filter.first(br#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /presentations/images/kibana.png HTTP/1.1" 200 20"#), None);
        assert_eq!(filter.first(b""), None);
        assert_eq!(filter.first(b"abcd"), None);
    }

    #[test]
    fn is_not_made_where_it_cannot_help() {
        assert!(GramFilter::new(&[b"ab".to_vec()]).is_none());
        assert!(GramFilter::new(&[]).is_none());
        let many: Vec<Vec<u8>> = (0..10_000).map(|number| format!("literal{number}").into_bytes()).collect();
        assert!(GramFilter::new(&many).is_none());
    }
}
