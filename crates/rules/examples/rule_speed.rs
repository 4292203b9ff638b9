//! Measures the matcher: the ten web rules of `web.yml` on ordinary events, and a thousand generated rules.
//!
//! `cargo run --release -p lapwing-rules --example rule_speed [ACCESS_LOG]`

use std::net::IpAddr;
use std::time::Instant;

use lapwing_rules::{Fields, KEYWORDS, RuleSet, Scratch, Value, parse};

const NAMES: [&str; 7] = [
    KEYWORDS,
    "url.original",
    "user_agent.original",
    "http.request.method",
    "http.response.status_code",
    "client.address",
    "log.level",
];

struct Event {
    line: Vec<u8>,
    /// Places in the line, in the order of `NAMES` from `url.original` on.
    url: (usize, usize),
    agent: (usize, usize),
    method: (usize, usize),
    status: f64,
    client: Option<IpAddr>,
}

/// An event under a rule set's field numbers.
struct Seen<'a> {
    event: &'a Event,
    names: &'a [usize],
}

impl Fields for Seen<'_> {
    fn get(&self, field: usize) -> Value<'_> {
        let part = |(start, end): (usize, usize)| Value::Text(&self.event.line[start..end]);
        match self.names[field] {
            0 => Value::Text(&self.event.line),
            1 => part(self.event.url),
            2 => part(self.event.agent),
            3 => part(self.event.method),
            4 => Value::Number(self.event.status),
            5 => self.event.client.map_or(Value::Absent, Value::Address),
            _ => Value::Absent,
        }
    }
}

fn event(line: &str) -> Option<Event> {
    let span = |part: &str| {
        let start = part.as_ptr() as usize - line.as_ptr() as usize;
        (start, start + part.len())
    };
    let mut quoted = line.split('"');
    let client = quoted.next()?.split(' ').next()?;
    let mut request = quoted.next()?.split(' ');
    let (method, url) = (request.next()?, request.next()?);
    let status = quoted.next()?.trim().split(' ').next()?.parse().ok()?;
    let agent = quoted.nth(1).unwrap_or_default();
    let agent = if agent.is_empty() { (0, 0) } else { span(agent) };
    Some(Event { url: span(url), agent, method: span(method), status, client: client.parse().ok(), line: line.into() })
}

/// Small and always the same: the figures must not depend on luck.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn word(&mut self) -> String {
        // Also what the urls and agents of ordinary traffic are made of, so that literals do occur.
        const PARTS: [&str; 24] = [
            "adm",
            "in",
            "con",
            "fig",
            "shell",
            "up",
            "load",
            "cgi",
            "image",
            "back",
            "door",
            "s",
            "pass",
            "blog",
            "log",
            "style",
            "sys",
            "reset",
            "eval",
            "pres",
            "entations",
            "ps",
            "ex",
            "ploit",
        ];
        (0..1 + self.below(3)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }
}

/// Rules with the shapes that the SigmaHQ web rules have: lists of pieces, several fields, exceptions, a few expressions.
fn generated(count: usize) -> String {
    let mut numbers = Numbers(7);
    let mut text = String::new();
    for rule in 0..count {
        let list = |numbers: &mut Numbers, before: &str, after: &str| {
            let words = (0..1 + numbers.below(8)).map(|_| format!("'{before}{}{after}'", numbers.word()));
            words.collect::<Vec<_>>().join(", ")
        };
        let url = list(&mut numbers, "/", "");
        let selection = match rule % 6 {
            0 => format!("url.original|contains: [{url}]"),
            1 => format!("url.original|endswith: [{url}]\n    http.response.status_code: 200"),
            2 => format!("url.original|contains|all: [{url}]\n    http.request.method: POST"),
            3 => format!("user_agent.original|contains: [{}]", list(&mut numbers, "", "")),
            4 => format!("url.original|re: '/{}[a-z]+\\.(php|jsp)\\?id=[0-9]+'", numbers.word()),
            _ => format!(
                "url.original: ['*/{}/*/{}*']\n    user_agent.original|startswith: 'curl'",
                numbers.word(),
                numbers.word()
            ),
        };
        text += &format!(
            "title: Generated {rule}\nlogsource: {{category: webserver}}\ndetection:\n  selection:\n    {selection}\n  filter_own:\n    \
             client.address|cidr: '10.0.0.0/8'\n  filter_name:\n    user_agent.original|contains: '{}'\n  condition: selection and not 1 of filter_*\n---\n",
            numbers.word()
        );
    }
    text
}

fn measure(name: &str, yaml: &str, events: &[Event]) {
    let start = Instant::now();
    let (rules, errors) = parse(name, yaml);
    let (set, more) = RuleSet::compile(rules);
    let load = start.elapsed();
    errors.iter().chain(&more).for_each(|error| println!("{error}"));
    let numbers: Vec<usize> =
        set.fields().iter().map(|field| NAMES.iter().position(|name| name == field).unwrap_or(NAMES.len())).collect();
    let (mut scratch, mut found) = (Scratch::new(), Vec::new());
    let mut quiet: Vec<&Event> = Vec::new();
    let mut matched = 0;
    for event in events {
        set.matches(&mut scratch, &Seen { event, names: &numbers }, &mut found);
        matched += usize::from(!found.is_empty());
        if found.is_empty() {
            quiet.push(event);
        }
    }
    let all: Vec<&Event> = events.iter().collect();
    println!("{name}: {} rules loaded in {load:.1?}; {matched} of {} events match", set.rules().len(), events.len());
    for (what, events) in [("all events", &all), ("events without a match", &quiet)] {
        let mut best = f64::MAX;
        for _ in 0..9 {
            // Batches that the second-level cache holds, as behind a parser that has just read the lines.
            let mut spent = 0.0;
            for batch in events.chunks(1024) {
                batch.iter().for_each(|event| assert!(std::hint::black_box(event.line.iter().max()).is_some()));
                let start = Instant::now();
                for event in batch {
                    set.matches(&mut scratch, &Seen { event, names: &numbers }, &mut found);
                }
                spent += start.elapsed().as_secs_f64();
            }
            best = best.min(spent / events.len() as f64);
        }
        println!("  {what}: {:.0} ns per event, {:.0} k events/s", best * 1e9, 1e-3 / best);
    }
}

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "../shared/data/web/access-logs/apache-10k.log".into());
    let Ok(bytes) = std::fs::read(&path) else {
        println!("cannot read {path}; give an access log as argument");
        return;
    };
    let text = String::from_utf8_lossy(&bytes);
    let events: Vec<Event> = text.lines().filter_map(event).collect();
    println!("{} events of {} bytes on average", events.len(), text.len() / events.len().max(1));
    measure("web.yml", include_str!("web.yml"), &events);
    if std::env::args().nth(2).is_some() {
        for rule in include_str!("web.yml").split("\n---\n") {
            measure(rule.lines().find(|line| line.starts_with("id:")).unwrap_or("?"), rule, &events);
        }
    }
    measure("1000 generated", &generated(1000), &events);
    measure("3700 generated", &generated(3700), &events);
}
