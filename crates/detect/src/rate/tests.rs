use lapwing_model::{Event, Finding, Level, Scope};

use crate::testing::{Line, detector, observe};

const HOUR: u64 = 3600;

fn noise(i: u64) -> u64 {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

/// Lines of several kinds over so many hours: `per_minute(kind, minute)` of each.
fn lines(hours: u64, kinds: &[&str], per_minute: impl Fn(usize, u64) -> u64) -> Vec<Event> {
    let mut events = Vec::new();
    for minute in 0..hours * 60 {
        for (kind, message) in kinds.iter().enumerate() {
            let count = per_minute(kind, minute);
            for n in 0..count {
                let line = Line::new((minute * 60) as f64 + n as f64 * 60.0 / count as f64, "-", 0);
                events.push(line.log(0, Level::Info, message));
            }
        }
    }
    events.sort_by_key(|event| event.at);
    events
}

fn told(events: &[Event]) -> Vec<Finding> {
    events.chunks(30_000).fold((detector("rate", Scope::All), Vec::new()), |(mut rate, mut all), chunk| {
        all.extend(observe(&mut *rate, chunk));
        (rate, all)
    }).1
}

const KINDS: [&str; 3] = ["user logged in", "cache refreshed", "job done"];

#[test]
fn steady_and_noisy_patterns_are_not_told() {
    let events = lines(60, &KINDS, |kind, minute| 2 + noise(minute * 3 + kind as u64) % 9);
    assert_eq!(told(&events), []);
}

#[test]
fn a_pattern_that_rises_is_told_once_with_what_was_expected() {
    let burst = |minute| (30 * 60..30 * 60 + 25).contains(&minute);
    let events = lines(40, &KINDS, |kind, minute| if kind == 1 && burst(minute) { 150 } else { 3 + noise(minute) % 3 });
    let findings = told(&events);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].class, "rate-rising");
    assert_eq!(findings[0].reason, "150 lines like \"cache refreshed\" within a minute; it was lately 4");
}

#[test]
fn a_job_that_comes_every_ten_hours_is_told_the_first_time_only() {
    let job = |minute: u64| minute / 60 % 10 == 4 && minute % 60 < 5 && minute > 12 * 60;
    let events = lines(60, &KINDS, |kind, minute| if kind == 1 && job(minute) { 150 } else { 3 + noise(minute) % 3 });
    let findings = told(&events);
    assert_eq!(findings.len(), 1, "{findings:?}");
}

#[test]
fn a_pattern_that_stops_is_told_as_gone_and_one_that_lessens_as_falling() {
    let events = lines(40, &KINDS, |kind, minute| match kind {
        0 if minute >= 30 * 60 => 0,
        2 if minute >= 30 * 60 => u64::from(minute % 10 == 0),
        _ => 8 + noise(minute) % 3,
    });
    let findings = told(&events);
    let told: Vec<_> = findings.iter().map(|finding| (&*finding.class, finding.reason.contains("user logged in"))).collect();
    assert_eq!(told[..2], [("rate-falling", false), ("rate-gone", true)], "{findings:?}");
    assert!(findings.iter().all(|finding| finding.expected.starts_with("about ")));
}

#[test]
fn what_the_season_expects_is_not_told_and_what_it_does_not_is() {
    let day = |minute: u64| if (8..20).contains(&(minute / 60 % 24)) { 20 } else { 1 };
    let usual = lines(24 * 16, &KINDS[..1], |_, minute| day(minute) + noise(minute) % 2);
    assert_eq!(told(&usual), []);
    let night = (24 * 15 + 3) * 60;
    let unusual = lines(24 * 16, &KINDS[..1], |_, minute| if minute / 60 == night / 60 { 20 } else { day(minute) + noise(minute) % 2 });
    let findings = told(&unusual);
    assert_eq!(findings.first().map(|finding| &*finding.class), Some("rate-rising"), "the load of a day at night: {findings:?}");
    assert!(findings[0].reason.contains("this hour of the week"), "{}", findings[0].reason);
}

#[test]
fn a_new_pattern_in_numbers_is_told_and_at_the_start_everything_is_new() {
    let events = lines(14, &KINDS, |kind, minute| if kind == 2 && minute < 12 * 60 { 0 } else { 30 });
    let findings = told(&events);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].class, "rate-new");
}

#[test]
fn when_everything_falls_it_is_told_once() {
    let events = lines(40, &KINDS, |_, minute| if minute > 30 * 60 { u64::from(minute % 5 == 0) } else { 10 });
    let findings = told(&events);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].entity.scope, Scope::All);
}

#[test]
fn a_time_in_which_nothing_is_read_says_nothing() {
    let mut events = lines(30, &KINDS, |_, _| 10);
    let later = lines(30, &KINDS, |_, _| 10);
    events.extend(later.into_iter().map(|mut event| {
        event.at = event.at + std::time::Duration::from_secs(200 * HOUR);
        event
    }));
    assert_eq!(told(&events), []);
}

#[test]
fn a_rise_that_one_client_makes_is_left_to_the_client() {
    let rush = |client: &'static dyn Fn(u64) -> u64| {
        let mut events = Vec::new();
        for minute in 0..30 * 60_u64 {
            let count = if minute >= 29 * 60 { 200 } else { 3 };
            let of = |n| if count == 200 { client(n) } else { n % 7 };
            let at = |n: u64| (minute * 60) as f64 + n as f64 * 60.0 / count as f64;
            events.extend((0..count).map(|n| Line::new(at(n), &format!("10.0.0.{}", of(n)), 200).web(n)));
        }
        told(&events).len()
    };
    assert_eq!((rush(&|_| 9), rush(&|n| n % 90)), (0, 1));
}
