//! What is new waits here until it was seen from several clients over some time: then it is normal, and learned.

use lapwing_learn::Lru;
use lapwing_model::Timestamp;
use serde::{Deserialize, Serialize};

/// New things that wait at once. 96 bytes each.
const WAITING: usize = 8192;

/// So many different clients make something normal.
const CLIENTS: usize = 4;
/// Where clients are not known, so many times.
const TIMES: u32 = 200;
/// And at least so many seconds between the first and the last of them.
const SECONDS: u64 = 3600;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Quarantine {
    waiting: Lru<Waiting>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Waiting {
    clients: [u64; CLIENTS],
    times: u32,
    first: i64,
    last: i64,
}

impl Quarantine {
    pub(super) fn new() -> Quarantine {
        Quarantine { waiting: Lru::new(WAITING) }
    }

    /// Whether a new thing has been seen often enough to be normal.
    pub(super) fn has_served(&self, item: u64) -> bool {
        self.waiting.peek(item).is_some_and(Waiting::is_over)
    }

    /// Something new was seen.
    pub(super) fn see(&mut self, item: u64, client: u64, at: Timestamp) {
        let new = || Waiting { first: at.seconds(), last: at.seconds(), ..Waiting::default() };
        let (waiting, _) = self.waiting.get_or_insert_with(item, new);
        waiting.times = waiting.times.saturating_add(1);
        waiting.first = waiting.first.min(at.seconds());
        waiting.last = waiting.last.max(at.seconds());
        if client != 0
            && !waiting.clients.contains(&client)
            && let Some(free) = waiting.clients.iter_mut().find(|known| **known == 0)
        {
            *free = client;
        }
    }
}

impl Waiting {
    fn is_over(&self) -> bool {
        let clients = self.clients.iter().filter(|client| **client != 0).count();
        let enough = clients == CLIENTS || clients == 0 && self.times >= TIMES;
        enough && self.last.abs_diff(self.first) >= SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(by: &[(u64, i64)]) -> bool {
        let mut quarantine = Quarantine::new();
        by.iter().for_each(|&(client, second)| quarantine.see(7, client, Timestamp::from_seconds(second)));
        quarantine.has_served(7)
    }

    #[test]
    fn several_clients_over_time_make_something_normal() {
        assert!(seen(&[(1, 0), (2, 10), (3, 20), (4, 4000)]));
    }

    #[test]
    fn one_client_however_persistent_and_many_at_once_do_not() {
        assert!(!seen(&(0..1000).map(|n| (1, n * 100)).collect::<Vec<_>>()));
        assert!(!seen(&(1..1000).map(|n| (n, 5)).collect::<Vec<_>>()));
    }

    #[test]
    fn where_nobody_knows_the_client_it_takes_many_times() {
        assert!(!seen(&(0..100).map(|n| (0, n * 100)).collect::<Vec<_>>()));
        assert!(seen(&(0..300).map(|n| (0, n * 100)).collect::<Vec<_>>()));
    }
}
