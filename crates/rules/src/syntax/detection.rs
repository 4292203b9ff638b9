use crate::condition::{self, Condition};
use crate::error::{Position, Problems, did_you_mean, quoted};
use crate::modifier::{self, Placeholders};
use crate::rule::{Criteria, Detection, Selection};
use crate::value::KEYWORDS;
use crate::yaml::{Entry, Kind, Node};

use super::map;

/// The key of a filter under which the rules stand that it is about.
pub(super) const RULES: &str = "rules";

/// Reads the map under `detection` or `filter`: selections by name, and the condition.
pub(super) fn read(what: &str, node: &Node, placeholders: &Placeholders, problems: &mut Problems) -> Option<Detection> {
    let entries = map(what, node, problems)?;
    let before = problems.len();
    let mut condition = None;
    let mut selections = Vec::new();
    for Entry { key, position, value } in entries {
        match key.as_str() {
            "condition" => condition = Some(value),
            RULES if what == "filter" => {}
            "timeframe" => {
                problems.add_with(
                    *position,
                    "'timeframe' is no longer part of Sigma",
                    "write a correlation rule with a timespan",
                );
            }
            name => {
                // A broken selection is told of once; the condition may still refer to it.
                let criteria = criteria(value, name, placeholders, problems).unwrap_or(Criteria::Any(Vec::new()));
                selections.push(Selection { name: name.into(), position: *position, criteria });
            }
        }
    }
    let condition = match condition {
        Some(node) => self::condition(node, &selections, problems),
        None => {
            no_condition(node.position, entries, problems);
            None
        }
    };
    (problems.len() == before).then_some(())?;
    Some(Detection { selections, condition: condition? })
}

fn no_condition(at: Position, entries: &[Entry], problems: &mut Problems) {
    let misspelt = entries.iter().find(|entry| did_you_mean(&entry.key, ["condition"]).is_some());
    match misspelt {
        Some(entry) => {
            let help = format!("did you misspell it as {}?", quoted(&entry.key));
            problems.add_with(entry.position, "the detection has no condition", help);
        }
        None => problems.add(at, "the detection has no condition"),
    }
}

/// One condition, or several in a list, of which one must hold.
fn condition(node: &Node, selections: &[Selection], problems: &mut Problems) -> Option<Condition> {
    let names: Vec<&str> = selections.iter().map(|selection| selection.name.as_str()).collect();
    let mut conditions = Vec::new();
    for node in node.many() {
        let Some(scalar) = node.scalar() else {
            problems.add(node.position, format!("a condition is text, this is {}", node.what()));
            return None;
        };
        let place = |byte: usize| match scalar.text_column {
            Some(column) => {
                let before = scalar.text.get(..byte).map_or(byte, |text| text.chars().count());
                Position { line: node.position.line, column: column + before }
            }
            None => node.position,
        };
        conditions.push(condition::parse(&scalar.text, &names, place, problems)?);
    }
    match conditions.len() {
        0 => {
            problems.add(node.position, "the list of conditions is empty");
            None
        }
        1 => conditions.pop(),
        _ => Some(Condition::Any(conditions)),
    }
}

/// A map is a conjunction of items; a list is a disjunction of maps and keywords; a single value is a keyword.
fn criteria(node: &Node, name: &str, placeholders: &Placeholders, problems: &mut Problems) -> Option<Criteria> {
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            let items = entries.iter().map(|entry| {
                modifier::item(&entry.key, entry.position, &entry.value, placeholders, problems).map(Criteria::Item)
            });
            // All items are read before giving up, so that every mistake is shown.
            let items: Vec<Option<Criteria>> = items.collect();
            items.into_iter().collect::<Option<_>>().map(Criteria::All)
        }
        Kind::List(nodes) if !nodes.is_empty() => {
            let parts: Vec<Option<Criteria>> = nodes.iter().map(|node| part(node, name, placeholders, problems)).collect();
            parts.into_iter().collect::<Option<_>>().map(Criteria::Any)
        }
        Kind::Scalar(_) => keyword(node, placeholders, problems),
        Kind::Null | Kind::Map(_) | Kind::List(_) => {
            problems.add(node.position, format!("the selection {} is empty", quoted(name)));
            None
        }
    }
}

fn part(node: &Node, name: &str, placeholders: &Placeholders, problems: &mut Problems) -> Option<Criteria> {
    match &node.kind {
        Kind::Map(_) => criteria(node, name, placeholders, problems),
        Kind::Scalar(_) => keyword(node, placeholders, problems),
        Kind::Null | Kind::List(_) => {
            problems.add(node.position, format!("expected a map or a keyword, found {}", node.what()));
            None
        }
    }
}

fn keyword(node: &Node, placeholders: &Placeholders, problems: &mut Problems) -> Option<Criteria> {
    modifier::item(KEYWORDS, node.position, node, placeholders, problems).map(Criteria::Item)
}

#[cfg(test)]
mod tests {
    use crate::rule::{Criteria, Detection};
    use crate::syntax::parse;

    fn read(detection: &str) -> Detection {
        let yaml = format!("title: t\ndetection:\n{detection}");
        let (rules, errors) = parse("x", &yaml);
        assert_eq!(errors, []);
        rules[0].detection().unwrap().clone()
    }

    fn shape(criteria: &Criteria) -> String {
        let join = |parts: &[Criteria], by: &str| format!("({})", parts.iter().map(shape).collect::<Vec<_>>().join(by));
        match criteria {
            Criteria::All(parts) => join(parts, "&"),
            Criteria::Any(parts) => join(parts, "|"),
            Criteria::Item(item) => format!("{}:{}{}", item.field, item.tests.len(), if item.all { "all" } else { "" }),
        }
    }

    #[test]
    fn maps_are_and_lists_are_or_and_bare_values_are_keywords() {
        let detection = read(
            "  a: {x: 1, y: [2, 3]}\n  b:\n    - x: 1\n      y: 2\n    - z|contains|all: [p, q]\n  c: [k1, k2]\n  d: one\n  \
             e: ['kw', {x: 1}]\n  f:\n    '|all': [k1, k2]\n  condition: all of them\n",
        );
        let shapes: Vec<String> = detection.selections.iter().map(|selection| shape(&selection.criteria)).collect();
        assert_eq!(shapes, ["(x:1&y:2)", "((x:1&y:1)|(z:2all))", "(:1|:1)", ":1", "(:1|(x:1))", "(:2all)"]);
    }

    #[test]
    fn every_mistake_is_shown_not_just_the_first() {
        let yaml = "title: t\ndetection:\n  a: {x|foo: 1, y|bar: 2}\n  b: []\n  condition: a and b\n";
        let lines: Vec<_> = parse("x", yaml).1.iter().map(|error| (error.line, error.column)).collect();
        assert_eq!(lines, [(3, 9), (3, 19), (4, 6)]);
    }
}
