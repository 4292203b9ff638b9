use std::collections::VecDeque;

use super::cache::HashedMap;

/// What became of templates that were merged into others; the oldest are forgotten beyond a limit.
#[derive(Debug)]
pub(super) struct Aliases {
    became: HashedMap<u64>,
    order: VecDeque<u64>,
    limit: usize,
}

impl Aliases {
    pub(super) fn new(limit: usize) -> Aliases {
        Aliases { became: HashedMap::default(), order: VecDeque::new(), limit: limit.max(1) }
    }

    pub(super) fn insert(&mut self, id: u64, survivor: u64) {
        self.became.insert(id, survivor);
        self.order.push_back(id);
        while self.order.len() > self.limit {
            if let Some(oldest) = self.order.pop_front() {
                self.became.remove(&oldest);
            }
        }
    }

    /// Forgets an alias: its id is that of a template again.
    pub(super) fn remove(&mut self, id: u64) {
        if !self.became.is_empty() {
            self.became.remove(&id);
        }
    }

    /// What `id` is now. There are no circles: a template that others became has no alias of its own while it lives, and
    /// loses the one it had when it is made anew.
    pub(super) fn current(&self, mut id: u64) -> u64 {
        for _ in 0..=self.became.len() {
            match self.became.get(&id) {
                Some(survivor) => id = *survivor,
                None => break,
            }
        }
        id
    }

    /// All of them, oldest first; what is known no more is `None`.
    pub(super) fn dump(&self) -> Vec<(u64, Option<u64>)> {
        self.order.iter().map(|id| (*id, self.became.get(id).copied())).collect()
    }

    pub(super) fn restore(limit: usize, entries: &[(u64, Option<u64>)]) -> Aliases {
        let mut aliases = Aliases::new(limit);
        aliases.order.extend(entries.iter().map(|(id, _)| *id));
        aliases.became.extend(entries.iter().filter_map(|(id, survivor)| Some((*id, (*survivor)?))));
        aliases
    }
}
