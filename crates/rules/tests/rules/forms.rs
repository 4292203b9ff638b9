//! The forms that rules come in: every modifier, several documents in a file, filters, correlations, log sources.

use std::collections::HashMap;

use lapwing_rules::{Correlations, KEYWORDS, Limits, Rule, RuleSet, parse_with};

use super::{Event, Seen, errors, found};

/// An item with a modifier, what it holds of, and what not. The field is `f`; `g` holds `other`.
const MODIFIERS: &[(&str, &str, &str)] = &[
    ("f: 'exact'", "EXACT", "not exact"),
    ("f|contains: mid", "a mid b", "m-i-d"),
    ("f|startswith: be", "begin", "a begin"),
    ("f|endswith: .exe", "CMD.EXE", "cmd.exe "),
    ("f|contains|all: [a, z]", "abc xyz", "abc"),
    ("f|all|contains: [a, z]", "abc xyz", "xyx"),
    ("f|re: '^a.c$'", "abc", "ABC"),
    ("f|re|i: '^a.c$'", "ABC", "a\nc"),
    ("f|re|s: 'a.c'", "a\nc", "ac"),
    ("f|re|m: '^b$'", "a\nb\nc", "a b c"),
    ("f|re|i|m|s: '^B.C$'", "a\nb\nc", "abc"),
    ("f|cidr: [10.0.0.0/8, '2001:db8::/32']", "2001:db8::7", "192.0.2.1"),
    ("f|base64: attack", "YXR0YWNr", "attack"),
    ("f|base64offset|contains: attack", "eGF0dGFjaw==", "attack"),
    ("f|utf16le|base64offset|contains: attack", "YQB0AHQAYQBjAGsA", "attack"),
    ("f|wide|base64offset|contains: attack", "YQB0AHQAYQBjAGsA", "attack"),
    ("f|utf16be|contains: ab", "x\0a\0b", "ab"),
    ("f|windash|contains: ' -x'", "cmd /x", "cmd x"),
    ("f|fieldref: g", "other", "another"),
    ("f|fieldref|startswith: g", "others", "another"),
    ("f|fieldref|neq: g", "another", "other"),
    ("f|exists: true", "", "ABSENT"),
    ("f|exists: false", "ABSENT", "x"),
    ("f|cased: Exact", "Exact", "exact"),
    ("f|contains|cased: Mid", "a Mid b", "a mid b"),
    ("f|gt: 5", "6", "5"),
    ("f|gte: 5", "5", "4.9"),
    ("f|lt: 5", "4", "5"),
    ("f|lte: 5", "5", "5.1"),
    ("f|neq: 5", "6", "5"),
    ("f|expand: '%admins%'", "root", "%admins%"),
    ("f|contains|expand: '\\%x%admins%'", "a%xanna", "xanna"),
    ("f|hour|gte: 22", "2025-03-01T23:05:00Z", "2025-03-01T12:05:00Z"),
    ("f: null", "ABSENT", "x"),
    ("f: ''", "", "x"),
    ("'|all': [one, two]", "two and one", "two"),
];

fn read(yaml: &str) -> Vec<Rule> {
    let admins = HashMap::from([("admins".to_owned(), vec!["root".to_owned(), "anna".to_owned()])]);
    let (rules, errors) = parse_with("x.yml", yaml, &admins);
    assert_eq!(errors, [], "{yaml}");
    rules
}

#[test]
fn every_modifier_holds_of_what_it_means_and_of_nothing_else() {
    for (item, yes, no) in MODIFIERS {
        let yaml = format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n");
        let set = RuleSet::compile(read(&yaml)).0;
        for (text, expected) in [(yes, true), (no, false)] {
            let event = Event::default().with("g", "other");
            let event = if *text == "ABSENT" { event } else { event.with("f", text).with(KEYWORDS, text) };
            assert_eq!(!found(&set, &event).is_empty(), expected, "{item} on {text:?}");
        }
    }
}

/// As the specification's own example: a correlation stands before what it counts, and counts a correlation.
const FILE: &str = "title: Failures and a success\nname: story\ncorrelation: {type: temporal_ordered, rules: [many, granted], \
    group-by: [user], timespan: 10m}\nlevel: high\n---\ntitle: Many failures\nname: many\ncorrelation: {type: event_count, rules: \
    [refused], group-by: [user], timespan: 10m, condition: {gte: 3}}\n---\ntitle: A failure\nname: refused\nid: 0e95725d-7320-415d-80f7-\
    004da920fc11\nstatus: test\nlevel: low\ntags: [attack.t1110]\nfalsepositives: [unlikely]\nlogsource: {product: linux, service: \
    sshd}\ndetection:\n  selection: {outcome: [refused, failed]}\n  condition: 1 of selection*\n---\ntitle: A success\nname: \
    granted\nlogsource: {product: linux}\ndetection:\n  selection: {outcome: granted}\n  _not_meant: {outcome: refused}\n  condition: \
    all of them\n---\ntitle: Not the robots\nlogsource: {product: linux}\nfilter:\n  rules: [0e95725d-7320-415d-80f7-004da920fc11]\n  \
    selection: {user|startswith: robot}\n  condition: not selection\n";

#[test]
fn a_file_of_rules_correlations_and_a_filter_works_in_any_order() {
    let set = RuleSet::compile(read(FILE)).0;
    let told = |user: &str| {
        let mut correlations = Correlations::new(&set, Limits::default(), |_, _| true);
        let mut told = Vec::new();
        for (second, outcome) in ["refused", "failed", "refused", "granted"].into_iter().enumerate() {
            let event = Event::default().with("user", user).with("outcome", outcome);
            for rule in found(&set, &event) {
                correlations.observe(rule, second as i64 * 1_000_000_000, &Seen(&event, &set), &mut told);
            }
        }
        told.iter().map(|fired| set.rules()[fired.rule].title.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(told("anna"), ["Many failures", "Failures and a success"]);
    assert_eq!(told("robot7"), Vec::<&str>::new(), "what is filtered out is not counted either");
}

#[test]
fn what_is_not_supported_is_told_with_its_place() {
    let item = |item: &str| format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n");
    for (yaml, wrong) in [
        (item("f|contians: x"), "x.yml:4:7: unknown modifier 'contians'; did you mean 'contains'?"),
        (item("f|i: x"), "x.yml:4:7: the flag 'i' must stand behind 're'"),
        (item("f|cidr: home"), "x.yml:4:13: 'cidr' expects a network such as 10.0.0.0/8, found 'home'"),
        (item("f|re: '(?<!a)b'"), "x.yml:4:5: 'f': not a regular expression: look-around"),
        (item("f|expand: '%admins%'"), "x.yml:4:15: the placeholder '%admins%' has no values; "),
        (item("f: x").replace("condition: s", "condition: s | count() > 5"), "x.yml:5:16: "),
        (item("f: x").replace("condition: s", "condition: s near t"), "x.yml:5:16: "),
        (
            item("f: x").replace("condition: s", "condition: s\n  timeframe: 5m"),
            "x.yml:6:3: 'timeframe' is no longer part of Sigma",
        ),
    ] {
        let told = errors(&yaml);
        assert!(told.len() == 1 && told[0].starts_with(wrong), "{yaml}{told:?}");
    }
}
