//! Loads a collection of Sigma rules as large as SigmaHQ's and asks its rules about generated log lines.
//!
//! `cargo run --release -p lapwing-detect --example sigma_speed [--rules N] [--write FOLDER] [FOLDER...]`
//!
//! Without a folder the rules are generated: shapes, modifiers and log sources in the shares that the public collection has
//! them in, made of invented words; the same on every machine. `--write` leaves them as files, for other engines.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lapwing_detect::logsource::{self, Router, Seen};
use lapwing_generate::{Kind, generate};
use lapwing_model::{Event, Origin, Position, Record, Timestamp};
use lapwing_parse::Parser;
use lapwing_rules::{RuleSet, Scratch, parse};

const RULES: usize = 3700;
const LINES: u64 = 20_000;

/// Small and always the same: the figures must not depend on luck.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn word(&mut self) -> String {
        (0..1 + self.below(3)).map(|_| self.pick(&SYLLABLES)).collect()
    }
}

const SYLLABLES: [&str; 32] = [
    "adm", "in", "con", "fig", "shell", "up", "load", "cgi", "image", "back", "door", "ser", "pass", "blog", "log", "style",
    "sys", "reset", "eval", "key", "win", "ps", "ex", "ploit", "dump", "proc", "net", "user", "task", "host", "cmd", "vault",
];

struct Source {
    /// Of a thousand rules.
    share: usize,
    text: &'static str,
    fields: &'static [&'static str],
}

const SOURCES: [Source; 14] = [
    Source {
        share: 340,
        text: "product: windows, category: process_creation",
        fields: &["Image", "CommandLine", "ParentImage", "OriginalFileName"],
    },
    Source {
        share: 310,
        text: "product: windows, category: registry_set",
        fields: &["TargetObject", "Details", "Image", "ImageLoaded"],
    },
    Source { share: 100, text: "product: windows, service: security", fields: &["EventID", "ObjectName", "SubjectUserName"] },
    Source { share: 45, text: "product: linux, category: process_creation", fields: &["Image", "CommandLine"] },
    Source { share: 20, text: "product: linux, service: auditd", fields: &["type", "a0", "a1", "a2", "exe"] },
    Source { share: 20, text: "product: macos, category: process_creation", fields: &["Image", "CommandLine"] },
    Source { share: 20, text: "product: aws, service: cloudtrail", fields: &["eventSource", "eventName", "errorCode"] },
    Source { share: 75, text: "product: azure, service: auditlogs", fields: &["properties.message", "operationName"] },
    Source { share: 28, text: "category: webserver", fields: &["cs-uri-query", "cs-uri-stem", "sc-status", "cs-user-agent"] },
    Source { share: 20, text: "category: proxy", fields: &["c-uri", "c-useragent", "cs-host", "sc-status"] },
    Source { share: 6, text: "category: dns", fields: &["query", "answer"] },
    Source { share: 4, text: "category: firewall", fields: &["dst_ip", "dst_port"] },
    Source { share: 6, text: "product: linux, service: sshd", fields: &[""] },
    Source { share: 6, text: "category: application", fields: &["", "message"] },
];

fn source(numbers: &mut Numbers) -> &'static Source {
    let mut at = numbers.below(SOURCES.iter().map(|source| source.share).sum());
    SOURCES
        .iter()
        .find(|source| {
            at < source.share || {
                at -= source.share;
                false
            }
        })
        .unwrap_or(&SOURCES[0])
}

fn value(field: &str, numbers: &mut Numbers) -> String {
    let (one, two) = (numbers.word(), numbers.word());
    match field {
        "Image" | "ParentImage" | "exe" => format!("\\{one}{two}.exe"),
        "EventID" | "dst_port" => (1 + numbers.below(65_000)).to_string(),
        "sc-status" => (100 + numbers.below(500)).to_string(),
        "dst_ip" => format!("{}.{}.0.0/16", 1 + numbers.below(220), numbers.below(255)),
        "cs-host" | "query" | "answer" => format!(".{one}{two}.example"),
        "cs-uri-query" | "cs-uri-stem" | "c-uri" => format!("/{one}/{two}"),
        "" | "message" => format!("{one} {two}"),
        _ => format!("{one}-{two}"),
    }
}

fn item(field: &str, numbers: &mut Numbers) -> String {
    let modifier = match (field, numbers.below(20)) {
        ("EventID" | "dst_port" | "sc-status", _) => "",
        ("dst_ip", _) => "|cidr",
        (_, 0) => return format!("{field}|re: '{}[0-9]{{2,}}\\.({}|{})'", numbers.word(), numbers.word(), numbers.word()),
        ("Image" | "ParentImage" | "exe" | "cs-host" | "query", _) => "|endswith",
        (_, 1..=3) => "|startswith",
        (_, 4..=6) => "|contains|all",
        (_, 7) => "|contains|windash",
        _ => "|contains",
    };
    let values: Vec<String> = (0..1 + numbers.below(6)).map(|_| format!("'{}'", value(field, numbers))).collect();
    format!("{field}{modifier}: [{}]", values.join(", "))
}

/// Keywords have no field: a list of values.
fn selection(source: &Source, numbers: &mut Numbers) -> String {
    let field = numbers.pick(source.fields);
    if field.is_empty() {
        let words: Vec<String> = (0..1 + numbers.below(5)).map(|_| format!("'{}'", value("", numbers))).collect();
        return format!("[{}]", words.join(", "));
    }
    let first = item(field, numbers);
    let other = numbers.pick(source.fields);
    if other == field || other.is_empty() || numbers.below(3) == 0 {
        format!("{{{first}}}")
    } else {
        format!("{{{first}, {}}}", item(other, numbers))
    }
}

fn generated(count: usize) -> Vec<String> {
    let mut numbers = Numbers(11);
    let rule = |number: usize| {
        let source = source(&mut numbers);
        let (main, more, filter) =
            (selection(source, &mut numbers), selection(source, &mut numbers), selection(source, &mut numbers));
        let condition = numbers.pick(&[
            "selection_main",
            "all of selection_*",
            "1 of selection_* and not filter_main",
            "selection_main and not 1 of filter_*",
        ]);
        let level = numbers.pick(&["low", "medium", "medium", "high", "high", "critical"]);
        let technique = 1000 + numbers.below(600);
        format!(
            "title: Generated rule {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n\
             description: Made for measuring, of invented words.\nauthor: nobody\ndate: 2025-01-01\ntags:\n    - attack.execution\n    - attack.t{technique}\n\
             logsource: {{{}}}\ndetection:\n    selection_main: {main}\n    selection_more: {more}\n    filter_main: {filter}\n    \
             condition: {condition}\nfalsepositives:\n    - Unknown\nlevel: {level}\n",
            source.text
        )
    };
    (0..count).map(rule).collect()
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else { return found.push(path.to_owned()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            found.push(path);
        }
    }
}

/// CPU time of this thread in seconds: others may be busy on this machine.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn events(kind: Kind) -> Vec<Event> {
    let settings = lapwing_generate::Settings {
        kind,
        seed: 5,
        count: LINES,
        start: 1_750_000_000 * 1_000_000_000,
        anomaly_share: 0.1,
        ..Default::default()
    };
    let (mut parser, mut events, origin) = (Parser::new(), Vec::new(), Origin::new(kind.name()));
    for line in generate(settings) {
        let record = Record {
            body: Bytes::from(line.text),
            origin: origin.clone(),
            position: Position::default(),
            received: Timestamp::from_seconds(1_900_000_000),
        };
        parser.parse(&record, &mut events);
    }
    events
}

fn measure(what: &str, set: &RuleSet, events: &[Event], routed: bool) {
    let (fields, router) = (logsource::fields(set), Router::default());
    let (mut scratch, mut found, mut matched, mut best) = (Scratch::new(), Vec::new(), 0, f64::MAX);
    for _ in 0..5 {
        matched = 0;
        let start = cpu();
        for event in events {
            let kinds = if routed { router.kinds(event) } else { u64::MAX };
            set.matches(&mut scratch, &Seen { event, fields: &fields, kinds }, &mut found);
            matched += black_box(&found).len();
        }
        best = best.min(cpu() - start);
    }
    println!("{what}: {:.0} events per CPU-second, {matched} matches in {} events", events.len() as f64 / best, events.len());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut count, mut write, mut folders) = (RULES, None, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rules" => count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(count),
            "--write" => write = arguments.next(),
            folder => files(Path::new(folder), &mut folders),
        }
    }
    folders.sort();
    let texts = if folders.is_empty() {
        generated(count)
    } else {
        folders.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect()
    };
    if let Some(folder) = write {
        for (number, text) in texts.iter().enumerate() {
            let written = std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(Path::new(&folder).join(format!("{number:04}.yml")), text));
            if let Err(error) = written {
                return println!("cannot write {folder}: {error}");
            }
        }
    }
    let start = cpu();
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for (number, text) in texts.iter().enumerate() {
        let (good, bad) = parse(&format!("{number}.yml"), text);
        rules.extend(good);
        errors.extend(bad);
    }
    let read = cpu() - start;
    let all = rules.clone();
    let start = cpu();
    let (set, bad) = logsource::compile(rules);
    let load = read + cpu() - start;
    errors.extend(bad);
    let applicable = (0..set.rules().len()).filter(|rule| set.applicable(*rule)).count();
    println!(
        "load: {load:.3} CPU-seconds ({read:.3} to read) for {} rules, {applicable} applicable, {} mistakes",
        set.rules().len(),
        errors.len()
    );
    errors.iter().take(3).for_each(|error| println!("  {error}"));
    let mut mixed = Vec::new();
    for kind in [Kind::Web, Kind::Auth, Kind::App] {
        let events = events(kind);
        measure(&format!("routed, {}", kind.name()), &set, &events, true);
        mixed.extend(events);
    }
    measure("routed, all", &set, &mixed, true);
    let start = cpu();
    let (whole, _) = RuleSet::compile(all);
    println!("load without routing: {:.3} CPU-seconds", read + cpu() - start);
    measure("without routing, all", &whole, &mixed, false);
}
