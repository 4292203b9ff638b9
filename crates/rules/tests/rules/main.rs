//! Tests of the engine from outside, through its public interface.

mod correlation;
mod differential;
mod filters;
mod forms;
mod hostile;
mod plain;
mod routing;
mod semantics;

use lapwing_rules::{Fields, RuleSet, Scratch, Value, parse};

/// An event as a list of fields.
#[derive(Debug, Clone, Default)]
struct Event(Vec<(String, Held)>);

#[derive(Debug, Clone)]
enum Held {
    Text(Vec<u8>),
    Number(f64),
    Address(std::net::IpAddr),
}

impl Event {
    fn with(mut self, field: &str, text: impl AsRef<[u8]>) -> Event {
        self.0.push((field.into(), Held::Text(text.as_ref().to_vec())));
        self
    }

    fn get(&self, name: &str) -> Value<'_> {
        match self.0.iter().find(|(field, _)| field == name) {
            None => Value::Absent,
            Some((_, Held::Text(text))) => Value::Text(text),
            Some((_, Held::Number(number))) => Value::Number(*number),
            Some((_, Held::Address(address))) => Value::Address(*address),
        }
    }
}

/// An event under the field numbers of a rule set.
struct Seen<'a>(&'a Event, &'a RuleSet);

impl Fields for Seen<'_> {
    fn get(&self, field: usize) -> Value<'_> {
        self.0.get(&self.1.fields()[field])
    }
}

fn compiled(yaml: &str) -> RuleSet {
    let (rules, errors) = parse("x.yml", yaml);
    assert_eq!(errors, [], "{yaml}");
    let (set, errors) = RuleSet::compile(rules);
    assert_eq!(errors, [], "{yaml}");
    set
}

/// The errors of reading and of compiling, as shown.
fn errors(yaml: &str) -> Vec<String> {
    let (rules, errors) = parse("x.yml", yaml);
    let more = RuleSet::compile(rules).1;
    errors.iter().chain(&more).map(ToString::to_string).collect()
}

fn found(set: &RuleSet, event: &Event) -> Vec<usize> {
    let mut found = Vec::new();
    set.matches(&mut Scratch::new(), &Seen(event, set), &mut found);
    found
}
