//! The course of events: normal lines at the given rate, incidents among them, everything in the order of time.

use crate::classes::{Class, SERVICE_SILENCE, SILENCE, possible};
use crate::clock::busyness;
use crate::random::Random;
use crate::world::{Actor, World};
use crate::{Kind, Label, Line, Settings, app, auth, syslog, web};

const NANOS: f64 = 1e9;

#[derive(Debug)]
struct Incident {
    class: &'static Class,
    actor: Actor,
    label: Label,
    due: i64,
    /// Mean nanoseconds between lines.
    gap: f64,
}

/// Lines of a log in the order of time.
#[derive(Debug)]
pub(crate) struct Course {
    settings: Settings,
    world: Box<dyn World>,
    random: Random,
    made: u64,
    now: i64,
    /// When the next normal line is due.
    normal: i64,
    incidents: Vec<Incident>,
    /// How many lines the incidents begun so far have in all.
    planned: u64,
    numbered: u32,
    /// The classes still to come in this round, in random order; every round has each class once.
    round: Vec<&'static Class>,
    upcoming: Option<(&'static Class, u32)>,
    after_silence: Option<Label>,
    after_quiet: Option<Label>,
}

/// The course of events in a log; a world of flows has one of its own.
pub(crate) fn course(settings: Settings) -> Course {
    let settings = moved_into_range(settings);
    let mut random = Random::new(settings.seed);
    let world: Box<dyn World> = match settings.kind {
        Kind::Web => Box::new(web::Site::new(&settings, &mut random)),
        Kind::App => Box::new(app::Application::new(&settings)),
        Kind::Auth => Box::new(auth::Hosts::new(&mut random)),
        Kind::Syslog | Kind::Flows => Box::new(syslog::Network::new(&mut random)),
    };
    Course {
        world,
        random,
        made: 0,
        now: settings.start,
        normal: settings.start,
        incidents: Vec::new(),
        planned: 0,
        numbered: 0,
        round: Vec::new(),
        upcoming: None,
        after_silence: None,
        after_quiet: None,
        settings,
    }
}

fn moved_into_range(mut settings: Settings) -> Settings {
    let number = |x: f64, otherwise: f64| if x.is_nan() { otherwise } else { x };
    settings.rate_per_second = number(settings.rate_per_second, 20.0).clamp(1e-4, 1e7);
    settings.anomaly_share = number(settings.anomaly_share, 0.0).clamp(0.0, 0.9);
    settings.start = settings.start.clamp(0, 1 << 62);
    settings
}

impl Iterator for Course {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.made >= self.settings.count {
            return None;
        }
        self.begin_incidents();
        self.made += 1;
        let earliest = (0..self.incidents.len()).min_by_key(|&i| self.incidents[i].due);
        Some(match earliest {
            Some(i) if self.incidents[i].due <= self.normal => self.incident_line(i),
            _ => self.normal_line(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.settings.count - self.made).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl Course {
    fn normal_line(&mut self) -> Line {
        let at_nanos = self.normal;
        self.now = at_nanos;
        let mut text = String::with_capacity(256);
        let returned = self.world.normal(at_nanos, &mut self.random, &mut text);
        let after_quiet = if returned { self.after_quiet.take() } else { None };
        let label = self.after_silence.take().or(after_quiet);
        let busy = if self.settings.steady { 1.0 } else { busyness(at_nanos) };
        let gap = self.random.exponential() * NANOS / (self.settings.rate_per_second * busy);
        self.normal = at_nanos.saturating_add(gap as i64);
        Line { text, at_nanos, label, ends: None }
    }

    fn incident_line(&mut self, i: usize) -> Line {
        let incident = &mut self.incidents[i];
        let (at_nanos, label) = (incident.due, incident.label);
        self.now = at_nanos;
        let mut text = String::with_capacity(256);
        self.world.attack(incident.class, &mut incident.actor, at_nanos, &mut self.random, &mut text);
        incident.actor.written += 1;
        if incident.actor.left == 0 {
            self.incidents.swap_remove(i);
        } else {
            incident.actor.left -= 1;
            incident.due = at_nanos.saturating_add((self.random.exponential() * incident.gap) as i64);
        }
        Line { text, at_nanos, label: Some(label), ends: None }
    }

    /// Begins incidents as long as fewer anomalous lines are planned than the lines so far call for.
    fn begin_incidents(&mut self) {
        if self.settings.anomaly_share == 0.0 {
            return;
        }
        let called_for = self.settings.anomaly_share * self.made as f64;
        loop {
            let Some((class, lines)) = self.upcoming.or_else(|| self.draw()) else { return };
            if called_for < self.planned as f64 + 0.5 * f64::from(lines) {
                self.upcoming = Some((class, lines));
                return;
            }
            self.upcoming = None;
            self.begin(class, lines);
        }
    }

    /// The next class of the round and its number of lines: few enough that even a short run sees every class.
    fn draw(&mut self) -> Option<(&'static Class, u32)> {
        let classes = possible(&self.settings);
        if classes.is_empty() {
            return None;
        }
        let share = 0.8 * self.settings.anomaly_share * self.settings.count as f64 / classes.len() as f64;
        if self.round.is_empty() {
            self.round = classes;
            (1..self.round.len()).rev().for_each(|i| self.round.swap(i, self.random.below(i + 1)));
        }
        let class = self.round.pop()?;
        let (fewest, most) = class.lines;
        Some((class, self.random.between(fewest, most.min((share as u32).max(fewest)))))
    }

    fn begin(&mut self, class: &'static Class, lines: u32) {
        self.planned += u64::from(lines);
        let label = Label { class: class.name, incident: self.numbered + 1 };
        let begun = match class.name {
            SILENCE => self.fall_silent(label),
            SERVICE_SILENCE => self.quieten(label),
            _ => {
                let actor = Actor { left: lines.max(1) - 1, ..self.world.actor(class, &mut self.random) };
                let gap = class.gap.min(self.longest() / f64::from(lines)) * NANOS;
                self.incidents.push(Incident { class, actor, label, due: self.now, gap });
                true
            }
        };
        self.numbered += u32::from(begun);
    }

    /// The longest that an incident lasts, in seconds: the time of 3 % of all lines, so that a short run sees its end.
    fn longest(&self) -> f64 {
        (self.settings.count as f64 * 0.03).clamp(50.0, 20_000.0) / self.settings.rate_per_second
    }

    fn fall_silent(&mut self, label: Label) -> bool {
        let seconds = f64::from(self.random.between(600, 1_800)).max(200.0 / self.settings.rate_per_second);
        let gap = (seconds * NANOS) as i64;
        for incident in &mut self.incidents {
            incident.due = incident.due.max(self.normal).saturating_add(gap + 1);
        }
        self.normal = self.normal.saturating_add(gap);
        self.after_silence = Some(label);
        true
    }

    fn quieten(&mut self, label: Label) -> bool {
        let seconds = self.longest().min(600.0).max(750.0 / self.settings.rate_per_second);
        let until = self.now.saturating_add((seconds * NANOS) as i64);
        let begun = self.after_quiet.is_none() && self.world.quiet(until, &mut self.random);
        if begun {
            self.after_quiet = Some(label);
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{classes, generate};
    use std::collections::{BTreeMap, BTreeSet};

    fn settings(kind: Kind) -> Settings {
        Settings { kind, timed: true, ..Settings::default() }
    }

    /// FNV-1a (Fowler, Noll, Vo) over all lines.
    fn digest(settings: Settings) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        let mut eat = |bytes: &[u8]| bytes.iter().for_each(|&b| hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        for line in generate(settings) {
            eat(line.text.as_bytes());
            eat(&line.at_nanos.to_le_bytes());
            eat(line.label.map_or("-", |label| label.class).as_bytes());
        }
        hash
    }

    #[test]
    fn the_same_settings_give_the_same_bytes_everywhere() {
        // If a change to the lines is meant, write the new numbers here.
        let found = Kind::LOGS.map(|kind| digest(settings(kind)));
        assert_eq!(found.map(|n| format!("{n:016x}")), GOLDEN);
        assert_ne!(found[0], digest(Settings { seed: 2, ..settings(Kind::Web) }));
    }

    const GOLDEN: [&str; 4] = ["8ced118c187739a9", "00d71fbc327fd32a", "d6c9ea0deae5f8c9", "9e37f4cc89f9b796"];

    #[test]
    fn every_class_appears_in_ten_thousand_lines() {
        for kind in Kind::LOGS {
            for seed in 0..5 {
                let lines = generate(Settings { seed, ..settings(kind) });
                let found: BTreeSet<_> = lines.filter_map(|line| line.label).map(|label| label.class).collect();
                let expected: BTreeSet<_> = classes().iter().filter(|class| class.kind == kind).map(|class| class.name).collect();
                assert_eq!(found, expected, "{kind:?} with seed {seed}");
            }
        }
    }

    #[test]
    fn only_the_classes_asked_for_occur() {
        let only = vec!["scanner", "brute-force"];
        let lines = generate(Settings { only: only.clone(), anomaly_share: 0.1, ..settings(Kind::Web) });
        let found: BTreeSet<_> = lines.filter_map(|line| line.label).map(|label| label.class).collect();
        assert_eq!(found, only.into_iter().collect());
        let none = Settings { only: vec!["no-such-class"], ..settings(Kind::Web) };
        assert!(generate(none).all(|line| line.label.is_none()));
    }

    #[test]
    fn the_share_of_anomalous_lines_is_close_to_the_setting() {
        for kind in Kind::LOGS {
            for anomaly_share in [0.005, 0.02, 0.2, 0.6] {
                let lines = generate(Settings { anomaly_share, count: 50_000, ..settings(kind) });
                let share = lines.filter(|line| line.label.is_some()).count() as f64 / 50_000.0;
                assert!((share / anomaly_share - 1.0).abs() < 0.2, "{share} instead of {anomaly_share} of {kind:?}");
            }
        }
    }

    #[test]
    fn a_steady_log_without_silences_keeps_its_rate_at_night() {
        let start = Settings::default().start - 6 * 3_600 * 1_000_000_000;
        let steady = Settings { steady: true, silences: false, start, count: 20_000, ..settings(Kind::Web) };
        let lines: Vec<_> = generate(steady).collect();
        let seconds = (lines[19_999].at_nanos - start) as f64 / NANOS;
        assert!((seconds / 1_000.0 - 1.0).abs() < 0.1, "{seconds} s instead of 1000");
        assert!(lines.iter().all(|line| line.label.is_none_or(|label| label.class != SILENCE)));
    }

    #[test]
    fn without_anomalies_no_line_is_marked() {
        for kind in Kind::LOGS {
            let mut lines = generate(Settings { anomaly_share: 0.0, ..settings(kind) });
            assert!(lines.all(|line| line.label.is_none()));
        }
    }

    #[test]
    fn lines_are_in_order_of_time_single_and_as_many_as_asked() {
        for kind in Kind::LOGS {
            let lines: Vec<Line> = generate(Settings { json: true, ..settings(kind) }).collect();
            assert_eq!(lines.len(), 10_000);
            assert!(lines.is_sorted_by_key(|line| line.at_nanos));
            let clean = |line: &Line| line.text.len() > 20 && !line.text.contains(char::is_control);
            assert!(lines.iter().all(clean), "{kind:?}");
        }
    }

    #[test]
    fn incidents_are_numbered_and_normal_traffic_goes_on_meanwhile() {
        let lines: Vec<Line> = generate(Settings { count: 50_000, ..settings(Kind::Web) }).collect();
        let mut spans: BTreeMap<(u32, &str), (usize, usize, usize)> = BTreeMap::new();
        for (i, line) in lines.iter().enumerate() {
            if let Some(label) = line.label {
                let span = spans.entry((label.incident, label.class)).or_insert((i, i, 0));
                (span.1, span.2) = (i, span.2 + 1);
            }
        }
        let numbers: Vec<u32> = spans.keys().map(|key| key.0).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
        let mixed = spans.values().filter(|(first, last, lines)| last - first + 1 > *lines).count();
        assert!(mixed * 2 > spans.len(), "{mixed} of {}", spans.len());
    }

    #[test]
    fn the_rate_is_as_set_over_a_day() {
        let lines = generate(Settings { count: 86_400, rate_per_second: 1.0, anomaly_share: 0.0, ..settings(Kind::App) });
        let times: Vec<i64> = lines.map(|line| line.at_nanos).collect();
        let hours = (times[86_399] - times[0]) as f64 / 3.6e12;
        assert!((23.0..25.0).contains(&hours), "{hours}");
    }

    #[test]
    fn a_silence_is_long_and_its_first_line_marked() {
        let lines: Vec<Line> = generate(settings(Kind::Web)).collect();
        let i = lines.iter().position(|line| line.label.is_some_and(|label| label.class == SILENCE)).unwrap();
        assert!(lines[i].at_nanos - lines[i - 1].at_nanos >= 600 * 1_000_000_000);
    }

    #[test]
    fn absurd_settings_do_no_harm() {
        for rate_per_second in [f64::NAN, 0.0, -1.0, f64::INFINITY, 1e-300] {
            let absurd = Settings { rate_per_second, anomaly_share: 7.0, start: i64::MIN, seed: u64::MAX, ..settings(Kind::Web) };
            assert_eq!(generate(Settings { count: 2_000, ..absurd.clone() }).count(), 2_000);
            assert!(
                generate(Settings { count: u64::MAX, start: i64::MAX, ..absurd.clone() })
                    .take(2_000)
                    .all(|line| line.at_nanos > 0)
            );
            assert_eq!(generate(Settings { count: 0, ..absurd }).next(), None);
        }
    }
}
