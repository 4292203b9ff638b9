//! What is said, and how it shows that it arrived: a rule for each text matches that text and nothing else, so that each is an anomaly
//! of one event. A text that was merged, split, changed or doubled is none, or has another count.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::Service;

/// One message.
pub struct Said {
    /// Names it among all.
    pub class: String,
    pub text: String,
    /// What else must have been understood: names of fields and their values.
    pub fields: &'static [(&'static str, &'static str)],
}

const TEXTS: [&str; 6] = [
    "plain words",
    "two  and   more spaces",
    "ümläuts, 日本語 and \u{1f426}",
    "12 <34>1 looks like a count",
    "a \"quoted\" [bracket] = value; 100 % of $it \\ * ?",
    "words with a tail of spaces",
];

/// So many things to say, no two of them the same.
pub fn say(form: &str, count: usize, fields: &'static [(&'static str, &'static str)]) -> Vec<Said> {
    let said = |number: usize| {
        let text = format!("{} {form} {number}", TEXTS[number % TEXTS.len()]);
        Said { class: format!("{form}-{number}"), text, fields }
    };
    (0..count).map(said).collect()
}

/// A file of rules, one for each.
pub fn rules<'a>(path: &Path, all: impl Iterator<Item = &'a Said>) {
    let rules: Vec<_> = all.map(rule).collect();
    fs::write(path, rules.join("---\n")).expect("written");
}

fn rule(said: &Said) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    // What stands for others in Sigma is meant as it is.
    let text = said.text.replace('\\', r"\\").replace('*', r"\*").replace('?', r"\?");
    let fields: String = said.fields.iter().map(|(name, value)| format!("    {name}|cased: {}\n", quoted(value))).collect();
    let Said { class, .. } = said;
    format!(
        "title: {class}\nname: {class}\nclass: {class}\nlevel: low\nlogsource: {{}}\ndetection:\n  s:\n    message|cased: {}\n{fields}  \
         condition: s\n",
        quoted(&text)
    )
}

/// Asserts that each of those was said once, as it was said.
pub fn each_arrived_once<'a>(service: &mut Service, all: impl Iterator<Item = &'a Said>) {
    let found = service.anomalies();
    let counts: BTreeMap<_, _> =
        found.iter().map(|anomaly| (anomaly["class"].as_str().unwrap_or_default(), anomaly["count"].as_u64())).collect();
    let wrong: Vec<_> =
        all.map(|said| (&said.text, counts.get(said.class.as_str()))).filter(|(_, count)| *count != Some(&Some(1))).collect();
    assert!(wrong.is_empty(), "{} texts were not seen once: {wrong:?}", wrong.len());
}
