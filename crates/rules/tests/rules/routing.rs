//! Rules are asked about events of their log source only.

use lapwing_rules::{Fields, LogSource, RuleSet, Scratch, Value, parse};

use super::Event;

const WEB: u64 = 1;
const AUTH: u64 = 2;

struct Of<'a>(&'a Event, &'a RuleSet, u64);

impl Fields for Of<'_> {
    fn get(&self, field: usize) -> Value<'_> {
        self.0.get(&self.1.fields()[field])
    }

    fn kinds(&self) -> u64 {
        self.2
    }
}

fn kinds(source: &LogSource) -> u64 {
    match (source.category.as_deref(), source.service.as_deref()) {
        (Some("webserver"), _) => WEB,
        (_, Some("auth")) => AUTH,
        (None, None) if source.product.is_none() => u64::MAX,
        _ => 0,
    }
}

const RULES: &str = "title: web\nname: web\nlogsource: {category: webserver}\ndetection: {s: {m|contains: evil}, condition: s}\n---\n\
    title: auth\nlogsource: {product: linux, service: auth}\ndetection: {s: {n: 1}, condition: not s}\n---\n\
    title: windows\nname: windows\nlogsource: {product: windows}\ndetection: {s: {m|contains: evil}, t: {m|re: '('}, condition: 1 of them}\n---\n\
    title: everything\ndetection: {s: [evil], condition: s}\n---\n\
    title: both\ncorrelation: {type: temporal, rules: [web, windows], timespan: 1m, group-by: [m]}\n---\n\
    title: either\ncorrelation: {type: event_count, rules: [web, windows], timespan: 1m, group-by: [m], condition: {gte: 1}}\n";

#[test]
fn an_event_meets_the_rules_of_its_kinds_only() {
    let (set, errors) = RuleSet::compile_for(parse("x.yml", RULES).0, kinds);
    assert_eq!(errors, [], "a rule that no event can meet is not compiled");
    let event = Event::default().with("m", "an evil one").with("", "an evil one");
    for (kinds, titles) in [
        (WEB, vec!["web", "everything"]),
        (AUTH, vec!["auth", "everything"]),
        (WEB | AUTH, vec!["web", "auth", "everything"]),
        (4, vec!["everything"]),
    ] {
        let mut found = Vec::new();
        set.matches(&mut Scratch::new(), &Of(&event, &set, kinds), &mut found);
        assert_eq!(found.iter().map(|rule| set.rules()[*rule].title.as_str()).collect::<Vec<_>>(), titles);
    }
}

#[test]
fn a_rule_that_no_event_can_meet_is_known_as_such_and_so_is_what_needs_it() {
    let (set, _) = RuleSet::compile_for(parse("x.yml", RULES).0, kinds);
    let applicable: Vec<_> =
        (0..set.rules().len()).filter(|rule| set.applicable(*rule)).map(|rule| &set.rules()[rule].title).collect();
    assert_eq!(applicable, ["web", "auth", "everything", "either"]);
}
