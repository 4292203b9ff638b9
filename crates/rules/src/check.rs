use std::collections::HashSet;

use crate::condition::Condition;
use crate::error::{Position, Problems, RuleError, did_you_mean, quoted};
use crate::rule::{Body, Correlation, Criteria, Detection, Rule, Test};
use crate::syntax::KEYS;
use crate::value::KEYWORDS;

/// Warns of what is allowed but probably not meant: fields that no log carries (`known` lists those that some log does;
/// empty means that nothing is known about fields), selections that no condition uses, misspelt top-level keys.
#[must_use]
pub fn check(rules: &[Rule], known: &[&str]) -> Vec<RuleError> {
    let fields: HashSet<&str> = known.iter().copied().collect();
    let mut warnings = Vec::new();
    for rule in rules {
        let mut checker = Checker { known, fields: &fields, problems: Problems::new(&rule.file) };
        checker.rule(rule);
        warnings.extend(checker.problems.into_errors());
    }
    warnings
}

#[derive(Debug)]
struct Checker<'a> {
    known: &'a [&'a str],
    fields: &'a HashSet<&'a str>,
    problems: Problems,
}

impl Checker<'_> {
    fn rule(&mut self, rule: &Rule) {
        for (key, node) in &rule.extra {
            if let Some(near) = did_you_mean(key, KEYS) {
                let message = format!("the key {} is not of Sigma and is passed over", quoted(key));
                self.problems.add_with(node.position, message, format!("did you mean '{near}'?"));
            }
        }
        if let Some(entity) = &rule.entity {
            self.field(entity, rule.position);
        }
        match &rule.body {
            Body::Detection(detection) => self.detection(detection),
            Body::Correlation(correlation) => self.correlation(correlation),
            Body::Filter(filter) => self.detection(&filter.detection),
        }
    }

    fn detection(&mut self, detection: &Detection) {
        let mut used = vec![false; detection.selections.len()];
        mark(&detection.condition, &mut used);
        for (selection, used) in detection.selections.iter().zip(used) {
            if !used {
                self.problems.add(selection.position, format!("no condition uses the selection {}", quoted(&selection.name)));
            }
            self.criteria(&selection.criteria);
        }
    }

    fn criteria(&mut self, criteria: &Criteria) {
        match criteria {
            Criteria::All(parts) | Criteria::Any(parts) => parts.iter().for_each(|part| self.criteria(part)),
            Criteria::Item(item) => {
                self.field(&item.field, item.position);
                for test in &item.tests {
                    if let Test::Field { name, .. } = test {
                        self.field(name, item.position);
                    }
                }
            }
        }
    }

    fn correlation(&mut self, correlation: &Correlation) {
        let is_alias = |name: &str| correlation.aliases.iter().any(|alias| alias.name == name);
        for field in correlation.group_by.iter().chain(&correlation.value_fields) {
            if !is_alias(&field.name) {
                self.field(&field.name, field.position);
            }
        }
    }

    fn field(&mut self, name: &str, at: Position) {
        if name != KEYWORDS && !self.known.is_empty() && !self.fields.contains(name) {
            let message = format!("no log is known to carry the field {}", quoted(name));
            match did_you_mean(name, self.known.iter().copied()) {
                Some(near) => self.problems.add_with(at, message, format!("did you mean '{near}'?")),
                None => self.problems.add(at, message),
            }
        }
    }
}

fn mark(condition: &Condition, used: &mut [bool]) {
    match condition {
        Condition::Selection(index) => used[*index] = true,
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| mark(part, used)),
        Condition::Not(inner) => mark(inner, used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    #[test]
    fn warns_of_unknown_fields_unused_selections_and_misspelt_keys() {
        let yaml = "title: t\nlevl: high\nmine: 1\ndetection:\n  sel:\n    url.orignal|contains: x\n    zzz: 1\n  spare: [kw]\n  condition: sel\n";
        let (rules, errors) = parse("x.yml", yaml);
        assert_eq!(errors, []);
        let warnings: Vec<String> = check(&rules, &["url.original", "source.ip"]).iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "x.yml:2:7: the key 'levl' is not of Sigma and is passed over; did you mean 'level'?",
                "x.yml:6:5: no log is known to carry the field 'url.orignal'; did you mean 'url.original'?",
                "x.yml:7:5: no log is known to carry the field 'zzz'",
                "x.yml:8:3: no condition uses the selection 'spare'",
            ]
        );
        assert_eq!(check(&rules, &[]).len(), 2);
    }
}
