//! What every rule that ships promises: it compiles, and matches what it says it matches.

use std::sync::Arc;

use lapwing_inspect::{BUILTIN, Inspector, Place, Rules, conclude};

fn rules() -> Arc<Rules> {
    let (rules, errors) = Rules::compile(BUILTIN);
    assert_eq!(errors, []);
    Arc::new(rules)
}

#[test]
fn every_rule_matches_the_values_it_says_and_no_others() {
    assert_eq!(lapwing_inspect::broken(&rules()), []);
}

#[test]
fn a_rule_with_a_fault_is_told_of_and_the_others_run() {
    let file =
        "class: x\nrules:\n- {id: a, title: A, points: 5, regex: 'evil('}\n- {id: b, title: B, points: 5, regex: 'evil'}\n";
    let (rules, errors) = Rules::compile(&[("x.yml", file)]);
    assert_eq!(rules.rules().len(), 1);
    assert_eq!(errors[0].to_string(), "x.yml:3:39: rule a: regex cannot be read: unclosed group, at its character 5");
    let mut inspector = Inspector::new(Arc::new(rules));
    inspector.begin(b"");
    inspector.value(Place::Value, b"q", b"an evil value");
    assert_eq!(conclude(&inspector.rules().clone(), inspector.hits(), false).len(), 1);
}

#[test]
fn every_fault_has_its_place_and_the_rules_around_it_run() {
    let rule = |id: &str, rest: &str| format!("  - id: {id}\n    title: T\n    points: 5\n{rest}");
    let file = [
        "class: x\nrules:\n".to_owned(),
        rule("a", "    regx: evil\n"),
        rule("b", "    regex: evil\n"),
        rule("c", "    on: [valeu]\n    regex: evil\n"),
        "  - id: d\n    points: 5\n    regex: evil\n".to_owned(),
        rule("b", "    regex: evil\n"),
        rule("e", ""),
        rule("f", "    regex: '.*'\n"),
        rule("g", "    regex: evil\n"),
    ]
    .concat();
    let (rules, errors) = Rules::compile(&[("x.yml", &file)]);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        rules.rules().iter().map(|rule| (rule.id.as_str(), rule.line)).collect::<Vec<_>>(),
        [("b", 7), ("g", 30)],
        "{errors:?}"
    );
    let places =
        ["x.yml:6:5: unknown key 'regx'; did you mean 'regex'?", "x.yml:14:10: unknown value 'valeu'; did you mean 'value'?"];
    assert_eq!(errors[..2], places);
    assert!(errors[2].contains("missing field `title`"), "{errors:?}");
    assert!(errors[3].starts_with("x.yml:19:5: there is a rule b in x.yml already"), "{errors:?}");
    assert!(errors[4].starts_with("x.yml:23:5: rule e: has to have either"), "{errors:?}");
    assert!(errors[5].starts_with("x.yml:29:12: rule f: no literal"), "{errors:?}");
    assert_eq!(errors.len(), 6);
}

#[test]
fn what_is_no_rule_file_is_told_once_and_ends() {
    for text in ["rules:\n", "rules: [", "rules: 5\nclass: x\n", "class: x\nrules:\n- 5\n- 6\n", "", "rules:\n- a: &a [*a]\n"] {
        let (rules, errors) = Rules::compile(&[("x.yml", text)]);
        assert!(rules.rules().is_empty() && !errors.is_empty(), "{text:?}: {errors:?}");
    }
}

/// What people type and sites link to, near to what attacks look like.
const EVERYDAY: &[&str] = &[
    "user1",
    "user_info",
    "Sam",
    "config/settings",
    "home/garden",
    "lib/music",
    "net use",
    "bash script",
    "which one",
    "eval board",
    "netstat port numbers",
    "tables; drop leaf",
    "red; select a size",
    "sleep (hours)",
    "union square 5",
    "1 union square",
    "first; declare bankruptcy",
    "see more ... /next",
    "what??/why",
    "fruits etc/nuts",
    "rock 'n' roll",
    "O'Neill and sons",
    "Tom & Jerry",
    "a & id cards",
    "C++ & Java",
    "R&D / sales",
    "50% off",
    "x <- y",
    "the onload = of the ship",
    "h2<h1 (",
    "I <3 you",
    "<test></test>",
    "java.lang.NullPointerException",
    "document.cookie",
    "constructor",
    "group by size",
    "order by phone",
    "{name}",
    "{{name}}",
    "$5 (new)",
    "price: $10; tax: $2",
    "john@example.org",
    "2024-01-01T00:00:00+01:00",
    "Straße 5, Köln",
    "/home/user1",
    "/de/config/",
    "see file: notes.txt",
    "http://news.example/story/12?a=b",
    "what is 7*7?",
    "(1+2)*3",
    "mail; to: you",
    "null",
    "true",
    "*",
    "#1 dad",
    "C#",
    "he said \"hi\"; then left",
    "it's",
    "'quoted'",
    "a - b -- c",
    "either/or",
    "12\" vinyl",
    "copy; paste",
    "date; time",
    "top | best",
    "en|fr",
    "key=value&other=1",
    "a=1;b=2",
    "[x] done",
    "x[0]",
    "@home",
    "^top",
    "~100",
    "1,2,3",
    "1/2",
    "10-20",
    "3-null",
];

#[test]
fn everyday_values_raise_nothing() {
    let mut inspector = Inspector::new(rules());
    let mut wrong = Vec::new();
    for value in EVERYDAY {
        inspector.begin(b"");
        inspector.value(Place::Value, b"q", value.replace('%', "%25").replace('+', "%2b").as_bytes());
        for found in conclude(&inspector.rules().clone(), inspector.hits(), false) {
            let ids: Vec<_> = found.hits.iter().map(|hit| &inspector.rules().rules()[hit.rule].id).collect();
            wrong.push(format!("{value} is {}: {ids:?}", found.class));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How a lone value of a parameter of this name is told: not at all, quietly, or aloud.
fn told(name: &str, value: &str) -> Option<bool> {
    let mut inspector = Inspector::new(rules());
    inspector.begin(b"");
    inspector.value(Place::Value, name.as_bytes(), value.as_bytes());
    conclude(&inspector.rules().clone(), inspector.hits(), false).first().map(|found| !found.quiet)
}

#[test]
fn a_lone_word_that_people_type_as_well_is_never_told_aloud() {
    for word in ["whoami", "onclick", "onload", "uname", "'true'", "which perl", "id", "ls", "dir"] {
        assert_eq!(told("q", word), Some(false), "{word}");
    }
    assert_eq!(told("cmd", "id"), Some(true));
    assert_eq!(told("q", ";id"), Some(true));
}

#[test]
fn a_language_or_a_column_named_like_a_command_raises_nothing() {
    for name in ["lang", "hl", "country", "sort", "order", "field", "key"] {
        assert_eq!(told(name, "id"), None, "{name}");
    }
}

/// CPU time of this thread in milliseconds; none where the system does not tell.
fn cpu() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanos| nanos / 1e6)
}

#[test]
fn no_value_costs_more_than_a_moment() {
    let long = 1 << 20;
    let mut inspector = Inspector::new(rules());
    let values = [
        "(".repeat(long),
        "a".repeat(long),
        "%25".repeat(long / 3),
        format!("%{}41", "25".repeat(long / 2)),
        "&amp;".repeat(long / 5),
        "/*".repeat(long / 2),
        "'\"".repeat(long / 2),
        "<a on".repeat(long / 5),
        "../".repeat(long / 3),
        "select ".repeat(long / 7),
        "a=1'&".repeat(long / 5),
        "QUFB".repeat(long / 4),
        "<a b='".repeat(long / 6),
        format!("<?xml {}", "<a b='".repeat(long / 6)),
        format!("<?xml {}", "<".repeat(long)),
        format!("--x\r\nform-data{}", "--x\r\n\r\n".repeat(long / 7)),
        format!("{{{}", "\"\\".repeat(long / 2)),
    ];
    let mut wrong = Vec::new();
    for value in &values {
        let target = format!("/search?q={value}");
        for place in ["target", "body", "cookie"] {
            let mut once = || {
                let start = cpu()?;
                inspector.begin(b"");
                match place {
                    "target" => inspector.target(target.as_bytes()),
                    "body" => inspector.body(value.as_bytes()),
                    _ => inspector.header(b"cookie", value.as_bytes()),
                }
                Some(cpu()? - start)
            };
            // The first time compiles the regexes; of three, the fastest is what the value costs.
            let costs: Vec<f64> = (0..3).filter_map(|_| once()).collect();
            let Some(least) = costs.into_iter().min_by(f64::total_cmp) else {
                eprintln!("skipped: this system does not tell the CPU time of a thread");
                return;
            };
            // What is promised holds for what is shipped; tests are optimised a little only, and share their cores.
            let most = if cfg!(debug_assertions) { 150.0 } else { 50.0 };
            if least > most {
                wrong.push(format!("{:?}... as {place} costs {least:.1} ms", &value[..20]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_address_of_the_own_site_is_looked_at_again_where_it_is_anothers() {
    let mut inspector = Inspector::new(rules());
    let mut found = |host: &[u8]| {
        inspector.begin(host);
        inspector.target(b"/index.php?page=http://shop.example/evil.txt%00");
        inspector.hits().iter().map(|hit| inspector.rules().rules()[hit.rule].id.clone()).any(|id| id == "rfi-script")
    };
    assert!(!found(b"shop.example") && !found(b"www.shop.example"));
    assert!(found(b"blog.example"), "clean on one site is not clean on another");
    assert!(!found(b"shop.example"));
}
