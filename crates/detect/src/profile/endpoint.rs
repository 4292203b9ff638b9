//! What is known of one endpoint: which methods ask for it, with which parameters.

use lapwing_learn::{ClosedSet, surprise};
use lapwing_model::{Timestamp, Web};
use serde::{Deserialize, Serialize};

use super::answer::Answers;
use super::deviation::{Check, Deviation};
use super::parameter::Parameter;
use super::request::Given;

const METHODS: u16 = 8;

/// Programs ask what may be asked.
const OPTIONS: u64 = method(b"OPTIONS");

/// The method, as far as it matters: its first bytes; who may get may also ask for the head.
pub(super) const fn method(method: &[u8]) -> u64 {
    if let b"HEAD" = method {
        return self::method(b"GET");
    }
    let (mut value, mut at) = (method.len() as u64, 0);
    while at < method.len() && at < 7 {
        value = value << 8 | method[at] as u64;
        at += 1;
    }
    value
}

/// Parameters beyond this are not kept apart: who takes more takes any.
const MOST_PARAMETERS: usize = 48;

/// Requests below which an endpoint says nothing.
pub(super) const LEAST: u32 = 30;

/// Requests with parameters below which it says nothing of those that are new or missing.
const ASKED_LEAST: u32 = 100;

/// The most that a parameter is worth on something that takes none (trackers and cache busters are added to anything), and that
/// parameters are which are all missing (anybody may type an address).
const HARMLESS: f32 = 5.5;

/// At most 700 bytes and its parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub requests: u32,
    /// Requests that had any parameters.
    asked: u32,
    methods: ClosedSet,
    pub parameters: Vec<Parameter>,
    pub answers: Answers,
    /// There were more parameters than are kept.
    full: bool,
    /// When its last generation ended, and how many requests it had since.
    aged: Timestamp,
    since: u32,
}

impl Endpoint {
    pub(super) fn new(at: Timestamp) -> Endpoint {
        Endpoint {
            requests: 0,
            asked: 0,
            methods: ClosedSet::new(METHODS),
            parameters: Vec::new(),
            answers: Answers::new(),
            full: false,
            aged: at,
            since: 0,
        }
    }

    /// Whether a request without parameters, and what it was answered, is nothing new.
    pub(super) fn expects(&self, method: u64, web: &Web) -> bool {
        self.asked == 0 && self.methods.has(method) && self.answers.expects(web)
    }

    /// The position of a parameter; `near` is where it is likely.
    fn position(&self, key: u64, near: usize) -> Option<usize> {
        if self.parameters.get(near).is_some_and(|parameter| parameter.key == key) {
            return Some(near);
        }
        self.parameters.iter().position(|parameter| parameter.key == key)
    }

    pub(super) fn parameter(&self, key: u64) -> Option<&Parameter> {
        self.position(key, 0).and_then(|at| self.parameters.get(at))
    }

    /// Learns a request. Calls `new` for the key of each parameter that it did not know; that answers whether there is room.
    /// Answers how many parameters have just been seen often enough to speak.
    pub(super) fn learn(&mut self, method: u64, given: &[Given<'_>], who: Who, mut new: impl FnMut(u64) -> bool) -> u32 {
        let mut grown = 0;
        self.requests = self.requests.saturating_add(1);
        self.since = self.since.saturating_add(1);
        self.methods.learn(method);
        self.asked = self.asked.saturating_add(u32::from(!given.is_empty()));
        for (near, given) in given.iter().enumerate() {
            let known = self.position(given.key, near);
            let at = known.unwrap_or(self.parameters.len());
            if known.is_none() {
                if self.parameters.len() >= MOST_PARAMETERS || !new(given.key) {
                    self.full = true;
                    continue;
                }
                self.parameters.push(Parameter::new(given));
            }
            if let Some(parameter) = self.parameters.get_mut(at) {
                parameter.learn(given, who.client, who.trusted);
                grown += u32::from(parameter.has_grown());
            }
        }
        grown
    }

    /// Ends a generation where it is due. Answers how many parameters were forgotten.
    pub(super) fn age(&mut self, now: Timestamp, generation: std::time::Duration) -> usize {
        // A generation of few requests would leave too little to judge by.
        if self.since < 10 * LEAST || now.since(self.aged) < generation {
            return 0;
        }
        (self.aged, self.since) = (now, 0);
        self.requests /= 2;
        self.asked /= 2;
        self.methods.age();
        self.answers.age();
        let before = self.parameters.len();
        self.parameters.retain_mut(Parameter::age);
        self.full = false;
        before - self.parameters.len()
    }

    /// Which parameters are given, which are new, which are missing; `value` judges what is given for one.
    pub(super) fn judge(
        &self,
        method: u64,
        given: &[Given<'_>],
        mut value: impl FnMut(Option<&Parameter>, &Given<'_>) -> Option<Deviation>,
        out: &mut Vec<Deviation>,
    ) {
        let grown = self.requests >= LEAST;
        if grown && !self.methods.has(method) {
            out.push(of(Check::Method, self.methods.surprise(if method == OPTIONS { 1.0 } else { 0.1 }), method));
        }
        let mut present = 0_u64;
        for (at, one) in given.iter().enumerate() {
            let known = self.position(one.key, at);
            let parameter = known.and_then(|known| self.parameters.get(known));
            present |= known.map_or(0, |known| 1 << known);
            let about = |deviation: Deviation| Deviation { given: Some(at), parameter: known, ..deviation };
            out.extend(value(parameter, one).map(about));
            if grown && known.is_none() && !self.full {
                out.push(about(of(Check::Unexpected, self.unexpected(), one.key)));
            }
        }
        if grown {
            self.missing(given.is_empty(), present, out);
        }
    }

    fn unexpected(&self) -> f32 {
        let once = self.parameters.iter().filter(|parameter| parameter.present == 1).count();
        if self.asked < ASKED_LEAST {
            return surprise(self.requests, self.parameters.len() as u32, once as u32, 1.0).min(HARMLESS);
        }
        surprise(self.asked, self.parameters.len() as u32, once as u32, 0.1)
    }

    /// A parameter that was there in every request that had parameters, or all of them.
    fn missing(&self, bare: bool, present: u64, out: &mut Vec<Deviation>) {
        if bare {
            let without = self.requests - self.asked.min(self.requests);
            if self.asked >= ASKED_LEAST {
                out.push(of(Check::Bare, never(self.requests, without).min(HARMLESS), 0));
            }
            return;
        }
        if self.asked < ASKED_LEAST {
            return;
        }
        for (at, parameter) in self.parameters.iter().enumerate().filter(|(at, _)| present >> at & 1 == 0) {
            let without = self.asked.saturating_sub(parameter.present);
            let evidence = never(self.asked, without);
            if evidence > 2.0 {
                out.push(Deviation { parameter: Some(at), ..of(Check::Missing, evidence, parameter.key) });
            }
        }
    }
}

/// Who asks, and whether all of it is to be learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    pub client: u64,
    pub trusted: bool,
}

fn of(check: Check, evidence: f32, item: u64) -> Deviation {
    Deviation { check, evidence, item, given: None, parameter: None }
}

/// The surprise of what happened `before` times among `samples`.
fn never(samples: u32, before: u32) -> f32 {
    surprise(samples, 0, before, 0.1)
}
