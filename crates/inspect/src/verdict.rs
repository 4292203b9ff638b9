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
    /// Only what people type as well speaks for it: to be noted, not told.
    pub quiet: bool,
    /// The hits of this class, the one with most points first.
    pub hits: Vec<&'a Hit>,
}

/// The classes whose points reach an alert. Where none does alone but all together do, the strongest stands for all.
/// `absent`: the server has nothing of what was asked for, or denied it.
#[must_use]
pub fn conclude<'a>(rules: &'a Rules, hits: impl IntoIterator<Item = &'a Hit>, absent: bool) -> Vec<Found<'a>> {
    let rule = |hit: &Hit| &rules.rules()[hit.rule];
    let points = |hit: &Hit| u32::from(rule(hit).points) - u32::from(absent && rule(hit).probe);
    let mut classes: Vec<Found<'a>> = Vec::new();
    for hit in hits {
        let class = rule(hit).class.as_str();
        match classes.iter_mut().find(|found| found.class == class) {
            Some(found) => {
                found.points += points(hit);
                found.hits.push(hit);
            }
            None => classes.push(Found { class, points: points(hit), quiet: false, hits: vec![hit] }),
        }
    }
    let total: u32 = classes.iter().map(|found| found.points).sum();
    let loud: u32 = classes.iter().flat_map(|found| &found.hits).filter(|hit| !rule(hit).quiet).map(|hit| points(hit)).sum();
    classes.sort_by_key(|found| std::cmp::Reverse(found.points));
    let alone = classes.iter().filter(|found| found.points >= ALERT).count();
    classes.truncate(if alone == 0 && total >= ALERT { 1 } else { alone });
    for found in &mut classes {
        found.quiet = loud < ALERT && found.hits.iter().any(|hit| rule(hit).quiet);
        found.hits.sort_by_key(|hit| (rule(hit).quiet, std::cmp::Reverse(points(hit))));
    }
    classes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Inspector, Place};

    const RULES: &str = "class: x\nrules:\n\
        - {id: word, title: A word that people type, points: 5, quiet: true, regex: whoami}\n\
        - {id: page, title: A page that is a hole, points: 5, probe: true, regex: setup}\n\
        - {id: sign, title: A sign, points: 1, regex: '<'}\n";

    fn found(value: &str, absent: bool) -> Vec<(u32, bool)> {
        let rules = Arc::new(Rules::compile(&[("x.yml", RULES)]).0);
        let mut inspector = Inspector::new(rules.clone());
        inspector.begin(b"");
        inspector.value(Place::Value, b"q", value.as_bytes());
        conclude(&rules, inspector.hits(), absent).iter().map(|found| (found.points, found.quiet)).collect()
    }

    #[test]
    fn what_people_type_as_well_is_quiet_unless_more_speaks() {
        assert_eq!(found("whoami", false), [(5, true)]);
        assert_eq!(found("<whoami", false), [(6, true)]);
        assert_eq!(found("setup whoami", false), [(10, false)]);
    }

    #[test]
    fn a_probe_of_what_is_not_there_is_less_than_an_alert_unless_more_speaks() {
        assert_eq!(found("/setup", false), [(5, false)]);
        assert_eq!(found("/setup", true), []);
        assert_eq!(found("/setup<", true), [(5, false)]);
    }
}
