//! Sigma correlations: rules about how often other rules match, per entity and window.

use std::sync::Arc;
use std::time::Duration;

use lapwing_model::{Event, Finding, Scope, Timestamp};
use lapwing_rules::{Comparison, Correlation, CorrelationKind, Correlations, Fired, Limits, Rule, RuleSet};
use serde::{Deserialize, Serialize};

use crate::glance::Answers;
use crate::rules::{Asker, class, entity, name, reason, weight};
use crate::{Detector, Events, Family, Findings, Kind, Rulebook, Setup};

pub const KIND: Kind = Kind {
    name: "thresholds",
    summary: "Sigma correlations: so many matches of a rule, or so many distinct values, per entity and window",
    family: Family::Rules,
    scopes: &[Scope::All],
    enabled: |settings| settings.thresholds.enabled,
    build: |setup, _| Box::new(Thresholds::new(setup)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Groups (one per combination of `group-by` values) that are remembered; the one seen longest ago is forgotten first.
    pub groups: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, groups: 100_000 }
    }
}

#[derive(Debug)]
struct Thresholds {
    rules: Arc<RuleSet>,
    limits: Limits,
    /// Made at the first event, since only one partition ever sees one.
    counting: Option<Counting>,
}

#[derive(Debug)]
struct Counting {
    asker: Asker,
    correlations: Correlations,
    fired: Vec<Fired>,
}

impl Thresholds {
    fn new(setup: &Setup) -> Thresholds {
        let limits = Limits { groups: setup.settings.thresholds.groups, ..Limits::default() };
        Thresholds { rules: setup.rulebook.rules.clone(), limits, counting: None }
    }
}

impl Counting {
    fn new(rules: &Arc<RuleSet>, limits: Limits) -> Counting {
        let correlations = Correlations::new(rules, limits, |_, _| true);
        Counting { asker: Asker::new(Arc::clone(rules)), correlations, fired: Vec::new() }
    }

    fn judge(&mut self, at: u16, event: &Event, answers: &Answers, findings: &mut Findings) {
        for &number in self.asker.holding(event, answers) {
            self.fired.clear();
            self.correlations.observe(number as usize, event.at.nanos(), &self.asker.seen(event), &mut self.fired);
            for fired in &self.fired {
                let rule = &self.asker.set().rules()[fired.rule];
                findings.extend_event(at, rule.correlation().map(|correlation| finding(rule, correlation, fired, event)));
            }
        }
    }
}

fn finding(rule: &Rule, correlation: &Correlation, fired: &Fired, event: &Event) -> Finding {
    let (score, severity) = weight(rule);
    let window = Duration::from_nanos(correlation.timespan_nanos.unsigned_abs());
    let names = || correlation.rules.iter().map(|reference| reference.name.as_str()).collect::<Vec<_>>().join(", ");
    let values = || correlation.value_fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(" and ");
    let what = match (correlation.kind, values()) {
        (CorrelationKind::ValueCount, fields) => format!("{} different values of {fields}", fired.count),
        (CorrelationKind::Temporal | CorrelationKind::TemporalOrdered, _) => format!("all of {}", names()),
        (CorrelationKind::ValueSum, fields) => format!("{fields} came to {}", fired.count),
        (CorrelationKind::ValueAverage, fields) => format!("{fields} was {} on average", fired.count),
        _ => format!("{} events of {}", fired.count, names()),
    };
    let observed = format!("{what} within {} s", window.as_secs());
    Finding {
        detector: KIND.name,
        rule: name(rule).into(),
        class: class(rule),
        entity: entity(rule, event),
        score,
        severity,
        count: if fired.fresh { fired.count } else { 1 },
        since: Some(Timestamp::from_nanos(fired.first)),
        reason: reason(rule, &observed),
        expected: limits(correlation, window),
        observed,
    }
}

fn limits(correlation: &Correlation, window: Duration) -> String {
    let limits: Vec<_> = correlation.conditions.iter().map(|(comparison, limit)| format!("{} {limit}", words(*comparison))).collect();
    if limits.is_empty() {
        "not all of them together".to_owned()
    } else {
        format!("not {} within {} s", limits.join(" and "), window.as_secs())
    }
}

fn words(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Greater => "more than",
        Comparison::GreaterOrEqual => "at least",
        Comparison::Less => "less than",
        Comparison::LessOrEqual => "at most",
        Comparison::Equal => "exactly",
        Comparison::NotEqual => "other than",
    }
}

impl Detector for Thresholds {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let counting = self.counting.get_or_insert_with(|| Counting::new(&self.rules, self.limits));
        if counting.correlations.is_empty() {
            return;
        }
        for (at, event) in events.iter() {
            let unshared = Answers::new();
            counting.judge(at, event, events.rules(at).unwrap_or(&unshared), findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(counting) = &self.counting {
            counting.correlations.save(out);
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut counting = Counting::new(&self.rules, self.limits);
        counting.correlations.load(state).map_err(|error| error.to_string())?;
        self.counting = Some(counting);
        Ok(())
    }

    fn reload(&mut self, rulebook: &Rulebook) {
        self.rules = rulebook.rules.clone();
        if let Some(before) = self.counting.take() {
            let mut state = Vec::new();
            before.correlations.save(&mut state);
            let mut counting = Counting::new(&self.rules, self.limits);
            // What this very detector wrote a moment ago can be read; where not, the correlations begin anew.
            let _ = counting.correlations.load(&state);
            self.counting = Some(counting);
        }
    }

    fn entities(&self) -> usize {
        self.counting.as_ref().map_or(0, |counting| counting.correlations.groups())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Line, detector, observe};

    #[test]
    fn a_burst_of_server_errors_is_high_while_a_single_one_is_not_told_here() {
        let errors: Vec<_> = (0..12).map(|n| Line::new(n as f64, "10.0.0.1", 503).web(n)).collect();
        let findings = observe(&mut *detector("thresholds", Scope::All), &errors);
        assert_eq!(findings.len(), 3, "at the tenth and each further one");
        assert_eq!((&*findings[0].class, findings[0].severity.name()), ("server-error-burst", "high"));
        assert_eq!(findings[0].observed, "10 events of server-error within 60 s");
        assert_eq!(findings[0].entity.name.as_ref(), "a.log");
    }

    #[test]
    fn errors_spread_over_time_are_no_burst() {
        let errors: Vec<_> = (0..50).map(|n| Line::new(n as f64 * 10.0, "10.0.0.1", 503).web(n)).collect();
        assert!(observe(&mut *detector("thresholds", Scope::All), &errors).is_empty());
    }

    #[test]
    fn what_was_counted_before_other_rules_came_still_counts_where_the_correlation_is_the_same() {
        let errors: Vec<_> = (0..10).map(|n| Line::new(n as f64, "10.0.0.1", 503).web(n)).collect();
        let told = |reload: Option<&str>| {
            let mut thresholds = detector("thresholds", Scope::All);
            assert!(observe(&mut *thresholds, &errors[..9]).is_empty());
            if let Some(more) = reload {
                let rules = crate::testing::setup().rulebook.rules.rules().to_vec().into_iter();
                let (set, errors) = crate::logsource::compile(rules.chain(lapwing_rules::parse("x.yml", more).0).collect());
                assert_eq!(errors, []);
                thresholds.reload(&Rulebook { rules: Arc::new(set), ..Rulebook::default() });
            }
            observe(&mut *thresholds, &errors[9..]).len()
        };
        let another = "title: t\nname: n\ndetection: {s: [x], condition: s}\n---\ntitle: c\ncorrelation: {type: event_count, rules: n, \
                       timespan: 1m, group-by: [a], condition: {gte: 5}}\n";
        assert_eq!((told(None), told(Some("")), told(Some(another))), (1, 1, 1));
    }
}
