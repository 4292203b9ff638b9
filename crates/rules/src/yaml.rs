//! YAML as a tree whose every node knows its place, with hard limits: a rule file may come from anyone.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Span, Tag};

use crate::error::{Position, Problems, quoted};

/// Deepest nesting; a Sigma rule needs about six levels.
const DEPTH: usize = 32;
/// Most nodes of one document once its aliases are written out: the answer to alias bombs.
const NODES: usize = 200_000;
/// Most bytes of text of one document once its aliases are written out.
const TEXT: usize = 8 << 20;

/// One YAML value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    pub position: Position,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a map. Keys are unique within their map.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub position: Position,
    pub value: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    /// Written without quotes, so that `5` is a number and `true` a truth value.
    pub plain: bool,
    /// The column of the first character of the text, where the text stands in the file exactly as it is here.
    pub text_column: Option<usize>,
}

impl Node {
    #[must_use]
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The node as a list: a list's nodes, or the one node itself.
    #[must_use]
    pub fn many(&self) -> &[Node] {
        match &self.kind {
            Kind::List(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// What the node is, for messages.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// Nodes and bytes of text in this tree.
    fn size(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Null => (1, 0),
            Kind::Scalar(scalar) => (1, scalar.text.len()),
            Kind::List(nodes) => nodes.iter().map(Node::size).fold((1, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
            Kind::Map(entries) => {
                entries.iter().map(|e| (e.value.size(), e.key.len())).fold((1, 0), |a, (b, key)| (a.0 + b.0 + 1, a.1 + b.1 + key))
            }
        }
    }
}

/// Cuts a file at its document markers, without understanding anything else of it: thus one broken document cannot hide
/// the others. A line that begins with `---` or `...` ends a document wherever it stands (YAML 1.2.2, 9.1.2).
/// Yields each document's first line (from 1) and its text.
pub(crate) fn documents(text: &str) -> Vec<(usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.starts_with("---") || line.starts_with("...");
        if marker && line[3..].chars().next().is_none_or(char::is_whitespace) {
            documents.push((start_line, &text[start..at]));
            let begins = line.starts_with("---");
            (start, start_line) = if begins { (at, number + 1) } else { (at + line.len(), number + 2) };
        }
        at += line.len();
    }
    documents.push((start_line, &text[start..]));
    documents.retain(|(_, text)| says_something(text));
    documents
}

/// There is more in it than comments, directives and markers.
fn says_something(document: &str) -> bool {
    document.lines().any(|line| !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with(['#', '%']))
}

/// Reads one document that begins at `first_line` of its file. Nothing where it is empty or broken; what is broken is
/// told to `problems`.
pub(crate) fn read(text: &str, first_line: usize, problems: &mut Problems) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = DEPTH + 1;
    options.block_nesting_limit = DEPTH + 1;
    let mut builder = Builder { source: text, first_line, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err((builder.place(*error.marker()), format!("not valid YAML: {}", error.info()))),
        };
        if let Err((at, message)) = step {
            problems.add(at, message);
            return None;
        }
    }
    builder.root
}

type Failure = (Position, String);

/// Makes a tree of the parser's events; its own stack, so that nesting costs no call stack.
#[derive(Debug, Default)]
struct Builder<'a> {
    source: &'a str,
    first_line: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text: usize,
    root: Option<Node>,
}

/// A list or map that is not finished.
#[derive(Debug)]
struct Open {
    position: Position,
    anchor: usize,
    kind: Unfinished,
}

#[derive(Debug)]
enum Unfinished {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Position)> },
}

impl Builder<'_> {
    fn place(&self, marker: Marker) -> Position {
        Position { line: marker.line().max(1) + self.first_line - 1, column: marker.col() + 1 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let position = self.place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = self.scalar(&text, style, tag.as_deref(), span);
                self.count(position, (1, text.len()))?;
                self.add(Node { position, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.open(position, anchor, Unfinished::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.open(position, anchor, Unfinished::Map { entries: Vec::new(), seen: HashSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => {
                    self.count(position, node.size())?;
                    self.add(node, 0)
                }
                None => Err((position, "this alias refers to a value that contains it".into())),
            },
            _ => Ok(()),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Kind {
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Kind::Null;
        }
        let column = span.start.col() + 1;
        let source = span.slice(self.source).unwrap_or_default();
        let text_column = match source.strip_prefix(['"', '\'']) {
            Some(inner) if inner.get(..inner.len().saturating_sub(1)) == Some(text) => Some(column + 1),
            _ if source == text => Some(column),
            _ => None,
        };
        Kind::Scalar(Scalar { text: text.to_owned(), plain, text_column })
    }

    fn open(&mut self, position: Position, anchor: usize, kind: Unfinished) -> Result<(), Failure> {
        if self.open.len() >= DEPTH {
            return Err((position, format!("nested deeper than {DEPTH} levels")));
        }
        self.open.push(Open { position, anchor, kind });
        self.count(position, (1, 0))
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.kind {
            Unfinished::List(nodes) => Kind::List(nodes),
            Unfinished::Map { entries, .. } => Kind::Map(entries),
        };
        self.add(Node { position: open.position, kind }, open.anchor)
    }

    /// What is read counts, and so does every copy that an anchor or an alias makes of it.
    fn count(&mut self, at: Position, (nodes, text): (usize, usize)) -> Result<(), Failure> {
        self.nodes += nodes;
        self.text += text;
        if self.nodes > NODES || self.text > TEXT {
            return Err((at, format!("the document holds more than {NODES} values or {TEXT} bytes, aliases written out")));
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Failure> {
        if anchor != 0 {
            self.count(node.position, node.size())?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => {
                self.root = Some(node);
                Ok(())
            }
            Some(open) => put(open, node),
        }
    }
}

fn put(open: &mut Open, node: Node) -> Result<(), Failure> {
    match &mut open.kind {
        Unfinished::List(nodes) => nodes.push(node),
        Unfinished::Map { entries, seen, key } => match key.take() {
            Some((key, position)) => entries.push(Entry { key, position, value: node }),
            None => {
                let name = key_name(&node)?;
                if !seen.insert(name.clone()) {
                    return Err((node.position, format!("the key {} stands here twice", quoted(&name))));
                }
                // The place of the text, behind a quotation mark.
                let column = node.scalar().and_then(|scalar| scalar.text_column).unwrap_or(node.position.column);
                *key = Some((name, Position { column, ..node.position }));
            }
        },
    }
    Ok(())
}

fn key_name(node: &Node) -> Result<String, Failure> {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.text == "<<" && scalar.plain => {
            Err((node.position, "merge keys '<<' are not understood; write the values out".into()))
        }
        Kind::Scalar(scalar) => Ok(scalar.text.clone()),
        Kind::Null => Ok(String::new()),
        Kind::List(_) | Kind::Map(_) => Err((node.position, "a key must be a single value".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;

    fn read_text(text: &str) -> (Option<Node>, Vec<String>) {
        let mut problems = Problems::new(&Arc::from("x.yml"));
        let node = read(text, 1, &mut problems);
        (node, problems.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let (node, errors) = read_text("a: 1\nb:\n  - x\n  - c: 'y z'\n");
        assert_eq!(errors, Vec::<String>::new());
        let node = node.unwrap();
        let entries = node.map().unwrap();
        assert_eq!(entries[1].position, Position { line: 2, column: 1 });
        let list = entries[1].value.many();
        assert_eq!(list[0].position, Position { line: 3, column: 5 });
        let inner = &list[1].map().unwrap()[0];
        assert_eq!(inner.value.position, Position { line: 4, column: 8 });
        assert_eq!(inner.value.scalar().unwrap().text_column, Some(9));
    }

    #[test]
    fn documents_are_cut_at_markers_and_keep_their_lines() {
        let cut = documents("# head\n---\na: 1\n---\nb: [\n...\n# only a comment\n---\nc: 3 ---\n");
        let lines: Vec<_> = cut.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 8]);
        assert_eq!(cut[1].1, "---\nb: [\n");
    }

    #[test]
    fn an_alias_bomb_is_refused_at_once() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let before = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        let start = Instant::now();
        let (node, errors) = read_text(&text);
        assert!(node.is_none() && errors[0].contains("aliases written out"), "{errors:?}");
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn an_alias_to_a_large_text_is_counted_by_its_bytes() {
        let text = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
        let (node, errors) = read_text(&text);
        assert!(node.is_none() && errors[0].contains("aliases written out"), "{errors:?}");
    }

    #[test]
    fn deep_nesting_is_refused_with_its_place() {
        for text in ["[".repeat(100_000), "- ".repeat(10_000), "{a: ".repeat(10_000), "? ".repeat(10_000)] {
            let start = Instant::now();
            let (node, errors) = read_text(&text);
            assert!(node.is_none() && errors.len() == 1, "{errors:?}");
            assert!(start.elapsed() < Duration::from_secs(2), "{:?} {}", start.elapsed(), &text[..4]);
        }
    }

    #[test]
    fn an_alias_within_its_own_anchor_is_an_error() {
        let (node, errors) = read_text("a: &a [1, *a]\n");
        assert!(node.is_none() && errors[0].contains("contains it"), "{errors:?}");
    }

    #[test]
    fn a_key_twice_is_an_error_at_its_second_place() {
        let (_, errors) = read_text("a: 1\nb: 2\na: 3\n");
        assert_eq!(errors, ["x.yml:3:1: the key 'a' stands here twice"]);
    }

    #[test]
    fn a_map_of_many_keys_is_read_in_linear_time() {
        let text: String = (0..90_000).map(|key| format!("k{key}: 1\n")).collect();
        let start = Instant::now();
        assert_eq!(read_text(&text).0.unwrap().map().unwrap().len(), 90_000);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
