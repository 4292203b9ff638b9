//! The flows of an office: people, machines and servers through a day, seen by a router that exports them, with attacks among them.

mod attacks;
mod eve;
mod export;
mod machines;
mod office;
mod packet;
mod people;
mod router;
mod servers;
mod talk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::sync::Arc;

pub use export::{Datagram, Exporter, Version};
pub use packet::{capture_head, captured};

use crate::classes::possible;
use crate::random::Random;
use crate::{Label, Settings};
use office::Office;
use router::Router;
use talk::{Habit, Moment};

/// One direction of a conversation, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub source: Ipv4Addr,
    pub source_port: u16,
    pub destination: Ipv4Addr,
    /// Of ICMP the type times 256 plus the code.
    pub destination_port: u16,
    /// IANA's number.
    pub protocol: u8,
    pub tcp_flags: u8,
    pub packets: u64,
    pub bytes: u64,
    /// The first packet, the last one, and when the router tells of them; nanoseconds since 1970 UTC.
    pub begin: i64,
    pub end: i64,
    pub told: i64,
    /// To which attack it belongs; `None` for ordinary traffic.
    pub label: Option<Label>,
}

/// Flows a second, as a mean over a day: of the servers, and of a workstation with what it causes elsewhere.
const OF_SERVERS: f64 = 5.0;
const OF_HOST: f64 = 0.165;

/// Flows a second, as a mean over a day, of an office of so many workstations.
#[must_use]
pub fn flows_a_second(hosts: u32) -> f64 {
    OF_SERVERS + f64::from(hosts) * OF_HOST
}

/// Flows in the order in which a router tells of them; see [`flows`].
#[derive(Debug)]
pub struct Flows {
    random: Random,
    router: Router,
    habits: Vec<Habit>,
    /// When which habit comes next.
    agenda: BinaryHeap<Reverse<(i64, usize)>>,
    left: u64,
}

/// The flows of an office as large as the rate asks for; the same settings give the same flows. Unless the share of anomalies is 0,
/// each class of attack comes once a day, and at least once.
#[must_use]
pub fn flows(settings: &Settings) -> Flows {
    let mut random = Random::new(settings.seed);
    let rate = if settings.rate_per_second.is_finite() { settings.rate_per_second.clamp(1e-3, 1e5) } else { 20.0 };
    let start = settings.start.clamp(0, 1 << 62);
    let hosts = ((rate - OF_SERVERS) / OF_HOST).clamp(20.0, 6_000.0) as u32;
    let office = Arc::new(Office::new(hosts, &mut random));
    let mut habits = Vec::new();
    for number in 0..hosts {
        people::habits(&office, number, &mut random, &mut habits);
        machines::of_workstation(&office, number, &mut random, &mut habits);
    }
    people::guests(&office, &mut random, &mut habits);
    machines::things(&office, &mut random, &mut habits);
    servers::habits(&office, (start / 1_000_000_000 % 86_400) as f64, &mut random, &mut habits);
    attacks(settings, settings.count as f64 / rate, &office, &mut random, &mut habits);
    let due = |habit: &Habit| start.saturating_add((habit.first * 1e9) as i64);
    let agenda = habits.iter().enumerate().map(|(number, habit)| Reverse((due(habit), number))).collect();
    Flows { random, router: Router::default(), habits, agenda, left: settings.count }
}

/// Each class at its time: one after the other through the first half (a day that begins in the morning is over sooner, by the number of
/// its flows), those that take hours at the begin.
fn attacks(settings: &Settings, span: f64, office: &Arc<Office>, random: &mut Random, habits: &mut Vec<Habit>) {
    if settings.anomaly_share <= 0.0 {
        return;
    }
    let mut incident = 0;
    let days = (span / 86_400.0).ceil().clamp(1.0, 1_000.0) as u32;
    for day in 0..days {
        let mut classes = possible(settings);
        (1..classes.len()).rev().for_each(|at| classes.swap(at, random.below(at + 1)));
        classes.sort_by_key(|class| !matches!(class.name, "beacon" | "slow-scan"));
        for (at, class) in classes.iter().enumerate() {
            incident += 1;
            let part = 0.05 + 0.5 * at as f64 / classes.len() as f64;
            let first = span / f64::from(days) * (f64::from(day) + part);
            habits.push(attacks::incident(Label { class: class.name, incident }, first, office, random));
        }
    }
}

impl Iterator for Flows {
    type Item = Flow;

    fn next(&mut self) -> Option<Flow> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let next = self.agenda.peek().map(|Reverse((at, _))| *at);
            match (self.router.due(), next) {
                (Some(due), next) if next.is_none_or(|next| due <= next) => return self.router.tell(),
                (_, Some(_)) => self.act(),
                _ => return None,
            }
        }
    }
}

impl Flows {
    /// Whoever is next does what they do.
    fn act(&mut self) {
        let Some(Reverse((at, number))) = self.agenda.pop() else { return };
        let habit = &mut self.habits[number];
        let mut moment = Moment { at, random: &mut self.random, talks: Vec::new() };
        let again = (habit.act)(&mut moment);
        for talk in moment.talks {
            self.router.see(at, &talk, habit.label);
        }
        if let Some(seconds) = again {
            // Never twice in the same moment: time passes.
            let wait = (seconds.max(0.0) * 1e9) as i64;
            self.agenda.push(Reverse((at.saturating_add(wait.max(1)), number)));
        }
    }
}

#[cfg(test)]
mod tests;
