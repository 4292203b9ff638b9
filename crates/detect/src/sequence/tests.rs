use lapwing_model::{Event, Level, Scope, Text};

use super::*;
use crate::testing::{Line, setup};
use crate::{Setup, Shard, State};

/// One event of a session: a template is its message.
fn step(number: u64, second: f64, session: &str, message: &str) -> Event {
    let mut event = Line::new(second, "", 0).log(number, Level::Info, &format!("{message} {session}"));
    let start = message.len() + 1;
    event.session = Text::raw(start, start + session.len());
    event.keys.name(Scope::Session, session.as_bytes());
    event.template = lapwing_model::hash(message.as_bytes());
    event
}

/// So many sessions, overlapping, each of `begin`, one to four of `work`, `store` and `end`, but for what `change` makes of some.
fn day(sessions: u64, change: impl Fn(u64) -> &'static [&'static str]) -> Vec<Event> {
    let mut all = Vec::new();
    for n in 0..sessions {
        let (name, start) = (format!("s{n}"), n as f64 * 3.0);
        let work = ["begin", "work", "work", "work", "work"].iter().take(n as usize % 4 + 2);
        let odd = change(n);
        let steps: Vec<_> = if odd.is_empty() { work.chain(&["store", "end"]).copied().collect() } else { odd.to_vec() };
        all.extend(steps.iter().enumerate().map(|(at, message)| (start + at as f64, name.clone(), *message)));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.iter().enumerate().map(|(number, (second, name, message))| step(number as u64, *second, name, message)).collect()
}

fn judge(sessions: &mut Sessions, events: &[Event]) -> Vec<Judgement> {
    let (mut judged, mut ended, mut now) = (Vec::new(), Vec::new(), Timestamp::MIN);
    for event in events {
        if event.at > now {
            now = event.at;
            sessions.tick(now, &mut ended);
        }
        judged.extend(sessions.observe(event));
    }
    judged.append(&mut ended);
    sessions.finish(&mut ended);
    judged.append(&mut ended);
    judged
}

fn unusual(judged: &[Judgement]) -> Vec<(&str, &str)> {
    judged.iter().filter(|one| one.unusual).map(|one| (&*one.session, &*one.why)).collect()
}

#[test]
fn a_session_with_something_new_is_told_as_it_grows_and_one_without_its_end_when_it_is_over() {
    let events = day(900, |n| match n {
        700 => &["begin", "work", "panic", "store", "end"],
        600 => &["begin", "work", "store"],
        500 => &["begin", "work", "store", "store", "end"],
        _ => &[],
    });
    let mut sessions = Sessions::new(Settings { warm_up: 50, ..Settings::default() });
    let judged = judge(&mut sessions, &events);
    let mut told = unusual(&judged);
    told.sort_unstable();
    told.dedup_by_key(|(session, _)| *session);
    let names: Vec<_> = told.iter().map(|(session, _)| *session).collect();
    assert_eq!(names, ["s500", "s600", "s700"], "{told:?}");
    assert!(told[0].1.contains("store") && told[0].1.contains("twice instead of once"), "{told:?}");
    assert!(told[1].1.contains("\"end") && told[1].1.contains("is missing, which usually comes once"), "{told:?}");
    assert!(told[2].1.contains("panic") && told[2].1.contains("not usual"), "{told:?}");
    let growing = judged.iter().find(|one| one.unusual).expect("one is told");
    assert_eq!((&*growing.session, growing.events), ("s500", 4), "the first two are over when nothing is missing any more");
}

#[test]
fn every_session_is_judged_once_when_it_is_over_and_those_before_enough_is_known_too() {
    let judged = judge(&mut Sessions::new(Settings::default()), &day(400, |_| &[]));
    let mut names: Vec<_> = judged.iter().map(|one| &one.session).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((judged.len(), names.len()), (400, 400));
    assert!(unusual(&judged).is_empty(), "{:?}", unusual(&judged));
}

#[test]
fn sessions_unusual_in_the_same_way_name_the_first_of_them() {
    let events = day(800, |n| if n % 200 == 150 { &["begin", "panic"] } else { &[] });
    let judged = judge(&mut Sessions::new(Settings::default()), &events);
    let odd: Vec<_> = judged.iter().filter(|one| one.unusual).collect();
    assert!(odd.len() >= 4);
    assert!(odd.iter().any(|one| one.like.as_deref() == Some("s150")), "{odd:?}");
}

#[test]
fn the_last_sessions_of_a_log_do_not_miss_what_had_no_time_to_come() {
    let mut events = day(600, |_| &[]);
    events.truncate(events.len() - 12);
    let judged = judge(&mut Sessions::new(Settings::default()), &events);
    assert!(unusual(&judged).is_empty(), "{:?}", unusual(&judged));
}

#[test]
fn a_session_that_goes_on_after_it_seemed_over_is_one() {
    let mut events = day(500, |n| if n == 200 { &["begin", "work"] } else { &[] });
    let later = [(1700.0, "store"), (1701.0, "end")];
    let from = events.len() as u64;
    events.extend(later.iter().zip(from..).map(|((second, message), n)| step(n, *second, "s200", message)));
    events.sort_by_key(|event| event.at);
    let judged = judge(&mut Sessions::new(Settings::default()), &events);
    let last = judged.iter().rfind(|one| &*one.session == "s200").expect("it is judged");
    assert_eq!((last.events, last.unusual), (4, false), "{last:?}");
}

#[test]
fn what_was_learned_on_trust_is_no_surprise_however_rare() {
    let odd = |n: u64| -> &'static [&'static str] { if n == 100 || n == 300 { &["restart", "end"] } else { &[] } };
    let mut history = Sessions::of(&Setup { learning: true, ..setup() });
    assert!(unusual(&judge(&mut history, &day(600, odd))).is_empty());
    let mut state = Vec::new();
    history.save(&mut state);
    let mut today = Sessions::new(Settings::default());
    today.load(&state).expect("its own state");
    let judged = judge(&mut today, &day(50, |n| if n == 20 { &["restart", "end"] } else { &[] }));
    assert!(unusual(&judged).is_empty(), "{:?}", unusual(&judged));
}

#[test]
fn findings_are_the_same_for_any_shards_batches_and_after_a_restart() {
    let events = day(500, |n| if n % 90 == 80 { &["begin", "panic"] } else { &[] });
    let told = |found: Vec<crate::Found>| found.iter().map(|found| format!("{:?}", found.finding)).collect::<Vec<_>>();
    let shards = |count: usize| (0..count).map(|index| Shard::new(&setup(), index, count)).collect::<Vec<_>>();
    let whole = told(crate::testing::judge(&mut shards(1), &events, 1000));
    assert!(whole.iter().any(|finding| finding.contains("unusual-session")));
    assert_eq!(told(crate::testing::judge(&mut shards(7), &events, 77)), whole);
    let mut before = shards(2);
    let mut first = told(crate::testing::judge(&mut before, &events[..1200], 100));
    let mut state = State::new();
    before.iter().for_each(|shard| shard.save(&mut state));
    let mut after = shards(3);
    after.iter_mut().for_each(|shard| shard.load(&state).expect("its own state"));
    first.extend(told(crate::testing::judge(&mut after, &events[1200..], 100)));
    assert_eq!(first, whole);
}

#[test]
fn two_hundred_thousand_sessions_and_no_more_are_kept() {
    let settings = Settings { sessions: 2000, ..Settings::default() };
    let mut sessions = Sessions::new(settings);
    let mut sizes = Vec::new();
    for n in 0..30_000_u64 {
        sessions.observe(&step(n, n as f64 / 1000.0, &format!("s{n}"), ["a", "b", "c"][n as usize % 3]));
        if n % 1000 == 999 {
            sessions.tick(Timestamp::from_seconds(n as i64 / 1000), &mut Vec::new());
            let mut state = Vec::new();
            sessions.save(&mut state);
            sizes.push(state.len());
        }
    }
    assert_eq!(sessions.live(), 2000);
    assert!(sizes[29] < sizes[9] * 5 / 4, "{sizes:?}");
}

#[test]
fn an_event_of_no_session_is_nobodys() {
    let mut sessions = Sessions::new(Settings::default());
    assert_eq!(sessions.observe(&Line::new(0.0, "10.0.0.1", 200).web(0)), None, "a client is no session");
    assert_eq!(sessions.live(), 0);
}
