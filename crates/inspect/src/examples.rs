//! What rules say of themselves: values that they match, and values that they do not.

use std::sync::Arc;

use crate::inspector::Inspector;
use crate::rules::Rules;

/// A value of which a rule's own account is not true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken<'a> {
    /// Position in [`Rules::rules`].
    pub rule: usize,
    pub value: &'a str,
    /// Whether the rule is said to match it.
    pub wanted: bool,
}

/// Every value for which a rule does not do what it says.
#[must_use]
pub fn broken(rules: &Arc<Rules>) -> Vec<Broken<'_>> {
    let mut inspector = Inspector::new(rules.clone());
    let mut broken = Vec::new();
    for (number, rule) in rules.rules().iter().enumerate() {
        let name = rule.names.first().map_or("q", String::as_str);
        let values = rule.matching.iter().map(|value| (value, true));
        for (value, wanted) in values.chain(rule.not_matching.iter().map(|value| (value, false))) {
            inspector.begin(b"");
            inspector.value(rule.first, name.as_bytes(), value.as_bytes());
            if inspector.hits().iter().any(|hit| hit.rule == number) != wanted {
                broken.push(Broken { rule: number, value, wanted });
            }
        }
    }
    broken
}
