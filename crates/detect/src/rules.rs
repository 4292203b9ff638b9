//! Sigma rules: those that come with Lapwing, and people's own.

use std::sync::Arc;

use lapwing_model::{Entity, Event, Field, Finding, Scope, Score, Severity, printable};
use lapwing_rules::{Body, Criteria, KEYWORDS, Level, Rule, RuleSet, Scratch, Status, Value};
use serde::{Deserialize, Serialize};

use crate::glance::Answers;
use crate::logsource::{Asked, Router, Seen, fields};
use crate::{Detector, Events, Family, Findings, Kind, Rulebook};

pub const KIND: Kind = Kind {
    name: "rules",
    summary: "Sigma rules on single events: fatal errors, server errors, suspicious words, and people's own",
    family: Family::Rules,
    scopes: &[Scope::Event],
    enabled: |settings| settings.rules.enabled,
    build: |setup, _| Box::new(Rules::new(setup.rulebook.rules.clone())),
};

/// The rules that come with Lapwing: file name and text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("builtin/errors.yml", include_str!("../../../rules/errors.yml")),
    ("builtin/keywords.yml", include_str!("../../../rules/keywords.yml")),
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true }
    }
}

#[derive(Debug)]
struct Rules {
    asker: Asker,
}

impl Rules {
    fn new(set: Arc<RuleSet>) -> Rules {
        Rules { asker: Asker::new(set) }
    }
}

/// Asks which rules hold of an event. That is the same for everybody who wants to know, so the first to ask tells the others.
#[derive(Debug)]
pub(crate) struct Asker {
    set: Arc<RuleSet>,
    fields: Vec<Asked>,
    router: Router,
    scratch: Scratch,
    matched: Vec<usize>,
}

impl Asker {
    pub(crate) fn new(set: Arc<RuleSet>) -> Asker {
        Asker { fields: fields(&set), set, router: Router::default(), scratch: Scratch::new(), matched: Vec::new() }
    }

    pub(crate) fn set(&self) -> &RuleSet {
        &self.set
    }

    /// The event, as the rules see it once they hold.
    pub(crate) fn seen<'a>(&'a self, event: &'a Event) -> Seen<'a> {
        Seen { event, fields: &self.fields, kinds: u64::MAX }
    }

    /// The numbers of the rules that hold.
    pub(crate) fn holding<'a>(&mut self, event: &Event, answers: &'a Answers) -> &'a [u32] {
        answers.get_or_init(|| {
            let seen = Seen { event, fields: &self.fields, kinds: self.router.kinds(event) };
            self.set.matches(&mut self.scratch, &seen, &mut self.matched);
            self.matched.iter().map(|&number| number as u32).collect()
        })
    }
}

impl Detector for Rules {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            let unshared = Answers::new();
            let holding = self.asker.holding(event, events.rules(at).unwrap_or(&unshared));
            let set = self.asker.set();
            for number in holding.iter().map(|&number| number as usize).filter(|&number| set.speaks(number)) {
                findings.push(at, finding(&set.rules()[number], event));
            }
        }
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn reload(&mut self, rulebook: &Rulebook) {
        *self = Rules::new(rulebook.rules.clone());
    }

    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

fn finding(rule: &Rule, event: &Event) -> Finding {
    let observed = observed(rule, event);
    let (score, severity) = weight(rule);
    Finding {
        detector: KIND.name,
        rule: name(rule).into(),
        class: class(rule),
        entity: entity(rule, event),
        score,
        severity,
        count: 1,
        since: None,
        reason: reason(rule, &observed),
        expected: "no event that this rule describes".to_owned(),
        observed,
    }
}

/// What people call a rule.
pub(crate) fn name(rule: &Rule) -> String {
    rule.name.clone().unwrap_or_else(|| rule.title.clone())
}

/// What kind of thing a rule finds: what it says itself, else its name.
pub(crate) fn class(rule: &Rule) -> std::borrow::Cow<'static, str> {
    rule.class.clone().unwrap_or_else(|| "rule-match".to_owned()).into()
}

/// What a rule found, in one sentence, with the techniques of ATT&CK that it is tagged with.
pub(crate) fn reason(rule: &Rule, observed: &str) -> String {
    let mut reason = rule.title.clone();
    if !observed.is_empty() {
        reason += ": ";
        reason += observed;
    }
    let techniques = techniques(rule);
    if !techniques.is_empty() {
        reason += &format!(" (ATT&CK {})", techniques.join(", "));
    }
    reason
}

/// The techniques and tactics of ATT&CK among a rule's tags, as people write them: `T1110.001`.
#[must_use]
pub fn techniques(rule: &Rule) -> Vec<String> {
    let technique = |tag: &String| {
        let name = tag.strip_prefix("attack.")?;
        let number = name.strip_prefix(['t', 'T'])?;
        number.starts_with(|first: char| first.is_ascii_digit()).then(|| name.to_ascii_uppercase())
    };
    rule.tags.iter().filter_map(technique).collect()
}

/// Score and severity by a rule's level. An experimental rule is believed a little less; one that its authors have given up
/// is told as information only.
pub(crate) fn weight(rule: &Rule) -> (Score, Severity) {
    let (score, severity) = match rule.level {
        Level::Informational => (0.1, Severity::Info),
        Level::Low => (0.3, Severity::Low),
        Level::Medium => (0.6, Severity::Medium),
        Level::High => (0.85, Severity::High),
        Level::Critical => (0.97, Severity::Critical),
    };
    match rule.status {
        Some(Status::Deprecated | Status::Unsupported) => (Score::new(0.1), Severity::Info),
        Some(Status::Experimental) => (Score::new(0.9 * score), severity),
        _ => (Score::new(score), severity),
    }
}

/// Whom a finding of the rule is about: the field the rule names, else whom the event is about.
pub(crate) fn entity(rule: &Rule, event: &Event) -> Entity {
    let scope = rule.entity.as_deref().and_then(|name| scope(&Field::named(name)));
    scope.and_then(|scope| event.entity_of(scope)).unwrap_or_else(|| event.entity())
}

fn scope(field: &Field) -> Option<Scope> {
    match field {
        Field::ClientAddress => Some(Scope::Client),
        Field::User => Some(Scope::User),
        Field::Session => Some(Scope::Session),
        Field::Path | Field::Url => Some(Scope::Endpoint),
        Field::Service => Some(Scope::Service),
        Field::Host => Some(Scope::Host),
        Field::Source => Some(Scope::Source),
        _ => None,
    }
}

/// What stands in the fields that the rule asks for.
fn observed(rule: &Rule, event: &Event) -> String {
    let mut names = Vec::new();
    if let Body::Detection(detection) = &rule.body {
        detection.selections.iter().for_each(|selection| asked(&selection.criteria, &mut names));
    }
    let shown = names.iter().filter_map(|name| match Asked::named(name).of(event) {
        Value::Absent => None,
        Value::Text(text) => Some(format!("{name} {}", printable(text).within(120))),
        Value::Number(number) => Some(format!("{name} {number}")),
        Value::Address(address) => Some(format!("{name} {address}")),
    });
    shown.take(3).collect::<Vec<_>>().join(", ")
}

fn asked<'a>(criteria: &'a Criteria, names: &mut Vec<&'a str>) {
    match criteria {
        Criteria::All(all) | Criteria::Any(all) => all.iter().for_each(|one| asked(one, names)),
        Criteria::Item(item) if item.field != KEYWORDS && !names.contains(&item.field.as_str()) => names.push(&item.field),
        Criteria::Item(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::Level as LogLevel;

    use super::*;
    use crate::testing::{Line, detector, observe, read, setup};

    #[test]
    fn every_builtin_rule_matches_the_lines_it_says_and_no_others() {
        let set = setup().rulebook.rules;
        let fields = fields(&set);
        for (number, rule) in set.rules().iter().enumerate().filter(|(_, rule)| rule.detection().is_some()) {
            assert!(!rule.tests.is_empty(), "{} has no tests", rule.title);
            let matches = |line: &String| {
                let (event, mut matched) = (read(line), Vec::new());
                let seen = Seen { event: &event, fields: &fields, kinds: Router::default().kinds(&event) };
                set.matches(&mut Scratch::new(), &seen, &mut matched);
                matched.contains(&number)
            };
            for line in &rule.tests.matching {
                assert!(matches(line), "{} does not match {line}", rule.title);
            }
            for line in &rule.tests.not_matching {
                assert!(!matches(line), "{} matches {line}", rule.title);
            }
        }
    }

    #[test]
    fn a_fatal_line_is_high_and_says_what_was_seen() {
        let event = Line::new(0.0, "", 0).log(0, LogLevel::Fatal, "out of memory");
        let findings = observe(&mut *detector("rules", Scope::Event), &[event]);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].severity, &*findings[0].observed), (Severity::High, "log.level FATAL"));
    }

    #[test]
    fn a_server_error_is_about_the_endpoint() {
        let failed = Line { path: "/cart".to_owned(), ..Line::new(0.0, "203.0.113.9", 502) };
        let findings = observe(&mut *detector("rules", Scope::Event), &[failed.web(0)]);
        assert_eq!(findings[0].entity.scope, Scope::Endpoint);
    }

    #[test]
    fn techniques_of_attack_are_told_and_a_rule_that_was_given_up_is_information_only() {
        let yaml = "title: t\nlevel: high\nstatus: STATUS\ntags: [attack.initial-access, attack.t1505.003, cve.2021-44228]\n\
                    detection: {s: {log.level: FATAL}, condition: s}\n";
        let told = |status: &str| {
            let (set, errors) = crate::logsource::compile(lapwing_rules::parse("x.yml", &yaml.replace("STATUS", status)).0);
            assert_eq!(errors, []);
            let event = Line::new(0.0, "", 0).log(0, LogLevel::Fatal, "out of memory");
            observe(&mut Rules::new(Arc::new(set)), &[event]).remove(0)
        };
        assert_eq!((told("test").severity, told("deprecated").severity), (Severity::High, Severity::Info));
        assert!(told("experimental").score < told("stable").score);
        assert_eq!(told("test").reason, "t: log.level FATAL (ATT&CK T1505.003)");
    }
}
