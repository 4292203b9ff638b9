//! What an event is at a glance: worked out once for a batch, so that most detectors need not look at most events.

use std::sync::OnceLock;

use lapwing_model::{Detail, Event, Scope};

use crate::flows::{Contact, contact};

/// The numbers of the rules or detections that hold of an event, worked out by whoever needs them first.
pub(crate) type Answers = OnceLock<Box<[u32]>>;

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

/// One bit for each thing that holds of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Glance(u16);

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
    /// A web request with a path below a name that begins with a point.
    pub(crate) const HIDDEN: Glance = Glance(128);
    /// A web request whose address holds a character that plain addresses lack: `%`, `+`, quotes, brackets, `..`, `:` and such.
    pub(crate) const PAYLOAD: Glance = Glance(256);
    /// A web request with a query.
    pub(crate) const QUERY: Glance = Glance(512);
    pub(crate) const ANY: Glance = Glance(1023);
    /// What came of the attempt that a flow tells of, as [`Contact`] has it.
    pub(crate) const ANSWERED: Glance = Glance(1024);
    pub(crate) const FAILED: Glance = Glance(2048);
    pub(crate) const SILENT: Glance = Glance(4096);
    pub(crate) const ANSWER: Glance = Glance(8192);

    pub(crate) fn at(event: &Event) -> Glance {
        let web = match &event.detail {
            Detail::Web(web) => web,
            Detail::Log(_) => return Glance::TEXT,
            Detail::Flow(flow) => return Glance::FLOW.or(Glance::of_contact(contact(flow))),
        };
        let answered = if web.status >= 400 { Glance::REFUSED } else { Glance::GRANTED };
        let sent = if matches!(event.text(web.method), b"GET" | b"HEAD" | b"") { Glance::NOTHING } else { Glance::SENT };
        let anonymous = if event.keys.get(Scope::Client).is_none() { Glance::ANONYMOUS } else { Glance::NOTHING };
        Glance::REQUEST.or(answered).or(sent).or(anonymous).or(Glance::of_address(event.text(web.target)))
    }

    const fn of_contact(contact: Contact) -> Glance {
        match contact {
            Contact::Answered => Glance::ANSWERED,
            Contact::Failed => Glance::FAILED,
            Contact::Silent => Glance::SILENT,
            Contact::Answer => Glance::ANSWER,
            Contact::Unclear => Glance::NOTHING,
        }
    }

    /// What came of the attempt that a flow tells of.
    pub(crate) const fn contact(self) -> Contact {
        match self {
            flow if flow.meets(Glance::ANSWERED) => Contact::Answered,
            flow if flow.meets(Glance::FAILED) => Contact::Failed,
            flow if flow.meets(Glance::SILENT) => Contact::Silent,
            flow if flow.meets(Glance::ANSWER) => Contact::Answer,
            _ => Contact::Unclear,
        }
    }

    /// What one look at the address of a web request shows.
    fn of_address(target: &[u8]) -> Glance {
        let seen = &target[..target.len().min(LONGEST)];
        let all = seen.iter().fold(0, |all, &byte| all | KINDS[usize::from(byte)]);
        let (mut hidden, mut climbs) = (false, false);
        if all & POINT != 0 {
            for point in memchr::memchr_iter(b'.', seen).filter(|&point| point > 0) {
                hidden |= seen[point - 1] == b'/';
                climbs |= seen[point - 1] == b'.';
            }
        }
        let long = target.len() > LONGEST;
        let when = |holds: bool, glance: Glance| if holds { glance } else { Glance::NOTHING };
        when(hidden || long, Glance::HIDDEN)
            .or(when(all & ODD != 0 || climbs || long, Glance::PAYLOAD))
            .or(when(all & QUESTION != 0 || long, Glance::QUERY))
    }

    /// All that there can be, by their numbers, but for what came of flows.
    pub(crate) fn each() -> impl Iterator<Item = Glance> {
        (0..=Glance::ANY.0).map(Glance)
    }

    #[inline]
    pub(crate) const fn number(self) -> usize {
        (self.0 & Glance::ANY.0) as usize
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_not_odd_and_payloads_are() {
        for (plain, query) in [("/", false), ("/blog/a-b_c.html?x=1&y=2", true), ("/p/1,2", false)] {
            let glance = Glance::of_address(plain.as_bytes());
            assert_eq!(glance, if query { Glance::QUERY } else { Glance::NOTHING }, "{plain}");
        }
        for odd in ["/?q=%27", "/../x", "/?q=<b>", "/?q=a'b", "/?x=a|b", "/a/..;/b"] {
            assert!(Glance::of_address(odd.as_bytes()).meets(Glance::PAYLOAD), "{odd}");
        }
    }

    #[test]
    fn an_address_too_long_to_be_looked_at_may_be_anything() {
        let long = Glance::of_address(&[b'/'; LONGEST + 1]);
        assert!([Glance::HIDDEN, Glance::PAYLOAD, Glance::QUERY].iter().all(|glance| long.meets(*glance)));
    }

    #[test]
    fn a_glance_tells_what_came_of_a_flow() {
        for contact in [Contact::Answered, Contact::Failed, Contact::Silent, Contact::Answer, Contact::Unclear] {
            let glance = Glance::FLOW.or(Glance::of_contact(contact));
            assert_eq!((glance.contact(), glance.number()), (contact, Glance::FLOW.number()));
        }
    }

    #[test]
    fn hidden_names_are_those_that_begin_with_a_point() {
        for (target, hidden) in [("/.env", true), ("/a/.git/config", true), ("/", false), ("/a.b/c.html", false), ("", false)] {
            assert_eq!(Glance::of_address(target.as_bytes()).meets(Glance::HIDDEN), hidden, "{target}");
        }
    }
}
