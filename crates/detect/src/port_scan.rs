//! Who knocks at many doors: port scans (vertical), sweeps (horizontal), blocks of both, slow ones, and those of many sources
//! together.
//!
//! Counted is what failed: different hosts and ports per source. A fast scan shows in a random walk over first contacts, which
//! takes few failures where nothing else succeeds (Jung, Paxson, Berger, Balakrishnan: Fast portscan detection using sequential
//! hypothesis testing, IEEE S&P 2004); any other by a count within 15 minutes, or within a day. Answers that nobody asked for
//! (backscatter) never count. A scan is told again when it is ten times as large.

mod pending;
mod settings;
mod source;
mod target;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use lapwing_learn::Lru;
use lapwing_model::{Event, Flow, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::flows::{Contact, from_inside, joined, moment};
use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};
use pending::Pending;
use settings::Plan;
pub use settings::{Distributed, Fast, Settings};
use source::Source;
use target::Target;

pub const KIND: Kind = Kind {
    name: settings::NAME,
    summary: "port scans and sweeps, fast, slow and by many sources together, from failed contacts",
    family: Family::Statistical,
    scopes: &[Scope::All],
    enabled: |settings| settings.port_scan.enabled,
    build: |setup, _| Box::new(PortScan { plan: Plan::new(&setup.settings.port_scan), memory: None }),
};

/// Packets of one attempt that is not answered: what is asked is asked again a few times.
const MOST_TO_ASK: u64 = 16;

#[derive(Debug)]
struct PortScan {
    plan: Plan,
    /// Made at the first flow, since only one partition ever sees one. One place sees all flows, since an answer may be told
    /// by a flow of its own, and many sources may scan together.
    memory: Option<Memory>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    sources: Lru<Source>,
    targets: Lru<Target>,
    pending: Pending,
}

/// Somebody tried to reach a port of a host.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Attempt {
    at: i64,
    source: IpAddr,
    /// The key of the source and that of the host.
    client: u64,
    victim: u64,
    host: IpAddr,
    port: u16,
    protocol: u8,
    inside: bool,
    /// Whether a failure says something against its source by itself: not where a device only tells what it refused, and not where
    /// datagrams from inside are not answered, as those of games, meetings and downloads among peers.
    walks: bool,
}

impl Attempt {
    fn of(event: &Event, flow: &Flow) -> Option<Attempt> {
        let inside = from_inside(event, flow);
        Some(Attempt {
            at: moment(event),
            source: event.client?,
            client: event.keys.get(Scope::Client)?,
            victim: event.keys.get(Scope::Victim)?,
            host: flow.destination,
            port: if flow.icmp().is_some() { 0 } else { flow.destination_port },
            protocol: flow.protocol,
            inside,
            walks: flow.action != lapwing_model::Action::Denied && flow.sampling <= 1 && (flow.protocol == Flow::TCP || !inside),
        })
    }

    /// The host and the port, as one.
    fn door(&self) -> u64 {
        joined(self.victim, u64::from(self.port) << 8 | u64::from(self.protocol))
    }

    fn service(&self) -> u64 {
        u64::from(self.port) << 8 | u64::from(self.protocol)
    }
}

/// What both directions of a conversation have in common.
fn conversation(attempt: &Attempt, flow: &Flow) -> u64 {
    let ports = u64::from(flow.source_port) + u64::from(flow.destination_port);
    let ports = if flow.icmp().is_some() { 0 } else { ports };
    joined(attempt.client.wrapping_add(attempt.victim), ports << 8 | u64::from(flow.protocol))
}

impl Memory {
    fn new(settings: &Settings) -> Memory {
        Memory { sources: Lru::new(settings.sources), targets: Lru::new(settings.sources / 10 + 1), pending: Pending::default() }
    }

    fn judge(&mut self, at: u16, (event, flow): (&Event, &Flow), contact: Contact, plan: &Plan, findings: &mut Findings) {
        let Some(attempt) = Attempt::of(event, flow) else { return };
        match contact {
            // Who sends more than it takes to ask floods.
            Contact::Failed | Contact::Silent if flow.packets > MOST_TO_ASK => {}
            Contact::Answered => self.succeed(&attempt, plan),
            Contact::Failed => self.fail(&attempt, plan, &mut |finding| findings.push_with(at, finding, true, Vec::new())),
            Contact::Silent => {
                // The other direction of it came before, or this one is it.
                if let Some(first) = self.pending.take(conversation(&attempt, flow), attempt.client) {
                    self.succeed(&first, plan);
                } else if let Some(overdue) = self.pending.put(conversation(&attempt, flow), attempt) {
                    self.fail(&overdue, plan, &mut |finding| findings.push_with(at, finding, true, Vec::new()));
                }
            }
            Contact::Answer => {
                if let Some(first) = self.pending.take(conversation(&attempt, flow), attempt.client) {
                    self.succeed(&first, plan);
                }
            }
            Contact::Unclear => {}
        }
    }

    fn succeed(&mut self, attempt: &Attempt, plan: &Plan) {
        let (source, _) = self.sources.get_or_insert_with(attempt.client, || Source::new(attempt.at));
        source.succeed(attempt, plan);
    }

    fn fail(&mut self, attempt: &Attempt, plan: &Plan, tell: &mut dyn FnMut(lapwing_model::Finding)) {
        let (source, _) = self.sources.get_or_insert_with(attempt.client, || Source::new(attempt.at));
        let told = source.fail(attempt, plan);
        let mut part = false;
        if source.is_part_of_more(attempt, plan) {
            let (target, _) = self.targets.get_or_insert_with(attempt.victim, || Target::new(attempt.at));
            if let Some(finding) = target.fail(attempt, &plan.settings.distributed) {
                tell(finding);
            }
            part = target.is_told();
        }
        // Who scans a little of what many scan together is not told by itself.
        if let Some(finding) = told.filter(|_| !part) {
            tell(finding);
        }
    }
}

impl Detector for PortScan {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event, glance) in events.of(Glance::FLOW) {
            let Some(flow) = event.flow() else { continue };
            let memory = self.memory.get_or_insert_with(|| Memory::new(&self.plan.settings));
            memory.judge(at, (event, flow), glance.contact(), &self.plan, findings);
        }
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Timestamp, findings: &mut Findings) {
        let Some(memory) = &mut self.memory else { return };
        while let Some(overdue) = memory.pending.overdue(now.nanos()) {
            memory.fail(&overdue, &self.plan, &mut |finding| findings.push_at_tick(finding));
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved sources cannot be read: {error}"))?;
        memory.sources.set_capacity(self.plan.settings.sources);
        memory.targets.set_capacity(self.plan.settings.sources / 10 + 1);
        self.memory = Some(memory);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.sources.len())
    }
}
