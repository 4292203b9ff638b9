//! Why a rule does or does not hold of an event, part by part.

use crate::condition::Condition;
use crate::error::quoted;
use crate::matcher::{RuleSet, Scratch};
use crate::pattern::{Pattern, Piece};
use crate::rule::{Body, Criteria, Detection, Item, Rule, Selection, Test};
use crate::value::{Fields, KEYWORDS, TextBuffer, Value};

/// One part of a rule's condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep within the others it stands.
    pub depth: usize,
    pub holds: bool,
    /// What is asked, and what the event has to say to it. One line, without control characters.
    pub text: String,
}

/// More values of one list than this are not shown one by one.
const SHOWN: usize = 24;

/// Asks every part of the rule's condition by itself, also those that matching would not come to. `get` answers a field's
/// value by its name. Each part is compiled and matched alone, so that it means here what it means everywhere.
#[must_use]
pub fn explain<'a>(rule: &Rule, get: &dyn Fn(&str) -> Value<'a>) -> Vec<Line> {
    let Some(detection) = rule.detection() else { return Vec::new() };
    let mut told = Teller { rule, get, lines: Vec::new() };
    let whole = told.asks(rule.body.clone());
    told.say(0, whole, format!("condition: {}", shown(&detection.condition, &detection.selections, false)));
    for selection in &detection.selections {
        let holds = told.holds(&selection.criteria);
        told.say(1, holds, selection.name.clone());
        told.criteria(&selection.criteria, 2);
    }
    told.lines
}

struct Teller<'r, 'a> {
    rule: &'r Rule,
    get: &'r dyn Fn(&str) -> Value<'a>,
    lines: Vec<Line>,
}

struct Named<'r, 'a> {
    names: &'r [String],
    get: &'r dyn Fn(&str) -> Value<'a>,
}

impl Fields for Named<'_, '_> {
    fn get(&self, field: usize) -> Value<'_> {
        (self.get)(&self.names[field])
    }
}

impl Teller<'_, '_> {
    fn say(&mut self, depth: usize, holds: bool, text: String) {
        self.lines.push(Line { depth, holds, text });
    }

    fn asks(&self, body: Body) -> bool {
        let (set, _) = RuleSet::compile(vec![Rule { body, ..self.rule.clone() }]);
        let mut found = Vec::new();
        set.matches(&mut Scratch::new(), &Named { names: set.fields(), get: self.get }, &mut found);
        !found.is_empty()
    }

    fn holds(&self, criteria: &Criteria) -> bool {
        let selection = Selection { name: String::new(), position: self.rule.position, criteria: criteria.clone() };
        self.asks(Body::Detection(Detection { selections: vec![selection], condition: Condition::Selection(0) }))
    }

    fn criteria(&mut self, criteria: &Criteria, depth: usize) {
        match criteria {
            Criteria::Item(item) => self.item(item, depth),
            Criteria::All(parts) => parts.iter().for_each(|part| self.criteria(part, depth)),
            Criteria::Any(parts) => {
                for (number, part) in parts.iter().enumerate() {
                    if matches!(part, Criteria::Item(_)) {
                        self.criteria(part, depth);
                    } else {
                        let holds = self.holds(part);
                        self.say(depth, holds, format!("alternative {}", number + 1));
                        self.criteria(part, depth + 1);
                    }
                }
            }
        }
    }

    fn item(&mut self, item: &Item, depth: usize) {
        let holds = self.holds(&Criteria::Item(item.clone()));
        let field = if item.field == KEYWORDS { "the line" } else { &item.field };
        // The line itself is known to whoever asks.
        let value = if item.field == KEYWORDS { String::new() } else { format!("; it is {}", value((self.get)(&item.field))) };
        let how = match (item.negated, item.all, item.tests.len()) {
            (true, ..) => "none of",
            (_, _, 1) => "",
            (_, true, _) => "all of",
            _ => "one of",
        };
        if let ([test], false) = (item.tests.as_slice(), item.negated) {
            return self.say(depth, holds, format!("{field} {}{value}", asked(test)));
        }
        self.say(depth, holds, format!("{field}: {how} {} values{value}", item.tests.len()));
        for test in item.tests.iter().take(SHOWN) {
            let one = Item { tests: vec![test.clone()], negated: false, all: false, ..item.clone() };
            let holds = self.holds(&Criteria::Item(one));
            self.say(depth + 1, holds, asked(test));
        }
        if item.tests.len() > SHOWN {
            self.say(depth + 1, holds, format!("and {} more", item.tests.len() - SHOWN));
        }
    }
}

fn shown(condition: &Condition, selections: &[Selection], within: bool) -> String {
    let join = |parts: &[Condition], by: &str| {
        let parts: Vec<String> = parts.iter().map(|part| shown(part, selections, true)).collect();
        if within { format!("({})", parts.join(by)) } else { parts.join(by) }
    };
    match condition {
        Condition::Selection(index) => selections[*index].name.clone(),
        Condition::All(parts) => join(parts, " and "),
        Condition::Any(parts) => join(parts, " or "),
        Condition::Not(inner) => format!("not {}", shown(inner, selections, true)),
    }
}

fn value(value: Value<'_>) -> String {
    let mut buffer = TextBuffer::new();
    match value.text(&mut buffer) {
        Some(text) => quoted(&String::from_utf8_lossy(&text[..text.len().min(400)])),
        None => "absent".into(),
    }
}

fn asked(test: &Test) -> String {
    match test {
        Test::Pattern(pattern) => pattern_asked(pattern),
        Test::Regex(source) => format!("matches the expression {}", quoted(&source.text)),
        Test::Number(number) => format!("is the number {number}"),
        Test::Compare(comparison, number) => format!("is {} {number}", comparison.name()),
        Test::Time { part, comparison, number } => format!("as a time has {} {} {number}", part.name(), comparison.name()),
        Test::Cidr(network) => format!("is in {}/{}", network.address, network.prefix),
        Test::Exists(true) => "is there".into(),
        Test::Exists(false) => "is not there".into(),
        Test::Field { name, relation, .. } => format!("{relation:?} the field {}", quoted(name)).to_lowercase(),
    }
}

fn pattern_asked(pattern: &Pattern) -> String {
    let text = |literal: &[u8]| quoted(&String::from_utf8_lossy(literal));
    match pattern.pieces() {
        [] => "is empty".into(),
        [Piece::Many] => "is there".into(),
        [Piece::Literal(literal)] => format!("is {}", text(literal)),
        [Piece::Many, Piece::Literal(literal), Piece::Many] => format!("contains {}", text(literal)),
        [Piece::Literal(literal), Piece::Many] => format!("starts with {}", text(literal)),
        [Piece::Many, Piece::Literal(literal)] => format!("ends with {}", text(literal)),
        pieces => {
            let piece = |piece: &Piece| match piece {
                Piece::Literal(literal) => String::from_utf8_lossy(literal).into_owned(),
                Piece::Many => "*".into(),
                Piece::One => "?".into(),
            };
            format!("is like {}", quoted(&pieces.iter().map(piece).collect::<String>()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    #[test]
    fn every_part_says_whether_it_holds_and_what_the_event_has() {
        let yaml = "title: t\ndetection:\n  sel:\n    url|contains: [union, select]\n    status: 200\n  own: {ip|cidr: 10.0.0.0/8}\n  \
                    condition: sel and not own\n";
        let rule = &parse("x.yml", yaml).0[0];
        let get = |name: &str| match name {
            "url" => Value::from("/?q=union"),
            "ip" => Value::from("10.1.2.3"),
            _ => Value::Absent,
        };
        let lines: Vec<_> = explain(rule, &get).into_iter().map(|line| (line.depth, line.holds, line.text)).collect();
        assert_eq!(lines[0], (0, false, "condition: sel and not own".into()));
        assert_eq!(lines[1], (1, false, "sel".into()));
        assert_eq!(lines[2], (2, true, "url: one of 2 values; it is '/?q=union'".into()));
        assert_eq!(lines[3], (3, true, "contains 'union'".into()));
        assert_eq!(lines[4], (3, false, "contains 'select'".into()));
        assert_eq!(lines[5], (2, false, "status is the number 200; it is absent".into()));
        assert_eq!(lines[7], (2, true, "ip is in 10.0.0.0/8; it is '10.1.2.3'".into()));
    }
}
