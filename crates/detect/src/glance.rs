//! What an event is at a glance: worked out once for a batch, so that most detectors need not look at most events.

use lapwing_model::{Detail, Event, Scope};

/// One bit for each thing that holds of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Glance(u8);

impl Glance {
    pub(crate) const NOTHING: Glance = Glance(0);
    /// A web request.
    pub(crate) const REQUEST: Glance = Glance(1);
    /// One answered with 400 or above.
    pub(crate) const REFUSED: Glance = Glance(2);
    /// One answered with less than 400.
    pub(crate) const GRANTED: Glance = Glance(4);
    /// One of another method than GET and HEAD.
    pub(crate) const SENT: Glance = Glance(8);
    /// A line that is no web request.
    pub(crate) const TEXT: Glance = Glance(16);
    /// A network flow.
    pub(crate) const FLOW: Glance = Glance(32);
    /// A web request of which nobody knows who sent it.
    pub(crate) const ANONYMOUS: Glance = Glance(64);
    pub(crate) const ANY: Glance = Glance(127);

    pub(crate) fn at(event: &Event) -> Glance {
        let web = match &event.detail {
            Detail::Web(web) => web,
            Detail::Log(_) => return Glance::TEXT,
            Detail::Flow(_) => return Glance::FLOW,
        };
        let answered = if web.status >= 400 { Glance::REFUSED } else { Glance::GRANTED };
        let sent = if matches!(event.text(web.method), b"GET" | b"HEAD" | b"") { Glance::NOTHING } else { Glance::SENT };
        let anonymous = if event.keys.get(Scope::Client).is_none() { Glance::ANONYMOUS } else { Glance::NOTHING };
        Glance::REQUEST.or(answered).or(sent).or(anonymous)
    }

    pub(crate) const fn or(self, other: Glance) -> Glance {
        Glance(self.0 | other.0)
    }

    /// Whether both have something.
    #[inline]
    pub(crate) const fn meets(self, other: Glance) -> bool {
        self.0 & other.0 != 0
    }
}
