//! How unusual is a bag of things (how often each occurred) given the bags seen before?
//!
//! **Distance.** Two bags differ in the items that they hold differently often. A difference in an item costs its weight:
//! the surprise, in nats, of a bag that does not hold the item as often as most bags do,
//! `w(i) = -ln((n - mode(i) + 1/2) / (n + 1))`. What varies anyway costs little, what never varied costs much. This is the
//! inverse document frequency (Spärck Jones 1972), of a deviation instead of an occurrence.
//!
//! **Surprise** of a bag is the distance within which a certain share of all bags lies (the k-th nearest neighbour, with k a
//! share: Ramaswamy, Rastogi, Shim: Efficient algorithms for mining outliers, SIGMOD 2000). So a few equal oddities do not
//! excuse each other, which counting equal bags would do: it needs no labels and stands some dirt in what is learned from.
//! A bag that was learned as *trusted* is no surprise at all, and as long as most bags were, they alone say what is ordinary:
//! what is wrong today would else become ordinary by being repeated.
//!
//! **Limit.** What is learned on trust tells how surprising new ordinary bags are: each is measured against the others
//! (leave one out, duplicates counted), and the tail of that extrapolated to the wanted share of false alarms. Where nothing
//! is trusted the limit is Tukey's outer fence. Neither is ever below a floor.

mod limit;
mod nearest;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::nearest::Nearest;
use crate::mix::mix;

/// What bounds the memory, and when something is a surprise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountVectorSettings {
    /// Different bags remembered; the rarest goes first.
    pub vectors: usize,
    /// Different items whose counts are learned; further ones are one item, which a bag holds as often as it has of them.
    pub items: usize,
    /// Bags after which what was learned counts half.
    pub memory: u64,
    /// The share of all bags that must lie near a bag for it to be ordinary.
    pub neighbours: f64,
    /// The limit is never below so many nats.
    pub floor: f64,
    /// Share of ordinary bags that may be told, where what was learned is trusted.
    pub false_alarms: f64,
}

impl Default for CountVectorSettings {
    fn default() -> Self {
        CountVectorSettings { vectors: 1024, items: 4096, memory: 50_000, neighbours: 0.02, floor: 3.0, false_alarms: 5e-4 }
    }
}

/// Distinct bags and how often each was seen; see the head of this file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountVectors {
    settings: CountVectorSettings,
    known: Vec<Known>,
    /// Where in `known` the bag with a hash is.
    index: BTreeMap<u64, u32>,
    slots: BTreeMap<u64, u32>,
    items: Vec<Item>,
    /// Bags that what is known stands for.
    bags: u64,
    trusted: u64,
    /// Weights, limit and neighbours are those of the trusted bags alone: as of the last refresh.
    by_trust: bool,
    /// Bags learned since ever, and at which of them weights and limit are due next.
    learned: u64,
    due: u64,
    epoch: u32,
    /// Bags that the counts of the last refresh tell of.
    counted: u64,
    limit: f32,
}

/// A distinct bag: items by their slots, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    counts: Box<[(u32, u32)]>,
    hash: u64,
    times: u32,
    trusted: bool,
    last: u64,
    /// Its surprise, and in which epoch that was found.
    surprise: (u32, f32),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Item {
    key: u64,
    /// How many bags hold it how often.
    held: Vec<(u32, u32)>,
    weight: f32,
}

/// An item in which a bag differs from the ordinary bag nearest to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    pub item: u64,
    pub observed: u32,
    pub expected: u32,
    /// What the difference adds to the distance, in nats.
    pub weight: f32,
}

/// Items of a bag that is measured: those known by their slots, in order, and how many are not known.
#[derive(Debug)]
struct Measured {
    counts: Vec<(u32, u32)>,
    unknown: Vec<(u64, u32)>,
    hash: u64,
}

/// Counts are told apart exactly up to this; above, to an eighth.
const EXACT: u32 = 16;

/// Stands for all items beyond those that are learned.
const FURTHER: u64 = u64::MAX;

/// Finding the limit may cost so many distances for each bag that is learned.
const DISTANCES_A_BAG: u64 = 512;

/// Large counts are rounded, so that a bag with 1,000 of an item is not another with 1,001.
#[must_use]
pub fn rounded(count: u32) -> u32 {
    if count <= EXACT {
        return count;
    }
    let shift = count.ilog2() - 3;
    count >> shift << shift
}

impl CountVectors {
    #[must_use]
    pub fn new(settings: CountVectorSettings) -> Self {
        CountVectors {
            limit: settings.floor as f32,
            settings,
            known: Vec::new(),
            index: BTreeMap::new(),
            slots: BTreeMap::new(),
            items: Vec::new(),
            bags: 0,
            trusted: 0,
            by_trust: false,
            learned: 0,
            due: 1,
            epoch: 0,
            counted: 0,
        }
    }

    /// How many bags what is known stands for.
    #[must_use]
    pub fn bags(&self) -> u64 {
        self.bags
    }

    /// How many distinct bags are known.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.known.len()
    }

    /// How many distinct items are known.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// The surprise, in nats, above which a bag is unusual.
    #[must_use]
    pub fn limit(&self) -> f32 {
        self.limit
    }

    /// Whether most of what is known was learned on trust.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted * 2 > self.bags
    }

    /// Learns a bag: items (64-bit hashes) with their counts, each item once, in any order.
    pub fn learn(&mut self, bag: &[(u64, u32)], trusted: bool) {
        if self.bags >= self.settings.memory {
            self.fade();
        }
        self.learned += 1;
        bag.iter().for_each(|&(key, _)| self.enter(key));
        let Measured { counts, hash, .. } = self.measure(bag);
        match self.find(hash, &counts) {
            Some(at) => {
                let known = &mut self.known[at];
                self.trusted += if known.trusted {
                    1
                } else if trusted {
                    u64::from(known.times) + 1
                } else {
                    0
                };
                known.trusted |= trusted;
                known.times = known.times.saturating_add(1);
                known.last = self.learned;
            }
            None => self.remember(counts.into(), hash, trusted),
        }
        self.bags += 1;
        if self.learned >= self.due {
            self.refresh();
        }
    }

    /// Takes back that a bag was learned, where it still is known: it was not complete.
    pub fn unlearn(&mut self, bag: &[(u64, u32)]) {
        let measured = self.measure(bag);
        if measured.unknown.is_empty()
            && let Some(at) = self.find(measured.hash, &measured.counts)
        {
            if self.known[at].times == 1 {
                self.forget(at);
            } else {
                self.known[at].times -= 1;
                self.take_off(1, self.known[at].trusted);
            }
        }
    }

    /// The surprise of a bag, in nats: how far from it the nearest so-and-so many of all bags lie. Infinite where nothing is
    /// known. Items that `open` says may still come are not missed.
    pub fn surprise(&mut self, bag: &[(u64, u32)], open: impl Fn(u64) -> bool) -> f32 {
        let measured = self.measure(bag);
        let at = if measured.unknown.is_empty() { self.find(measured.hash, &measured.counts) } else { None };
        match at {
            Some(at) if self.known[at].trusted => 0.0,
            Some(at) if self.known[at].surprise.0 == self.epoch => self.known[at].surprise.1,
            _ => {
                let open: Vec<bool> = self.items.iter().map(|item| open(item.key)).collect();
                let surprise = self.radius(&measured, None, &open);
                if let Some(at) = at.filter(|_| !open.contains(&true)) {
                    self.known[at].surprise = (self.epoch, surprise);
                }
                surprise
            }
        }
    }

    /// What the surprise of a bag cannot exceed while everything may still come to it. Looks at no other bag.
    #[must_use]
    pub fn most_surprise(&self, bag: &[(u64, u32)]) -> f32 {
        let measured = self.measure(bag);
        let known = measured.counts.iter().map(|&(slot, _)| self.items[slot as usize].weight);
        if self.known.is_empty() {
            f32::INFINITY
        } else {
            known.fold(self.distance_of_unknown(&measured), |sum, weight| sum + weight)
        }
    }

    /// In what a bag differs from the commonest bag that lies no further from it than `within`, the heaviest first.
    pub fn differences(&self, bag: &[(u64, u32)], within: f32, open: impl Fn(u64) -> bool) -> Vec<Difference> {
        let measured = self.measure(bag);
        let open: Vec<bool> = self.items.iter().map(|item| open(item.key)).collect();
        let ordinary = self.known.iter().filter(|known| self.says(known));
        let unknown = self.distance_of_unknown(&measured);
        let near =
            ordinary.filter(|known| self.distance(unknown, &measured, &known.counts, &open, f32::INFINITY) <= within + 1e-3);
        let near = near.max_by_key(|known| (known.times, std::cmp::Reverse(known.hash)));
        let mut found: Vec<_> = measured
            .unknown
            .iter()
            .map(|&(item, observed)| Difference { item, observed, expected: 0, weight: self.weight_of_unknown() })
            .collect();
        let counts = near.map_or(&[][..], |known| &known.counts);
        merged(&measured.counts, counts, |slot, observed, expected| {
            if observed != expected && !(observed < expected && open[slot as usize]) {
                let item = &self.items[slot as usize];
                found.push(Difference { item: item.key, observed, expected, weight: item.weight });
            }
            true
        });
        found.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.item.cmp(&b.item)));
        found
    }

    /// The share of bags that hold an item at least so often.
    #[must_use]
    pub fn share_with(&self, item: u64, count: u32) -> f64 {
        let Some(&slot) = self.slots.get(&item) else { return 0.0 };
        let held = self.items[slot as usize].held.iter().filter(|held| held.0 >= rounded(count));
        let holding: f64 = held.map(|held| f64::from(held.1)).sum();
        holding / self.counted.max(1) as f64
    }

    /// How many bags say what is ordinary.
    fn basis(&self) -> u64 {
        if self.by_trust { self.trusted } else { self.bags }
    }

    /// Whether a bag is one of those that say what is ordinary.
    fn says(&self, known: &Known) -> bool {
        known.trusted || !self.by_trust
    }

    fn weight_of_unknown(&self) -> f32 {
        -(0.5 / (self.basis() as f64 + 1.0)).ln() as f32
    }

    fn has_room(&self) -> bool {
        let own = self.items.len() - usize::from(self.slots.contains_key(&FURTHER));
        own + 1 < self.settings.items
    }

    /// Gives an item a slot as long as there is room, and then one to all further items.
    fn enter(&mut self, key: u64) {
        let key = if self.has_room() || self.slots.contains_key(&key) { key } else { FURTHER };
        if self.settings.items > 0 && !self.slots.contains_key(&key) {
            self.slots.insert(key, self.items.len() as u32);
            self.items.push(Item { key, held: Vec::new(), weight: self.weight_of_unknown() });
        }
    }

    fn measure(&self, bag: &[(u64, u32)]) -> Measured {
        let further = self.slots.get(&FURTHER);
        let full = further.is_some() && !self.has_room();
        let mut measured = Measured { counts: Vec::with_capacity(bag.len()), unknown: Vec::new(), hash: 0 };
        let mut beyond = 0;
        for &(key, count) in bag {
            match self.slots.get(&key) {
                // Of a bag that was measured before.
                _ if key == FURTHER => beyond += count,
                Some(&slot) => measured.hold(slot, key, count),
                None if full => beyond += 1,
                None => measured.unknown.push((key, count)),
            }
        }
        if let Some(&slot) = further.filter(|_| beyond > 0) {
            measured.hold(slot, FURTHER, beyond);
        }
        measured.counts.sort_unstable();
        measured
    }

    fn find(&self, hash: u64, counts: &[(u32, u32)]) -> Option<usize> {
        let at = *self.index.get(&hash)? as usize;
        (*self.known[at].counts == *counts).then_some(at)
    }

    fn remember(&mut self, counts: Box<[(u32, u32)]>, hash: u64, trusted: bool) {
        if self.known.len() >= self.settings.vectors.max(1) {
            let rarest = self.known.iter().enumerate().min_by_key(|(_, known)| (known.trusted, known.times, known.last));
            if let Some((at, _)) = rarest {
                self.forget(at);
            }
        }
        if let Some(&at) = self.index.get(&hash) {
            // Another bag with this hash, made so by whoever writes the log.
            self.forget(at as usize);
        }
        self.trusted += u64::from(trusted);
        self.index.insert(hash, self.known.len() as u32);
        self.known.push(Known { counts, hash, times: 1, trusted, last: self.learned, surprise: (0, 0.0) });
    }

    fn forget(&mut self, at: usize) {
        let gone = self.known.swap_remove(at);
        self.index.remove(&gone.hash);
        if let Some(moved) = self.known.get(at) {
            self.index.insert(moved.hash, at as u32);
        }
        self.take_off(gone.times, gone.trusted);
    }

    fn take_off(&mut self, times: u32, trusted: bool) {
        self.bags = self.bags.saturating_sub(u64::from(times));
        if trusted {
            self.trusted = self.trusted.saturating_sub(u64::from(times));
        }
    }

    /// Everything counts half from now on; what was seen once is forgotten, unless it is trusted.
    fn fade(&mut self) {
        let known = std::mem::take(&mut self.known);
        let old = std::mem::take(&mut self.items);
        (self.index, self.slots, self.bags, self.trusted) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
        for known in known {
            let times = if known.trusted { known.times.div_ceil(2) } else { known.times / 2 };
            if times == 0 {
                continue;
            }
            let bag: Vec<_> = known.counts.iter().map(|&(slot, count)| (old[slot as usize].key, count)).collect();
            bag.iter().for_each(|&(key, _)| self.enter(key));
            let Measured { counts, hash, .. } = self.measure(&bag);
            if let Some(at) = self.find(hash, &counts) {
                let same = &mut self.known[at];
                (same.times, same.trusted) = (same.times.saturating_add(times), same.trusted || known.trusted);
            } else if !self.index.contains_key(&hash) {
                self.index.insert(hash, self.known.len() as u32);
                self.known.push(Known { counts: counts.into(), hash, times, ..known });
            }
        }
        let times =
            |trusted: bool| self.known.iter().filter(|known| known.trusted || !trusted).map(|known| u64::from(known.times)).sum();
        (self.bags, self.trusted) = (times(false), times(true));
        self.due = self.learned;
    }

    /// Weights and limit as of now. Due at numbers of bags that grow with what is known, and with the distances that it takes:
    /// where most bags are new and forgotten again, few are known but all differ.
    fn refresh(&mut self) {
        let distances = limit::distances(self.known.len());
        self.due = self.learned + (self.bags / 64).clamp(1, 500).max(distances / DISTANCES_A_BAG);
        self.epoch += 1;
        self.by_trust = self.is_trusted();
        self.items.iter_mut().for_each(|item| item.held.clear());
        for known in self.known.iter().filter(|known| known.trusted || !self.by_trust) {
            known.counts.iter().for_each(|&(slot, count)| self.items[slot as usize].hold(count, known.times));
        }
        self.counted = self.basis();
        let basis = self.counted;
        self.items.iter_mut().for_each(|item| item.weigh(basis));
        self.limit = limit::of(self).max(self.settings.floor as f32);
    }

    /// How far two bags are from each other; something beyond `most` where it is more than that.
    fn distance(&self, unknown: f32, measured: &Measured, counts: &[(u32, u32)], open: &[bool], most: f32) -> f32 {
        let mut distance = unknown;
        merged(&measured.counts, counts, |slot, observed, known| {
            let missed = observed < known && open.get(slot as usize).is_some_and(|&open| open);
            if observed != known && !missed {
                distance += self.items[slot as usize].weight;
            }
            distance <= most
        });
        distance
    }

    /// How far any bag is for what no bag has.
    fn distance_of_unknown(&self, measured: &Measured) -> f32 {
        measured.unknown.len() as f32 * self.weight_of_unknown()
    }

    /// The distance within which the wanted share of bags lies, one of those at `except` left out; 0 where everything may
    /// still come to the bag and it may become one that is trusted.
    fn radius(&self, measured: &Measured, except: Option<usize>, open: &[bool]) -> f32 {
        let growing = !open.is_empty() && !open.contains(&false);
        let unknown = self.distance_of_unknown(measured);
        let wanted = ((self.settings.neighbours * self.basis() as f64).ceil() as u64).max(1);
        let mut nearest = Nearest::new(wanted);
        for (at, known) in self.known.iter().enumerate().filter(|(_, known)| self.says(known)) {
            let times = known.times - u32::from(except == Some(at));
            if times > 0 {
                let distance = self.distance(unknown, measured, &known.counts, open, nearest.reach());
                if known.trusted && distance == 0.0 && growing {
                    return 0.0;
                }
                nearest.add(distance, times);
            }
        }
        nearest.furthest()
    }
}

impl Measured {
    fn hold(&mut self, slot: u32, key: u64, count: u32) {
        let count = rounded(count);
        self.counts.push((slot, count));
        // The same for any order of the items.
        self.hash = self.hash.wrapping_add(mix(key, u64::from(count)));
    }
}

impl Item {
    fn hold(&mut self, count: u32, times: u32) {
        match self.held.iter_mut().find(|held| held.0 == count) {
            Some(held) => held.1 = held.1.saturating_add(times),
            None => self.held.push((count, times)),
        }
    }

    fn weigh(&mut self, bags: u64) {
        let present: u64 = self.held.iter().map(|held| u64::from(held.1)).sum();
        let mode = self.held.iter().map(|held| u64::from(held.1)).max().unwrap_or(0).max(bags.saturating_sub(present));
        let deviate = bags.saturating_sub(mode) as f64 + 0.5;
        self.weight = -(deviate / (bags as f64 + 1.0)).ln() as f32;
    }
}

/// Calls `each` with every slot that one of two bags holds, and how often the first and the second do, while it says so.
fn merged(a: &[(u32, u32)], b: &[(u32, u32)], mut each: impl FnMut(u32, u32, u32) -> bool) {
    let (mut i, mut j) = (0, 0);
    loop {
        let further = match (a.get(i), b.get(j)) {
            (Some(&(x, count)), Some(&(y, other))) if x == y => {
                (i, j) = (i + 1, j + 1);
                each(x, count, other)
            }
            (Some(&(x, count)), other) if other.is_none_or(|&(y, _)| x < y) => {
                i += 1;
                each(x, count, 0)
            }
            (_, Some(&(y, other))) => {
                j += 1;
                each(y, 0, other)
            }
            _ => false,
        };
        if !further {
            return;
        }
    }
}

#[cfg(test)]
#[path = "count_vectors/tests.rs"]
mod tests;
