//! What hits come to: points add up per class, and 5 are an alert.

use crate::inspector::Hit;
use crate::rules::Rules;

/// Points at which a request is an attack.
pub const ALERT: u32 = 5;

/// A class of attack that a request was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    pub class: &'a str,
    pub points: u32,
    /// The hits of this class, the one with most points first.
    pub hits: Vec<&'a Hit>,
}

/// The classes whose points reach an alert. Where none does alone but all together do, the strongest stands for all.
#[must_use]
pub fn conclude<'a>(rules: &'a Rules, hits: impl IntoIterator<Item = &'a Hit>) -> Vec<Found<'a>> {
    let points = |hit: &Hit| u32::from(rules.rules()[hit.rule].points);
    let mut classes: Vec<Found<'a>> = Vec::new();
    for hit in hits {
        let class = rules.rules()[hit.rule].class.as_str();
        match classes.iter_mut().find(|found| found.class == class) {
            Some(found) => {
                found.points += points(hit);
                found.hits.push(hit);
            }
            None => classes.push(Found { class, points: points(hit), hits: vec![hit] }),
        }
    }
    let total: u32 = classes.iter().map(|found| found.points).sum();
    classes.sort_by_key(|found| std::cmp::Reverse(found.points));
    let alone = classes.iter().filter(|found| found.points >= ALERT).count();
    classes.truncate(if alone == 0 && total >= ALERT { 1 } else { alone });
    for found in &mut classes {
        found.hits.sort_by_key(|hit| std::cmp::Reverse(points(hit)));
    }
    classes
}
