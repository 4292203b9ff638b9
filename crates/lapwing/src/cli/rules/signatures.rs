//! Signatures among the rules: listed, tried on the values that they carry, and explained.

use std::io::Write;

use lapwing_detect::signatures::hits;
use lapwing_inspect::{Rule, Rules, broken};
use lapwing_model::{Event, printable};
use serde::Serialize;
use std::sync::Arc;

use super::super::Failed;
use super::super::show::{self, Paint};

#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    kind: &'static str,
    class: &'a str,
    points: u8,
    quiet: bool,
    file: &'a str,
    line: usize,
}

/// Lists them, the points where rules have their level.
///
/// # Errors
/// Where output cannot be written.
pub fn list(out: &mut impl Write, rules: &Rules, json: bool, paint: Paint) -> Result<(), Failed> {
    for rule in rules.rules() {
        let Rule { id, title, class, points, quiet, file, line, .. } = rule;
        if json {
            let row = Row { id, title, kind: "signature", class, points: *points, quiet: *quiet, file, line: *line };
            show::json(out, &row)?;
            continue;
        }
        let level = format!("{points} point{}{}", if *points == 1 { "" } else { "s" }, if *quiet { ", quiet" } else { "" });
        writeln!(out, "{level:<13} {:<30} {}", text(class), paint.bold(&text(title)))?;
        writeln!(out, "{:<13} {}", "", paint.dim(&format!("{}  {}:{line}", text(id), text(file))))?;
    }
    Ok(())
}

/// What came of the values that signatures carry.
#[derive(Debug, Default)]
pub struct Tried {
    pub tried: usize,
    pub failed: usize,
    /// Signatures without values.
    pub without: usize,
}

/// Tries all of them.
///
/// # Errors
/// Where output cannot be written.
pub fn test(out: &mut impl Write, rules: &Arc<Rules>, coverage: bool) -> std::io::Result<Tried> {
    let all = rules.rules();
    let failed = broken(rules);
    for wrong in &failed {
        let (rule, what) = (&all[wrong.rule], if wrong.wanted { "does not match" } else { "matches" });
        writeln!(out, "{}: {} {what}: {}", place(rule), text(&rule.id), printable(wrong.value.as_bytes()).within(200))?;
    }
    let without: Vec<&Rule> = all.iter().filter(|rule| rule.matching.is_empty()).collect();
    if coverage {
        without.iter().try_for_each(|rule| writeln!(out, "{}: no values: {}", place(rule), text(&rule.id)))?;
    }
    let tried = all.iter().map(|rule| rule.matching.len() + rule.not_matching.len()).sum();
    Ok(Tried { tried, failed: failed.len(), without: without.len() })
}

/// Says for each event what the signatures match in it: the one of that id, or any. Answers how many were asked.
///
/// # Errors
/// Where output cannot be written.
pub fn explain(
    out: &mut impl Write,
    rules: &Arc<Rules>,
    id: Option<&String>,
    events: &[Event],
    paint: Paint,
) -> std::io::Result<usize> {
    let asked = |rule: &Rule| id.is_none_or(|id| rule.id == *id);
    let asked: Vec<usize> = (0..rules.rules().len()).filter(|&number| asked(&rules.rules()[number])).collect();
    for event in events.iter().filter(|_| !asked.is_empty()) {
        let hits = hits(rules, event);
        for &number in &asked {
            let rule = &rules.rules()[number];
            let hit = hits.iter().find(|hit| hit.rule == number);
            let verdict = if hit.is_some() { "matches" } else { "does not match" };
            writeln!(out, "{} {verdict}  {}", paint.bold(&text(&rule.title)), paint.dim(&place(rule)))?;
            if let Some(hit) = hit {
                let name = if hit.name.is_empty() { String::new() } else { format!(" {}", printable(&hit.name).within(60)) };
                writeln!(out, "  + {}{name}, as read: {}", hit.place, printable(&hit.value).within(200))?;
                writeln!(out, "  + matched: {}", printable(&hit.matched).within(200))?;
                let quiet = if rule.quiet { "; noted, never told on its own" } else { "" };
                writeln!(out, "  + {} of the {} points that are told{quiet}", rule.points, lapwing_inspect::ALERT)?;
            }
        }
    }
    Ok(asked.len())
}

fn place(rule: &Rule) -> String {
    format!("{}:{}", text(&rule.file), rule.line)
}

fn text(text: &str) -> String {
    printable(text.as_bytes()).within(120).to_string()
}
