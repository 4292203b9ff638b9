//! What the devices of a small network send as syslog: a Linux packet filter, a pf firewall, a Cisco ASA and a few hosts.

use crate::auth::Hosts;
use crate::classes::Class;
use crate::clock::{Clock, Style};
use crate::random::Random;
use crate::text::{push_address, push_number};
use crate::world::{Actor, World};

const TCP_SYN: &str = " WINDOW=29200 RES=0x00 SYN URGP=0";

/// Ports that the network's own servers are asked on.
const SERVED: [u32; 4] = [443, 80, 25, 993];

#[derive(Debug)]
pub(crate) struct Network {
    hosts: Hosts,
    clock: Clock,
    connection: u64,
}

/// One packet or connection.
#[derive(Debug, Clone, Copy)]
struct Packet {
    from: u32,
    source_port: u32,
    to: u32,
    port: u32,
    denied: bool,
}

impl Network {
    pub(crate) fn new(random: &mut Random) -> Self {
        Network { hosts: Hosts::new(random), clock: Clock::new(Style::Syslog), connection: 1_000 }
    }

    fn head(&mut self, priority: &str, at: i64, host: &str, out: &mut String) {
        out.push_str(priority);
        self.clock.push(out, at);
        for part in [" ", host, " "] {
            out.push_str(part);
        }
    }

    /// The same packet, as one of three firewalls tells of it.
    fn tell(&mut self, firewall: usize, at: i64, packet: Packet, random: &mut Random, out: &mut String) {
        match firewall % 3 {
            0 => self.netfilter(at, packet, random, out),
            1 => self.pf(at, packet, random, out),
            _ => self.asa(at, packet, out),
        }
    }

    fn netfilter(&mut self, at: i64, packet: Packet, random: &mut Random, out: &mut String) {
        self.head("<4>", at, "fw-1", out);
        out.push_str(if packet.denied {
            "kernel: [UFW BLOCK] IN=eth0 OUT= SRC="
        } else {
            "kernel: [UFW ALLOW] IN=eth0 OUT= SRC="
        });
        push_address(out, packet.from);
        out.push_str(" DST=");
        push_address(out, packet.to);
        out.push_str(" LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID=");
        push_number(out, u64::from(random.between(1, 65_535)));
        out.push_str(" DF PROTO=TCP SPT=");
        push_number(out, u64::from(packet.source_port));
        out.push_str(" DPT=");
        push_number(out, u64::from(packet.port));
        out.push_str(TCP_SYN);
    }

    fn pf(&mut self, at: i64, packet: Packet, random: &mut Random, out: &mut String) {
        self.head("<134>", at, "gw-1", out);
        out.push_str("filterlog[4711]: 5,,,1000000103,em0,match,");
        out.push_str(if packet.denied { "block" } else { "pass" });
        out.push_str(",in,4,0x0,,64,");
        push_number(out, u64::from(random.between(1, 65_535)));
        out.push_str(",0,DF,6,tcp,60,");
        push_address(out, packet.from);
        out.push(',');
        push_address(out, packet.to);
        out.push(',');
        push_number(out, u64::from(packet.source_port));
        out.push(',');
        push_number(out, u64::from(packet.port));
        out.push_str(",0,S,1234567,,64240,,mss");
    }

    fn asa(&mut self, at: i64, packet: Packet, out: &mut String) {
        self.head(if packet.denied { "<164>" } else { "<166>" }, at, "asa-1", out);
        self.connection += 1;
        if packet.denied {
            out.push_str("%ASA-4-106023: Deny tcp src outside:");
        } else {
            out.push_str("%ASA-6-302013: Built inbound TCP connection ");
            push_number(out, self.connection);
            out.push_str(" for outside:");
        }
        push_address(out, packet.from);
        out.push('/');
        push_number(out, u64::from(packet.source_port));
        out.push_str(if packet.denied { " dst inside:" } else { " to inside:" });
        push_address(out, packet.to);
        out.push('/');
        push_number(out, u64::from(packet.port));
        if packet.denied {
            out.push_str(" by access-group \"outside_in\" [0x0, 0x0]");
        }
    }
}

/// An address of the network's own: 10.1.0.0/24.
fn own(host: u32) -> u32 {
    u32::from_be_bytes([10, 1, 0, 0]) + host % 250 + 1
}

fn port(random: &mut Random) -> u32 {
    random.between(32_768, 60_999)
}

impl World for Network {
    fn normal(&mut self, at: i64, random: &mut Random, out: &mut String) -> bool {
        if random.chance(0.4) {
            // Of sshd, sudo and cron: facility authpriv, severity info.
            out.push_str("<86>");
            return self.hosts.normal(at, random, out);
        }
        // The internet knocks at closed doors all day, each address once.
        let denied = random.chance(0.15);
        let port_asked = if denied { random.between(1, 10_000) } else { random.pick(&SERVED) };
        let packet = Packet {
            from: random.address(),
            source_port: port(random),
            to: own(random.below(6) as u32),
            port: port_asked,
            denied,
        };
        self.tell(random.below(3), at, packet, random, out);
        false
    }

    fn actor(&mut self, _: &Class, random: &mut Random) -> Actor {
        Actor { address: random.address(), target: random.below(6), variant: random.below(24), ..Actor::default() }
    }

    fn attack(&mut self, class: &Class, actor: &mut Actor, at: i64, random: &mut Random, out: &mut String) {
        let written = actor.written;
        let (to, asked) = match class.name {
            "port-scan" => (own(actor.target as u32), 1 + (actor.variant as u32 * 997 + written * 37) % 9_973),
            _ => (own(written), [22, 23, 445, 3389][actor.variant % 4]),
        };
        let packet = Packet { from: actor.address, source_port: port(random), to, port: asked, denied: true };
        self.tell(actor.variant, at, packet, random, out);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::{Kind, Line, Settings, generate};

    fn lines() -> Vec<Line> {
        generate(Settings { kind: Kind::Syslog, count: 20_000, anomaly_share: 0.1, ..Settings::default() }).collect()
    }

    #[test]
    fn every_line_has_a_priority_and_every_device_speaks() {
        let lines = lines();
        assert!(lines.iter().all(|line| line.text.starts_with('<') && line.text[2..5].contains('>')));
        for device in ["fw-1 kernel: ", "gw-1 filterlog[", "asa-1 %ASA-", " sshd["] {
            assert!(lines.iter().filter(|line| line.text.contains(device)).count() > 100, "{device}");
        }
    }

    #[test]
    fn a_port_scan_is_one_address_asking_one_host_for_many_ports() {
        let marked: Vec<Line> =
            lines().into_iter().filter(|line| line.label.is_some_and(|label| label.class == "port-scan")).collect();
        let scan: Vec<&str> = marked.iter().filter(|line| line.label == marked[0].label).map(|line| line.text.as_str()).collect();
        let ports: BTreeSet<&str> = scan.iter().filter_map(|text| text.split(" DPT=").nth(1)?.split(' ').next()).collect();
        assert!(scan.len() >= 30 && (ports.is_empty() || ports.len() == scan.len()), "{scan:?}");
    }
}
