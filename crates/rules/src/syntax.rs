//! From a YAML document to a [`Rule`].

mod collection;
mod correlation;
mod detection;

use std::sync::Arc;

use crate::error::{Position, Problems, RuleError, quoted};
use crate::modifier::Placeholders;
use crate::rule::{Body, Filter, Level, LogSource, Rule, Status, Tests};
use crate::yaml::{self, Entry, Kind, Node};

use collection::Collection;

/// Most bytes of one document; the largest of the SigmaHQ collection has 30 kB.
const DOCUMENT: usize = 2 << 20;
/// Most bytes of one file.
const FILE: usize = 256 << 20;

/// The top-level keys that mean something here.
pub(crate) const KEYS: [&str; 25] = [
    "action",
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "class",
    "entity",
    "tests",
    "filter",
];

/// Reads the rules of a file, which may hold several documents. A broken document is told about and does not hide the others.
#[must_use]
pub fn parse(file_name: &str, yaml: &str) -> (Vec<Rule>, Vec<RuleError>) {
    parse_with(file_name, yaml, &Placeholders::default())
}

/// The same, with values for the placeholders of the modifier `expand`.
#[must_use]
pub fn parse_with(file_name: &str, yaml: &str, placeholders: &Placeholders) -> (Vec<Rule>, Vec<RuleError>) {
    let file: Arc<str> = Arc::from(file_name);
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    if yaml.len() > FILE {
        let mut problems = Problems::new(&file);
        problems.add(Position { line: 1, column: 1 }, format!("the file is larger than {FILE} bytes"));
        return (rules, problems.into_errors());
    }
    let mut collection = Collection::default();
    for (line, text) in yaml::documents(yaml) {
        let mut problems = Problems::new(&file);
        if let Some(rule) = document(line, text, placeholders, &mut collection, &mut problems)
            && problems.len() == 0
        {
            rules.push(rule);
        }
        errors.extend(problems.into_errors());
    }
    (rules, errors)
}

fn document(
    line: usize,
    text: &str,
    placeholders: &Placeholders,
    collection: &mut Collection,
    problems: &mut Problems,
) -> Option<Rule> {
    let start = Position { line, column: 1 };
    if text.len() > DOCUMENT {
        problems.add(start, format!("the document is larger than {DOCUMENT} bytes"));
        return None;
    }
    let root = yaml::read(text, line, problems)?;
    let Some(entries) = root.map() else {
        problems.add(root.position, format!("a rule is a map, this is {}", root.what()));
        return None;
    };
    let merged = collection.take(entries, problems)?;
    let document = Document { entries: merged.as_deref().unwrap_or(entries), position: root.position };
    document.rule(placeholders, problems)
}

/// The top level of a document.
#[derive(Debug)]
struct Document<'a> {
    entries: &'a [Entry],
    position: Position,
}

impl Document<'_> {
    fn rule(&self, placeholders: &Placeholders, problems: &mut Problems) -> Option<Rule> {
        let body = self.body(placeholders, problems);
        let title = self.text("title", problems);
        if title.is_none() && self.get("title").is_none() {
            problems.add(self.position, "the rule has no title");
        }
        let rule = Rule {
            id: self.text("id", problems),
            name: self.text("name", problems),
            title: title.unwrap_or_default(),
            description: self.text("description", problems).unwrap_or_default(),
            level: self.word("level", &Level::NAMES, problems).unwrap_or(Level::Medium),
            status: self.word("status", &Status::NAMES, problems),
            author: self.text("author", problems).unwrap_or_default(),
            tags: self.texts("tags", problems),
            references: self.texts("references", problems),
            false_positives: self.texts("falsepositives", problems),
            logsource: self.logsource(problems),
            body: body?,
            class: self.text("class", problems),
            entity: self.text("entity", problems),
            tests: self.tests(problems),
            extra: self.extra(),
            file: Arc::clone(problems.file()),
            line: self.position.line,
            position: self.get("detection").or_else(|| self.get("correlation")).map_or(self.position, |entry| entry.position),
        };
        Some(rule)
    }

    fn body(&self, placeholders: &Placeholders, problems: &mut Problems) -> Option<Body> {
        match (self.get("detection"), self.get("correlation"), self.get("filter")) {
            (Some(entry), None, None) => detection::read("detection", &entry.value, placeholders, problems).map(Body::Detection),
            (None, Some(entry), None) => correlation::read(&entry.value, problems).map(Body::Correlation),
            (None, None, Some(entry)) => {
                let detection = detection::read("filter", &entry.value, placeholders, problems)?;
                let named = entry.value.map().and_then(|entries| entries.iter().find(|entry| entry.key == detection::RULES));
                let rules = named.map(|entry| correlation::references(&entry.value, problems)).unwrap_or_default();
                let rules = rules.into_iter().filter(|rule| !rule.name.eq_ignore_ascii_case("any")).collect();
                Some(Body::Filter(Filter { rules, detection }))
            }
            (_, Some(second), Some(_)) | (Some(_), Some(second), None) | (Some(_), None, Some(second)) => {
                problems.add(second.position, "a rule has either a detection or a correlation or a filter, only one of them");
                None
            }
            (None, None, None) => {
                problems.add(self.position, "the rule has neither a detection nor a correlation");
                None
            }
        }
    }

    fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn text(&self, key: &str, problems: &mut Problems) -> Option<String> {
        let entry = self.get(key)?;
        text(key, &entry.value, problems)
    }

    fn texts(&self, key: &str, problems: &mut Problems) -> Vec<String> {
        self.get(key).map(|entry| texts(key, &entry.value, problems)).unwrap_or_default()
    }

    fn word<T: Copy>(&self, key: &str, names: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let entry = self.get(key)?;
        let word = text(key, &entry.value, problems)?;
        let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        if found.is_none() {
            problems.unknown(entry.value.position, key, &word, names.iter().map(|(name, _)| *name));
        }
        found.map(|(_, value)| *value)
    }

    fn logsource(&self, problems: &mut Problems) -> LogSource {
        let mut source = LogSource::default();
        let Some(entry) = self.get("logsource") else { return source };
        let Some(entries) = map("logsource", &entry.value, problems) else { return source };
        for Entry { key, value, .. } in entries {
            match key.as_str() {
                "category" => source.category = text(key, value, problems),
                "product" => source.product = text(key, value, problems),
                "service" => source.service = text(key, value, problems),
                // `definition` is a text for people, and the standard permits keys of one's own.
                _ => {}
            }
        }
        source
    }

    fn tests(&self, problems: &mut Problems) -> Tests {
        let mut tests = Tests::default();
        let Some(entry) = self.get("tests") else { return tests };
        let Some(entries) = map("tests", &entry.value, problems) else { return tests };
        for Entry { key, value, position } in entries {
            match key.as_str() {
                "match" => tests.matching = texts(key, value, problems),
                "no_match" => tests.not_matching = texts(key, value, problems),
                _ => problems.unknown(*position, "key of tests", key, ["match", "no_match"]),
            }
        }
        tests
    }

    fn extra(&self) -> Vec<(String, Node)> {
        let unknown = self.entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str()));
        unknown.map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }
}

fn map<'a>(what: &str, node: &'a Node, problems: &mut Problems) -> Option<&'a [Entry]> {
    let entries = node.map();
    if entries.is_none() {
        problems.add(node.position, format!("{} must be a map, this is {}", quoted(what), node.what()));
    }
    entries
}

/// A single text; what is not there or `null` is nothing.
fn text(what: &str, node: &Node, problems: &mut Problems) -> Option<String> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(scalar.text.clone()),
        Kind::Null => None,
        Kind::List(_) | Kind::Map(_) => {
            problems.add(node.position, format!("{} must be a single value, this is {}", quoted(what), node.what()));
            None
        }
    }
}

fn texts(what: &str, node: &Node, problems: &mut Problems) -> Vec<String> {
    node.many().iter().filter_map(|node| text(what, node, problems)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "title: t\nlevel: high\ndetection:\n  sel:\n    a: 1\n  condition: sel\n";

    fn errors(yaml: &str) -> Vec<String> {
        parse("x.yml", yaml).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_what_a_rule_says_of_itself() {
        let yaml = format!(
            "id: 1-2\nname: n\nstatus: test\ntags: [attack.t1110, web]\nlogsource: {{category: webserver}}\nclass: brute-force\n\
             entity: source.ip\nmy_key: {{a: 1}}\ntests:\n  match: [a]\n  no_match:\n    - b\n    - c\n{RULE}"
        );
        let (rules, errors) = parse("x.yml", &yaml);
        assert_eq!(errors, []);
        let rule = &rules[0];
        assert_eq!((rule.key(), rule.level, rule.status), ("1-2", Level::High, Some(Status::Test)));
        assert_eq!(rule.tags, ["attack.t1110", "web"]);
        assert_eq!(rule.logsource.category.as_deref(), Some("webserver"));
        assert_eq!((rule.class.as_deref(), rule.entity.as_deref()), (Some("brute-force"), Some("source.ip")));
        assert_eq!((rule.tests.matching.len(), rule.tests.not_matching.len()), (1, 2));
        assert_eq!(rule.extra[0].0, "my_key");
        assert_eq!((rule.line, rule.position.line), (1, 16));
    }

    #[test]
    fn one_bad_document_never_hides_the_others() {
        let yaml = format!("{RULE}---\ntitle: [\n---\n{RULE}---\n- not a rule\n---\n\n---\n{RULE}");
        let (rules, errors) = parse("x.yml", &yaml);
        assert_eq!(rules.iter().map(|rule| rule.line).collect::<Vec<_>>(), [1, 10, 21]);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(errors[0].line, 8);
        assert_eq!(errors[1].to_string(), "x.yml:17:1: a rule is a map, this is a list");
    }

    #[test]
    fn says_where_and_what_to_do() {
        for (yaml, wrong) in [
            (RULE.replace("high", "hihg"), "x.yml:2:8: unknown level 'hihg'; did you mean 'high'?"),
            (RULE.replace("    a:", "    a|contians:"), "x.yml:5:7: unknown modifier 'contians'; did you mean 'contains'?"),
            (RULE.replace("    a:", "    'a|contians':"), "x.yml:5:8: unknown modifier 'contians'; did you mean 'contains'?"),
            (RULE.replace("n: sel", "n: sle"), "x.yml:6:14: unknown selection 'sle'; did you mean 'sel'?"),
            (RULE.replace("n: sel", "n: 'sel and sle'"), "x.yml:6:23: unknown selection 'sle'; did you mean 'sel'?"),
            (RULE.replace("title: t\n", ""), "x.yml:1:1: the rule has no title"),
            (
                RULE.replace("condition: sel", "conditon: {x: y}"),
                "x.yml:6:3: the detection has no condition; did you misspell it as 'conditon'?",
            ),
            (format!("{RULE}tests: {{matches: [x]}}"), "x.yml:7:9: unknown key of tests 'matches'; did you mean 'match'?"),
            (
                RULE.replace("a: 1", "a|cidr: 10.0.0.0/33"),
                "x.yml:5:13: 'cidr' expects a network such as 10.0.0.0/8, found '10.0.0.0/33'",
            ),
            (RULE.replace("a: 1", "a|gt: many"), "x.yml:5:11: 'gt' expects a number, found 'many'"),
            (
                RULE.replace("a: 1", "a|re|contains: x"),
                "x.yml:5:5: 're' cannot be combined with contains, startswith or endswith",
            ),
            (RULE.replace("a: 1", "a|i: x"), "x.yml:5:7: the flag 'i' must stand behind 're'"),
            (RULE.replace("a: 1", "a: {b: 1}"), "x.yml:5:8: expected a value for 'a', found a map"),
            (RULE.replace("a: 1", "a: []"), "x.yml:5:8: 'a' has an empty list of values"),
            (
                RULE.replace("a: 1", "a|expand: '%x%'"),
                "x.yml:5:15: the placeholder '%x%' has no values; give its values with rules.placeholders.x; until then the rule is left out",
            ),
        ] {
            assert_eq!(errors(&yaml), [wrong], "{yaml}");
        }
    }

    #[test]
    fn placeholders_take_their_values() {
        let yaml = RULE.replace("a: 1", "a|contains|expand: 'x%admins%y'");
        let known = Placeholders::from([("admins".to_owned(), vec!["root".to_owned(), "ada".to_owned()])]);
        let (rules, errors) = parse_with("x.yml", &yaml, &known);
        assert_eq!(errors, []);
        let detection = rules[0].detection().unwrap();
        assert!(format!("{:?}", detection.selections[0]).contains(&format!("{:?}", b"xaday")));
    }
}
