//! Attacks and odd but honest values that were written for this test alone, after the rules: how many are told.
//!
//! A line of `adversary/attacks.txt` is a class and a value as it comes over the wire in a query; of `honest.txt` a value as
//! people mean it, which a browser would encode. Values that hold an attack word for word (`SELECT * FROM tutorial`, `<script>`) are
//! left out: who sees only the value cannot tell what it was meant for.

use std::sync::Arc;

use lapwing_inspect::{BUILTIN, Inspector, Place, Rules, conclude};

const ATTACKS: &str = include_str!("adversary/attacks.txt");
const HONEST: &str = include_str!("adversary/honest.txt");

/// What is told aloud of a parameter, or of a body.
fn told(inspector: &mut Inspector, place: Place, value: &[u8]) -> Vec<String> {
    inspector.begin(b"shop.example");
    match place {
        Place::Body => inspector.body(value),
        _ => inspector.value(place, b"q", value),
    }
    let rules = inspector.rules().clone();
    let found = conclude(&rules, inspector.hits(), false);
    let names = |found: &lapwing_inspect::Found<'_>| {
        let ids: Vec<_> = found.hits.iter().map(|hit| rules.rules()[hit.rule].id.as_str()).collect();
        format!("{} ({})", found.class, ids.join(", "))
    };
    found.iter().filter(|found| !found.quiet).map(names).collect()
}

fn inspector() -> Inspector {
    Inspector::new(Arc::new(Rules::compile(BUILTIN).0))
}

/// As a browser encodes what is typed.
fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[test]
fn attacks_of_every_class_are_told() {
    let mut inspector = inspector();
    let lines: Vec<(&str, &str)> = ATTACKS.lines().filter_map(|line| line.split_once('\t')).collect();
    let missed: Vec<_> =
        lines.iter().filter(|(_, value)| told(&mut inspector, Place::Value, value.as_bytes()).is_empty()).collect();
    assert!(lines.len() >= 300, "{}", lines.len());
    assert!(missed.len() * 100 <= lines.len(), "{} of {} missed: {missed:#?}", missed.len(), lines.len());
}

#[test]
fn honest_values_however_odd_are_not() {
    let mut inspector = inspector();
    let lines: Vec<&str> = HONEST.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 200, "{}", lines.len());
    let wrong: Vec<_> = lines
        .iter()
        .filter_map(|value| {
            let found = told(&mut inspector, Place::Value, encoded(value).as_bytes());
            (!found.is_empty()).then(|| format!("{value} is {}", found.join("; ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}
