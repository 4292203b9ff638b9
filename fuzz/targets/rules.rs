//! Rules that are rules, with any values in them, against events with any values: matching, counting, saving and loading.
#![no_main]

use lapwing_rules::{Correlations, Limits, RuleSet};
use libfuzzer_sys::arbitrary::Arbitrary;

const MODIFIERS: &[&str] = &[
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|re",
    "|re|i",
    "|cidr",
    "|exists",
    "|gt",
    "|lte",
    "|base64",
    "|base64offset|contains",
    "|wide|base64offset|contains",
    "|windash|contains",
    "|all|contains",
    "|cased",
    "|neq",
    "|fieldref",
    "|utf16",
    "|contains|all",
    "|re|m|s",
];

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    items: Vec<(u8, u8, Vec<&'a str>)>,
    condition: Option<&'a str>,
    event: Vec<(u8, &'a [u8])>,
    timespan: u16,
    gte: u8,
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''").replace(['\n', '\r'], " "));
    let mut yaml = "title: t\nname: base\nid: 9f0f0e4e-4c8e-4c0e-8f7a-2f0c1d3b5a70\ndetection:\n".to_owned();
    for (number, (field, modifier, values)) in input.items.iter().take(8).enumerate() {
        let modifier = MODIFIERS[usize::from(*modifier) % MODIFIERS.len()];
        let values: Vec<_> = values.iter().take(8).map(|value| quoted(value)).collect();
        yaml += &format!("  s{number}:\n    f{}{modifier}: [{}]\n", field % 4, values.join(", "));
    }
    yaml += &format!("  condition: {}\n", input.condition.map_or("1 of them".to_owned(), quoted));
    yaml += &format!(
        "---\ntitle: c\ncorrelation:\n  type: event_count\n  rules: [base]\n  group-by: [f1]\n  timespan: {}s\n  condition:\n    gte: {}\n",
        input.timespan, input.gte
    );
    let (rules, errors) = lapwing_rules::parse("fuzz.yml", &yaml);
    errors.iter().for_each(|error| lapwing_fuzz::assert_harmless(&error.to_string()));
    let (set, _) = RuleSet::compile(rules);
    let names = ["f0", "f1", "f2", "f3"];
    let event: Vec<_> = input.event.iter().map(|(field, value)| (names[usize::from(*field) % 4], *value)).collect();
    lapwing_fuzz::ask(&set, &event);
    let mut correlations = Correlations::new(&set, Limits { groups: 4, events: 8 }, |_, _| true);
    lapwing_fuzz::observe(&set, &mut correlations, &event, &[0, 5, i64::MAX, i64::MIN, 3, 4, 60_000_000_000]);
    let mut saved = Vec::new();
    correlations.save(&mut saved);
    correlations.load(&saved).expect("its own state");
    let mut again = Vec::new();
    correlations.save(&mut again);
    assert_eq!(saved, again);
});
