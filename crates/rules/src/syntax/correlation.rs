use crate::error::{Position, Problems, quoted};
use crate::rule::{Alias, Comparison, Correlation, CorrelationKind, Reference};
use crate::value::parse_number;
use crate::yaml::{Entry, Node};

use super::{map, text};

const KEYS: [&str; 7] = ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

/// Reads the map under `correlation`.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Correlation> {
    let entries = map("correlation", node, problems)?;
    let before = problems.len();
    for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        problems.unknown(entry.position, "key of correlation", &entry.key, KEYS);
    }
    let get = |key: &str| entries.iter().find(|entry| entry.key == key);
    let kind = kind(get("type"), node.position, problems);
    let rules = get("rules").map(|entry| references(&entry.value, problems)).unwrap_or_default();
    if rules.is_empty() {
        problems.add(node.position, "the correlation names no rules");
    }
    let timespan_nanos = match get("timespan") {
        Some(entry) => timespan(&entry.value, problems),
        None => {
            problems.add(node.position, "the correlation has no timespan");
            None
        }
    };
    let (mut conditions, mut value_fields) = (Vec::new(), Vec::new());
    if let Some(entry) = get("condition") {
        (conditions, value_fields) = condition(&entry.value, problems);
    }
    let correlation = Correlation {
        kind: kind?,
        rules,
        group_by: get("group-by").map(|entry| references(&entry.value, problems)).unwrap_or_default(),
        timespan_nanos: timespan_nanos?,
        conditions,
        value_fields,
        aliases: get("aliases").map(|entry| aliases(&entry.value, problems)).unwrap_or_default(),
        generate: get("generate").and_then(|entry| text("generate", &entry.value, problems)).is_some_and(|word| word == "true"),
    };
    if problems.len() == before {
        complete(&correlation, node.position, problems);
    }
    (problems.len() == before).then_some(correlation)
}

/// What the kind of correlation needs.
fn complete(correlation: &Correlation, at: Position, problems: &mut Problems) {
    let counts = correlation.kind == CorrelationKind::EventCount || correlation.kind.is_of_values();
    if counts && correlation.conditions.is_empty() {
        problems.add_with(at, "the correlation has no condition", "add one such as 'condition: {gte: 10}'");
    }
    if correlation.kind.is_of_values() && correlation.value_fields.is_empty() {
        let message = format!("{} needs the field whose values it counts", correlation.kind.name());
        problems.add_with(at, message, "add 'field: NAME' to its condition");
    }
    if correlation.kind.is_of_values() && correlation.kind != CorrelationKind::ValueCount && correlation.value_fields.len() > 1 {
        problems.add(at, format!("{} adds up the numbers of one field only", correlation.kind.name()));
    }
}

fn kind(entry: Option<&Entry>, at: Position, problems: &mut Problems) -> Option<CorrelationKind> {
    let Some(entry) = entry else {
        problems.add(at, "the correlation has no type");
        return None;
    };
    let word = text("type", &entry.value, problems)?;
    let found = CorrelationKind::NAMES.iter().find(|(name, _)| *name == word);
    if word == "value_percentile" {
        let message = "the type of correlation 'value_percentile' is not supported";
        problems.add_with(entry.value.position, message, "use value_count, value_sum or value_avg");
    } else if found.is_none() {
        problems.unknown(entry.value.position, "type of correlation", &word, CorrelationKind::NAMES.map(|(name, _)| name));
    }
    found.map(|(_, kind)| *kind)
}

pub(super) fn references(node: &Node, problems: &mut Problems) -> Vec<Reference> {
    let read = |node: &Node| text("name", node, problems).map(|name| Reference { name, position: node.position });
    node.many().iter().filter_map(read).collect()
}

/// A whole number and its unit: `30s`, `5m`, `2h`, `1d`, `1w`, `1M` (30 days), `1y` (365 days).
fn timespan(node: &Node, problems: &mut Problems) -> Option<i64> {
    let span = text("timespan", node, problems)?;
    let nanos = parse_timespan(&span);
    if nanos.is_none() {
        problems.add_with(
            node.position,
            format!("not a timespan: {}", quoted(&span)),
            "write a number and one of s, m, h, d, w, M, y",
        );
    }
    nanos
}

fn parse_timespan(span: &str) -> Option<i64> {
    let unit = span.chars().next_back()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    let number: i64 = span[..span.len() - 1].trim().parse().ok()?;
    let nanos = number.checked_mul(seconds)?.checked_mul(1_000_000_000)?;
    // Twice the span must still be a time.
    (nanos > 0 && nanos < i64::MAX / 4).then_some(nanos)
}

type Conditions = (Vec<(Comparison, f64)>, Vec<Reference>);

fn condition(node: &Node, problems: &mut Problems) -> Conditions {
    let (mut conditions, mut fields) = (Vec::new(), Vec::new());
    let Some(entries) = map("condition", node, problems) else { return (conditions, fields) };
    for Entry { key, value, position } in entries {
        if key == "field" {
            fields = references(value, problems);
            continue;
        }
        let Some(word) = text(key, value, problems) else { continue };
        match (Comparison::NAMES.iter().find(|(name, _)| name == key), parse_number(word.as_bytes())) {
            (Some((_, comparison)), Some(number)) => conditions.push((*comparison, number)),
            (Some(_), None) => problems.add(value.position, format!("'{key}' expects a number, found {}", quoted(&word))),
            (None, _) => {
                let known = Comparison::NAMES.map(|(name, _)| name).into_iter().chain(["field"]);
                problems.unknown(*position, "key of condition", key, known);
            }
        }
    }
    (conditions, fields)
}

fn aliases(node: &Node, problems: &mut Problems) -> Vec<Alias> {
    let Some(entries) = map("aliases", node, problems) else { return Vec::new() };
    let mut aliases = Vec::new();
    for Entry { key, value, .. } in entries {
        let Some(fields) = map(key, value, problems) else { continue };
        let pair = |entry: &Entry| Some((entry.key.clone(), text(&entry.key, &entry.value, problems)?));
        aliases.push(Alias { name: key.clone(), fields: fields.iter().filter_map(pair).collect() });
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    fn yaml(correlation: &str) -> String {
        format!("title: t\ncorrelation:\n{correlation}")
    }

    #[test]
    fn reads_the_examples_of_the_specification() {
        let text = "  type: value_count\n  rules:\n    - a\n    - b\n  group-by: [Computer, ip]\n  timespan: 1d\n  condition:\n    \
                    gte: 100\n    lt: 1000\n    field: User\n  aliases:\n    ip:\n      a: src\n      b: dst\n  generate: true\n";
        let (rules, errors) = parse("x", &yaml(text));
        assert_eq!(errors, []);
        let correlation = rules[0].correlation().unwrap();
        assert_eq!(correlation.kind, CorrelationKind::ValueCount);
        assert_eq!(correlation.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(correlation.timespan_nanos, 86_400_000_000_000);
        assert_eq!(correlation.conditions, [(Comparison::GreaterOrEqual, 100.0), (Comparison::Less, 1000.0)]);
        assert_eq!(correlation.aliases[0].fields[1], ("b".into(), "dst".into()));
        assert!(correlation.generate);
    }

    #[test]
    fn timespans_have_a_number_and_a_unit() {
        assert_eq!(parse_timespan("15s"), Some(15_000_000_000));
        assert_eq!(parse_timespan("1M"), Some(30 * 86_400_000_000_000));
        for wrong in ["", "s", "5", "5 minutes", "-1m", "0s", "99999999999y", "5µ"] {
            assert_eq!(parse_timespan(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn says_what_a_correlation_lacks() {
        for (text, wrong) in [
            (
                "  type: event_cuont\n  rules: a\n  timespan: 5m\n",
                "x:3:9: unknown type of correlation 'event_cuont'; did you mean 'event_count'?",
            ),
            (
                "  type: value_percentile\n  rules: a\n  timespan: 5m\n",
                "x:3:9: the type of correlation 'value_percentile' is not supported; use value_count, value_sum or value_avg",
            ),
            (
                "  type: event_count\n  rules: a\n  timespan: 5m\n",
                "x:3:3: the correlation has no condition; add one such as 'condition: {gte: 10}'",
            ),
            (
                "  type: value_count\n  rules: a\n  timespan: 5m\n  condition: {gte: 5}\n",
                "x:3:3: value_count needs the field whose values it counts; add 'field: NAME' to its condition",
            ),
            (
                "  type: temporal\n  rules: a\n  timespan: 5q\n",
                "x:5:13: not a timespan: '5q'; write a number and one of s, m, h, d, w, M, y",
            ),
            (
                "  type: temporal\n  rules: a\n  timespan: 5m\n  groupby: x\n",
                "x:6:3: unknown key of correlation 'groupby'; did you mean 'group-by'?",
            ),
            (
                "  type: event_count\n  rules: a\n  timespan: 5m\n  condition: {gte: many}\n",
                "x:6:20: 'gte' expects a number, found 'many'",
            ),
            ("  type: event_count\n  timespan: 5m\n  condition: {gte: 5}\n", "x:3:3: the correlation names no rules"),
        ] {
            let errors: Vec<String> = parse("x", &yaml(text)).1.iter().map(ToString::to_string).collect();
            assert_eq!(errors, [wrong]);
        }
    }
}
