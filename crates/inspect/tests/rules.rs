//! What every rule that ships promises: it compiles, and matches what it says it matches.

use std::sync::Arc;

use lapwing_inspect::{BUILTIN, Inspector, Place, Rules, conclude};

fn rules() -> Arc<Rules> {
    let (rules, errors) = Rules::compile(BUILTIN);
    assert_eq!(errors, Vec::<String>::new());
    Arc::new(rules)
}

#[test]
fn every_rule_matches_the_values_it_says_and_no_others() {
    let rules = rules();
    let mut inspector = Inspector::new(rules.clone());
    let mut wrong = Vec::new();
    for (number, rule) in rules.rules().iter().enumerate() {
        let mut matches = |value: &String| {
            inspector.begin(b"");
            let name = rule.names.first().map_or("q", String::as_str);
            inspector.value(rule.first, name.as_bytes(), value.as_bytes());
            inspector.hits().iter().any(|hit| hit.rule == number)
        };
        wrong.extend(
            rule.matching.iter().filter(|value| !matches(value)).map(|value| format!("{} does not match {value}", rule.id)),
        );
        wrong.extend(rule.not_matching.iter().filter(|value| matches(value)).map(|value| format!("{} matches {value}", rule.id)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_rules_have_one_id() {
    let rules = rules();
    let mut ids: Vec<_> = rules.rules().iter().map(|rule| &rule.id).collect();
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn a_rule_with_a_fault_is_told_of_and_the_others_run() {
    let file =
        "class: x\nrules:\n- {id: a, title: A, points: 5, regex: 'evil('}\n- {id: b, title: B, points: 5, regex: 'evil'}\n";
    let (rules, errors) = Rules::compile(&[("x.yml", file)]);
    assert_eq!(rules.rules().len(), 1);
    assert!(errors[0].starts_with("x.yml: rule a: regex cannot be read"), "{errors:?}");
    let mut inspector = Inspector::new(Arc::new(rules));
    inspector.begin(b"");
    inspector.value(Place::Value, b"q", b"an evil value");
    assert_eq!(conclude(&inspector.rules().clone(), inspector.hits()).len(), 1);
}
