//! What is unusual in the same way is told as one, under the name of the first.

use lapwing_learn::Lru;
use lapwing_model::hash;
use serde::{Deserialize, Serialize};

use crate::Found;

/// Ways of being unusual that are remembered.
const PATTERNS: usize = 1024;
/// Entities that are remembered as told.
const TOLD: usize = 8192;

/// Under which name things are told. About 1 MB when full.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Alike {
    /// By pattern: the first that showed it.
    first: Lru<Box<str>>,
    /// By entity: what it was told as.
    told: Lru<Box<str>>,
}

impl Default for Alike {
    fn default() -> Self {
        Alike { first: Lru::new(PATTERNS), told: Lru::new(TOLD) }
    }
}

impl Alike {
    /// Gives what was found at one place the names under which it is told.
    pub(super) fn name(&mut self, here: &mut [Found], threshold: f32) {
        for at in 0..here.len() {
            let Some(name) = self.name_of(&here[at], threshold) else { continue };
            let own = here[at].finding.entity.clone();
            // What else is found of it there belongs to it.
            let of_it = here.iter_mut().filter(|found| found.finding.entity == own);
            of_it.for_each(|found| found.finding.entity.name.clone_from(&name));
        }
    }

    /// The name of a finding that shows a pattern. However an entity goes on, it stays a part of what it was told as; and patterns
    /// that it shows later are of that, too. None for what is no pattern, or is only noted.
    fn name_of(&mut self, found: &Found, threshold: f32) -> Option<Box<str>> {
        let pattern = found.pattern?;
        let own = &found.finding.entity.name;
        let key = hash(own.as_bytes());
        if let Some(name) = self.told.get(key) {
            self.first.get_or_insert_with(pattern, || name.clone());
            return Some(name.clone());
        }
        if found.maturity * found.finding.score.value() < threshold {
            return None;
        }
        let (first, _) = self.first.get_or_insert_with(pattern, || own.clone());
        self.told.get_or_insert_with(key, || first.clone());
        Some(first.clone())
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Entity, Finding, Scope, Score, Severity};

    use super::*;

    fn named(alike: &mut Alike, session: &str, score: f32, pattern: u64) -> String {
        let finding = Finding {
            detector: "sequence",
            rule: "r".into(),
            class: "c".into(),
            entity: Entity::new(Scope::Session, session),
            score: Score::new(score),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: String::new(),
            expected: String::new(),
            observed: String::new(),
        };
        let beside = Found::new(0, finding.clone());
        let mut here = [Found { pattern: Some(pattern), ..Found::new(0, finding) }, beside];
        alike.name(&mut here, 0.8);
        assert_eq!(here[0].finding.entity, here[1].finding.entity, "what else is found of it belongs to it");
        here[0].finding.entity.name.clone().into()
    }

    #[test]
    fn the_first_of_a_pattern_gives_it_its_name_and_what_it_shows_later_belongs_to_it() {
        let mut alike = Alike::default();
        let mut name = |session, score, pattern| named(&mut alike, session, score, pattern);
        assert_eq!(name("mild", 0.5, 1), "mild");
        assert_eq!(name("a", 0.9, 1), "a", "what is not told names nothing");
        assert_eq!(name("b", 0.9, 1), "a");
        assert_eq!(name("b", 0.9, 2), "a", "b goes on to be a part of it");
        assert_eq!(name("c", 0.9, 2), "a");
        assert_eq!(name("d", 0.9, 3), "d");
        assert_eq!(name("d", 0.3, 1), "d", "also where it is only noted");
    }
}
