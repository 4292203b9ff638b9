//! Rule files of any text: read, compiled, checked and explained, without stalling.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (rules, errors) = lapwing_rules::parse("fuzz.yml", text);
    let warnings = lapwing_rules::check(&rules, &["url.path"]);
    let (set, more) = lapwing_rules::RuleSet::compile(rules);
    for error in errors.iter().chain(&warnings).chain(&more) {
        lapwing_fuzz::assert_harmless(&error.to_string());
    }
    lapwing_fuzz::ask(&set, &[("url.path", text.as_bytes()), ("", b"\xff\x00 x 1.2.3.4 9"), ("n", b"17")]);
});
