use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

use super::gram::GramFilter;

/// Up to so many bytes of literals the fastest automaton is worth its memory (about a kilobyte per byte).
const DENSE: usize = 4_000;

/// A text that is suspicious at more places than this is searched as a whole: looking again and again would cost more.
const SUSPICIONS: usize = 3;

/// All literals of one field as one automaton; ASCII letters match in either case.
#[derive(Debug)]
pub(super) struct Automaton {
    search: AhoCorasick,
    filter: Option<GramFilter>,
    longest: usize,
}

impl Automaton {
    /// # Errors
    /// Where the literals together are larger than an automaton can be.
    pub(super) fn new(literals: &[Vec<u8>]) -> Result<Automaton, BuildError> {
        let bytes: usize = literals.iter().map(Vec::len).sum();
        let kind = if bytes <= DENSE { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(literals)?;
        let longest = literals.iter().map(Vec::len).max().unwrap_or_default();
        Ok(Automaton { search, filter: GramFilter::new(literals), longest })
    }

    /// Tells of every occurrence of every literal, of some twice: which, where it begins and where it ends.
    pub(super) fn each(&self, text: &[u8], mut seen: impl FnMut(usize, usize, usize)) {
        let mut from = 0;
        if let Some(filter) = &self.filter {
            for _ in 0..SUSPICIONS {
                let Some(place) = filter.first(&text[from..]).map(|place| from + place) else { return };
                let start = place.saturating_sub(filter.step());
                let end = (place + filter.step() + self.longest).min(text.len());
                self.within(text, start, end, &mut seen);
                from = place + filter.step();
                if from >= text.len() {
                    return;
                }
            }
            from -= filter.step();
        }
        self.within(text, from, text.len(), &mut seen);
    }

    fn within(&self, text: &[u8], from: usize, to: usize, seen: &mut impl FnMut(usize, usize, usize)) {
        for found in self.search.find_overlapping_iter(&text[from..to]) {
            seen(found.pattern().as_usize(), from + found.start(), from + found.end());
        }
    }
}
