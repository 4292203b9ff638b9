//! How changes of rate are told.

use lapwing_learn::Basis;
use lapwing_model::{Entity, Finding, Scope, Score, Severity, Timestamp};

use super::series::{Change, Counted, Direction};
use super::settings::NAME;
use crate::Findings;

/// Tells changes of one direction in one period: each by itself, or, where there are many, that they are many.
pub(super) fn tell(changes: &[Change], most_at_once: usize, began: Timestamp, findings: &mut Findings) {
    match changes {
        [] => {}
        [first, ..] if changes.len() > most_at_once => findings.push_at_tick(together(first, changes, began)),
        _ => changes.iter().for_each(|change| findings.push_at_tick(finding(change, began))),
    }
}

fn finding(change: &Change, began: Timestamp) -> Finding {
    let Change { observed, expected, .. } = change;
    let what = match change.counted {
        Counted::Total => "events".to_owned(),
        Counted::Service => format!("events of service {}", change.label),
        Counted::Endpoint => format!("requests of {}", change.label),
        Counted::Template => format!("lines like \"{}\"", change.label),
    };
    let period = period(change.minutes);
    let usual = match change.basis {
        Some(Basis::Week) => "this hour of the week usually has",
        Some(Basis::Day) => "this hour of the day usually has",
        None => "it was lately",
    };
    let reason = match change.direction {
        Direction::New => format!("{observed:.0} {what} within {period}, which were never seen before"),
        Direction::Gone => format!("no {what} within {period}; {usual} {expected:.0}"),
        _ => format!("{observed:.0} {what} within {period}; {usual} {expected:.0}"),
    };
    Finding {
        detector: NAME,
        rule: name(change.direction).into(),
        class: name(change.direction).into(),
        entity: change.entity.clone(),
        score: score(change),
        severity: Severity::Info,
        count: count(change),
        since: Some(began),
        reason,
        expected: format!("about {expected:.0} within {period}"),
        observed: format!("{observed:.0} within {period}"),
    }
}

fn together(first: &Change, changes: &[Change], began: Timestamp) -> Finding {
    let period = period(first.minutes);
    let (mut observed, mut expected) = (0.0, 0.0);
    changes.iter().for_each(|change| (observed, expected) = (observed + change.observed, expected + change.expected));
    let labels: Vec<String> = changes.iter().take(3).map(|change| format!("\"{}\"", change.label)).collect();
    let verb = match first.direction {
        Direction::Rising => "come far more often than usual",
        Direction::Falling => "come far less often than usual",
        Direction::Gone => "do not come any more",
        Direction::New => "are new",
    };
    let strongest = changes.iter().map(score).fold(Score::ZERO, |a, b| if b > a { b } else { a });
    Finding {
        detector: NAME,
        rule: name(first.direction).into(),
        class: name(first.direction).into(),
        entity: Entity::new(Scope::All, "everything"),
        score: strongest,
        severity: Severity::Info,
        count: changes.iter().map(count).sum(),
        since: Some(began),
        reason: format!("{} patterns at once {verb} within {period}, among them {}", changes.len(), labels.join(", ")),
        expected: format!("about {expected:.0} of them within {period}"),
        observed: format!("{observed:.0} within {period}"),
    }
}

const fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Rising => "rate-rising",
        Direction::Falling => "rate-falling",
        Direction::Gone => "rate-gone",
        Direction::New => "rate-new",
    }
}

/// 0.6 where it is just worth telling; each doubling beyond adds a tenth.
fn score(change: &Change) -> Score {
    let strength = match change.direction {
        Direction::New => 0.0,
        _ => 0.1 * (change.times() / 4.0).max(1.0).log2(),
    };
    // Twenty bits more count as much as a doubling.
    let sure = 0.1 * ((change.bits - 40.0) / 20.0).clamp(0.0, 1.0);
    Score::new((0.6 + strength + sure) as f32)
}

fn count(change: &Change) -> u64 {
    (change.observed as u64).max(1)
}

fn period(minutes: i64) -> String {
    match minutes {
        1 => "a minute".to_owned(),
        60 => "an hour".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
