//! Behaviours as they are written: a Sigma detection says which events count, its key `buckets` how they are counted.

use std::sync::Arc;

use lapwing_model::{Field, Scope};
use lapwing_rules::{Entry, Kind, Level, Node, Position, Rule, RuleError, did_you_mean};

use super::bucket::Shape;
use super::run::{Run, runs};
use super::span::nanos;
use super::when::When;

/// One bucket of a behaviour.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where it begins in its file.
    pub(super) position: Position,
    pub name: String,
    pub class: String,
    pub level: Level,
    /// Whose bucket it is, and the fields besides that part it.
    pub scope: Scope,
    pub(super) within: Vec<Field>,
    pub(super) distinct: Option<Field>,
    pub(super) shape: Shape,
    /// The detection of which each match takes one out.
    pub(super) drain: Option<String>,
    /// Nothing is told before this detection matches on top of an overflow.
    pub(super) then: Option<String>,
    /// Counts only while this bucket, which is a gate, has overflowed.
    pub(super) gate: Option<String>,
    /// It only opens the way for others.
    pub(super) is_gate: bool,
    /// Once it overflows, whatever the entity does belongs to it.
    pub(super) covers: bool,
    pub(super) reason: String,
    pub(super) overflows: Vec<Run>,
    pub(super) stays: Vec<Run>,
}

/// A rule that has the key `buckets`.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) rule: Rule,
    pub(super) when: When,
    /// None where other buckets refer to it only.
    pub(super) scenarios: Vec<Scenario>,
}

/// The scopes that a bucket can have.
pub(super) const SCOPES: [(&str, Scope); 4] = [
    ("client.address", Scope::Client),
    ("client.network", Scope::Network),
    ("user.name", Scope::User),
    ("log.file.path", Scope::Source),
];

const KEYS: [&str; 15] = [
    "name", "class", "level", "key", "distinct", "capacity", "leak", "mute", "drain", "then", "while", "gate", "covers", "reason",
    "tests",
];

const PLACEHOLDERS: [&str; 6] = ["{count}", "{distinct}", "{capacity}", "{span}", "{value}", "{key}"];

/// The buckets that a rule describes; none where it is an ordinary rule.
///
/// # Errors
/// What is wrong with them, each with its place.
pub(super) fn of(rule: &Rule) -> Option<Result<Written, Vec<RuleError>>> {
    let (_, node) = rule.extra.iter().find(|(key, _)| key == "buckets")?;
    let mut reader = Reader { rule, errors: Vec::new() };
    let nodes = match &node.kind {
        Kind::List(nodes) => nodes.as_slice(),
        _ => {
            reader.wrong(node, "'buckets' must be a list; write [] where the detection is only referred to");
            &[]
        }
    };
    let scenarios: Vec<Scenario> = nodes.iter().filter_map(|node| reader.scenario(node)).collect();
    let when = reader.when();
    let written = Written { rule: rule.clone(), when, scenarios };
    Some(if reader.errors.is_empty() { Ok(written) } else { Err(reader.errors) })
}

struct Reader<'a> {
    rule: &'a Rule,
    errors: Vec<RuleError>,
}

impl Reader<'_> {
    fn wrong(&mut self, node: &Node, message: impl Into<String>) {
        self.wrong_at(node.position, message.into(), None);
    }

    fn wrong_at(&mut self, Position { line, column }: Position, message: String, help: Option<String>) {
        self.errors.push(RuleError { file: Arc::clone(&self.rule.file), line, column, message, help, waits: false });
    }

    /// A word is none of those known: says which was probably meant, else which there are.
    fn unknown(&mut self, at: Position, message: String, word: &str, known: &[&str]) {
        let near = did_you_mean(word, known.iter().copied()).map(|near| format!("did you mean '{near}'?"));
        let help = near.unwrap_or_else(|| format!("use one of {}", known.join(", ")));
        self.wrong_at(at, message, Some(help));
    }

    fn when(&mut self) -> When {
        let Some((_, node)) = self.rule.extra.iter().find(|(key, _)| key == "when") else { return When::Any };
        let text = node.scalar().map_or("", |scalar| scalar.text.as_str());
        let found = When::ALL.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            self.unknown(node.position, format!("unknown 'when' of a behaviour: '{text}'"), text, &When::ALL.map(|(name, _)| name));
        }
        found.map_or(When::Any, |(_, when)| *when)
    }

    fn scenario(&mut self, node: &Node) -> Option<Scenario> {
        let Some(entries) = node.map() else {
            self.wrong(node, format!("a bucket is a map, this is {}", node.what()));
            return None;
        };
        for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            self.unknown(entry.position, format!("unknown key '{}' of a bucket", entry.key), &entry.key, &KEYS);
        }
        let get = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let name = self.needed(node, entries, "name")?;
        let class = self.text(get("class")).or_else(|| self.rule.class.clone()).unwrap_or_else(|| name.clone());
        let (scope, within) = self.key(get("key").unwrap_or(node))?;
        let leak = self.duration(entries, "leak", node)?;
        let mute = get("mute").map_or(Some(600 * 1_000_000_000), |_| self.duration(entries, "mute", node))?;
        let reason = self.text(get("reason")).unwrap_or_else(|| format!("{{count}} events of '{name}' within {{span}}"));
        self.placeholders(get("reason").unwrap_or(node), &reason);
        let scenario = Scenario {
            position: node.position,
            class,
            level: self.level(get("level"))?,
            scope,
            within,
            distinct: self.text(get("distinct")).map(|name| Field::named(&name)),
            shape: Shape { capacity: self.capacity(get("capacity").unwrap_or(node))?, leak, mute },
            drain: self.text(get("drain")),
            then: self.text(get("then")),
            gate: self.text(get("while")),
            is_gate: self.flag(get("gate")),
            covers: self.flag(get("covers")),
            reason,
            overflows: self.runs(get("tests"), "overflows"),
            stays: self.runs(get("tests"), "stays"),
            name,
        };
        Some(scenario)
    }

    fn needed(&mut self, node: &Node, entries: &[Entry], key: &str) -> Option<String> {
        let found = entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        if found.is_none() {
            self.wrong(node, format!("the bucket has no '{key}'"));
        }
        self.text(found)
    }

    fn text(&mut self, node: Option<&Node>) -> Option<String> {
        let node = node?;
        let text = node.scalar().map(|scalar| scalar.text.clone());
        if text.is_none() {
            self.wrong(node, format!("expected a single value, found {}", node.what()));
        }
        text
    }

    fn flag(&mut self, node: Option<&Node>) -> bool {
        self.text(node).is_some_and(|text| text == "true")
    }

    /// `client.address`, or a list that begins with a scope and goes on with fields.
    fn key(&mut self, node: &Node) -> Option<(Scope, Vec<Field>)> {
        let names: Vec<&str> = node.many().iter().filter_map(|node| Some(node.scalar()?.text.as_str())).collect();
        let scope = names.first().and_then(|first| SCOPES.iter().find(|(name, _)| name == first));
        let Some((_, scope)) = scope else {
            let known = SCOPES.map(|(name, _)| name);
            let first = names.first().copied().unwrap_or_default();
            self.unknown(node.position, format!("the 'key' of a bucket cannot begin with '{first}'"), first, &known);
            return None;
        };
        Some((*scope, names[1..].iter().map(|name| Field::named(name)).collect()))
    }

    fn level(&mut self, node: Option<&Node>) -> Option<Level> {
        let Some(text) = self.text(node) else { return Some(self.rule.level) };
        let levels = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
        let found = levels.into_iter().find(|level| level.name() == text);
        if let (None, Some(node)) = (found, node) {
            self.unknown(node.position, format!("unknown level '{text}'"), &text, &levels.map(Level::name));
        }
        found
    }

    fn capacity(&mut self, node: &Node) -> Option<u32> {
        let capacity = node.scalar().and_then(|scalar| scalar.text.parse().ok()).filter(|capacity| (1..=1000).contains(capacity));
        if capacity.is_none() {
            self.wrong(node, "the 'capacity' of a bucket must be a number from 1 to 1000");
        }
        capacity
    }

    fn duration(&mut self, entries: &[Entry], key: &str, otherwise: &Node) -> Option<i64> {
        let node = entries.iter().find(|entry| entry.key == key).map_or(otherwise, |entry| &entry.value);
        let nanos = node.scalar().and_then(|scalar| nanos(&scalar.text));
        if nanos.is_none() {
            self.wrong(node, format!("the '{key}' of a bucket must be a duration such as 500ms, 10s, 5m, 1h (at most 30d)"));
        }
        nanos
    }

    fn placeholders(&mut self, node: &Node, reason: &str) {
        let rest = PLACEHOLDERS.iter().fold(reason.to_owned(), |rest, placeholder| rest.replace(placeholder, ""));
        if rest.contains(['{', '}']) {
            self.wrong(node, format!("unknown placeholder in 'reason'; there are {}", PLACEHOLDERS.join(", ")));
        }
    }

    fn runs(&mut self, node: Option<&Node>, key: &str) -> Vec<Run> {
        let Some(entries) = node.and_then(Node::map) else { return Vec::new() };
        let Some(entry) = entries.iter().find(|entry| entry.key == key) else { return Vec::new() };
        match runs(&entry.value) {
            Ok(runs) => runs,
            Err((node, message)) => {
                self.wrong(node, message);
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "title: t\ndetection:\n  a:\n    http.response.status_code: 404\n  condition: a\nbuckets:\n";

    fn read(bucket: &str) -> Result<Written, Vec<String>> {
        let (rules, errors) = lapwing_rules::parse("x.yml", &format!("{RULE}{bucket}"));
        assert_eq!(errors, []);
        of(&rules[0]).expect("has buckets").map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_bucket_says_whose_it_is_what_it_holds_and_how_it_leaks() {
        let bucket = "  - {name: n, class: scanning, level: high, key: [client.address, url.path], capacity: 10, leak: 10s}\n";
        let scenario = read(bucket).expect("good").scenarios.remove(0);
        assert_eq!((scenario.scope, scenario.level, scenario.class.as_str()), (Scope::Client, Level::High, "scanning"));
        assert_eq!(scenario.within, [Field::Path]);
        assert_eq!(scenario.shape.window(), 100 * 1_000_000_000);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (bucket, wrong) in [
            ("  - 7\n", "x.yml:7:5: a bucket is a map, this is a single value"),
            ("  - {name: n, key: planet, capacity: 1, leak: 1s}\n", "x.yml:7:20: the 'key' of a bucket cannot begin with 'planet'; use one of client.address, "),
            ("  - {name: n, key: user.name, capacity: 0, leak: 1s}\n", "x.yml:7:41: the 'capacity' of a bucket must be a number"),
            ("  - {name: n, key: user.name, capacity: 1, leak: 1y}\n", "x.yml:7:50: the 'leak' of a bucket must be a duration"),
            ("  - {name: n, key: user.name, capacity: 1, leek: 1s}\n", "x.yml:7:44: unknown key 'leek' of a bucket; did you mean 'leak'?"),
            ("  - {name: n, key: user.name, capacity: 1, leak: 1s, reason: '{x}'}\n", "x.yml:7:62: unknown placeholder"),
        ] {
            let errors = read(bucket).expect_err(bucket);
            assert!(errors[0].starts_with(wrong), "{errors:?}");
        }
    }
}
