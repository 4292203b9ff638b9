//! The compiled matcher against the plain twin, on random rules and random events.

use lapwing_rules::{RuleSet, Scratch, parse};
use proptest::prelude::*;

use super::{Event, Held, Seen, plain};

const FIELDS: [&str; 4] = ["url", "agent", "status", ""];

/// Pieces of text: few, so that rules and events meet often. The long ones let the matcher skip through a value.
const SHORT: [&str; 15] = ["ab", "A", "b", "abc", "attack", "ATT", "xyz", "/", "é", "4", "404", "'", ";", "select", " "];
const LONG: [&str; 8] =
    ["attack", "Unauthorized", "exploit", "a-long-literal", "/etc/passwd", "union select", "ATTACKS", "tackle"];

type Words = &'static [&'static str];

fn text(words: Words) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..6).prop_map(|pieces| pieces.concat())
}

fn long_text() -> impl Strategy<Value = String> {
    // Pieces, also broken ones, among filling.
    let broken =
        (proptest::sample::select(&LONG[..]), 0..12usize).prop_map(|(piece, end)| piece[..end.min(piece.len())].to_owned());
    let filling = "[a-z0-9 /.-]{0,30}";
    proptest::collection::vec(prop_oneof![broken, text(&LONG), filling], 0..6).prop_map(|pieces| pieces.concat())
}

/// A Sigma value: text, with wildcards and backslashes now and then.
fn value(words: Words) -> impl Strategy<Value = String> {
    let wildcard = prop_oneof![4 => Just(""), 1 => Just("*"), 1 => Just("?"), 1 => Just("\\*"), 1 => Just("\\")];
    (wildcard.clone(), text(words), wildcard.clone(), text(words), wildcard)
        .prop_map(|(a, b, c, d, e)| format!("{a}{b}{c}{d}{e}"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn item(words: Words) -> impl Strategy<Value = String> {
    let field = proptest::sample::select(&FIELDS[..]);
    let textual = proptest::sample::select(
        &["", "|contains", "|startswith", "|endswith", "|contains|all", "|cased", "|contains|cased", "|neq", "|windash|contains"]
            [..],
    );
    let texts = (field.clone(), textual, proptest::collection::vec(value(words), 1..4)).prop_map(|(field, modifiers, values)| {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        format!("{}: [{}]", quoted(&format!("{field}{modifiers}")), values.join(", "))
    });
    let numbers = (field.clone(), proptest::sample::select(&["", "|gt", "|gte", "|lt", "|lte", "|neq"][..]), 0..6u32)
        .prop_map(|(field, modifier, number)| format!("{}: {}", quoted(&format!("{field}{modifier}")), number * 101));
    let regexes = (field.clone(), proptest::sample::select(&["re", "re|i"][..]), proptest::sample::select(&REGEXES[..]))
        .prop_map(|(field, modifiers, regex)| format!("{}: {}", quoted(&format!("{field}|{modifiers}")), quoted(regex)));
    let others = (proptest::sample::select(&FIELDS[..3]), proptest::sample::select(&OTHERS[..]))
        .prop_map(|(field, other)| format!("'{field}{other}"));
    prop_oneof![6 => texts, 1 => numbers, 2 => regexes, 1 => others]
}

const REGEXES: [&str; 12] = [
    "abc+",
    "(?:attack|xyz)/",
    "^a",
    "b$",
    "select.*attack",
    "[';]\\s*(?:ab|xyz)",
    "(ab)*",
    "(abc)+4",
    "a|select",
    "\\bab\\b",
    "(?i)ATT[a-z]+k",
    "[0-9]{3}",
];
const OTHERS: [&str; 6] = [
    "': null",
    "|exists': true",
    "|exists': false",
    "|fieldref': agent",
    "|fieldref|contains': url",
    "|cidr': [10.0.0.0/8, '::/0']",
];

fn rule(words: Words) -> impl Strategy<Value = String> {
    let selection = prop_oneof![
        2 => proptest::collection::btree_map(0..100u32, item(words), 1..4)
            .prop_map(|items| {
                let mut seen = std::collections::HashSet::new();
                let items = items.into_values().filter(|item| seen.insert(item.split("': ").next().unwrap_or_default().to_owned()));
                format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
            }),
        1 => proptest::collection::vec(item(words).prop_map(|item| format!("{{{item}}}")), 1..3).prop_map(|maps| format!("[{}]", maps.join(", "))),
        1 => proptest::collection::vec(value(words).prop_map(|value| quoted(&value)), 1..4).prop_map(|words| format!("[{}]", words.join(", "))),
    ];
    let condition = proptest::sample::select(
        &[
            "a",
            "a and b",
            "a or b",
            "a and not b",
            "not a",
            "not (a or b) or c",
            "1 of them",
            "all of them",
            "(a or b) and c",
            "a and not 1 of b*",
            "not a and not b",
        ][..],
    );
    (selection.clone(), selection.clone(), selection, condition).prop_map(|(a, b, c, condition)| {
        format!("title: t\ndetection:\n  a: {a}\n  b: {b}\n  c: {c}\n  condition: {condition}\n---\n")
    })
}

fn event(text: impl Strategy<Value = String>) -> impl Strategy<Value = Event> {
    let held = prop_oneof![
        6 => text.prop_map(|text| Some(Held::Text(text.into_bytes()))),
        1 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Some(Held::Text(bytes))),
        1 => (0..6u32).prop_map(|number| Some(Held::Number(f64::from(number) * 101.0))),
        1 => any::<[u8; 4]>().prop_map(|address| Some(Held::Address(address.into()))),
        1 => Just(None),
    ];
    proptest::collection::vec(held, 4).prop_map(|held| {
        let fields = FIELDS.iter().zip(held).filter_map(|(field, held)| held.map(|held| ((*field).to_owned(), held)));
        Event(fields.collect())
    })
}

/// # Errors
/// Where the two do not agree.
fn compare(rules: &[String], events: &[Event]) -> Result<(), TestCaseError> {
    let yaml = rules.concat();
    let (rules, errors) = parse("x.yml", &yaml);
    prop_assert!(errors.is_empty(), "{errors:?}\n{yaml}");
    let (set, errors) = RuleSet::compile(rules);
    prop_assert!(errors.is_empty(), "{errors:?}\n{yaml}");
    let (mut scratch, mut found) = (Scratch::new(), Vec::new());
    for event in events {
        set.matches(&mut scratch, &Seen(event, &set), &mut found);
        prop_assert_eq!(&found, &plain::matches(set.rules(), event), "{:?}\n{}", event, yaml);
    }
    Ok(())
}

/// What people look for: one selection of long literals, so that every field's literals are long.
fn long_rule() -> impl Strategy<Value = String> {
    let modifier =
        proptest::sample::select(&["", "|contains", "|startswith", "|endswith", "|contains|all", "|contains|cased"][..]);
    let words = proptest::collection::vec(proptest::sample::select(&LONG[..]), 1..4);
    (proptest::sample::select(&FIELDS[..]), modifier, words).prop_map(|(field, modifier, words)| {
        format!("title: t\ndetection:\n  a: {{'{field}{modifier}': ['{}']}}\n  condition: a\n---\n", words.join("', '"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_rules_match_what_the_plain_twin_matches(
        rules in proptest::collection::vec(rule(&SHORT), 1..12),
        events in proptest::collection::vec(event(text(&SHORT)), 1..12),
    ) {
        compare(&rules, &events)?;
    }

    #[test]
    fn literals_that_let_values_be_skipped_through_are_not_missed(
        rules in proptest::collection::vec(long_rule(), 1..6),
        events in proptest::collection::vec(event(long_text()), 1..12),
    ) {
        compare(&rules, &events)?;
    }

    #[test]
    fn a_filter_takes_away_just_what_it_matches_by_itself(
        rules in proptest::collection::vec(rule(&SHORT), 1..6),
        filter in item(&SHORT),
        events in proptest::collection::vec(event(text(&SHORT)), 1..12),
    ) {
        let alone = |yaml: &str| parse("x.yml", yaml).0;
        let (plainly, by_itself) = (alone(&rules.concat()), alone(&format!("title: f\ndetection:\n  s: {{{filter}}}\n  condition: s\n")));
        for condition in ["not s", "s"] {
            let yaml = format!("title: f\nfilter:\n  s: {{{filter}}}\n  condition: {condition}\n---\n{}", rules.concat());
            let (set, errors) = RuleSet::compile(alone(&yaml));
            prop_assert!(errors.is_empty(), "{errors:?}");
            let (mut scratch, mut found) = (Scratch::new(), Vec::new());
            for event in &events {
                set.matches(&mut scratch, &Seen(event, &set), &mut found);
                let left_out = !plain::matches(&by_itself, event).is_empty();
                let expected = if left_out { Vec::new() } else { plain::matches(&plainly, event) };
                prop_assert_eq!(&found, &expected, "{:?}\n{}", event, yaml);
            }
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[\\x00-\\x7fé]{0,200}") {
        let (rules, _) = parse("x.yml", &text);
        let _ = RuleSet::compile(rules);
    }

    #[test]
    fn a_damaged_rule_is_read_without_a_panic(rule in rule(&SHORT), at in any::<prop::sample::Index>(), with in "[ \\-:|\\[{'\"&*!%\\n\\t#a]{0,3}") {
        let mut text: Vec<char> = rule.chars().collect();
        let place = at.index(text.len());
        text.splice(place..(place + 1), with.chars());
        let (rules, _) = parse("x.yml", &text.into_iter().collect::<String>());
        let _ = RuleSet::compile(rules);
    }
}
