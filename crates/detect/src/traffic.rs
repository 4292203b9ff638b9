//! All detectors of flows over whole traffic: an ordinary day, made here, and real captures where they are beside the repository.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lapwing_flow::{Aggregator, Capture, ConnState, dissect};
use lapwing_model::{ConnectionState, Detail, Event, Finding, Flow, Severity};

use crate::testing::{flow, judge, setup, tcp};
use crate::{Found, Shard};

/// Numbers that only depend on a seed.
struct Dice(u64);

impl Dice {
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.part() * bound as f64) as u64
    }

    /// Waiting times of what happens by chance.
    fn wait(&mut self, mean: f64) -> f64 {
        -self.part().max(1e-12).ln() * mean
    }
}

const DAY: f64 = 86_400.0;
const HOSTS: u64 = 60;

fn host(n: u64) -> String {
    format!("10.0.0.{}", 20 + n)
}

fn done(to: &str, source_port: u16, port: u16, bytes: u64, reverse_bytes: u64) -> Flow {
    let (packets, reverse_packets) = (4 + bytes / 1000, 4 + reverse_bytes / 1400);
    let state = ConnectionState::Closed;
    Flow { state, bytes, reverse_bytes, packets, reverse_packets, ..tcp(to, source_port, port, 27) }
}

fn asked(to: &str, source_port: u16, port: u16, bytes: u64) -> Flow {
    let udp = Flow { protocol: Flow::UDP, packets: 1, bytes: 70, ..tcp(to, source_port, port, 0) };
    Flow { reverse_packets: 1, reverse_bytes: bytes, ..udp }
}

/// An office of 60 hosts, its servers and visitors, for a day: in order of time.
fn ordinary(seed: u64) -> Vec<Event> {
    let mut dice = Dice(seed);
    let mut day: Vec<Event> = Vec::new();
    let mut add = |second: f64, client: &str, duration: f64, flow_of: Flow| {
        let mut event = flow(day.len() as u64, second, client, flow_of);
        event.duration = Duration::from_secs_f64(duration);
        day.push(event);
    };
    for n in 0..HOSTS {
        let client = host(n);
        people(&mut dice, &client, n, &mut add);
        machines(&mut dice, &client, n, &mut add);
    }
    servers(&mut dice, &mut add);
    day.sort_by_key(|event| event.at);
    day
}

/// Browsing in office hours, files, and a push service that stays connected.
fn people(dice: &mut Dice, client: &str, n: u64, add: &mut impl FnMut(f64, &str, f64, Flow)) {
    let mut second = 8.0 * 3600.0 + dice.wait(1800.0);
    while second < 18.0 * 3600.0 {
        for _ in 0..1 + dice.below(12) {
            let site = dice.below(400);
            let (to, port) = (format!("198.51.{}.{}", site / 100, site % 100), 1024 + dice.below(60_000) as u16);
            let flow_of = done(&to, port, 443, 500 + dice.below(20_000), 2_000 + dice.below(900_000));
            if dice.below(33) == 0 {
                add(
                    second,
                    client,
                    0.0,
                    Flow {
                        state: ConnectionState::Attempted,
                        packets: 2,
                        reverse_packets: 0,
                        reverse_bytes: 0,
                        tcp_flags: 2,
                        ..flow_of
                    },
                );
            } else {
                add(second, client, dice.wait(20.0), flow_of);
            }
            add(second, client, 0.02, asked("10.0.0.2", port, 53, 180));
            second += dice.wait(2.0);
        }
        if dice.below(10) == 0 {
            add(second, client, dice.wait(60.0), done("10.0.0.3", 50_000, 445, dice.below(5_000_000), dice.below(50_000_000)));
        }
        second += dice.wait(240.0);
    }
    let (from, hours) = (8.0 * 3600.0 + dice.wait(600.0), 2.0 + 7.0 * dice.part());
    let push = if n.is_multiple_of(2) { "203.0.113.5" } else { "203.0.113.6" };
    add(from, client, hours * 3600.0, done(push, 50_001, 443, 40_000, 60_000));
}

/// Clocks, mail, updates.
fn machines(dice: &mut Dice, client: &str, n: u64, add: &mut impl FnMut(f64, &str, f64, Flow)) {
    let mut second = dice.wait(300.0);
    while second < DAY {
        add(second, client, 0.01, asked("203.0.113.123", 123, 123, 76));
        second += 1024.0;
    }
    let mut second = 8.0 * 3600.0 + dice.wait(300.0);
    while second < 18.0 * 3600.0 {
        add(
            second,
            client,
            1.0 + dice.part(),
            done("203.0.113.25", 50_100, 993, 900 + dice.below(400), 2_000 + dice.below(200_000)),
        );
        second += 300.0;
    }
    add(DAY * dice.part(), client, 60.0, done(&format!("198.51.200.{}", n % 4), 50_200, 443, 100_000, 300_000_000));
}

/// Monitoring, a database, visitors of the web server, what the Internet sends to everybody, and a nightly backup.
fn servers(dice: &mut Dice, add: &mut impl FnMut(f64, &str, f64, Flow)) {
    for round in 0..(DAY / 60.0) as u64 {
        for n in 0..20 {
            add(round as f64 * 60.0 + n as f64, "10.0.0.4", 0.1, done(&host(n), 51_000, [22, 80][n as usize % 2], 400, 700));
        }
    }
    let mut second = 0.0;
    while second < DAY {
        add(
            second,
            "10.0.0.10",
            0.2,
            done("10.0.0.11", 30_000 + dice.below(20_000) as u16, 5432, 500 + dice.below(3000), 900 + dice.below(60_000)),
        );
        let visitor = dice.below(3000);
        let visitor = format!("192.0.{}.{}", 2 + visitor / 250, visitor % 250);
        add(
            second,
            &visitor,
            dice.wait(5.0),
            done("10.0.0.10", 40_000, 443, 900 + dice.below(2000), 2_000 + dice.below(2_000_000)),
        );
        second += dice.wait(6.0);
    }
    for _ in 0..3000 {
        let noise = format!("185.{}.{}.{}", dice.below(200), dice.below(200), dice.below(200));
        let port = [22, 23, 80, 445, 3389, 8080][dice.below(6) as usize];
        add(DAY * dice.part(), &noise, 0.0, Flow { state: ConnectionState::Rejected, ..tcp("10.0.0.10", 40_000, port, 2) });
    }
    add(2.0 * 3600.0, "10.0.0.3", 3000.0, done("10.0.0.12", 50_300, 22, 40_000_000_000, 90_000_000));
}

/// What all detectors of flows find, above what is merely noted, once for each entity and class.
fn told(events: &[Event]) -> (BTreeSet<(String, String)>, Vec<Found>) {
    let found = judge(&mut [Shard::whole(&setup())], events, 1024);
    let loud = |finding: &Finding| finding.severity >= Severity::Low || finding.score.value() * 0.6 >= 0.25;
    let told = found.iter().map(|found| &found.finding).filter(|finding| loud(finding));
    (told.map(|finding| (finding.entity.name.to_string(), finding.class.to_string())).collect(), found)
}

#[test]
fn an_ordinary_day_gives_hardly_an_alert() {
    for seed in [1, 2] {
        let events = ordinary(seed);
        assert!(events.len() > 70_000, "{}", events.len());
        let (told, _) = told(&events);
        assert!(told.len() <= 3, "seed {seed}: {told:?}");
    }
}

/// The flows of a capture of the data set, if it is there.
fn capture(name: &str) -> Option<Vec<Event>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net").join(name);
    let Ok(file) = File::open(path) else {
        eprintln!("skipped: {name} is not beside this repository (../shared/data/net)");
        return None;
    };
    let mut capture = Capture::new(BufReader::new(file)).expect("a capture");
    let (mut aggregator, mut rows) = (Aggregator::default(), Vec::new());
    while let Some(frame) = capture.next_frame().expect("a frame") {
        if let Some(packet) = frame.link.and_then(|link| dissect(link, frame.data)) {
            aggregator.packet(frame.time, &packet, &mut rows);
        }
    }
    aggregator.finish(&mut rows);
    Some(rows.iter().zip(0..).map(|(row, n)| event(n, row)).collect())
}

fn event(number: u64, row: &lapwing_flow::Flow) -> Event {
    let client: IpAddr = row.src;
    let mut event = flow(number, row.start as f64 / 1e9, &client.to_string(), tcp(&row.dst.to_string(), 0, 0, 0));
    event.duration = Duration::from_nanos((row.end - row.start) as u64);
    event.detail = Detail::Flow(Flow {
        destination: row.dst,
        source_port: row.src_port,
        destination_port: row.icmp.map_or(row.dst_port, |(kind, code)| u16::from_be_bytes([kind, code])),
        protocol: row.protocol,
        state: row.state.map_or(ConnectionState::Unknown, state),
        tcp_flags: row.tcp_flags.into(),
        bytes: row.bytes,
        packets: row.packets,
        reverse_bytes: row.reverse_bytes,
        reverse_packets: row.reverse_packets,
        ..Flow::default()
    });
    event
}

fn state(state: ConnState) -> ConnectionState {
    match state {
        ConnState::S0 | ConnState::Sh | ConnState::Rstos0 => ConnectionState::Attempted,
        ConnState::Rej => ConnectionState::Rejected,
        ConnState::S1 | ConnState::S2 | ConnState::S3 => ConnectionState::Established,
        ConnState::Sf => ConnectionState::Closed,
        ConnState::Rsto | ConnState::Rstr => ConnectionState::Reset,
        ConnState::Rstrh | ConnState::Shr | ConnState::Oth => ConnectionState::Midstream,
    }
}

#[test]
fn each_scan_of_the_data_set_is_one_alert_of_its_kind_and_backscatter_none() {
    for (name, scanner, rule) in [
        ("scans/445_scan.pcap", "176.192.150.3", "horizontal-scan"),
        ("scans/multiport_scan.pcap", "125.27.226.209", "horizontal-scan"),
        ("scans/port_scan.pcap", "192.168.2.154", "vertical-scan"),
        ("scans/scan_with_zero_windows.pcap", "10.0.0.1", "horizontal-scan"),
        ("captures/synscan.pcap", "172.16.0.8", "vertical-scan"),
    ] {
        let Some(events) = capture(name) else { continue };
        let (told, found) = told(&events);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [(scanner.to_owned(), "port-scan".to_owned())], "{name}: {found:?}");
        let scans: Vec<_> = found.iter().filter(|found| found.finding.detector == "port_scan").collect();
        assert!(scans.len() <= 4 && scans.iter().all(|found| found.finding.rule == rule), "{name}: {scans:?}");
    }
    if let Some(events) = capture("scans/backscatter.trace") {
        assert!(told(&events).0.is_empty(), "{:?}", told(&events));
    }
}

#[test]
fn guessing_at_an_ftp_server_and_a_tunnel_through_the_dns_are_found_in_captures() {
    for (name, client, class) in [
        ("captures/bruteforce.pcap", "192.168.56.1", "brute-force"),
        ("captures/dns-tunnel-iodine.pcap", "10.0.2.30", "dns-tunnel"),
    ] {
        let Some(events) = capture(name) else { continue };
        let (told, found) = told(&events);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [(client.to_owned(), class.to_owned())], "{name}: {found:?}");
    }
}
