use std::collections::HashMap;

use crate::error::{Problems, quoted};
use crate::rule::Rule;

/// The ids and names by which rules refer to one another.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    /// Whether the rule's id and name are not another rule's; `rules` are those whose names were taken.
    pub(crate) fn free(&self, rule: &Rule, rules: &[Rule], problems: &mut Problems) -> bool {
        for name in [&rule.id, &rule.name].into_iter().flatten() {
            if let Some(other) = self.0.get(name).and_then(|index| rules.get(*index)) {
                let message = format!("the rule {} is already defined in {}:{}", quoted(name), other.file, other.line);
                problems.add_with(rule.position, message, "give it an id and a name of its own");
                return false;
            }
        }
        true
    }

    pub(crate) fn take(&mut self, rule: &Rule, index: usize) {
        for name in [&rule.id, &rule.name].into_iter().flatten() {
            self.0.insert(name.clone(), index);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
