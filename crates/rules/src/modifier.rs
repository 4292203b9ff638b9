//! The modifiers behind a field name: `field|contains|all`.

use std::collections::HashMap;

use crate::date::TimePart;
use crate::encode::{self, Utf16};
use crate::error::{Position, Problems, quoted};
use crate::pattern::Pattern;
use crate::rule::{Comparison, Item, Network, RegexSource, Relation, Test};
use crate::value::{KEYWORDS, parse_number};
use crate::yaml::{Kind, Node, Scalar};

/// Values for the `%name%` of the modifier `expand`.
pub type Placeholders = HashMap<String, Vec<String>>;

/// Most tests that one item may become once its values are written out.
const TESTS: usize = 20_000;

/// All modifiers, also for the suggestion of a right one.
const NAMES: [&str; 34] = [
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "dotall",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "ignorecase",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "multiline",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

/// What the values of an item are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Text,
    Regex,
    Cidr,
    Compare(Comparison),
    Exists,
    Field,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rewrite {
    Utf16(Utf16),
    Base64,
    Base64Offset,
    WinDash,
}

/// The modifiers of one item, understood.
#[derive(Debug)]
struct Modifiers {
    meaning: Meaning,
    /// Which modifier gave the meaning.
    given_by: &'static str,
    relation: Relation,
    rewrites: Vec<Rewrite>,
    all: bool,
    negated: bool,
    cased: bool,
    expand: bool,
    /// The part of a date that is compared.
    part: Option<TimePart>,
    ignore_case: bool,
    multi_line: bool,
    dot_matches_new_line: bool,
}

/// Reads one `field|modifiers: values`. What is wrong is told to `problems`.
pub(crate) fn item(key: &str, at: Position, value: &Node, known: &Placeholders, problems: &mut Problems) -> Option<Item> {
    let mut parts = key.split('|');
    let field = parts.next().unwrap_or_default();
    let mut column = at.column + field.chars().count() + 1;
    let mut modifiers = Modifiers::default();
    for name in parts {
        modifiers.add(name, Position { line: at.line, column }, problems)?;
        column += name.chars().count() + 1;
    }
    modifiers.check(at, problems)?;
    let mut tests = Vec::new();
    let values = value.many();
    if values.is_empty() {
        problems.add(value.position, format!("{} has an empty list of values", quoted(key)));
        return None;
    }
    for value in values {
        modifiers.tests(field, value, known, &mut tests, problems)?;
        if tests.len() > TESTS {
            problems.add(value.position, format!("this item becomes more than {TESTS} values"));
            return None;
        }
    }
    Some(Item { field: field.into(), tests, all: modifiers.all, negated: modifiers.negated, position: at })
}

impl Default for Modifiers {
    fn default() -> Modifiers {
        Modifiers {
            meaning: Meaning::Text,
            given_by: "",
            relation: Relation::Equals,
            rewrites: Vec::new(),
            all: false,
            negated: false,
            cased: false,
            expand: false,
            part: None,
            ignore_case: false,
            multi_line: false,
            dot_matches_new_line: false,
        }
    }
}

impl Modifiers {
    fn add(&mut self, name: &str, at: Position, problems: &mut Problems) -> Option<()> {
        let Some(known) = NAMES.iter().copied().find(|known| *known == name) else {
            problems.unknown(at, "modifier", name, NAMES);
            return None;
        };
        let regex = self.meaning == Meaning::Regex;
        match known {
            "contains" => return self.relate(Relation::Contains, at, problems),
            "startswith" => return self.relate(Relation::StartsWith, at, problems),
            "endswith" => return self.relate(Relation::EndsWith, at, problems),
            "all" => self.all = true,
            "neq" => self.negated = true,
            "cased" => self.cased = true,
            "expand" => self.expand = true,
            "wide" | "utf16le" => self.rewrites.push(Rewrite::Utf16(Utf16::Little)),
            "utf16be" => self.rewrites.push(Rewrite::Utf16(Utf16::Big)),
            "utf16" => self.rewrites.push(Rewrite::Utf16(Utf16::Marked)),
            "base64" => self.rewrites.push(Rewrite::Base64),
            "base64offset" => self.rewrites.push(Rewrite::Base64Offset),
            "windash" => self.rewrites.push(Rewrite::WinDash),
            "i" | "ignorecase" if regex => self.ignore_case = true,
            "m" | "multiline" if regex => self.multi_line = true,
            "s" | "dotall" if regex => self.dot_matches_new_line = true,
            "re" => return self.mean(Meaning::Regex, known, at, problems),
            "cidr" => return self.mean(Meaning::Cidr, known, at, problems),
            "exists" => return self.mean(Meaning::Exists, known, at, problems),
            "fieldref" => return self.mean(Meaning::Field, known, at, problems),
            other => return self.add_other(other, at, problems),
        }
        Some(())
    }

    fn add_other(&mut self, name: &'static str, at: Position, problems: &mut Problems) -> Option<()> {
        if let Some((_, part)) = TimePart::NAMES.iter().find(|(known, _)| *known == name) {
            self.part = Some(*part);
            return Some(());
        }
        if let Some((_, comparison)) = Comparison::NAMES.iter().find(|(known, _)| *known == name) {
            return self.mean(Meaning::Compare(*comparison), name, at, problems);
        }
        problems.add(at, format!("the flag '{name}' must stand behind 're'"));
        None
    }

    fn relate(&mut self, relation: Relation, at: Position, problems: &mut Problems) -> Option<()> {
        if self.relation != Relation::Equals && self.relation != relation {
            problems.add_with(at, "only one of contains, startswith and endswith is possible", "use contains for both ends");
            return None;
        }
        self.relation = relation;
        Some(())
    }

    fn mean(&mut self, meaning: Meaning, name: &'static str, at: Position, problems: &mut Problems) -> Option<()> {
        if self.meaning != Meaning::Text && self.meaning != meaning {
            problems.add(at, format!("'{}' and '{name}' cannot be combined", self.given_by));
            return None;
        }
        (self.meaning, self.given_by) = (meaning, name);
        Some(())
    }

    fn check(&self, at: Position, problems: &mut Problems) -> Option<()> {
        let text = self.meaning == Meaning::Text;
        let textual = text || self.meaning == Meaning::Field;
        let comparing = text || matches!(self.meaning, Meaning::Compare(_));
        if let Some(part) = self.part
            && !(comparing && self.relation == Relation::Equals && self.rewrites.is_empty())
        {
            problems.add(at, format!("'{}' can be combined with gt, gte, lt, lte and neq only", part.name()));
            return None;
        }
        let wrong = if !textual && self.relation != Relation::Equals {
            "contains, startswith or endswith"
        } else if !text && !self.rewrites.is_empty() {
            "wide, base64, base64offset, utf16 or windash"
        } else if !textual && self.cased {
            "cased"
        } else {
            return Some(());
        };
        problems.add(at, format!("'{}' cannot be combined with {wrong}", self.given_by));
        None
    }

    /// The tests that one value becomes.
    fn tests(&self, field: &str, value: &Node, known: &Placeholders, out: &mut Vec<Test>, problems: &mut Problems) -> Option<()> {
        let scalar = match &value.kind {
            Kind::Scalar(scalar) => scalar,
            Kind::Null if self.meaning == Meaning::Text && field != KEYWORDS && self.plain() => {
                out.push(Test::Exists(false));
                return Some(());
            }
            _ => {
                problems.add(value.position, format!("expected a value for {}, found {}", quoted(field), value.what()));
                return None;
            }
        };
        for text in self.expanded(&scalar.text, value.position, known, problems)? {
            match self.meaning {
                _ if self.part.is_some() => out.push(self.time(&text, value.position, problems)?),
                Meaning::Text => self.patterns(field, &text, scalar, value.position, out, problems)?,
                _ => out.push(self.other(&text, value.position, problems)?),
            }
        }
        Some(())
    }

    /// No modifier changes how a value is compared.
    fn plain(&self) -> bool {
        self.relation == Relation::Equals && self.rewrites.is_empty() && !self.cased
    }

    fn other(&self, text: &str, at: Position, problems: &mut Problems) -> Option<Test> {
        let (test, expected) = match self.meaning {
            Meaning::Cidr => (Network::parse(text).map(Test::Cidr), "a network such as 10.0.0.0/8"),
            Meaning::Compare(comparison) => {
                (parse_number(text.as_bytes()).map(|number| Test::Compare(comparison, number)), "a number")
            }
            Meaning::Exists => {
                let wanted = [("true", true), ("yes", true), ("false", false), ("no", false)];
                let found = wanted.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
                (found.map(|(_, wanted)| Test::Exists(*wanted)), "true or false")
            }
            Meaning::Field => (Some(Test::Field { name: text.into(), relation: self.relation, cased: self.cased }), ""),
            Meaning::Text | Meaning::Regex => (Some(Test::Regex(self.regex(text))), ""),
        };
        if test.is_none() {
            problems.add(at, format!("'{}' expects {expected}, found {}", self.given_by, quoted(text)));
        }
        test
    }

    fn time(&self, text: &str, at: Position, problems: &mut Problems) -> Option<Test> {
        let part = self.part?;
        let comparison = if let Meaning::Compare(comparison) = self.meaning { comparison } else { Comparison::Equal };
        let number = parse_number(text.as_bytes());
        if number.is_none() {
            problems.add(at, format!("'{}' expects a number, found {}", part.name(), quoted(text)));
        }
        Some(Test::Time { part, comparison, number: number? })
    }

    fn regex(&self, text: &str) -> RegexSource {
        RegexSource {
            text: text.into(),
            ignore_case: self.ignore_case,
            multi_line: self.multi_line,
            dot_matches_new_line: self.dot_matches_new_line,
        }
    }

    fn patterns(
        &self,
        field: &str,
        text: &str,
        scalar: &Scalar,
        at: Position,
        out: &mut Vec<Test>,
        problems: &mut Problems,
    ) -> Option<()> {
        // More than 15 digits do not fit a number exactly; such a value is compared as text.
        if scalar.plain
            && field != KEYWORDS
            && self.plain()
            && text.len() <= 15
            && let Some(number) = parse_number(text.as_bytes())
        {
            out.push(Test::Number(number));
            return Some(());
        }
        let mut forms = vec![text.to_owned()];
        if self.rewrites.contains(&Rewrite::WinDash) {
            forms = encode::windash(text);
        }
        for form in forms {
            let mut patterns = vec![Pattern::parse(&form)];
            for rewrite in &self.rewrites {
                patterns = rewritten(&patterns, *rewrite, at, problems)?;
            }
            let relation = if field == KEYWORDS { Relation::Contains } else { self.relation };
            out.extend(patterns.into_iter().map(|pattern| Test::Pattern(related(pattern, relation, self.cased))));
        }
        Some(())
    }

    /// The value with its `%names%` replaced, in all combinations; `\%` is a percent sign.
    fn expanded(&self, text: &str, at: Position, known: &Placeholders, problems: &mut Problems) -> Option<Vec<String>> {
        let mut done = vec![String::new()];
        let mut rest = text;
        if !self.expand {
            return Some(vec![text.to_owned()]);
        }
        while let Some((before, after)) = at_percent(rest) {
            let Some((name, after)) = at_percent(after) else { break };
            let before = &before.replace(r"\%", "%");
            let Some(values) = known.get(name) else {
                let message = format!("the placeholder {} has no values", quoted(&format!("%{name}%")));
                problems.waits(
                    at,
                    message,
                    format!("give its values with rules.placeholders.{name}; until then the rule is left out"),
                );
                return None;
            };
            if done.len().saturating_mul(values.len()) > TESTS {
                problems.add(at, format!("this value becomes more than {TESTS} values"));
                return None;
            }
            done = done.iter().flat_map(|start| values.iter().map(move |value| format!("{start}{before}{value}"))).collect();
            rest = after;
        }
        let rest = rest.replace(r"\%", "%");
        Some(done.into_iter().map(|start| start + &rest).collect())
    }
}

/// What stands before and behind the first percent sign that no backslash escapes.
fn at_percent(text: &str) -> Option<(&str, &str)> {
    let (at, _) = text.match_indices('%').find(|(at, _)| !text[..*at].ends_with('\\'))?;
    Some((&text[..at], &text[at + 1..]))
}

fn related(mut pattern: Pattern, relation: Relation, cased: bool) -> Pattern {
    pattern.cased |= cased;
    match relation {
        Relation::Equals => pattern,
        Relation::Contains => pattern.anywhere(),
        Relation::StartsWith => pattern.before_anything(),
        Relation::EndsWith => pattern.after_anything(),
    }
}

fn rewritten(patterns: &[Pattern], rewrite: Rewrite, at: Position, problems: &mut Problems) -> Option<Vec<Pattern>> {
    let mut done = Vec::new();
    for pattern in patterns {
        match rewrite {
            Rewrite::WinDash => done.push(pattern.clone()),
            Rewrite::Utf16(order) => done.push(encode::utf16(pattern, order)),
            Rewrite::Base64 | Rewrite::Base64Offset => {
                let Some(literal) = pattern.as_literal() else {
                    problems.add_with(at, "a value with wildcards has no base64 form", r"escape the wildcard as '\*' or '\?'");
                    return None;
                };
                let forms = match rewrite {
                    Rewrite::Base64 => vec![encode::base64(literal)],
                    _ => encode::base64_offsets(literal),
                };
                if forms.iter().any(Vec::is_empty) {
                    problems.add(at, "this value is too short to be recognised in base64");
                    return None;
                }
                done.extend(forms.iter().map(|form| Pattern::literal(form)));
            }
        }
    }
    Some(done)
}
