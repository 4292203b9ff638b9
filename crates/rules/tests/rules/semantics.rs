//! What a rule means, after the examples of the Sigma rules specification.

use lapwing_rules::Value;

use super::{Event, Held, compiled, errors, found};

/// Whether a rule whose one selection is `item` matches an event whose field `f` holds `text`.
fn holds(item: &str, text: &str) -> bool {
    let yaml = format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n");
    !found(&compiled(&yaml), &Event::default().with("f", text)).is_empty()
}

fn table(rows: &[(&str, &str, bool)]) {
    for (item, text, expected) in rows {
        assert_eq!(holds(item, text), *expected, "{item} on {text}");
    }
}

#[test]
fn values_compare_as_a_whole_without_case_unless_cased() {
    table(&[
        ("f: whoami", "whoami", true),
        ("f: whoami", "WhoAmI", true),
        ("f: whoami", "whoami ", false),
        ("f|cased: whoami", "whoami", true),
        ("f|cased: whoami", "WhoAmI", false),
        ("f|contains|cased: AB", "xxabxxABx", true),
        ("f|contains|cased: AB", "xxabxxaBx", false),
        ("f|startswith|cased: AB", "abAB", false),
        ("f|startswith|cased: AB", "ABab", true),
        ("f|endswith|cased: AB", "ABab", false),
        ("f|endswith|cased: AB", "abAB", true),
        ("f|cased: 'A*b'", "AxxB", false),
        ("f|cased: 'A*b'", "Axxb", true),
        ("f: true", "True", true),
        ("f: ''", "", true),
        ("f: ''", "x", false),
    ]);
}

#[test]
fn wildcards_stand_for_many_or_one() {
    table(&[
        ("f: 'prog*'", "program", true),
        ("f: '*gram'", "program", true),
        ("f: '*og*'", "program", true),
        ("f: 'p*m'", "program", true),
        ("f: 'p*x'", "program", false),
        ("f: 'pro?ram'", "program", true),
        ("f: 'pro?ram'", "proram", false),
        ("f: 'pro?ram'", "prograram", false),
        ("f: '?'", "é", true),
        ("f: '?'", "", false),
        ("f: '*'", "", true),
        ("f: 'a*b*c'", "a\nxb\nyc", true),
        ("f: 'aa*a'", "aa", false),
        ("f|contains: 'a?c'", "xxabcxx", true),
        ("f|startswith: 'a*c'", "abcxx", true),
        ("f|startswith: 'a*c'", "xabcxx", false),
        ("f|endswith: 'a*c'", "xxabc", true),
    ]);
}

#[test]
fn backslashes_escape_wildcards_and_themselves_only() {
    table(&[
        (r"f: 'a\*b'", "a*b", true),
        (r"f: 'a\*b'", "axb", false),
        (r"f: 'a\?b'", "a?b", true),
        (r"f: 'C:\Windows\cmd.exe'", r"c:\windows\CMD.exe", true),
        (r"f: '\\*\share'", r"\server\share", true),
        (r"f: '\\\\*\share'", r"\\server\share", true),
        (r"f|endswith: '\cmd.exe'", r"C:\cmd.exe", true),
        (r"f: 'a\\\*b'", r"a\*b", true),
        (r"f|contains: '..\..\'", r"x..\..\y", true),
    ]);
}

#[test]
fn lists_are_or_and_all_makes_them_and() {
    table(&[
        ("f: [a, b]", "B", true),
        ("f: [a, b]", "c", false),
        ("f|contains: [aa, bb]", "xbb", true),
        ("f|contains|all: [aa, bb]", "xbb", false),
        ("f|contains|all: [aa, bb]", "bbaa", true),
        ("f|contains|all: [aab, abb]", "aabb", true),
        ("f|startswith: [GET, POST]", "post /", true),
        ("f|endswith: ['.php', '.jsp']", "/x.JSP", true),
        ("f|endswith: ['.php', '.jsp']", "/x.jsp?", false),
        ("f|neq: a", "b", true),
        ("f|neq: a", "a", false),
    ]);
}

#[test]
fn numbers_compare_as_numbers_and_as_their_digits() {
    table(&[
        ("f: 404", "404", true),
        ("f: 404", "0404", true),
        ("f: 404", "404x", false),
        ("f: '404'", "404", true),
        ("f: '40*'", "404", true),
        ("f|contains: 40", "x404", true),
        ("f|gte: 500", "503", true),
        ("f|gte: 500", "499", false),
        ("f|lt: 1.5", "1.4", true),
        ("f|lte: 10", "9", true),
        ("f|gt: 10", "9", false),
        ("f|gt: 10", "many", false),
        ("f: 12345678901234567890", "12345678901234567890", true),
        ("f: 12345678901234567890", "12345678901234567891", false),
    ]);
    let set = compiled("title: t\ndetection:\n  s:\n    f: [404, '5*', '7']\n  condition: s\n");
    for (number, expected) in [(404.0, true), (503.0, true), (7.0, true), (200.0, false)] {
        let event = Event(vec![("f".into(), Held::Number(number))]);
        assert_eq!(!found(&set, &event).is_empty(), expected, "{number}");
    }
}

#[test]
fn a_field_that_is_not_there_is_null_and_nothing_else() {
    let absent = Event::default().with("g", "x");
    for (item, expected) in [
        ("f: null", true),
        ("f: [null, a]", true),
        ("f|exists: false", true),
        ("f|exists: true", false),
        ("f: ''", false),
        ("f: '*'", false),
        ("f|contains: ''", false),
        ("f|re: '.*'", false),
        ("f|neq: a", true),
        ("f|lt: 5", false),
    ] {
        let set = compiled(&format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n"));
        assert_eq!(!found(&set, &absent).is_empty(), expected, "{item}");
    }
    table(&[("f: null", "", false), ("f|exists: true", "", true), ("f|contains: ''", "", true)]);
}

#[test]
fn expressions_search_with_case_and_their_flags() {
    table(&[
        ("f|re: 'a+b'", "xaaby", true),
        ("f|re: '^a+b$'", "xaab", false),
        ("f|re: 'AB'", "ab", false),
        ("f|re|i: 'AB'", "ab", true),
        ("f|re: '^b'", "a\nb", false),
        ("f|re|m: '^b'", "a\nb", true),
        ("f|re: 'a.b'", "a\nb", false),
        ("f|re|s: 'a.b'", "a\nb", true),
        ("f|re|i|s: 'A.B'", "a\nb", true),
        ("f|re: ['x1', 'x2']", "x2", true),
        ("f|re|all: ['x1', 'x2']", "x2", false),
        (r"f|re: '(?i)union\s+(all\s+)?select'", "UNION  ALL SELECT", true),
        ("f|re: \"'(or|and)\"", "x'or", true),
        ("f|re: \"'(or|and)\"", "x or", false),
    ]);
}

#[test]
fn networks_hold_addresses_as_text_or_not() {
    table(&[
        ("f|cidr: 192.168.0.0/16", "192.168.3.4", true),
        ("f|cidr: 192.168.0.0/16", "192.169.3.4", false),
        ("f|cidr: [10.0.0.0/8, '2001:db8::/32']", "2001:DB8::1", true),
        ("f|cidr: 192.168.0.0/16", "192.168.3.4:80", false),
    ]);
    let set = compiled("title: t\ndetection:\n  s:\n    f|cidr: 10.0.0.0/8\n  g: {f: 10.1.2.3}\n  condition: all of them\n");
    let event = Event(vec![("f".into(), Held::Address("10.1.2.3".parse().unwrap()))]);
    assert_eq!(found(&set, &event), [0]);
}

#[test]
fn rewritten_values_are_found() {
    table(&[
        ("f|base64offset|contains: '/bin/bash'", "eCAvYmluL2Jhc2ggeQ==", true),
        ("f|base64: foobar", "Zm9vYmFy", true),
        ("f|wide|contains: ab", "xa\0b\0x", true),
        ("f|wide|base64offset|contains: ping", "cABpAG4AZwA=", true),
        ("f|windash|contains: ' -f '", "cmd /f x", true),
        ("f|windash|contains: ' -f '", "cmd –f x", true),
        ("f|windash|contains: ' -f '", "cmd +f x", false),
    ]);
}

#[test]
fn fields_compare_with_fields() {
    for (item, f, g, expected) in [
        ("f|fieldref: g", "Abc", "abc", true),
        ("f|fieldref|cased: g", "Abc", "abc", false),
        ("f|fieldref|startswith: g", "abcd", "AB", true),
        ("f|fieldref|endswith: g", "abcd", "cd", true),
        ("f|fieldref|contains: g", "abcd", "bc", true),
        ("f|fieldref|contains: g", "abcd", "cb", false),
    ] {
        let set = compiled(&format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n"));
        assert_eq!(!found(&set, &Event::default().with("f", f).with("g", g)).is_empty(), expected, "{item}");
        assert!(found(&set, &Event::default().with("f", f)).is_empty());
    }
}

#[test]
fn keywords_are_looked_for_everywhere() {
    let line = |text: &str| Event::default().with("", text);
    for (selection, text, expected) in [
        ("[attack, 'x*y']", "an ATTACK came", true),
        ("[attack, 'x*y']", "say x and y now", true),
        ("[attack, 'x*y']", "y and x", false),
        ("{'|all': [one, two]}", "two and one", true),
        ("{'|all': [one, two]}", "one", false),
        ("{'|re': 'a[0-9]b'}", "xa5bx", true),
        ("[4625, other]", "event 4625.", true),
        ("[attack, {f: x}]", "attack", true),
    ] {
        let set = compiled(&format!("title: t\ndetection:\n  keywords: {selection}\n  condition: keywords\n"));
        assert_eq!(!found(&set, &line(text)).is_empty(), expected, "{selection} on {text}");
    }
}

#[test]
fn conditions_combine_selections() {
    for (condition, expected) in [
        ("yes and no", false),
        ("yes or no", true),
        ("yes and not no", true),
        ("not yes", false),
        ("not (no or also_no)", true),
        ("no and yes or yes", true),
        ("no and (yes or yes)", false),
        ("1 of yes*", true),
        ("all of yes*", true),
        ("1 of *no", false),
        ("all of them", false),
        ("yes and not 1 of *no", true),
        ("[no, yes]", true),
    ] {
        let set = compiled(&format!(
            "title: t\ndetection:\n  yes: {{f: a}}\n  yes_two: {{g|contains: b}}\n  no: {{f: z}}\n  also_no: {{g: null}}\n  condition: {condition}\n"
        ));
        let event = Event::default().with("f", "a").with("g", "xbx");
        assert_eq!(!found(&set, &event).is_empty(), expected, "{condition}");
    }
}

#[test]
fn what_cannot_be_compiled_is_told_and_left_out() {
    let rule = |id: &str, item: &str| format!("title: t\nid: {id}\ndetection:\n  s:\n    {item}\n  condition: s\n---\n");
    let yaml = rule("a", "f|re: 'a(?=b)'") + &rule("b", "f|re: '(a{1000}){1000}'") + &rule("c", "f: x") + &rule("c", "f: y");
    let errors = errors(&yaml);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("x.yml:5:5: 'f': not a regular expression: look-around"), "{errors:?}");
    assert!(errors[1].starts_with("x.yml:12:5: 'f': the regular expression needs more than"), "{errors:?}");
    assert!(errors[2].starts_with("x.yml:24:1: the rule 'c' is already defined in x.yml:15"), "{errors:?}");
    let (set, _) = lapwing_rules::RuleSet::compile(lapwing_rules::parse("x.yml", &yaml).0);
    assert_eq!(set.rules().len(), 1);
    assert_eq!(found(&set, &Event::default().with("f", "x")), [0]);
}

#[test]
fn the_entity_is_a_field_like_others() {
    let set = compiled("title: t\nentity: client.address\ndetection:\n  s: {f: x}\n  condition: s\n");
    let entity = set.entity(0).map(|field| set.fields()[field].as_str());
    assert_eq!(entity, Some("client.address"));
    assert!(set.speaks(0));
    assert_eq!(Value::from("x"), Value::Text(b"x"));
}

#[test]
fn parts_of_a_date_compare_as_numbers() {
    let night = "2025-03-01T23:05:00Z";
    table(&[
        ("f|hour: 23", night, true),
        ("f|hour|gte: 22", night, true),
        ("f|hour|lt: 6", night, false),
        ("f|hour|neq: 23", night, false),
        ("f|minute: [5, 6]", night, true),
        ("f|day: 1", night, true),
        ("f|week: 9", night, true),
        ("f|month: 3", night, true),
        ("f|year|gt: 2024", night, true),
        ("f|hour: 23", "tonight", false),
    ]);
    let rule = |item: &str| format!("title: t\ndetection:\n  s:\n    {item}\n  condition: s\n");
    assert_eq!(errors(&rule("f|hour|contains: 3")), ["x.yml:4:5: 'hour' can be combined with gt, gte, lt, lte and neq only"]);
    assert_eq!(errors(&rule("f|hour: noon")), ["x.yml:4:13: 'hour' expects a number, found 'noon'"]);
}
