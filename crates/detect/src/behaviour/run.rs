//! The lines with which a behaviour shows what it means: runs that must overflow a bucket, and runs that must not.

use lapwing_rules::{Kind, Node};

use super::span::nanos;

/// Lines that follow one another.
pub type Run = Vec<Step>;

/// So many lines, one every so long.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    times: u32,
    every: i64,
    line: String,
}

/// Lines of one step.
const MOST: u32 = 10_000;

/// The first moment of every run.
const START: i64 = 1_740_823_200;

/// Reads a list of runs; each is a step or a list of steps.
pub(super) fn runs(node: &Node) -> Result<Vec<Run>, (&Node, String)> {
    node.many().iter().map(|run| run.many().iter().map(step).collect()).collect()
}

fn step(node: &Node) -> Result<Step, (&Node, String)> {
    if let Kind::Scalar(line) = &node.kind {
        return Ok(Step { times: 1, every: 1_000_000_000, line: line.text.clone() });
    }
    let get = |key: &str| {
        let entry = node.map()?.iter().find(|entry| entry.key == key)?;
        Some(entry.value.scalar()?.text.as_str())
    };
    let step = || {
        let times = get("times")?.parse().ok().filter(|times| *times <= MOST)?;
        let every = get("every").map_or(Some(1_000_000_000), nanos)?;
        Some(Step { times, every, line: get("line")?.to_owned() })
    };
    step().ok_or_else(|| (node, "a step of a test is a line, or has 'times' (at most 10000), 'every' (a duration) and 'line'".to_owned()))
}

/// The lines of a run. `{n}` is the number of the line, `{n%7}` the rest of dividing it by 7; `{clf}`, `{iso}` and
/// `{syslog}` are its time in the form of access logs, ISO 8601 and syslog. A run takes place on one day.
pub(super) fn lines(run: &Run) -> Vec<String> {
    let mut at = START * 1_000_000_000;
    let mut lines = Vec::new();
    for step in run {
        for n in 0..step.times {
            lines.push(written(&step.line, n, at / 1_000_000_000));
            at += step.every;
        }
    }
    lines
}

fn written(line: &str, n: u32, second: i64) -> String {
    let day = second.rem_euclid(86_400);
    let clock = format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60);
    let date = 1 + (second - START.div_euclid(86_400) * 86_400) / 86_400;
    let text = line
        .replace("{clf}", &format!("{date:02}/Mar/2025:{clock} +0000"))
        .replace("{iso}", &format!("2025-03-{date:02}T{clock}Z"))
        .replace("{syslog}", &format!("Mar {date:2} {clock}"))
        .replace("{n}", &n.to_string());
    with_rests(&text, n)
}

/// The text with the rest of dividing `n` by D in the place of each `{n%D}`.
fn with_rests(text: &str, n: u32) -> String {
    let mut parts = text.split("{n%");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let divided = part.split_once('}').and_then(|(divisor, after)| Some((n.checked_rem(divisor.parse().ok()?)?, after)));
        match divided {
            Some((rest, after)) => written += &format!("{rest}{after}"),
            None => written += &format!("{{n%{part}"),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_their_number_and_their_time() {
        let step = Step { times: 3, every: 3_600_000_000_000 * 8, line: "{iso} {syslog} {clf} {n} {n%2} {n%x}{n%0}".to_owned() };
        let lines = lines(&vec![step]);
        assert_eq!(lines[0], "2025-03-01T10:00:00Z Mar  1 10:00:00 01/Mar/2025:10:00:00 +0000 0 0 {n%x}{n%0}");
        assert_eq!(lines[2], "2025-03-02T02:00:00Z Mar  2 02:00:00 02/Mar/2025:02:00:00 +0000 2 0 {n%x}{n%0}");
    }
}
