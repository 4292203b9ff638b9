//! Filters: documents that leave something out of other rules' matches, without a change to the rules' own files.

use std::collections::HashMap;

use crate::condition::Condition;
use crate::error::{Problems, RuleError, quoted};
use crate::rule::{Body, Detection, Filter, Rule};

/// Takes the filters out of `rules` and puts what they ask for into the rules that they are about.
///
/// A filter's condition must hold as well, as pySigma has it (`condition: not selection`). A condition without any `not`
/// describes what is to be left out, as the example of the filters specification has it; so both mean the same.
pub(crate) fn apply(mut rules: Vec<Rule>) -> (Vec<Rule>, Vec<RuleError>) {
    let is_filter = |rule: &Rule| matches!(rule.body, Body::Filter(_));
    if !rules.iter().any(is_filter) {
        return (rules, Vec::new());
    }
    let mut errors = Vec::new();
    let filters: Vec<Rule> = rules.extract_if(.., |rule| is_filter(rule)).collect();
    let named = |rule: &Rule| [rule.id.clone(), rule.name.clone()];
    let names: HashMap<String, usize> =
        rules.iter().enumerate().flat_map(|(at, rule)| named(rule).into_iter().flatten().map(move |name| (name, at))).collect();
    for rule in &filters {
        let Body::Filter(filter) = &rule.body else { continue };
        let mut problems = Problems::new(&rule.file);
        if filter.rules.is_empty() {
            rules.iter_mut().filter(|other| rule.logsource.contains(&other.logsource)).for_each(|other| narrow(other, filter));
        }
        for reference in &filter.rules {
            match names.get(&reference.name).map(|at| &mut rules[*at]) {
                None => problems.unknown(reference.position, "rule", &reference.name, names.keys().map(String::as_str)),
                Some(other) if other.detection().is_none() => {
                    let message = format!("{} is a correlation; a filter narrows detections", quoted(&reference.name));
                    problems.add_with(reference.position, message, "name the rules that the correlation counts");
                }
                Some(other) => narrow(other, filter),
            }
        }
        errors.extend(problems.into_errors());
    }
    (rules, errors)
}

fn narrow(rule: &mut Rule, filter: &Filter) {
    let Body::Detection(Detection { selections, condition }) = &mut rule.body else { return };
    let first = selections.len();
    selections.extend(filter.detection.selections.iter().cloned());
    let wanted = shifted(&filter.detection.condition, first);
    let wanted = if negates(&wanted) { wanted } else { Condition::Not(Box::new(wanted)) };
    let own = std::mem::replace(condition, Condition::All(Vec::new()));
    *condition = Condition::All(vec![own, wanted]);
}

fn shifted(condition: &Condition, by: usize) -> Condition {
    let all = |parts: &[Condition]| parts.iter().map(|part| shifted(part, by)).collect();
    match condition {
        Condition::Selection(index) => Condition::Selection(index + by),
        Condition::All(parts) => Condition::All(all(parts)),
        Condition::Any(parts) => Condition::Any(all(parts)),
        Condition::Not(inner) => Condition::Not(Box::new(shifted(inner, by))),
    }
}

fn negates(condition: &Condition) -> bool {
    match condition {
        Condition::Selection(_) => false,
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(negates),
        Condition::Not(_) => true,
    }
}
