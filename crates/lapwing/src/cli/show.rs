//! What people see in a terminal. Log text is attacker text: it is only ever printed through [`printable`].

use std::io::{self, Write};
use std::time::Duration;

use lapwing_enrich::Enrichment;
use lapwing_model::{Anomaly, Entity, Incident, Known, Severity, Timestamp, is_harmless, printable};
use serde::Serialize;

use super::config::Loaded;
use super::report::{Report, Summary};

/// Whether to colour, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.sgr("1", text)
    }

    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.sgr("2", text)
    }

    #[must_use]
    pub fn severity(self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Critical => "1;37;41",
            Severity::High => "1;31",
            Severity::Medium => "1;33",
            Severity::Low => "36",
            Severity::Info => "2",
        };
        self.sgr(code, text)
    }

    #[must_use]
    pub fn warning(self, text: &str) -> String {
        self.sgr("1;31", text)
    }

    fn sgr(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One value as one line of JSON, which acts in no terminal either: see [`Harmless`].
pub fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Harmless))?;
    out.write_all(b"\n")
}

/// Writes compact JSON. JSON escapes C0 itself; this also escapes DEL, C1 and the characters that reverse or hide text.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, mut text: &str) -> io::Result<()> {
        // Nearly all text is plain ASCII, and what is behind it is written in runs.
        let harmful = |text: &str| text.bytes().any(|byte| byte >= 0x7f).then(|| text.find(|c| !is_harmless(c))).flatten();
        while let Some(at) = harmful(text) {
            out.write_all(&text.as_bytes()[..at])?;
            let mut rest = text[at..].chars();
            for unit in rest.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            text = rest.as_str();
        }
        out.write_all(text.as_bytes())
    }
}

/// The report of a scan, for a person.
pub fn report(out: &mut impl Write, report: &Report, loaded: &Loaded, top: usize, files: &str, paint: Paint) -> io::Result<()> {
    head(out, &report.summary, loaded, paint)?;
    writeln!(out)?;
    if report.anomalies.is_empty() {
        writeln!(out, "No anomalies in {} lines.", thousands(report.summary.lines))?;
    } else {
        writeln!(out, "{}", paint.bold(&tally(&report.anomalies)))?;
    }
    for incident in report.incidents.iter().take(top) {
        writeln!(out)?;
        story(out, incident, paint)?;
    }
    for (number, anomaly) in report.anomalies.iter().take(top).enumerate() {
        writeln!(out)?;
        entry(out, number + 1, anomaly, paint)?;
    }
    writeln!(out)?;
    next_steps(out, report, top, files, paint)
}

fn head(out: &mut impl Write, summary: &Summary, loaded: &Loaded, paint: Paint) -> io::Result<()> {
    let mut row = |name: &str, value: String| writeln!(out, "{} {value}", paint.dim(&format!("{name:<8}")));
    row("files", summary.files.iter().map(|file| printable(file.as_bytes()).to_string()).collect::<Vec<_>>().join(", "))?;
    row("format", formats(summary))?;
    row("lines", format!("{}, {} not understood{}", thousands(summary.lines), thousands(summary.unparsed), losses(summary)))?;
    if let (Some(first), Some(last)) = (summary.first, summary.last) {
        row("time", format!("{first} to {last} ({})", span(last.since(first))))?;
    }
    if summary.allowed > 0 {
        row("allowed", format!("{} findings left out, about whom the allow-list names", thousands(summary.allowed)))?;
    }
    if loaded.detectors.is_empty() {
        return row("loaded", paint.warning("NOTHING: every detector is switched off, so no anomaly can be found"));
    }
    row("loaded", format!("{} rules; detectors {}", loaded.rules, loaded.detectors.join(", ")))?;
    if loaded.rules == 0 {
        row("", paint.warning("NO RULES are loaded; attacks and errors that rules describe are not looked for"))?;
    }
    Ok(())
}

fn formats(summary: &Summary) -> String {
    let others = summary.formats.iter().filter(|(format, _)| **format != summary.format);
    let others: Vec<_> = others.map(|(format, lines)| format!("{format} {}", thousands(*lines))).collect();
    if others.is_empty() { summary.format.to_owned() } else { format!("{} (also {})", summary.format, others.join(", ")) }
}

fn losses(summary: &Summary) -> String {
    let losses: Vec<_> = summary.losses.iter().map(|(reason, count)| format!("{reason} {}", thousands(*count))).collect();
    if losses.is_empty() { String::new() } else { format!(" ({})", losses.join(", ")) }
}

fn tally(anomalies: &[Anomaly]) -> String {
    let of = |severity| anomalies.iter().filter(|anomaly| anomaly.severity == severity).count();
    let by: Vec<_> = Severity::ALL.into_iter().rev().filter(|&s| of(s) > 0).map(|s| format!("{} {s}", of(s))).collect();
    let noun = if anomalies.len() == 1 { "anomaly" } else { "anomalies" };
    format!("{} {noun}: {}", thousands(anomalies.len() as u64), by.join(", "))
}

fn entry(out: &mut impl Write, number: usize, anomaly: &Anomaly, paint: Paint) -> io::Result<()> {
    let severity = paint.severity(anomaly.severity, &format!("{} {}", anomaly.severity.name().to_uppercase(), anomaly.score));
    let entity = printable(anomaly.entity.as_bytes()).within(100).to_string();
    let known = known(anomaly.known.as_ref());
    writeln!(out, "{number:>3}  {severity}  {}  {} {}{known}", anomaly.class, anomaly.scope, paint.bold(&entity))?;
    writeln!(out, "     {}", printable(anomaly.reason.as_bytes()))?;
    let times = if anomaly.count == 1 { "once".to_owned() } else { format!("{} times", thousands(anomaly.count)) };
    writeln!(out, "     {}", paint.dim(&format!("{}, {times}, id {}", between(anomaly.time, anomaly.last), anomaly.id)))?;
    for line in anomaly.evidence.iter().take(2) {
        writeln!(out, "     {}", evidence(line, 160))?;
    }
    Ok(())
}

/// ` (PL, AS213014 ...)`, where there is anything to say.
fn known(known: Option<&Known>) -> String {
    let said = known.map(ToString::to_string).unwrap_or_default();
    if said.is_empty() { said } else { format!(" ({})", printable(said.as_bytes()).within(120)) }
}

/// What an allow-list says of somebody, whether it has expired or not.
pub fn allowed(tables: &Enrichment, entity: &Entity) -> Option<String> {
    let allowed = tables.allow().naming(entity)?;
    Some(format!("until {} {}", allowed.until, allowed.note).trim_end().to_owned())
}

/// An incident: its title, and when each part of it began.
fn story(out: &mut impl Write, incident: &Incident, paint: Paint) -> io::Result<()> {
    let severity = paint.severity(incident.severity, &incident.severity.name().to_uppercase());
    writeln!(out, "INCIDENT {severity}  {}", paint.bold(&printable(incident.title.as_bytes()).to_string()))?;
    for step in incident.timeline.iter().take(6) {
        let reason = printable(step.reason.as_bytes()).within(110).to_string();
        writeln!(out, "     {}  {}: {reason}", paint.dim(&step.time.to_string()), step.class)?;
    }
    Ok(())
}

fn evidence(line: &lapwing_model::Evidence, width: usize) -> String {
    format!("{}:{}  {}", printable(line.file.as_bytes()), line.line, printable(line.text.as_bytes()).within(width))
}

fn between(first: Timestamp, last: Timestamp) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn next_steps(out: &mut impl Write, report: &Report, top: usize, files: &str, paint: Paint) -> io::Result<()> {
    let files = printable(files.as_bytes()).to_string();
    let mut step = |command: String, what: &str| writeln!(out, "  {command:<58} {}", paint.dim(what));
    if report.anomalies.len() > top {
        step(format!("lapwing scan {files} --top {}", report.anomalies.len()), "all of them")?;
    }
    if let Some(first) = report.anomalies.first() {
        step(format!("lapwing scan {files} --explain {}", first.id), "everything about the first")?;
    }
    step(format!("lapwing patterns {files}"), "what this log is made of")?;
    step("lapwing run".to_owned(), "the same, live")
}

/// Everything about one anomaly, for a person.
pub fn explain(out: &mut impl Write, anomaly: &Anomaly, tables: &Enrichment, paint: Paint) -> io::Result<()> {
    let severity = paint.severity(anomaly.severity, &format!("{} {}", anomaly.severity.name().to_uppercase(), anomaly.score));
    writeln!(
        out,
        "{severity}  {}  {} {}{}",
        anomaly.class,
        anomaly.scope,
        paint.bold(&printable(anomaly.entity.as_bytes()).to_string()),
        known(anomaly.known.as_ref())
    )?;
    writeln!(out, "{}", printable(anomaly.reason.as_bytes()))?;
    writeln!(out)?;
    let mut row = |name: &str, value: String| writeln!(out, "{} {value}", paint.dim(&format!("{name:<9}")));
    row("id", anomaly.id.to_string())?;
    row("time", format!("{} ({})", between(anomaly.time, anomaly.last), span(anomaly.last.since(anomaly.time))))?;
    row("count", thousands(anomaly.count))?;
    row("expected", printable(anomaly.expected.as_bytes()).to_string())?;
    row("observed", printable(anomaly.observed.as_bytes()).to_string())?;
    if anomaly.one_in > 1 {
        row("rarity", format!("1 in {} events until then scored as high", thousands(anomaly.one_in)))?;
    }
    if !anomaly.silenced_by.is_empty() {
        row("silenced", format!("by {}", printable(anomaly.silenced_by.as_bytes())))?;
    }
    if let Some(asset) = anomaly.known.as_ref().and_then(|known| known.asset.as_ref()) {
        row("owner", printable(asset.owner.as_bytes()).to_string())?;
    }
    if let Some(allowed) = allowed(tables, &Entity::new(anomaly.scope, anomaly.entity.clone())) {
        row("allowed", printable(allowed.as_bytes()).to_string())?;
    }
    writeln!(out)?;
    writeln!(out, "The score of {} is made of", anomaly.score)?;
    for part in &anomaly.parts {
        writeln!(out, "  {:>5.1}  {} / {}", part.value * 100.0, part.detector, printable(part.rule.as_bytes()))?;
    }
    writeln!(out)?;
    writeln!(out, "Lines")?;
    for line in &anomaly.evidence {
        writeln!(out, "  {}", evidence(line, 2000))?;
    }
    Ok(())
}

/// The anomalies as comma-separated values (RFC 4180), with a header line.
pub fn csv(out: &mut impl Write, anomalies: &[Anomaly]) -> io::Result<()> {
    out.write_all(b"id,time,last,severity,score,detector,class,scope,entity,count,reason,expected,observed,file,line,text\r\n")?;
    for anomaly in anomalies {
        let line = anomaly.evidence.first();
        let fields = [
            anomaly.id.to_string(),
            anomaly.time.to_string(),
            anomaly.last.to_string(),
            anomaly.severity.to_string(),
            format!("{:.4}", anomaly.score.value()),
            anomaly.detector.to_string(),
            anomaly.class.to_string(),
            anomaly.scope.to_string(),
            anomaly.entity.to_string(),
            anomaly.count.to_string(),
            anomaly.reason.clone(),
            anomaly.expected.clone(),
            anomaly.observed.clone(),
            line.map(|line| line.file.to_string()).unwrap_or_default(),
            line.map(|line| line.line.to_string()).unwrap_or_default(),
            line.map(|line| line.text.to_string()).unwrap_or_default(),
        ];
        let row: Vec<_> = fields.iter().map(|field| csv_field(field)).collect();
        write!(out, "{}\r\n", row.join(","))?;
    }
    Ok(())
}

/// One field, quoted, safe to show, and never a formula where a spreadsheet opens it.
fn csv_field(field: &str) -> String {
    let shown = printable(field.as_bytes()).to_string();
    let formula = shown.starts_with(['=', '+', '-', '@']) && shown.parse::<f64>().is_err();
    format!("\"{}{}\"", if formula { "'" } else { "" }, shown.replace('"', "\"\""))
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A length of time in its two largest units: `3 d 11 h`, `2 min 5 s`, `0.25 s`.
#[must_use]
pub fn span(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0 => format!("{:.2} s", time.as_secs_f64()),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_easily() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(span(Duration::from_secs(300_000)), "3 d 11 h");
        assert_eq!(span(Duration::from_millis(250)), "0.25 s");
    }

    #[test]
    fn json_acts_in_no_terminal_and_reads_back_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m é \u{202e}\u{7f}\u{e0041}\n大\"\\";
        let mut out = Vec::new();
        json(&mut out, &hostile).expect("into memory");
        let line = String::from_utf8(out).expect("UTF-8");
        assert!(line.trim_end().chars().all(is_harmless) && line.contains("é") && line.contains('大'), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), hostile);
    }

    #[test]
    fn a_csv_field_is_quoted_and_no_formula() {
        assert_eq!(csv_field("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(csv_field("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(csv_field("-0.5"), "\"-0.5\"");
        assert_eq!(csv_field("\x1b[2J"), "\"\\x1b[2J\"");
    }
}
