//! Data that came before its template: kept for a while, and decoded when the template comes.

use crate::session::{Header, Key};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// One set of data without a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeldSet {
    pub key: Key,
    pub id: u16,
    pub header: Header,
    pub received: i64,
    pub data: Vec<u8>,
}

/// All that waits. Bounded in sets and octets, and so that one exporter's cannot push out all others'.
#[derive(Debug)]
pub(crate) struct Held {
    sets: VecDeque<HeldSet>,
    /// Sets and octets of each exporter and domain that has any.
    shares: HashMap<Key, (usize, usize)>,
    octets: usize,
    most_sets: usize,
    most_octets: usize,
}

/// One exporter and domain may fill this part of it.
const SHARE: usize = 8;

impl Held {
    pub fn new(most_sets: usize, most_octets: usize) -> Self {
        Held { sets: VecDeque::new(), shares: HashMap::new(), octets: 0, most_sets, most_octets }
    }

    /// Puts a set aside; false where there is no room for it. Answers also how many others were dropped for it.
    pub fn hold(&mut self, set: HeldSet) -> (bool, u32) {
        let (sets, octets) = self.shares.get(&set.key).copied().unwrap_or_default();
        let full = (sets + 1) * SHARE > self.most_sets || (octets + set.data.len()) * SHARE > self.most_octets;
        if full {
            return (false, 0);
        }
        self.octets += set.data.len();
        self.shares.insert(set.key, (sets + 1, octets + set.data.len()));
        self.sets.push_back(set);
        let mut dropped = 0;
        while self.sets.len() > self.most_sets || self.octets > self.most_octets {
            let Some(oldest) = self.sets.pop_front() else { break };
            self.forget(&oldest);
            dropped += 1;
        }
        (true, dropped)
    }

    fn forget(&mut self, set: &HeldSet) {
        self.octets -= set.data.len();
        if let Some(share) = self.shares.get_mut(&set.key) {
            *share = (share.0 - 1, share.1 - set.data.len());
            if share.0 == 0 {
                self.shares.remove(&set.key);
            }
        }
    }

    /// Takes out what waited for a template that `told` says is there now, in the order it came.
    pub fn release(&mut self, key: &Key, told: impl Fn(u16) -> bool) -> Vec<HeldSet> {
        if !self.shares.contains_key(key) {
            return Vec::new();
        }
        let (released, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sets).into_iter().partition(|set| set.key == *key && told(set.id));
        self.sets = kept.into();
        released.iter().for_each(|set| self.forget(set));
        released
    }

    /// Sets that wait.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &HeldSet> {
        self.sets.iter()
    }
}
