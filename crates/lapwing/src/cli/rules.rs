//! `lapwing rules`: are the rules right, what are there, do they find what they should, and why does one hold or not?

mod runs;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand};
use lapwing_detect::logsource::{self, Asked, Router, Seen};
use lapwing_detect::rules::techniques;
use lapwing_model::{Event, Origin, Position, Record, printable};
use lapwing_parse::Parser;
use lapwing_rules::{Body, Rule, RuleError, RuleSet, Scratch, explain};
use serde::Serialize;

use super::config::Config;
use super::rule_files::{self, Read};
use super::show::{self, Paint};
use super::{Exit, Failed};

/// Check, list, test and explain Sigma rules.
#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Say what is wrong with rule files, with line and column
    Check(Which),
    /// List rules: level, log source, whether any event can be of it, id, title, tags, file
    List(List),
    /// Run the tests that rule files carry: lines that must and lines that must not match
    Test(Test),
    /// Say for a line why each condition of a rule did or did not hold
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Which {
    /// Files and folders of rules; without any, those of the configuration
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// Print JSON rows
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    which: Which,
    /// Name the rules without tests
    #[arg(long)]
    coverage: bool,
}

#[derive(Debug, Args)]
struct Explain {
    /// A rule file, or the id, name or title of a rule
    #[arg(value_name = "FILE_OR_RULE")]
    rule: String,
    /// The log line
    #[arg(long, value_name = "LINE", required = true)]
    line: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Where rules cannot be read, are wrong, or do not pass their tests.
pub fn run(args: &Rules, config: &Config, paint: Paint) -> Result<Exit, Failed> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let done = match &args.ask {
        Ask::Check(which) => check(&mut out, which.read(config)?),
        Ask::List(args) => list(&mut out, args, config, paint),
        Ask::Test(args) => test(&mut out, args, config),
        Ask::Explain(args) => why(&mut out, args, config, paint),
    };
    out.flush()?;
    done.map(|()| Exit::Clean)
}

impl Which {
    fn read(&self, config: &Config) -> Result<Read, Failed> {
        let mut rules = config.rules.clone();
        if !self.paths.is_empty() {
            (rules.builtin, rules.paths) = (false, self.paths.clone());
        }
        rules.read()
    }

    /// Rules that work; the others are told about on standard error.
    fn compiled(&self, config: &Config) -> Result<(RuleSet, usize), Failed> {
        let Read { rules, mut errors } = self.read(config)?;
        let (set, bad) = logsource::compile(rules);
        errors.extend(bad);
        errors.iter().for_each(|error| eprintln!("{}", shown(error)));
        Ok((set, errors.iter().filter(|error| !error.waits).count()))
    }
}

fn shown(error: &RuleError) -> String {
    printable(error.to_string().as_bytes()).to_string()
}

fn check(out: &mut impl Write, mut read: Read) -> Result<(), Failed> {
    read.behaviours();
    let Read { rules, mut errors } = read;
    let mut warnings = rule_files::misspelt(&rules);
    warnings.extend(errors.extract_if(.., |error| error.waits));
    let routed = rules.iter().filter(|rule| logsource::kinds_of(&rule.logsource) != 0).count();
    let filters = rules.iter().filter(|rule| matches!(rule.body, Body::Filter(_))).count();
    let others = rules.len() - routed;
    let files: BTreeSet<_> =
        rules.iter().map(|rule| rule.file.clone()).chain(errors.iter().map(|error| error.file.clone())).collect();
    // Without routing: rules that no event can meet here must be right all the same.
    let (set, bad) = RuleSet::compile(rules);
    errors.extend(bad);
    errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    errors.dedup();
    errors.iter().try_for_each(|error| writeln!(out, "error: {}", shown(error)))?;
    warnings.iter().try_for_each(|warning| writeln!(out, "warning: {}", shown(warning)))?;
    writeln!(
        out,
        "{} files, {} rules and {filters} filters are right; {others} of them are for log sources that no event here is of; {} warnings",
        files.len(),
        set.rules().len(),
        warnings.len()
    )?;
    if errors.is_empty() { Ok(()) } else { Err(Failed::new(format!("{} mistakes in rules", errors.len()))) }
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    title: &'a str,
    level: &'static str,
    status: Option<&'static str>,
    kind: &'static str,
    logsource: String,
    applicable: bool,
    tags: &'a [String],
    attack: Vec<String>,
    file: &'a str,
    line: usize,
}

impl<'a> Row<'a> {
    fn of(set: &'a RuleSet, number: usize) -> Row<'a> {
        let rule = &set.rules()[number];
        Row {
            id: rule.id.as_deref(),
            name: rule.name.as_deref(),
            title: &rule.title,
            level: rule.level.name(),
            status: rule.status.map(lapwing_rules::Status::name),
            kind: rule.correlation().map_or("detection", |correlation| correlation.kind.name()),
            logsource: rule.logsource.to_string(),
            applicable: set.applicable(number),
            tags: &rule.tags,
            attack: techniques(rule),
            file: &rule.file,
            line: rule.line,
        }
    }
}

fn list(out: &mut impl Write, args: &List, config: &Config, paint: Paint) -> Result<(), Failed> {
    let (set, _) = args.which.compiled(config)?;
    for number in 0..set.rules().len() {
        let row = Row::of(&set, number);
        if args.json {
            show::json(out, &row)?;
            continue;
        }
        let text = |text: &str| printable(text.as_bytes()).within(120).to_string();
        let source = if row.kind == "detection" { text(&row.logsource) } else { row.kind.to_owned() };
        let source = if row.applicable { source } else { format!("{source} (not applicable)") };
        let tags = if row.attack.is_empty() { String::new() } else { format!("  {}", row.attack.join(" ")) };
        let key = text(set.rules()[number].key());
        writeln!(out, "{:<13} {source:<30} {}{tags}", row.level, paint.bold(&text(row.title)))?;
        writeln!(out, "{:<13} {}", "", paint.dim(&format!("{key}  {}:{}", text(row.file), row.line)))?;
    }
    if !args.json {
        let applicable = (0..set.rules().len()).filter(|number| set.applicable(*number)).count();
        writeln!(out, "{} rules, {applicable} applicable", set.rules().len())?;
    }
    Ok(())
}

/// Reads a line as the pipeline would.
fn events(line: &str) -> Vec<Event> {
    let record = Record {
        body: Bytes::copy_from_slice(line.as_bytes()),
        origin: Origin::new("line"),
        position: Position::default(),
        received: crate::pipeline::clock(),
    };
    let mut events = Vec::new();
    Parser::new().parse(&record, &mut events);
    events
}

fn test(out: &mut impl Write, args: &Test, config: &Config) -> Result<(), Failed> {
    let (set, wrong) = args.which.compiled(config)?;
    let (fields, router) = (logsource::fields(&set), Router::default());
    let (mut lines, mut failed, mut tested) = (0, 0, 0);
    let matches = |line: &str, number: usize| {
        events(line).iter().any(|event| {
            let mut found = Vec::new();
            let seen = Seen { event, fields: &fields, kinds: router.kinds(event) };
            set.matches(&mut Scratch::new(), &seen, &mut found);
            found.contains(&number)
        })
    };
    for (number, rule) in set.rules().iter().enumerate() {
        let wanted = rule.tests.matching.iter().map(|line| (line, true));
        let wanted: Vec<_> = wanted.chain(rule.tests.not_matching.iter().map(|line| (line, false))).collect();
        tested += usize::from(!wanted.is_empty());
        for (line, wanted) in wanted {
            lines += 1;
            if matches(line, number) != wanted {
                failed += 1;
                tell(out, rule, if wanted { "does not match" } else { "matches" }, line)?;
            }
        }
    }
    let runs = runs::test(out, args.which.read(config)?.behaviours())?;
    failed += runs.failed;
    let detections = set.rules().iter().filter(|rule| rule.detection().is_some());
    let without: Vec<&Rule> = detections.filter(|rule| rule.tests.is_empty()).collect();
    if args.coverage {
        without.iter().try_for_each(|rule| writeln!(out, "{}: no tests: {}", place(rule), title(rule)))?;
    }
    if args.coverage {
        runs.without.iter().try_for_each(|name| writeln!(out, "no tests: bucket {}", printable(name.as_bytes())))?;
    }
    let (buckets, of_buckets) = (runs.without.len(), runs.runs);
    writeln!(
        out,
        "{tested} rules with {lines} test lines, {of_buckets} runs of buckets, {failed} failed; {} detections without tests, \
         {buckets} buckets without runs",
        without.len()
    )?;
    match (failed, wrong) {
        (0, 0) => Ok(()),
        (0, wrong) => Err(Failed::new(format!("{wrong} mistakes in rules"))),
        (failed, _) => Err(Failed::new(format!("{failed} tests failed; `lapwing rules explain` says why"))),
    }
}

fn tell(out: &mut impl Write, rule: &Rule, what: &str, line: &str) -> std::io::Result<()> {
    writeln!(out, "{}: {} {what}: {}", place(rule), title(rule), printable(line.as_bytes()).within(200))
}

fn place(rule: &Rule) -> String {
    format!("{}:{}", printable(rule.file.as_bytes()), rule.line)
}

fn title(rule: &Rule) -> String {
    printable(rule.title.as_bytes()).within(120).to_string()
}

fn why(out: &mut impl Write, args: &Explain, config: &Config, paint: Paint) -> Result<(), Failed> {
    let path = PathBuf::from(&args.rule);
    let is_file = path.exists();
    let which = Which { paths: if is_file { vec![path] } else { Vec::new() } };
    let (set, wrong) = which.compiled(config)?;
    let meant = |rule: &Rule| {
        let named = [&rule.id, &rule.name].into_iter().flatten().any(|name| *name == args.rule) || rule.title == args.rule;
        rule.detection().is_some() && (is_file || named)
    };
    let rules: Vec<&Rule> = set.rules().iter().filter(|rule| meant(rule)).collect();
    if rules.is_empty() {
        let names = set.rules().iter().filter_map(|rule| rule.name.as_deref());
        let near = names.map(|name| (strsim::damerau_levenshtein(name, &args.rule), name)).min();
        let hint =
            near.filter(|(distance, _)| *distance <= 3).map_or(String::new(), |(_, name)| format!("; did you mean {name}?"));
        let why = if is_file && wrong > 0 { "no rule of this file works" } else { "no file and no detection of that name" };
        return Err(Failed::new(format!("{}: {why}{hint}", args.rule)));
    }
    for event in args.line.iter().flat_map(|line| events(line)) {
        for rule in &rules {
            one(out, rule, &event, paint)?;
        }
    }
    Ok(())
}

fn one(out: &mut impl Write, rule: &Rule, event: &Event, paint: Paint) -> Result<(), Failed> {
    let of_source = logsource::kinds_of(&rule.logsource) & Router::default().kinds(event) != 0;
    let get = |name: &str| Asked::named(name).of(event);
    let lines = explain(rule, &get);
    let holds = of_source && lines.first().is_some_and(|line| line.holds);
    let verdict = if holds { "matches" } else { "does not match" };
    writeln!(out, "{} {verdict}  {}", paint.bold(&title(rule)), paint.dim(&place(rule)))?;
    writeln!(
        out,
        "  {} the line is {}of the log source {}",
        mark(of_source),
        if of_source { "" } else { "not " },
        rule.logsource
    )?;
    for line in lines {
        let text = printable(line.text.as_bytes()).to_string();
        writeln!(out, "  {}{} {text}", "  ".repeat(line.depth), mark(line.holds))?;
    }
    Ok(())
}

fn mark(holds: bool) -> char {
    if holds { '+' } else { '-' }
}
