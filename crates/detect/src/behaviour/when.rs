//! Which events a detection looks at, asked before it: most lines of most logs are none of any detection's business.

use lapwing_model::Event;
use lapwing_rules::{Condition, Criteria, Detection, Test};

use crate::glance::Glance;

/// The key `when` of a behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// A web request.
    Request,
    /// A web request with a path below a name that begins with a point.
    Hidden,
    /// A web request answered with 400 or above.
    Refused,
    /// A web request answered with less than 400.
    Granted,
    /// A web request of another method than GET and HEAD.
    Sent,
    /// A web request whose address holds a character that plain addresses lack: `%`, `+`, quotes, brackets, `..`, `:` and such.
    Payload,
    /// A web request with a query.
    Query,
    /// A web request of which the log does not say who sent it.
    Anonymous,
    /// A line that is no web request.
    Text,
    /// Every event.
    Any,
}

impl When {
    /// In the order in which they are asked.
    pub(super) const ALL: [(&'static str, When); 10] = [
        ("request", When::Request),
        ("hidden", When::Hidden),
        ("refused", When::Refused),
        ("granted", When::Granted),
        ("sent", When::Sent),
        ("payload", When::Payload),
        ("query", When::Query),
        ("anonymous", When::Anonymous),
        ("text", When::Text),
        ("any", When::Any),
    ];

    /// What an event must be at a glance.
    pub(super) const fn glance(self) -> Glance {
        match self {
            When::Request | When::Hidden | When::Payload | When::Query => Glance::REQUEST,
            When::Refused => Glance::REFUSED,
            When::Granted => Glance::GRANTED,
            When::Sent => Glance::SENT,
            When::Anonymous => Glance::ANONYMOUS,
            When::Text => Glance::TEXT,
            When::Any => Glance::ANY,
        }
    }

    #[inline]
    pub(super) fn holds(self, glance: Glance, look: Look) -> bool {
        let looks = match self {
            When::Hidden => look.hidden,
            When::Payload => look.odd,
            When::Query => look.query,
            _ => true,
        };
        looks && glance.meets(self.glance())
    }

    /// Whether it holds of an event already implies that a detection does, so that this need not be asked.
    pub(super) fn implies(self, detection: &Detection) -> bool {
        let is_item = |criteria: &Criteria| match criteria {
            Criteria::Item(item) => item.field == "http.request.method" && item.tests == [Test::Exists(true)] && !item.negated,
            Criteria::All(all) | Criteria::Any(all) if all.len() == 1 => {
                matches!(&all[0], Criteria::Item(item) if item.field == "http.request.method" && item.tests == [Test::Exists(true)])
            }
            Criteria::All(_) | Criteria::Any(_) => false,
        };
        matches!(self, When::Request | When::Granted)
            && matches!(detection.condition, Condition::Selection(_))
            && matches!(detection.selections.as_slice(), [selection] if is_item(&selection.criteria))
    }
}

/// What one look at the address of a web request shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    hidden: bool,
    odd: bool,
    query: bool,
}

/// Addresses are looked at so far; a longer one is odd by itself.
const LONGEST: usize = 4096;

const ODD: u8 = 1;
const POINT: u8 = 2;
const QUESTION: u8 = 4;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let odd = b"%+'\"<>():;|\\$`{[";
    let mut at = 0;
    while at < odd.len() {
        kinds[odd[at] as usize] = ODD;
        at += 1;
    }
    kinds[b'.' as usize] = POINT;
    kinds[b'?' as usize] = QUESTION;
    kinds
};

impl Look {
    pub(super) fn at(event: &Event) -> Look {
        event.web().map_or(Look::default(), |web| Look::of(event.text(web.target)))
    }

    fn of(target: &[u8]) -> Look {
        let seen = &target[..target.len().min(LONGEST)];
        let all = seen.iter().fold(0, |all, &byte| all | KINDS[usize::from(byte)]);
        let pairs = if all & POINT != 0 { seen } else { &[] };
        // Branches would keep the compiler from comparing many pairs at once.
        let (hidden, climbs) = pairs.windows(2).fold((false, false), |(hidden, climbs), pair| {
            (hidden | (pair[0] == b'/') & (pair[1] == b'.'), climbs | (pair[0] == b'.') & (pair[1] == b'.'))
        });
        let long = target.len() > LONGEST;
        Look { hidden, odd: all & ODD != 0 || climbs || long, query: all & QUESTION != 0 || long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_not_odd_and_payloads_are() {
        for (plain, query) in [("/", false), ("/blog/a-b_c.html?x=1&y=2", true), ("/p/1,2", false)] {
            let look = Look::of(plain.as_bytes());
            assert!(!look.odd && look.query == query, "{plain}");
        }
        for odd in ["/?q=%27", "/../x", "/?q=<b>", "/?q=a'b", "/?x=a|b", "/a/..;/b"] {
            assert!(Look::of(odd.as_bytes()).odd, "{odd}");
        }
    }

    #[test]
    fn hidden_names_are_those_that_begin_with_a_point() {
        for (target, hidden) in [("/.env", true), ("/a/.git/config", true), ("/", false), ("/a.b/c.html", false), ("", false)] {
            assert_eq!(Look::of(target.as_bytes()).hidden, hidden, "{target}");
        }
    }
}
