//! Attempts whose answer may yet be told by a flow of its own, as exporters do that tell each direction by itself.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::Attempt;
use crate::flows::SECOND;

/// Attempts that wait at once; beyond it the oldest is taken for unanswered.
const MOST: usize = 65_536;

/// How long an answer may be told later than what asked for it: exporters tell flows some time after their end.
const PATIENCE: i64 = 90 * SECOND;

/// Waiting attempts, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(super) struct Pending {
    waiting: VecDeque<(u64, u64)>,
    /// Hashed with a seed of its own in every process: whoever scans chooses the conversations.
    by_conversation: HashMap<u64, (u64, Attempt), RandomState>,
    next: u64,
}

/// As it is saved: in order, so that the same state has the same bytes.
#[derive(Serialize, Deserialize)]
struct Saved(Vec<(u64, Attempt)>);

impl Clone for Pending {
    fn clone(&self) -> Self {
        Pending { waiting: self.waiting.clone(), by_conversation: self.by_conversation.clone(), next: self.next }
    }
}

impl From<Pending> for Saved {
    fn from(pending: Pending) -> Saved {
        let known = |&(key, number): &(u64, u64)| {
            pending.by_conversation.get(&key).filter(|(own, _)| *own == number).map(|(_, attempt)| (key, *attempt))
        };
        Saved(pending.waiting.iter().filter_map(known).collect())
    }
}

impl From<Saved> for Pending {
    fn from(saved: Saved) -> Pending {
        let mut pending = Pending::default();
        for (key, attempt) in saved.0 {
            pending.append(key, attempt);
        }
        pending
    }
}

impl Pending {
    /// The attempt of this conversation that somebody else than `client` made and that waits.
    pub(super) fn take(&mut self, conversation: u64, client: u64) -> Option<Attempt> {
        let (_, attempt) = self.by_conversation.get(&conversation)?;
        if attempt.client == client {
            return None;
        }
        self.by_conversation.remove(&conversation).map(|(_, attempt)| attempt)
    }

    /// Lets an attempt wait; answers the one that waited for longest where there is no room.
    pub(super) fn put(&mut self, conversation: u64, attempt: Attempt) -> Option<Attempt> {
        if self.by_conversation.contains_key(&conversation) {
            return None;
        }
        self.append(conversation, attempt);
        if self.by_conversation.len() > MOST { self.oldest() } else { None }
    }

    /// The next one that has waited for too long.
    pub(super) fn overdue(&mut self, now: i64) -> Option<Attempt> {
        loop {
            let &(key, number) = self.waiting.front()?;
            let known = self.by_conversation.get(&key).filter(|(own, _)| *own == number);
            match known {
                Some((_, attempt)) if now.saturating_sub(attempt.at) < PATIENCE => return None,
                Some(_) => return self.oldest(),
                None => _ = self.waiting.pop_front(),
            }
        }
    }

    fn append(&mut self, key: u64, attempt: Attempt) {
        self.next = self.next.wrapping_add(1);
        self.by_conversation.insert(key, (self.next, attempt));
        self.waiting.push_back((key, self.next));
    }

    fn oldest(&mut self) -> Option<Attempt> {
        while let Some((key, number)) = self.waiting.pop_front() {
            if self.by_conversation.get(&key).is_some_and(|(own, _)| *own == number) {
                return self.by_conversation.remove(&key).map(|(_, attempt)| attempt);
            }
        }
        None
    }
}
