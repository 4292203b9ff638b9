use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Problems, RuleError, quoted};
use crate::names::Names;
use crate::rule::{Comparison, Correlation, CorrelationKind, Rule};

/// A correlation with everything resolved that can be resolved beforehand.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The correlation's own index among the rules.
    pub(crate) rule: usize,
    pub(crate) kind: CorrelationKind,
    pub(crate) sources: Vec<Source>,
    /// In nanoseconds.
    pub(crate) span: i64,
    pub(crate) conditions: Vec<(Comparison, f64)>,
    pub(crate) generate: bool,
    /// Names this definition in saved states: a changed rule begins anew.
    pub(crate) fingerprint: u64,
}

/// A rule whose matches are counted.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) rule: usize,
    pub(crate) group_fields: Vec<usize>,
    pub(crate) value_fields: Vec<usize>,
}

impl Plan {
    /// Whether a count satisfies the correlation's conditions.
    pub(crate) fn holds(&self, count: f64) -> bool {
        self.conditions.iter().all(|(comparison, wanted)| comparison.holds(count, *wanted))
    }

    /// The kinds of event that can complete the correlation, given those of the rules before it.
    pub(crate) fn kinds(&self, of_rules: &[u64]) -> u64 {
        let sources = || self.sources.iter().map(|source| of_rules.get(source.rule).copied().unwrap_or_default());
        let all = matches!(self.kind, CorrelationKind::Temporal | CorrelationKind::TemporalOrdered);
        if all && sources().any(|kinds| kinds == 0) { 0 } else { sources().fold(0, |all, kinds| all | kinds) }
    }

    /// The largest number that the conditions compare with.
    pub(crate) fn largest(&self) -> usize {
        if matches!(self.kind, CorrelationKind::ValueSum | CorrelationKind::ValueAverage) {
            return 0;
        }
        self.conditions.iter().map(|(_, number)| *number as usize).max().unwrap_or(0)
    }
}

/// Resolves the correlations, each behind those it refers to, and puts them behind the `rules`. Those that refer to what is
/// not there, or to each other in a circle, are told to `errors`.
pub(crate) fn plan(
    correlations: Vec<Rule>,
    rules: &mut Vec<Rule>,
    names: &mut Names,
    field: &mut impl FnMut(&str) -> usize,
    errors: &mut Vec<RuleError>,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut waiting = correlations;
    loop {
        let before = waiting.len();
        for rule in std::mem::take(&mut waiting) {
            let mut problems = Problems::new(&rule.file);
            let Some(correlation) = rule.correlation() else { continue };
            if correlation.rules.iter().any(|reference| names.get(&reference.name).is_none()) {
                waiting.push(rule);
            } else if names.free(&rule, rules, &mut problems)
                && let Some(plan) = resolve(&rule, correlation, rules.len(), names, field, &mut problems)
            {
                plans.push(plan);
                names.take(&rule, rules.len());
                rules.push(rule);
            }
            errors.extend(problems.into_errors());
        }
        if waiting.len() == before {
            break;
        }
    }
    for rule in &waiting {
        errors.extend(unresolved(rule, &waiting, names));
    }
    plans
}

fn resolve(
    rule: &Rule,
    correlation: &Correlation,
    index: usize,
    names: &Names,
    field: &mut impl FnMut(&str) -> usize,
    problems: &mut Problems,
) -> Option<Plan> {
    for alias in &correlation.aliases {
        for (name, _) in &alias.fields {
            if !correlation.rules.iter().any(|reference| reference.name == *name) {
                let message = format!("the alias {} names {}, which is not among the rules", quoted(&alias.name), quoted(name));
                problems.add(rule.position, message);
                return None;
            }
        }
    }
    let mut resolve_field = |name: &str, source: &str| {
        let alias = correlation.aliases.iter().find(|alias| alias.name == name);
        let own = alias.and_then(|alias| alias.fields.iter().find(|(rule, _)| rule == source));
        field(own.map_or(name, |(_, field)| field))
    };
    let mut sources = Vec::new();
    for reference in &correlation.rules {
        let group_fields = correlation.group_by.iter().map(|group| resolve_field(&group.name, &reference.name)).collect();
        let value_fields = correlation.value_fields.iter().map(|value| resolve_field(&value.name, &reference.name)).collect();
        let source = Source { rule: names.get(&reference.name)?, group_fields, value_fields };
        if sources.iter().any(|other: &Source| other.rule == source.rule) {
            problems.add(reference.position, format!("the rule {} stands here twice", quoted(&reference.name)));
            return None;
        }
        sources.push(source);
    }
    Some(Plan {
        rule: index,
        kind: correlation.kind,
        sources,
        span: correlation.timespan_nanos,
        conditions: correlation.conditions.clone(),
        generate: correlation.generate,
        fingerprint: fingerprint(rule, correlation),
    })
}

/// A number that changes when what is counted changes, but not when the file is moved or other rules come.
fn fingerprint(rule: &Rule, correlation: &Correlation) -> u64 {
    let names =
        |references: &[crate::rule::Reference]| references.iter().map(|reference| reference.name.clone()).collect::<Vec<_>>();
    let text = format!(
        "{} {:?} {:?} {:?} {} {:?} {:?}",
        rule.key(),
        correlation.kind,
        names(&correlation.rules),
        names(&correlation.group_by),
        correlation.timespan_nanos,
        names(&correlation.value_fields),
        correlation.aliases
    );
    xxh3_64(text.as_bytes())
}

fn unresolved(rule: &Rule, waiting: &[Rule], names: &Names) -> Vec<RuleError> {
    let mut problems = Problems::new(&rule.file);
    let references = rule.correlation().map(|correlation| correlation.rules.as_slice()).unwrap_or_default();
    for reference in references.iter().filter(|reference| names.get(&reference.name).is_none()) {
        let name = Some(&reference.name);
        if waiting.iter().any(|other| other.id.as_ref() == name || other.name.as_ref() == name) {
            let message = format!("the correlation {} could not be used, or refers back to this one", quoted(&reference.name));
            problems.add(reference.position, message);
        } else {
            problems.unknown(reference.position, "rule", &reference.name, names.known());
        }
    }
    problems.into_errors()
}
