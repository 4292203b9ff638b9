use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

use super::gram::GramFilter;

/// Up to so many bytes of literals the fastest automaton is worth its memory (about a kilobyte per byte).
const DENSE: usize = 4_000;

/// All literals of one field as one automaton; ASCII letters match in either case.
#[derive(Debug)]
pub(super) struct Automaton {
    search: AhoCorasick,
    filter: Option<GramFilter>,
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
        Ok(Automaton { search, filter: GramFilter::new(literals) })
    }

    /// Tells of every occurrence of every literal: which, where it begins and where it ends.
    pub(super) fn each(&self, text: &[u8], mut seen: impl FnMut(usize, usize, usize)) {
        let mut from = 0;
        if let Some(filter) = &self.filter {
            let Some(start) = filter.earliest(text) else { return };
            from = start;
        }
        for found in self.search.find_overlapping_iter(&text[from..]) {
            seen(found.pattern().as_usize(), from + found.start(), from + found.end());
        }
    }
}
