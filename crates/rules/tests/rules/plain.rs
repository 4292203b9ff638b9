//! The plain twin: one rule after another, one test after another, each in the most obvious way.

use lapwing_rules::{Condition, Criteria, Detection, Item, KEYWORDS, Pattern, Piece, Relation, Rule, Test, Value};

use super::Event;

/// The rules that hold of an event.
pub(crate) fn matches(rules: &[Rule], event: &Event) -> Vec<usize> {
    let holds = |rule: &Rule| rule.detection().is_some_and(|detection| condition(&detection.condition, detection, event));
    (0..rules.len()).filter(|index| holds(&rules[*index])).collect()
}

fn condition(wanted: &Condition, detection: &Detection, event: &Event) -> bool {
    match wanted {
        Condition::Selection(index) => criteria(&detection.selections[*index].criteria, event),
        Condition::All(parts) => parts.iter().all(|part| condition(part, detection, event)),
        Condition::Any(parts) => parts.iter().any(|part| condition(part, detection, event)),
        Condition::Not(inner) => !condition(inner, detection, event),
    }
}

fn criteria(wanted: &Criteria, event: &Event) -> bool {
    match wanted {
        Criteria::All(parts) => parts.iter().all(|part| criteria(part, event)),
        Criteria::Any(parts) => parts.iter().any(|part| criteria(part, event)),
        Criteria::Item(item) => self::item(item, event),
    }
}

fn item(item: &Item, event: &Event) -> bool {
    let value = event.get(&item.field);
    let holds = |wanted: &Test| test(wanted, value, event);
    let found = if item.all { item.tests.iter().all(holds) } else { item.tests.iter().any(holds) };
    found != item.negated
}

fn text(value: Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Absent => None,
        Value::Text(text) => Some(text.to_vec()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Address(address) => Some(address.to_string().into_bytes()),
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    let text = String::from_utf8(text(value)?).ok()?;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plain { text.parse().ok() } else { None }
}

fn test(wanted: &Test, value: Value<'_>, event: &Event) -> bool {
    let Some(held) = text(value) else { return *wanted == Test::Exists(false) };
    match wanted {
        Test::Exists(there) => *there,
        Test::Number(wanted) => number(value) == Some(*wanted),
        Test::Compare(comparison, wanted) => number(value).is_some_and(|number| comparison.holds(number, *wanted)),
        Test::Time { .. } => panic!("the twin knows no dates, and no rule here asks for them"),
        Test::Cidr(network) => match value {
            Value::Address(address) => network.contains(address),
            _ => String::from_utf8(held).ok().and_then(|text| text.parse().ok()).is_some_and(|address| network.contains(address)),
        },
        Test::Pattern(wanted) => pattern(wanted, &held),
        Test::Regex(source) => regex::bytes::RegexBuilder::new(&source.text)
            .unicode(false)
            .case_insensitive(source.ignore_case)
            .build()
            .unwrap()
            .is_match(&held),
        Test::Field { name, relation, cased } => {
            let Some(other) = text(event.get(name)) else { return false };
            let (mut held, mut other) = (held, other);
            if !cased {
                held.make_ascii_lowercase();
                other.make_ascii_lowercase();
            }
            match relation {
                Relation::Equals => held == other,
                Relation::StartsWith => held.starts_with(&other),
                Relation::EndsWith => held.ends_with(&other),
                Relation::Contains => other.is_empty() || held.windows(other.len()).any(|window| window == other),
            }
        }
    }
}

fn pattern(pattern: &Pattern, held: &[u8]) -> bool {
    let fold = |bytes: &[u8]| if pattern.cased { bytes.to_vec() } else { bytes.to_ascii_lowercase() };
    let pieces: Vec<Piece> = pattern
        .pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Literal(bytes) => Piece::Literal(fold(bytes)),
            other => other.clone(),
        })
        .collect();
    glob(&pieces, &fold(held))
}

fn glob(pieces: &[Piece], text: &[u8]) -> bool {
    match pieces.split_first() {
        None => text.is_empty(),
        Some((Piece::Literal(literal), rest)) => text.strip_prefix(literal.as_slice()).is_some_and(|text| glob(rest, text)),
        Some((Piece::Many, rest)) => (0..=text.len()).any(|from| glob(rest, &text[from..])),
        Some((Piece::One, rest)) => {
            let character = (1..=text.len().min(4)).find(|end| std::str::from_utf8(&text[..*end]).is_ok());
            let lone = text.first().is_some_and(|byte| !byte.is_ascii()).then_some(1);
            character.into_iter().chain(lone).any(|length| glob(rest, &text[length..]))
        }
    }
}

#[test]
fn the_twin_itself_knows_wildcards_and_keywords() {
    assert!(pattern(&Pattern::parse("A*c?"), b"abbcd"));
    assert!(!pattern(&Pattern::parse("A*c?"), b"abbc"));
    assert_eq!(KEYWORDS, "");
}
