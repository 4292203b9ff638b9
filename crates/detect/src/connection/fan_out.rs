//! One host inside reaches for many others at ports of administration: lateral movement, or an administrator's tool.

use lapwing_learn::{Distinct, Lru};
use lapwing_model::{Event, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{NAME, Settings};
use crate::flows::{HOUR, from_inside, moment, span, to_inside};

/// Where hosts are administered: SSH, RPC, SMB, RDP, VNC, WinRM, telnet.
const PORTS: [u16; 9] = [22, 23, 135, 139, 445, 3389, 5900, 5985, 5986];

/// Hours from which on a host has a history.
const PAST_HOURS: u32 = 3;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FanOut(Lru<Reach>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reach {
    hour: i64,
    began: i64,
    hosts: Distinct,
    flows: u32,
    hours: u32,
    /// The most in any hour before, fading.
    most: f32,
    told: f64,
}

impl FanOut {
    pub(super) fn new(settings: &Settings) -> FanOut {
        FanOut(Lru::new(settings.entities.div_ceil(PARTITIONS)))
    }

    pub(super) fn fit(&mut self, settings: &Settings) {
        self.0.set_capacity(settings.entities.div_ceil(PARTITIONS));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn judge(&mut self, event: &Event, flow: &Flow, settings: &Settings) -> Option<Finding> {
        if !PORTS.contains(&flow.destination_port) || flow.protocol != Flow::TCP || !to_inside(flow) || !from_inside(event, flow) {
            return None;
        }
        let at = moment(event);
        let (reach, _) = self.0.get_or_insert_with(event.keys.get(Scope::Client)?, || Reach::new(at));
        reach.pass_to(at);
        reach.flows += 1;
        if !reach.hosts.insert(event.keys.get(Scope::Victim)?) {
            return None;
        }
        let hosts = reach.hosts.count();
        let usual = if reach.hours >= PAST_HOURS { f64::from(reach.most) } else { 0.0 };
        let limit = f64::from(settings.fan_out).max(settings.fan_out_times * usual);
        if hosts < limit || hosts < 10.0 * reach.told {
            return None;
        }
        reach.told = hosts;
        let news = std::mem::take(&mut reach.flows);
        let within = span(at.saturating_sub(reach.began));
        let who = event.entity();
        Some(Finding {
            detector: NAME,
            rule: "lateral-fan-out".into(),
            class: "lateral-movement".into(),
            score: Score::new(0.65),
            severity: Severity::Medium,
            count: u64::from(news.max(1)),
            since: Some(Timestamp::from_nanos(reach.began)),
            reason: format!("{who} reached for {hosts:.0} hosts inside at ports of administration within {within} (ATT&CK T1021)"),
            entity: who,
            expected: if usual > 0.0 { format!("at most {usual:.0} within an hour, as before") } else { format!("fewer than {limit:.0} within an hour") },
            observed: format!("{hosts:.0} hosts within {within}"),
        })
    }
}

impl Reach {
    fn new(at: i64) -> Reach {
        Reach { hour: at.div_euclid(HOUR), began: at, hosts: Distinct::new(), flows: 0, hours: 0, most: 0.0, told: 0.0 }
    }

    fn pass_to(&mut self, at: i64) {
        let hour = at.div_euclid(HOUR);
        if hour > self.hour {
            self.most = (self.most * 0.99).max(self.hosts.count() as f32);
            self.hours = self.hours.saturating_add(1);
            *self = Reach { hours: self.hours, most: self.most, ..Reach::new(at) };
        }
    }
}
