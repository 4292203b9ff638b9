//! Rules and events made to hurt.

use std::time::{Duration, Instant};

use lapwing_rules::{RuleSet, Scratch, parse};

use super::{Event, Seen, compiled, errors};

fn timed<T>(most: Duration, what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < most, "{what} took {:?}", start.elapsed());
    result
}

fn rule(selection: &str) -> String {
    format!("title: t\ndetection:\n  s: {selection}\n  condition: s\n")
}

#[test]
fn rules_of_any_shape_end_soon() {
    let most = Duration::from_secs(10);
    let dashes = "{f|windash|contains: '".to_owned() + &" -x".repeat(100_000) + "'}";
    let many = format!("[{}]", (0..30_000).map(|n| format!("keyword{n}")).collect::<Vec<_>>().join(", "));
    let overlapping = format!("{{f|contains: [{}]}}", (1..1000).map(|n| "a".repeat(n)).collect::<Vec<_>>().join(", "));
    let globs = format!("{{f: '{}'}}", "a*".repeat(10_000));
    for (what, yaml) in [
        ("many dashes", rule(&dashes)),
        ("many keywords", rule(&many)),
        ("overlapping literals", rule(&overlapping)),
        ("a pattern of many wildcards", rule(&globs)),
        ("three megabytes", rule(&"x".repeat(3 << 20))),
        ("many documents", "---\na: [\n".repeat(20_000)),
        ("many markers", "---\n".repeat(500_000)),
        (
            "many errors",
            format!(
                "title: t\ndetection:\n  s: {{{}}}\n  condition: s",
                (0..9000).map(|n| format!("a{n}|foo: 1")).collect::<Vec<_>>().join(", ")
            ),
        ),
    ] {
        timed(most, what, || errors(&yaml));
    }
}

#[test]
fn values_of_any_shape_end_soon() {
    let set = compiled(
        &[
            "{f|re: '(a|a)*b'}",
            "{f|re: '(x+x+)+y'}",
            "{f|re: '(?i)[a-z]{1,60}[a-z]{1,60}!'}",
            "{f|contains: [aaaaaaaaaaaaaaaab, aaaaaaaaaaaaaaaac]}",
            "{f: 'a*a*a*a*a*a*a*a*b'}",
            "{f: '?*?*?*?*?*?*b'}",
            "{f|fieldref|contains: g}",
        ]
        .map(rule)
        .join("---\n"),
    );
    for text in ["(".repeat(1 << 20), "a".repeat(1 << 20), "x".repeat(1 << 20), "%25".repeat(300_000), "é".repeat(500_000)] {
        let event = Event::default().with("f", &text).with("g", "a".repeat(2000) + "b");
        let mut scratch = Scratch::new();
        let mut found = Vec::new();
        set.matches(&mut scratch, &Seen(&event, &set), &mut found);
        // A test build on a busy machine; `rule_speed` is for figures.
        timed(Duration::from_secs(2), &text[..2], || set.matches(&mut scratch, &Seen(&event, &set), &mut found));
        assert!(scratch.cut() > 0, "what is cut is counted");
    }
}

/// CPU time of this thread: others may be busy on the machine.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

#[test]
fn no_value_costs_a_rule_more_than_50_ms() {
    let values = [
        "(".repeat(1 << 20),
        "a".repeat(1_000_000),
        "x".repeat(1 << 20),
        "%25".repeat(300_000),
        "é".repeat(500_000),
        "ab!".repeat(300_000),
    ];
    let items = [
        "{f|re: '(a|a)*b'}",
        "{f|re: '(x+x+)+y'}",
        "{f|re: '^(([a-z])+.)+[A-Z]([a-z])+$'}",
        "{f|re: '(?i)[a-z]{1,60}[a-z]{1,60}#'}",
        "{f|re: '(.*)(.*)(.*)(.*)(.*)[^a]{20}z'}",
        "{f|contains: [aaaaaaaaaaaaaaaab, aaaaaaaaaaaaaaaac]}",
        "{f: 'a*a*a*a*a*a*a*a*b'}",
        "{f: '?*?*?*?*?*?*b'}",
        "{f|contains: '('}",
        "['(((((((((((']",
        "{f|fieldref|contains: g}",
    ];
    for item in items {
        let set = compiled(&rule(item));
        for text in &values {
            let event = Event::default().with("f", text).with("", text).with("g", "a".repeat(2000) + "b");
            let (mut scratch, mut found) = (Scratch::new(), Vec::new());
            set.matches(&mut scratch, &Seen(&event, &set), &mut found);
            let start = cpu();
            set.matches(&mut scratch, &Seen(&event, &set), &mut found);
            let took = cpu() - start;
            assert!(took < Duration::from_millis(50), "{item} on {} took {took:?}", text.chars().take(3).collect::<String>());
        }
    }
}

#[test]
fn a_hostile_expression_is_refused_or_read_within_50_ms() {
    for text in [
        "(".repeat(1 << 20),
        "a".repeat(1_000_000),
        "[a-z]".repeat(200_000),
        "(a{1000}){1000}".into(),
        "(?:a?){5000}a{5000}".into(),
    ] {
        let yaml = rule(&format!("{{f|re: '{text}'}}"));
        let start = cpu();
        let _ = errors(&yaml);
        let took = cpu() - start;
        assert!(took < Duration::from_millis(50), "{} took {took:?}", &text[..text.len().min(16)]);
    }
}

#[test]
fn a_scratch_goes_from_one_rule_set_to_another() {
    let few = compiled(&rule("{f|contains: abc}"));
    let many = compiled(&(0..100).map(|n| rule(&format!("{{f|contains: abc{n}}}"))).collect::<Vec<_>>().join("---\n"));
    let (mut scratch, mut found) = (Scratch::new(), Vec::new());
    let (hit, miss) = (Event::default().with("f", "xxabc77"), Event::default().with("f", "nothing"));
    for _ in 0..3 {
        many.matches(&mut scratch, &Seen(&hit, &many), &mut found);
        assert_eq!(found, [7, 77]);
        few.matches(&mut scratch, &Seen(&miss, &few), &mut found);
        assert!(found.is_empty());
        few.matches(&mut scratch, &Seen(&hit, &few), &mut found);
        assert_eq!(found, [0]);
        many.matches(&mut scratch, &Seen(&miss, &many), &mut found);
        assert!(found.is_empty());
    }
}

#[test]
fn no_rules_are_no_trouble() {
    let (set, errors) = RuleSet::compile(parse("x.yml", "").0);
    assert!(errors.is_empty() && set.rules().is_empty());
    let mut found = vec![1, 2, 3];
    set.matches(&mut Scratch::new(), &Seen(&Event::default(), &set), &mut found);
    assert!(found.is_empty());
}
