//! Asks the rules of some folders about events made of the rules' own values, with our engine and with rsigma-eval, and says
//! where they differ: `sigma-peer FOLDER...`
//!
//! A keyword is looked for within the values here, as the specification says, and compared with whole values there: such rules are
//! counted apart.

mod events;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use events::{Event, Numbers};
use lapwing_rules::{Fields, KEYWORDS, Rule, RuleSet, Scratch, Value, parse};
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;

const EVENTS: usize = 60;
const SHOWN: usize = 20;

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::env::args().skip(1).flat_map(|folder| files(Path::new(&folder))).collect();
    files.sort();
    let mut total = Total::default();
    for file in &files {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
        total.compare(&file.display().to_string(), &text);
    }
    println!("files {}, rules compared {}, events {}, held of {}", files.len(), total.rules, total.events, total.held);
    total.left_out.iter().for_each(|(why, count)| println!("left out, {why}: {count}"));
    println!("rules that differ {}, on events {}", total.differing, total.differences);
    println!(
        "events on which only ours holds {}, only theirs {}; of rules with keywords {}",
        total.ours, total.theirs, total.keywords
    );
    total.shown.iter().for_each(|line| println!("{line}"));
    if total.rules > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Total {
    rules: usize,
    events: usize,
    held: usize,
    differing: usize,
    differences: usize,
    ours: usize,
    theirs: usize,
    keywords: usize,
    left_out: BTreeMap<&'static str, usize>,
    shown: Vec<String>,
}

impl Total {
    fn compare(&mut self, name: &str, text: &str) {
        let (rules, _) = parse(name, text);
        let theirs = rsigma_parser::parse_sigma_yaml(text);
        let one = match (rules.as_slice(), &theirs) {
            ([rule], Ok(theirs)) if rule.detection().is_some() && theirs.rules.len() == 1 => Ok((rule, &theirs.rules[0])),
            ([_], Ok(_)) => Err("no detection, or several documents"),
            ([], Ok(_)) => Err("we cannot read it"),
            (_, Err(_)) => Err("the other cannot read it"),
            _ => Err("several documents"),
        };
        let mut engine = Engine::new();
        match one.and_then(|(rule, theirs)| engine.add_rule(theirs).map(|()| rule).map_err(|_| "the other cannot compile it")) {
            Ok(rule) => self.ask(name, rule, &engine),
            Err(why) => *self.left_out.entry(why).or_default() += 1,
        }
    }

    fn ask(&mut self, name: &str, rule: &Rule, engine: &Engine) {
        let (set, errors) = RuleSet::compile(vec![rule.clone()]);
        if !errors.is_empty() {
            *self.left_out.entry("we cannot compile it").or_default() += 1;
            return;
        }
        self.rules += 1;
        let mut numbers = Numbers::of(name);
        let (mut scratch, mut found, mut differs) = (Scratch::new(), Vec::new(), 0);
        for _ in 0..EVENTS {
            let event = Event::of(rule, &mut numbers);
            set.matches(&mut scratch, &Seen { event: &event, set: &set, text: event.text() }, &mut found);
            let json = event.json();
            let theirs = !engine.evaluate(&JsonEvent::borrow(&json)).is_empty();
            self.held += usize::from(theirs);
            if found.is_empty() != theirs {
                continue;
            }
            if event.asks_for_keywords(rule) {
                self.keywords += 1;
            } else {
                self.ours += usize::from(!theirs);
                self.theirs += usize::from(theirs);
                if differs == 0 && self.shown.len() < SHOWN {
                    self.shown.push(format!("{name}: ours {}, theirs {theirs}, of {json}", !theirs));
                }
                differs += 1;
            }
        }
        self.events += EVENTS;
        self.differences += differs;
        self.differing += usize::from(differs > 0);
    }
}

/// An event under the field numbers of a rule set; a keyword is looked for in all of its text.
struct Seen<'a> {
    event: &'a Event,
    set: &'a RuleSet,
    text: String,
}

impl Fields for Seen<'_> {
    fn get(&self, field: usize) -> Value<'_> {
        match self.set.fields()[field].as_str() {
            KEYWORDS => Value::Text(self.text.as_bytes()),
            name => self.event.get(name).map_or(Value::Absent, |text| Value::Text(text.as_bytes())),
        }
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.flat_map(|entry| files(&entry.path())).filter(|file| file.extension().is_some_and(|ext| ext == "yml")).collect()
}
