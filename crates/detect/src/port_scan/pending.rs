//! Attempts whose answer may yet be told by a flow of its own, as exporters do that tell each direction by itself.

use lapwing_learn::Lru;
use serde::{Deserialize, Serialize, Serializer};

use super::Attempt;
use crate::flows::SECOND;

/// Attempts that wait at once; beyond it the oldest is taken for unanswered.
const MOST: usize = 65_536;

/// How long an answer may be told later than what asked for it: exporters tell flows some time after their end.
const PATIENCE: i64 = 90 * SECOND;

/// Waiting attempts by their conversations. Nobody looks at one without taking it, so they stay in the order in which they came.
#[derive(Debug, Deserialize)]
#[serde(from = "Saved")]
pub(super) struct Pending(Lru<Attempt>);

/// As it is saved: the oldest first.
#[derive(Deserialize)]
struct Saved(Vec<(u64, Attempt)>);

impl Serialize for Pending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.iter().collect::<Vec<_>>().serialize(serializer)
    }
}

impl Default for Pending {
    fn default() -> Self {
        Pending(Lru::new(MOST))
    }
}

impl From<Saved> for Pending {
    fn from(saved: Saved) -> Pending {
        let mut pending = Pending::default();
        for (conversation, attempt) in saved.0 {
            pending.put(conversation, attempt);
        }
        pending
    }
}

impl Pending {
    /// The attempt of this conversation that somebody else than `client` made and that waits.
    pub(super) fn take(&mut self, conversation: u64, client: u64) -> Option<Attempt> {
        let others = self.0.peek(conversation).is_some_and(|attempt| attempt.client != client);
        if others { self.0.remove(conversation) } else { None }
    }

    /// Lets an attempt wait; answers the one that waited for longest where there is no room.
    pub(super) fn put(&mut self, conversation: u64, attempt: Attempt) -> Option<Attempt> {
        if self.0.peek(conversation).is_some() {
            return None;
        }
        let oldest = if self.0.len() >= MOST { self.oldest() } else { None };
        self.0.get_or_insert_with(conversation, || attempt);
        oldest
    }

    /// The next one that has waited for too long.
    pub(super) fn overdue(&mut self, now: i64) -> Option<Attempt> {
        let (_, attempt) = self.0.oldest()?;
        if now.saturating_sub(attempt.at) < PATIENCE { None } else { self.oldest() }
    }

    fn oldest(&mut self) -> Option<Attempt> {
        let (conversation, _) = self.0.oldest()?;
        self.0.remove(conversation)
    }
}
