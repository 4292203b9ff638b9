//! What each client did lately: how fast, with how many errors, at how many different things.

use lapwing_model::{Event, hash};
use serde::{Deserialize, Serialize};

/// The latest events count for so much: about sixteen of them.
const WEIGHT: f32 = 1.0 / 16.0;
const RECENT: usize = 16;

/// 100 bytes or so for a client.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Client {
    last: Option<i64>,
    errors: f32,
    targets: Recent,
    ports: Recent,
}

/// The latest of some things, and how often one came that was not among them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Recent {
    things: [u32; RECENT],
    next: u8,
    fresh: f32,
}

/// What is known of an event's client with this event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lately {
    /// Milliseconds since its event before.
    pub(super) gap: f32,
    pub(super) errors: f32,
    pub(super) new_targets: f32,
    pub(super) new_ports: f32,
}

impl Lately {
    /// Of an event that nobody is known to have caused.
    pub(super) const UNKNOWN: Lately = Lately { gap: f32::NAN, errors: f32::NAN, new_targets: f32::NAN, new_ports: f32::NAN };
}

impl Client {
    pub(super) fn did(&mut self, event: &Event) -> Lately {
        let at = event.at.nanos();
        let gap = self.last.map_or(f32::NAN, |last| (at.saturating_sub(last).max(0) as f64 / 1e6) as f32);
        self.last = Some(at);
        let failed = event.is_error() || matches!(event.status(), Some(400..));
        let (target, port) = match (event.web(), event.flow()) {
            (Some(web), _) => (hash(event.path(web)), 0),
            (_, Some(flow)) => (event.keys.get(lapwing_model::Scope::Victim).unwrap_or(0), u32::from(flow.destination_port) + 1),
            _ => (event.template, 0),
        };
        self.errors += (f32::from(u8::from(failed || denied(event))) - self.errors) * WEIGHT;
        Lately {
            gap,
            errors: self.errors,
            new_targets: self.targets.see((target >> 32) as u32 | 1),
            new_ports: self.ports.see(port),
        }
    }
}

fn denied(event: &Event) -> bool {
    event.flow().is_some_and(|flow| flow.action == lapwing_model::Action::Denied)
}

impl Recent {
    fn see(&mut self, thing: u32) -> f32 {
        let new = !self.things.contains(&thing);
        if new {
            self.things[usize::from(self.next) % RECENT] = thing;
            self.next = (self.next + 1) % RECENT as u8;
        }
        self.fresh += (f32::from(u8::from(new)) - self.fresh) * WEIGHT;
        self.fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Line;

    fn after(paths: impl Fn(u64) -> String, status: u16) -> Lately {
        let mut client = Client::default();
        let mut lately = Lately::UNKNOWN;
        for n in 0..100 {
            let mut line = Line::new(n as f64 * 2.0, "10.0.0.1", status);
            line.path = paths(n);
            lately = client.did(&line.web(n));
        }
        lately
    }

    #[test]
    fn one_who_asks_for_ever_new_things_in_vain_differs_from_one_who_comes_back() {
        let (scanner, reader) = (after(|n| format!("/{n}.php"), 404), after(|n| format!("/{}", n % 5), 200));
        assert!(scanner.errors > 0.9 && scanner.new_targets > 0.9, "{scanner:?}");
        assert!(reader.errors == 0.0 && reader.new_targets < 0.1, "{reader:?}");
        assert!((scanner.gap - 2000.0).abs() < 1.0);
    }

    #[test]
    fn times_in_any_order_give_no_negative_gap() {
        let mut client = Client::default();
        for at in [i64::MAX, i64::MIN, 0, i64::MAX] {
            let mut event = Line::new(0.0, "10.0.0.1", 200).web(0);
            event.at = lapwing_model::Timestamp::from_nanos(at);
            let gap = client.did(&event).gap;
            assert!(gap.is_nan() || gap >= 0.0);
        }
    }
}
