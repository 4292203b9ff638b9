//! The nearest of many, until they have a certain mass.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Those of what was added that lie nearest and together have the wanted mass; further ones are let go as soon as that is certain.
#[derive(Debug)]
pub(super) struct Nearest {
    wanted: u64,
    mass: u64,
    kept: BinaryHeap<At>,
}

#[derive(Debug, Clone, Copy)]
struct At {
    distance: f32,
    mass: u32,
}

impl Nearest {
    pub(super) fn new(wanted: u64) -> Self {
        Nearest { wanted, mass: 0, kept: BinaryHeap::new() }
    }

    /// What lies no nearer than this changes nothing.
    pub(super) fn reach(&self) -> f32 {
        if self.mass < self.wanted { f32::INFINITY } else { self.furthest() }
    }

    pub(super) fn add(&mut self, distance: f32, mass: u32) {
        if distance >= self.reach() {
            return;
        }
        self.kept.push(At { distance, mass });
        self.mass += u64::from(mass);
        while let Some(furthest) = self.kept.peek()
            && self.mass - u64::from(furthest.mass) >= self.wanted
        {
            self.mass -= u64::from(furthest.mass);
            self.kept.pop();
        }
    }

    /// The distance within which the wanted mass lies, or all there is; infinite where nothing was added.
    pub(super) fn furthest(&self) -> f32 {
        self.kept.peek().map_or(f32::INFINITY, |furthest| furthest.distance)
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance)
    }
}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for At {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    /// By sorting all of them.
    fn sorted(mut all: Vec<(f32, u32)>, wanted: u64) -> f32 {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut reached = 0;
        let within = all.iter().find(|(_, mass)| {
            reached += u64::from(*mass);
            reached >= wanted
        });
        within.or(all.last()).map_or(f32::INFINITY, |near| near.0)
    }

    #[test]
    fn the_same_as_by_sorting() {
        for case in 0..500_u64 {
            let draw = |n: u64, below: u64| mix(case, n) % below;
            let all: Vec<_> = (0..draw(1, 60)).map(|n| (draw(n + 2, 20) as f32, 1 + draw(n + 99, 5) as u32)).collect();
            for wanted in [1, 3, 40, 1000] {
                let mut nearest = Nearest::new(wanted);
                all.iter().for_each(|&(distance, mass)| nearest.add(distance, mass));
                assert_eq!(nearest.furthest(), sorted(all.clone(), wanted), "{all:?}, {wanted}");
            }
        }
    }

    #[test]
    fn no_more_are_kept_than_have_the_mass() {
        let mut nearest = Nearest::new(20);
        (0..10_000_u32).for_each(|n| nearest.add((n * 7919 % 10_007) as f32, 2));
        assert_eq!(nearest.kept.len(), 10);
    }
}
