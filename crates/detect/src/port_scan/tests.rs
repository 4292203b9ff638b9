//! Scans by hand; those of real captures are in `traffic.rs`.

use lapwing_model::{ConnectionState, Finding, Severity};

use super::*;
use crate::flows::{ACK, RST, SYN};
use crate::testing::{detector, flow, observe, tcp};

fn found(events: &[Event]) -> Vec<Finding> {
    let mut scan = detector("port_scan", Scope::All);
    events.chunks(1000).flat_map(|chunk| observe(&mut *scan, chunk)).collect()
}

fn rules(events: &[Event]) -> Vec<String> {
    found(events).iter().map(|finding| finding.rule.to_string()).collect()
}

fn syn(n: u64, second: f64, client: &str, to: &str, port: u16) -> Event {
    flow(n, second, client, tcp(to, 40_000, port, SYN))
}

#[test]
fn a_scan_of_thousands_of_ports_is_told_by_powers_of_ten_only() {
    let events: Vec<_> = (0..5000).map(|n| syn(n, n as f64 / 100.0, "203.0.113.9", "10.0.0.1", n as u16)).collect();
    let findings = found(&events);
    assert!((3..=4).contains(&findings.len()), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.rule == "vertical-scan" && &*finding.entity.name == "203.0.113.9"));
    assert_eq!(findings.last().map(|finding| finding.severity), Some(Severity::High));
    assert!(findings[0].reason.starts_with("203.0.113.9 tried 5 ports of 10.0.0.1 within"), "{}", findings[0].reason);
}

#[test]
fn hosts_ports_and_both_have_their_own_names() {
    let hosts: Vec<_> = (0..30).map(|n| syn(n, n as f64, "203.0.113.9", &format!("10.0.0.{n}"), 445)).collect();
    assert_eq!(rules(&hosts), ["horizontal-scan"]);
    let block: Vec<_> = (0..400).map(|n| syn(n, n as f64, "203.0.113.9", &format!("10.0.0.{}", n % 20), 20 + ((n * 7 + n / 20) % 20) as u16)).collect();
    assert!(rules(&block).contains(&"block-scan".to_owned()), "{:?}", rules(&block));
}

#[test]
fn one_whose_contacts_mostly_succeed_may_fail_now_and_then() {
    let browse = |n: u64| {
        let flags = if n.is_multiple_of(6) { SYN } else { SYN | ACK | 1 };
        flow(n, n as f64 * 10.0, "10.0.0.5", tcp(&format!("198.51.{}.{}", n / 250, n % 250), 50_000, 443, flags))
    };
    assert!(found(&(1..2000).map(browse).collect::<Vec<_>>()).is_empty());
}

#[test]
fn what_a_firewall_refused_counts_but_says_nothing_of_what_it_let_through() {
    let denied = |n: u64| {
        let flow_of = Flow { action: lapwing_model::Action::Denied, state: ConnectionState::Attempted, ..tcp("10.0.0.1", 40_000, n as u16, 0) };
        flow(n, n as f64, "203.0.113.9", flow_of)
    };
    assert!(found(&(0..24).map(denied).collect::<Vec<_>>()).is_empty());
    assert_eq!(rules(&(0..26).map(denied).collect::<Vec<_>>()), ["vertical-scan"]);
}

#[test]
fn a_scan_slower_than_every_window_is_found_within_a_day() {
    let event = |n: u64| {
        let flow_of = Flow { action: lapwing_model::Action::Denied, state: ConnectionState::Attempted, ..tcp("10.0.0.1", 40_000, n as u16, 0) };
        flow(n, n as f64 * 300.0, "203.0.113.9", flow_of)
    };
    assert_eq!(rules(&(0..200).map(event).collect::<Vec<_>>()), ["slow-scan"]);
}

#[test]
fn backscatter_never_counts() {
    let events: Vec<_> = (0..5000)
        .flat_map(|n| {
            let victim = format!("10.{}.{}.1", n / 250, n % 250);
            let answer = [SYN | ACK, RST, RST | ACK][n as usize % 3];
            [flow(n, n as f64, "203.0.113.9", tcp(&victim, 80, 1024 + n as u16, answer)), flow(n, n as f64, &victim, tcp("203.0.113.9", 1024 + n as u16, 80, RST))]
        })
        .collect();
    assert!(found(&events).is_empty());
}

#[test]
fn datagrams_are_failures_only_where_no_other_flow_tells_the_answer() {
    let udp = |client: &str, to: &str, source: u16, port: u16, n: u64| {
        flow(n, n as f64 * 0.1, client, Flow { protocol: Flow::UDP, ..tcp(to, source, port, 0) })
    };
    let asked = |n: u64| udp("203.0.113.9", "10.0.0.1", 50_000, 100 + n as u16, n);
    let answered = |n: u64| udp("10.0.0.1", "203.0.113.9", 100 + n as u16, 50_000, n);
    let later = || syn(1, 400.0, "203.0.113.77", "10.0.0.7", 80);
    let mut scan: Vec<_> = (0..60).map(asked).collect();
    scan.push(later());
    assert_eq!(rules(&scan), ["vertical-scan", "vertical-scan"], "when they have waited for long enough");
    let mut served: Vec<_> = (0..60).flat_map(|n| [asked(n), answered(n)]).collect();
    served.push(later());
    assert!(found(&served).is_empty());
}

#[test]
fn many_sources_that_each_try_a_little_are_one_scan_together() {
    let denied = |n: u64| {
        let flow_of = Flow { action: lapwing_model::Action::Denied, state: ConnectionState::Attempted, ..tcp("10.0.0.1", 40_000, n as u16, 0) };
        flow(n, n as f64, &format!("203.0.113.{}", n % 100), flow_of)
    };
    assert_eq!(rules(&(0..600).map(denied).collect::<Vec<_>>()), ["distributed-scan"]);
}

#[test]
fn sources_that_would_be_told_after_five_failures_are_told_together_where_they_share_a_host() {
    let each = |n: u64| syn(n, n as f64 * 2.0, &format!("198.51.{}.7", n % 40), "10.0.0.1", n as u16 + 1);
    assert_eq!(rules(&(0..400).map(each).collect::<Vec<_>>()), ["distributed-scan"]);
    let knocks = |n: u64| syn(n, n as f64 * 2.0, &format!("198.51.{}.{}", n / 500, n / 2 % 250), "10.0.0.1", n as u16 + 1);
    assert!(found(&(0..400).map(knocks).collect::<Vec<_>>()).is_empty(), "many that knock once or twice are the Internet");
}

#[test]
fn a_host_inside_whose_peers_are_half_gone_does_not_scan() {
    let peer = |n: u64| {
        let to = Flow { protocol: Flow::UDP, reverse_packets: n % 2, ..tcp(&format!("198.51.{}.{}", n / 250, n % 250), 50_000, 20_000 + n as u16, 0) };
        let to = if n.is_multiple_of(2) { Flow { state: ConnectionState::Attempted, ..to } } else { to };
        flow(n, n as f64 * 10.0, "10.0.0.5", to)
    };
    assert!(found(&(0..3_000).map(peer).collect::<Vec<_>>()).is_empty());
}
