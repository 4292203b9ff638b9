//! Which events a detection looks at, asked before it: most lines of most logs are none of any detection's business.

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
            When::Request => Glance::REQUEST,
            When::Hidden => Glance::HIDDEN,
            When::Refused => Glance::REFUSED,
            When::Granted => Glance::GRANTED,
            When::Sent => Glance::SENT,
            When::Payload => Glance::PAYLOAD,
            When::Query => Glance::QUERY,
            When::Anonymous => Glance::ANONYMOUS,
            When::Text => Glance::TEXT,
            When::Any => Glance::ANY,
        }
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
