//! Which sight makes a rule a candidate: something that must be in an event for the rule's condition to hold.

use crate::rule::Comparison;

/// One sight that makes a rule a candidate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trigger {
    /// A literal, in small letters, and where it must stand.
    Literal {
        field: usize,
        text: Vec<u8>,
        place: u64,
    },
    /// A whole value, in small letters.
    Equal {
        field: usize,
        text: Vec<u8>,
    },
    Number {
        field: usize,
        number: f64,
    },
    /// A number on one side of this one.
    Compared {
        field: usize,
        comparison: Comparison,
        number: f64,
    },
    /// Any of these bytes.
    Bytes {
        field: usize,
        bytes: Vec<u8>,
    },
}

impl Trigger {
    /// How seldom the sight is, by rule of thumb: long literals are seldom.
    fn rarity(&self) -> usize {
        match self {
            Trigger::Literal { text, place, .. } => text.len().min(12) + usize::from(*place != 0),
            Trigger::Equal { text, .. } => text.len().min(12) + 2,
            Trigger::Number { .. } => 4,
            // Most numbers are small: rules ask whether one is large.
            Trigger::Compared { comparison: Comparison::Greater | Comparison::GreaterOrEqual, .. } => 3,
            Trigger::Bytes { .. } => 2,
            Trigger::Compared { .. } => 1,
        }
    }
}

/// Triggers of which at least one is seen in every event for which a condition holds. Nothing where there are none such.
pub(super) type Access = Option<Needed>;

#[derive(Debug, Clone)]
pub(super) struct Needed {
    pub(super) triggers: Vec<Trigger>,
    worth: usize,
}

/// A rule with more triggers than this is simply always a candidate.
const MOST: usize = 20_000;

/// What no event has.
pub(super) fn never() -> Access {
    Some(Needed { triggers: Vec::new(), worth: usize::MAX })
}

pub(super) fn one(trigger: Trigger) -> Access {
    any(vec![Some(Needed { worth: trigger.rarity(), triggers: vec![trigger] })])
}

pub(super) fn one_of(triggers: Vec<Trigger>) -> Access {
    any(triggers.into_iter().map(one).collect())
}

/// All parts must hold: the best part will do.
pub(super) fn all(parts: Vec<Access>) -> Access {
    parts.into_iter().flatten().max_by_key(|needed| needed.worth)
}

/// Any part may hold: each must have its triggers.
pub(super) fn any(parts: Vec<Access>) -> Access {
    let mut triggers = Vec::new();
    let mut rarest = usize::MAX;
    for part in parts {
        let part = part?;
        rarest = rarest.min(part.worth);
        triggers.extend(part.triggers);
    }
    if triggers.is_empty() || triggers.len() > MOST {
        return None;
    }
    // Many sights together are less seldom than one.
    let worth = rarest.saturating_sub(triggers.len().ilog2() as usize / 3).max(1);
    Some(Needed { triggers, worth })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Access {
        one(Trigger::Literal { field: 0, text: text.into(), place: 0 })
    }

    #[test]
    fn a_conjunction_needs_its_rarest_part() {
        let access = all(vec![literal("ab"), literal("unauthorized"), None]).unwrap();
        assert_eq!(access.triggers, literal("unauthorized").unwrap().triggers);
    }

    #[test]
    fn of_two_bounds_the_lower_one_is_the_rarer_sight() {
        let bound = |comparison, number| one(Trigger::Compared { field: 0, comparison, number });
        let (least, most) = (bound(Comparison::GreaterOrEqual, 500.0), bound(Comparison::Less, 600.0));
        for parts in [vec![least.clone(), most.clone()], vec![most, least.clone()]] {
            assert_eq!(all(parts).unwrap().triggers, least.as_ref().unwrap().triggers);
        }
    }

    #[test]
    fn a_disjunction_needs_all_its_parts_or_has_none() {
        assert_eq!(any(vec![literal("ab"), literal("cd")]).unwrap().triggers.len(), 2);
        assert!(any(vec![literal("ab"), None]).is_none());
        assert!(any(vec![]).is_none());
    }
}
