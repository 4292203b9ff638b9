//! Rules as people write them, and as they run.

use std::sync::{Arc, OnceLock};

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::fault::Fault;
use crate::literals;
use crate::place::Place;
use crate::views::View;

/// Bytes that the states of one regular expression may take while it searches; beyond it they are made anew. All of
/// PayloadsAllTheThings takes 6 MiB of it, whatever fills every expression both ways 231 MiB a worker; an eighth of it would cost
/// attacks a fifth of their speed.
const CACHE: usize = 512 << 10;

/// A rule file: rules of one class of attack, and what they have in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    class: String,
    /// What a rule does not say itself.
    #[serde(default)]
    on: Vec<Place>,
    #[serde(default)]
    views: Vec<Reading>,
    /// Only where the value has a sign that no path or word has.
    #[serde(default)]
    signs: bool,
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    probe: bool,
    /// None where all of them have faults.
    rules: Option<Vec<Spanned<Written>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    title: String,
    points: Spanned<u8>,
    #[serde(default)]
    on: Vec<Place>,
    #[serde(default)]
    views: Vec<Reading>,
    /// What the file says of signs, said anew for this rule.
    signs: Option<bool>,
    /// Noted, never told on its own: what people type as well.
    quiet: Option<bool>,
    /// Only asked for: counts less where the answer says that it is not there, or is denied.
    probe: Option<bool>,
    /// Matched against the decoded value in lower case.
    regex: Option<Spanned<String>>,
    /// Matched against the SQL tokens of the value: see `tokens`.
    sql: Option<Spanned<String>>,
    /// The value names another host than the site's own.
    #[serde(default)]
    foreign: bool,
    /// Only in parameters (or fields) of these names, in lower case.
    #[serde(default)]
    names: Vec<String>,
    #[serde(rename = "match", default)]
    matching: Vec<String>,
    #[serde(rename = "no_match", default)]
    not_matching: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reading {
    Text,
    Sql,
    Shell,
    Path,
    Compact,
    Wire,
}

/// A rule that is ready to run.
#[derive(Debug)]
pub struct Rule {
    pub id: String,
    /// The file that it stands in, and its line there.
    pub file: Arc<str>,
    pub line: usize,
    pub title: String,
    pub class: String,
    /// How sure it is, alone: 5 is enough for an alert.
    pub points: u8,
    /// Noted, but never told on its own.
    pub quiet: bool,
    /// Counts one point less where the server has nothing of the kind, or denies it.
    pub probe: bool,
    pub(crate) places: u16,
    pub(crate) views: u8,
    pub(crate) check: Check,
    pub(crate) foreign: bool,
    /// The only parameters that it looks at; any where there are none.
    pub names: Vec<String>,
    pub(crate) signs: bool,
    pub(crate) literals: Vec<Vec<u8>>,
    /// Values that it must match, and must not.
    pub matching: Vec<String>,
    pub not_matching: Vec<String>,
    /// The place that its tests stand in.
    pub first: Place,
}

/// What confirms a rule whose literals were seen.
#[derive(Debug)]
pub(crate) enum Check {
    Text(Lazy),
    Sql(Lazy),
}

/// A regex compiled when it is first needed: most runs need few of them.
#[derive(Debug)]
pub(crate) struct Lazy {
    source: String,
    lines: bool,
    regex: OnceLock<Option<Regex>>,
}

impl Lazy {
    fn new(source: &str, lines: bool) -> Lazy {
        Lazy { source: source.to_owned(), lines, regex: OnceLock::new() }
    }

    /// None where it is too large to compile, which the loading of its rule rules out for any but absurd ones.
    pub(crate) fn get(&self) -> Option<&Regex> {
        let compile = || {
            let syntax = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true).multi_line(self.lines);
            // The literals of texts were looked for already: to look for those of one rule again costs more than it saves.
            let config = Config::new().auto_prefilter(self.lines).utf8_empty(false);
            let config = config.nfa_size_limit(Some(4 << 20)).hybrid_cache_capacity(CACHE);
            Regex::builder().syntax(syntax).configure(config).build(&self.source).ok()
        };
        self.regex.get_or_init(compile).as_ref()
    }
}

/// Characters that a value with SQL in it has at least one of, wherever it is no plain word.
const SQL_MARKS: [&str; 10] = ["'", "\"", "(", ")", "--", ";", "=", "#", "/*", "||"];

/// Faults of one file that are told; one with more is no rule file.
const MOST_FAULTS: usize = 50;

impl File {
    /// Reads a file; a rule that cannot be read is told of and left out.
    pub(crate) fn parse(name: &str, text: &str, faults: &mut Vec<Fault>) -> Option<File> {
        let mut text = std::borrow::Cow::Borrowed(text);
        for _ in 0..MOST_FAULTS {
            let error = match serde_saphyr::from_str(&text) {
                Ok(file) => return Some(file),
                Err(error) => error,
            };
            let fault = Fault::of_yaml(name, &error);
            let line = fault.line;
            faults.push(fault);
            text = without_rule_at(&text, line)?.into();
        }
        None
    }

    /// Appends the rules; says what is wrong with those that are left out.
    pub(crate) fn rules(self, name: &str, rules: &mut Vec<Rule>, faults: &mut Vec<Fault>) {
        let defaults = Defaults {
            file: name.into(),
            class: &self.class,
            on: &self.on,
            views: &self.views,
            signs: self.signs,
            quiet: self.quiet,
            probe: self.probe,
        };
        for written in self.rules.unwrap_or_default() {
            let (id, at) = (written.value.id.clone(), written.referenced);
            if let Some(other) = rules.iter().find(|rule| rule.id == id) {
                let message = format!("there is a rule {id} in {} already; choose a different id", other.file);
                faults.push(Fault::at(name, Some(at), message));
                continue;
            }
            match written.value.compile(&defaults, at) {
                Ok(rule) => rules.push(rule),
                Err((at, error)) => faults.push(Fault::at(name, Some(at), format!("rule {id}: {error}"))),
            }
        }
    }
}

/// The text with the rule that stands at a line (from 1) blanked out, so that the others keep their places; none where the line
/// is of no rule.
fn without_rule_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let rules = lines.iter().position(|line| line.starts_with("rules:"))?;
    let first = lines[rules + 1..].iter().find(|line| line.trim_start().starts_with("- "))?;
    let indent = first.len() - first.trim_start().len();
    let begins = |line: &str| line.trim_start().starts_with("- ") && line.len() - line.trim_start().len() == indent;
    let other_key = |line: &str| !line.is_empty() && !line.starts_with([' ', '-', '#', '\t']);
    let at = line.checked_sub(1)?.min(lines.len() - 1);
    let from = (rules + 1..=at).rev().find(|&number| begins(lines[number]))?;
    let to = (from + 1..lines.len()).find(|&number| begins(lines[number]) || other_key(lines[number])).unwrap_or(lines.len());
    let kept = |(number, line): (usize, &&str)| if (from..to).contains(&number) { String::new() } else { (*line).to_owned() };
    Some(lines.iter().enumerate().map(kept).collect::<Vec<_>>().join("\n"))
}

/// What a file says for all of its rules.
struct Defaults<'a> {
    file: Arc<str>,
    class: &'a str,
    on: &'a [Place],
    views: &'a [Reading],
    signs: bool,
    quiet: bool,
    probe: bool,
}

impl Written {
    fn compile(self, file: &Defaults<'_>, at: Location) -> Result<Rule, (Location, String)> {
        let own = |own: &[Place]| if own.is_empty() { file.on.to_vec() } else { own.to_vec() };
        let on = match own(&self.on) {
            on if on.is_empty() => Place::INPUT.to_vec(),
            on => on,
        };
        let views = if self.views.is_empty() { file.views } else { &self.views };
        let literals = |regex: &Spanned<String>| literals_of(&regex.value).map_err(|error| (regex.referenced, error));
        let (check, literals) = match (&self.regex, &self.sql) {
            (Some(regex), None) => (Check::Text(Lazy::new(&regex.value, false)), literals(regex)?),
            (None, Some(sql)) => {
                literals(sql)?;
                (Check::Sql(Lazy::new(&sql.value, true)), SQL_MARKS.iter().map(|mark| mark.as_bytes().to_vec()).collect())
            }
            _ => return Err((at, "has to have either a regex or sql; give it one of them".to_owned())),
        };
        let points = self.points.value;
        if !(1..=5).contains(&points) {
            return Err((self.points.referenced, format!("points are {points}, but have to be from 1 to 5")));
        }
        Ok(Rule {
            id: self.id,
            file: file.file.clone(),
            line: usize::try_from(at.line()).unwrap_or(usize::MAX),
            title: self.title,
            class: file.class.to_owned(),
            points,
            quiet: self.quiet.unwrap_or(file.quiet),
            probe: self.probe.unwrap_or(file.probe),
            places: on.iter().fold(0, |places, place| places | place.bit()),
            views: views.iter().fold(View::Text.bit(), |views, reading| views | View::from(*reading).bit()),
            check,
            foreign: self.foreign,
            names: self.names,
            signs: self.signs.unwrap_or(file.signs),
            literals,
            matching: self.matching,
            not_matching: self.not_matching,
            first: on.iter().copied().find(|place| *place == Place::Value).unwrap_or(on[0]),
        })
    }
}

fn literals_of(regex: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).unicode(false).dot_matches_new_line(true).build();
    let hir = parser.parse(regex).map_err(|error| format!("regex cannot be read: {}", why(&error)))?;
    literals::required(&hir).filter(|list| list.iter().all(|literal| !literal.is_empty())).ok_or_else(|| {
        "no literal has to be in what the regex matches; add one, so that it need not run on every value".to_owned()
    })
}

/// What is wrong with a regex, in one line.
fn why(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => format!("{}, at its character {}", error.kind(), error.span().start.offset + 1),
        regex_syntax::Error::Translate(error) => format!("{}, at its character {}", error.kind(), error.span().start.offset + 1),
        other => other.to_string().lines().last().unwrap_or_default().to_owned(),
    }
}

impl From<Reading> for View {
    fn from(reading: Reading) -> View {
        match reading {
            Reading::Text => View::Text,
            Reading::Sql => View::Sql,
            Reading::Shell => View::Shell,
            Reading::Path => View::Path,
            Reading::Compact => View::Compact,
            Reading::Wire => View::Wire,
        }
    }
}
