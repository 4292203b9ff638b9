//! What the server usually makes of requests for one endpoint: which statuses it answers with, and how large its answers are.
//!
//! An answer is the server's doing, so it is learned with every request that is ordinary itself, refused or not. It speaks of
//! what an attack achieved more than of the attack: beside other findings it makes them graver; alone only the grant of what
//! was never granted is told.

use lapwing_learn::ClosedSet;
use lapwing_model::Web;
use serde::{Deserialize, Serialize};

use super::deviation::{Check, Deviation, MODEST};
use super::endpoint::LEAST;

const STATUSES: u16 = 8;
/// Sizes, as quarters of powers of two, up to which their set is closed: pages made anew for everybody have more.
const SIZES: u16 = 12;
const STEPS: f32 = 4.0;

/// How natural it is that a status comes some day: servers fail, things move; what was refused to all is granted to nobody.
const NATURAL: f32 = 1.0;
const UNNATURAL: f32 = 0.1;

/// At most 500 bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answers {
    statuses: ClosedSet,
    sizes: ClosedSet,
    /// Answers below 400 of this generation and the one before: whether anything was ever granted.
    granted: u32,
}

impl Answers {
    pub(super) fn new() -> Answers {
        Answers { statuses: ClosedSet::new(STATUSES), sizes: ClosedSet::new(SIZES), granted: 0 }
    }

    /// Whether nothing of an answer is new or rare.
    #[inline]
    pub(super) fn expects(&self, web: &Web) -> bool {
        status(web).is_none_or(|status| self.statuses.has(status) && !self.is_rare(status))
            && size(web).is_none_or(|size| self.sizes.has(size))
    }

    pub(super) fn learn(&mut self, web: &Web) {
        if let Some(status) = status(web) {
            self.statuses.learn(status);
            self.granted = self.granted.saturating_add(u32::from(status < 400));
        }
        if let Some(size) = size(web) {
            self.sizes.learn(size);
        }
    }

    /// What of an answer is not as answers were.
    pub(super) fn judge(&self, web: &Web, out: &mut Vec<Deviation>) {
        let of = |check, evidence: f32, item| Deviation { check, evidence, item, given: None, parameter: None };
        if let Some(status) = status(web)
            && self.statuses.samples() >= LEAST
        {
            let evidence = self.status_surprise(status);
            out.extend((evidence > 0.0).then(|| of(Check::Status, evidence, status)));
        }
        if let Some(size) = size(web)
            && self.sizes.samples() >= LEAST
            && !self.sizes.has(size)
        {
            out.push(of(Check::Size, self.sizes.surprise(NATURAL).min(MODEST), size));
        }
    }

    fn status_surprise(&self, status: u64) -> f32 {
        let samples = self.statuses.samples();
        if self.is_rare(status) {
            let before = self.statuses.count(status) as f32 + NATURAL;
            return (-(before / (samples as f32 + 1.0)).ln()).min(MODEST);
        }
        if self.statuses.has(status) {
            return 0.0;
        }
        if status < 400 && self.granted == 0 {
            return self.statuses.surprise(UNNATURAL);
        }
        self.statuses.surprise(NATURAL).min(MODEST)
    }

    /// Known, but one in some hundreds of many.
    fn is_rare(&self, status: u64) -> bool {
        let count = self.statuses.count(status);
        count > 0 && count.saturating_mul(300) < self.statuses.samples()
    }

    /// A generation ends.
    pub(super) fn age(&mut self) {
        self.statuses.age();
        self.sizes.age();
        self.granted /= 2;
    }

    /// What was expected of the status, for people.
    pub(super) fn expected_status(&self) -> String {
        let mut known: Vec<u64> = self.statuses.values().collect();
        known.sort_unstable_by_key(|&status| std::cmp::Reverse((self.statuses.count(status), status)));
        let shown: Vec<_> = known.iter().map(|status| format!("{} times {status}", self.statuses.count(*status))).collect();
        format!("as before: {}", shown.join(", "))
    }

    /// What was expected of the size, for people.
    pub(super) fn expected_size(&self) -> String {
        let bytes = |step: u64| (step as f32 / STEPS).exp2();
        let (least, most) = (self.sizes.values().min().unwrap_or(0), self.sizes.values().max().unwrap_or(0));
        format!("{:.0} to {:.0} bytes, as {} answers had", bytes(least).floor(), bytes(most + 1).ceil(), self.sizes.samples())
    }
}

/// The status, where it is known. A part of a page, or that it has not changed, is as good as the page.
fn status(web: &Web) -> Option<u64> {
    match web.status {
        0 => None,
        206 | 304 => Some(200),
        status => Some(u64::from(status)),
    }
}

/// The size of a whole page that was served, in steps of a fifth.
fn size(web: &Web) -> Option<u64> {
    let bytes = web.bytes.filter(|&bytes| web.status == 200 && bytes > 0)?;
    Some(((bytes as f32).log2() * STEPS) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, bytes: u64) -> Web {
        Web { status, bytes: Some(bytes), ..Web::default() }
    }

    fn after(answers: impl IntoIterator<Item = Web>, last: &Web) -> Vec<(Check, f32)> {
        let mut known = Answers::new();
        answers.into_iter().for_each(|web| known.learn(&web));
        let mut found = Vec::new();
        known.judge(last, &mut found);
        assert_eq!(found.is_empty(), known.expects(last), "{found:?}");
        found.iter().map(|deviation| (deviation.check, deviation.evidence)).collect()
    }

    #[test]
    fn another_status_is_odd_where_many_were_alike_and_what_was_never_granted_is_odder() {
        let usual = || (0..2000).map(|n| answer(200, 4000 + n % 50));
        assert_eq!(after(usual(), &answer(304, 0)), []);
        assert_eq!(after(usual(), &answer(500, 4000)), [(Check::Status, MODEST)]);
        let refused = (0..2000).map(|_| answer(403, 200));
        let granted = after(refused, &answer(302, 200));
        assert!(matches!(granted[..], [(Check::Status, evidence)] if evidence > 9.0), "{granted:?}");
    }

    #[test]
    fn a_status_that_is_one_in_many_is_told_beside_others_only() {
        let mixed = (0..3000).map(|n| answer(if n == 7 { 500 } else { 200 }, 4000));
        let rare = after(mixed, &answer(500, 4000));
        assert!(matches!(rare[..], [(Check::Status, evidence)] if (5.0..=MODEST).contains(&evidence)), "{rare:?}");
    }

    #[test]
    fn another_size_is_odd_where_pages_are_alike_and_not_where_they_differ() {
        let alike = || (0..500).map(|n| answer(200, 4000 + n % 90));
        assert!(matches!(after(alike(), &answer(200, 90_000))[..], [(Check::Size, evidence)] if evidence > 5.0));
        assert_eq!(after(alike(), &answer(200, 4050)), []);
        let differ = (0..500).map(|n: u64| answer(200, 100 + n * n * n % 900_000));
        assert_eq!(after(differ, &answer(200, 90_000)), []);
    }

    #[test]
    fn few_answers_say_nothing() {
        let mut known = Answers::new();
        (0..20).for_each(|_| known.learn(&answer(200, 4000)));
        let mut found = Vec::new();
        known.judge(&answer(500, 4000), &mut found);
        known.judge(&answer(200, 90_000), &mut found);
        assert_eq!(found, []);
    }
}
