//! Many rules as one: an automaton over all their literals, and what each literal calls for.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::fault::Fault;
use crate::rule::{File, Rule};

/// A compiled set of rules. Shared by all that inspect; never changes.
#[derive(Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) automaton: AhoCorasick,
    /// For each literal of the automaton, the rules that it makes candidates.
    pub(crate) called: Vec<Vec<u16>>,
}

impl Rules {
    /// Compiles rule files, each given as name and text. Rules with faults are left out and told of; the others run.
    /// No two rules have one id: the first of them stays.
    #[must_use]
    pub fn compile(files: &[(&str, &str)]) -> (Rules, Vec<Fault>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for (name, text) in files {
            if let Some(file) = File::parse(name, text, &mut errors) {
                file.rules(name, &mut rules, &mut errors);
            }
        }
        rules.truncate(u16::MAX.into());
        let mut literals: Vec<(&[u8], Vec<u16>)> = Vec::new();
        let mut all: Vec<(&[u8], u16)> =
            (0..).zip(&rules).flat_map(|(at, rule)| rule.literals.iter().map(move |literal| (&literal[..], at))).collect();
        all.sort_unstable();
        for (literal, rule) in all {
            match literals.last_mut().filter(|(last, _)| *last == literal) {
                Some((_, called)) => called.push(rule),
                None => literals.push((literal, vec![rule])),
            }
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(literals.iter().map(|(literal, _)| literal));
        let called = literals.into_iter().map(|(_, called)| called).collect();
        match automaton {
            Ok(automaton) => (Rules { automaton, called, rules }, errors),
            Err(error) => {
                errors.push(Fault::at("all rule files", None, format!("the rules together are too large: {error}; load fewer")));
                (Rules { automaton: nothing(), called: Vec::new(), rules: Vec::new() }, errors)
            }
        }
    }

    /// All rules, in the order of their files.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

fn nothing() -> AhoCorasick {
    // An automaton without patterns is the smallest there is, and the crate builds it for any input.
    AhoCorasick::new([""; 0]).expect("no patterns are not too many")
}
