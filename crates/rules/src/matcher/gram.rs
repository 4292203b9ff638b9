/// Says quickly that none of many literals is in a text, without reading all of it.
///
/// If every literal has at least `m` bytes, an occurrence covers one of any `m - q + 1` neighbouring places wholly with one of
/// its grams of `q` bytes. So it is enough to look at every `m - q + 1`th place and ask whether the gram there is one of the
/// literals' (q-gram sampling, as in Wu and Manber's search of 1994, but with independent looks). Case does not count.
#[derive(Debug)]
pub(super) struct GramFilter {
    /// Per slot whether a gram has it. Bytes, not bits: a look costs one load.
    slots: Box<[u8; SLOTS]>,
    /// Multiplies a gram into its slot; where a gram has three bytes, it pushes the fourth out at the top.
    factor: u32,
    width: usize,
    stride: usize,
}

/// Two to this power slots: room for all the grams, and half of a first-level cache left to others.
const BITS: u32 = 14;
const SLOTS: usize = 1 << BITS;
/// Longer literals do not make the stride longer: the steps would save little, and each step costs another gram per literal.
const LONGEST: usize = 12;
/// With more grams than this the filter would mostly say "perhaps".
const GRAMS: usize = SLOTS / 32;
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
        let factor = 0x9e37_79b1 << (8 * (4 - width));
        let mut filter = GramFilter { slots: Box::new([0; SLOTS]), factor, width, stride };
        for literal in literals {
            for place in 0..stride {
                let slot = filter.slot(gram(literal, place));
                filter.slots[slot] = 1;
            }
        }
        Some(filter)
    }

    fn slot(&self, gram: u32) -> usize {
        ((gram | FOLD).wrapping_mul(self.factor) >> (32 - BITS)) as usize
    }

    /// Within so many bytes behind (and a quarter of it before) the place that [`first`](GramFilter::first) gives, occurrences
    /// may begin; looking on from there misses none.
    pub(super) fn step(&self) -> usize {
        4 * self.stride
    }

    /// The place of a gram that a literal may have, such that no occurrence begins a stride or more before it.
    pub(super) fn first(&self, text: &[u8]) -> Option<usize> {
        // The compiler makes better code of a stride that it knows.
        match self.stride {
            1 => self.first_by::<1>(text),
            2 => self.first_by::<2>(text),
            3 => self.first_by::<3>(text),
            4 => self.first_by::<4>(text),
            5 => self.first_by::<5>(text),
            _ => self.one_by_one(text),
        }
    }

    /// Four looks at a time.
    fn first_by<const STRIDE: usize>(&self, text: &[u8]) -> Option<usize> {
        let reach = 3 * STRIDE + 4;
        let Some(last) = text.len().checked_sub(reach) else { return self.one_by_one(text) };
        let mut place = 0;
        loop {
            let part = &text[place..place + reach];
            let look = |at: usize| self.look(part[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four)));
            if look(0) | look(STRIDE) | look(2 * STRIDE) | look(3 * STRIDE) != 0 {
                return Some(place);
            }
            if place == last {
                break;
            }
            // The looks at the end overlap those before: any distance up to the stride will do.
            place = (place + 4 * STRIDE).min(last);
        }
        // Four bytes were read each time; a gram of three may still stand at the very end.
        let end = text.len() - self.width;
        (self.look(gram(text, end)) != 0).then_some(end)
    }

    fn one_by_one(&self, text: &[u8]) -> Option<usize> {
        let places = (0..text.len().saturating_sub(self.width - 1)).step_by(self.stride);
        places.into_iter().find(|place| self.look(gram(text, *place)) != 0)
    }

    fn look(&self, gram: u32) -> u8 {
        self.slots[self.slot(gram)]
    }
}

/// Up to four bytes from a place on.
fn gram(text: &[u8], place: usize) -> u32 {
    let rest = &text[place..];
    if let Some(four) = rest.first_chunk() {
        return u32::from_le_bytes(*four);
    }
    rest.iter().take(4).rev().fold(0, |gram, byte| gram << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_literal_at_every_place() {
        for literals in
            [vec!["attack", "Exploit"], vec!["abc"], vec!["abcd", "xyzuv"], vec!["averylongliteral", "anotherlongone"]]
        {
            let bytes: Vec<Vec<u8>> = literals.iter().map(|text| text.as_bytes().to_vec()).collect();
            let filter = GramFilter::new(&bytes).unwrap();
            for literal in literals {
                for before in 0..40 {
                    for after in 0..10 {
                        let text = format!("{}{}{}", ".".repeat(before), literal.to_uppercase(), ".".repeat(after));
                        let place = filter.first(text.as_bytes()).unwrap();
                        assert!(place < before + filter.stride && place + filter.step() > before, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn passes_over_most_ordinary_text() {
        let literals: Vec<Vec<u8>> =
            ["attack", "breach", "unauthorized", "exploit", "malicious"].map(|text| text.into()).to_vec();
        let filter = GramFilter::new(&literals).unwrap();
        assert_eq!(
            filter.first(
                br#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /presentations/images/kibana.png HTTP/1.1" 200 20"#
            ),
            None
        );
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
