//! Events made of what a rule asks for: its own values, its own values with a flaw, nothing.

use lapwing_rules::{Criteria, KEYWORDS, Pattern, Piece, Rule, Test};
use serde_json::{Map, Value};

/// Small and always the same: what is compared must not depend on luck.
pub struct Numbers(u64);

impl Numbers {
    /// Different for each name.
    pub fn of(name: &str) -> Numbers {
        Numbers(name.bytes().fold(7, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// Fields and their texts.
pub struct Event(Vec<(String, String)>);

impl Event {
    /// Each field that the rule asks for has, mostly, one of the values asked for.
    pub fn of(rule: &Rule, numbers: &mut Numbers) -> Event {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, tests) in &wanted(rule) {
            let name = if *name == KEYWORDS { "message" } else { name };
            if numbers.below(12) == 0 || fields.iter().any(|(known, _)| known == name) {
                continue;
            }
            // Several, so that `all` can hold.
            let few = if numbers.below(3) == 0 { tests.len().min(6) } else { 1 };
            let start = numbers.below(tests.len());
            let texts: Vec<String> = (0..few).map(|at| value(tests[(start + at) % tests.len()], numbers)).collect();
            fields.push((name.to_owned(), flawed(texts.join(" "), numbers)));
        }
        Event(fields)
    }

    /// Whether the rule has keywords.
    pub fn asks_for_keywords(&self, rule: &Rule) -> bool {
        wanted(rule).iter().any(|(name, _)| *name == KEYWORDS)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }

    /// Everything in it.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
    }

    pub fn json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect::<Map<_, _>>())
    }
}

/// Each field that the rule asks for, with what it is tested for.
fn wanted(rule: &Rule) -> Vec<(&str, Vec<&Test>)> {
    let mut wanted = Vec::new();
    if let Some(detection) = rule.detection() {
        detection.selections.iter().for_each(|selection| collect(&selection.criteria, &mut wanted));
    }
    wanted
}

fn collect<'a>(criteria: &'a Criteria, wanted: &mut Vec<(&'a str, Vec<&'a Test>)>) {
    match criteria {
        Criteria::All(parts) | Criteria::Any(parts) => parts.iter().for_each(|part| collect(part, wanted)),
        Criteria::Item(item) => match wanted.iter_mut().find(|(name, _)| *name == item.field) {
            Some((_, tests)) => tests.extend(&item.tests),
            None => wanted.push((&item.field, item.tests.iter().collect())),
        },
    }
}

/// A text of which the test holds, where that is easily made.
fn value(test: &Test, numbers: &mut Numbers) -> String {
    match test {
        Test::Pattern(pattern) => of(pattern, numbers),
        Test::Regex(source) => {
            source.text.chars().filter(|character| character.is_alphanumeric() || " ./-_".contains(*character)).collect()
        }
        Test::Number(number) | Test::Compare(_, number) => (number + numbers.below(3) as f64 - 1.0).to_string(),
        Test::Time { .. } => "2025-03-01T23:05:00Z".to_owned(),
        Test::Cidr(network) => network.address.to_string(),
        Test::Exists(_) | Test::Field { .. } => "same".to_owned(),
    }
}

fn of(pattern: &Pattern, numbers: &mut Numbers) -> String {
    let mut text = Vec::new();
    for piece in pattern.pieces() {
        match piece {
            Piece::Literal(literal) => text.extend_from_slice(literal),
            Piece::Many => text.extend_from_slice(["", "x", "a b", "\\"][numbers.below(4)].as_bytes()),
            Piece::One => text.extend_from_slice(["q", "é"][numbers.below(2)].as_bytes()),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The text, or something near it.
fn flawed(text: String, numbers: &mut Numbers) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = numbers.below(characters.len());
    match numbers.below(12) {
        0 => text.to_ascii_uppercase(),
        1 => text.to_ascii_lowercase(),
        2 => characters.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, character)| character).collect(),
        3 => text + "x",
        4 => format!("x{text}"),
        5 => String::new(),
        6 => characters.iter().rev().collect(),
        _ => text,
    }
}
