//! A port scan seen in flows, passwords guessed and a login in the victim's own log, then data that leaves the victim, in flows again: one
//! incident across sources, live and in a scan of files.

mod common;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::Service;
use lapwing_generate::{Datagram, Exporter, Flow, Version, capture_head, captured};
use lapwing_model::Timestamp;
use serde_json::Value;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const VICTIM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

const SECOND: i64 = 1_000_000_000;

fn flow(source: Ipv4Addr, destination: Ipv4Addr, port: u16, begin: i64, end: i64) -> Flow {
    Flow {
        source,
        source_port: 40_000,
        destination,
        destination_port: port,
        protocol: 6,
        tcp_flags: 2,
        packets: 1,
        bytes: 44,
        begin,
        end,
        told: end + SECOND,
        label: None,
    }
}

fn datagrams(flows: impl Iterator<Item = Flow>, started: i64) -> Vec<Datagram> {
    let mut exporter = Exporter::new(Version::V5, started);
    let mut all: Vec<_> = flows.filter_map(|flow| exporter.put(flow)).collect();
    all.extend(exporter.finish());
    all
}

/// The story, begun some minutes ago: datagrams of the scan, the victim's log, datagrams of what it sent.
fn story(start: i64) -> (Vec<Datagram>, String, Vec<Datagram>) {
    let scan = (1..=200_u16).map(|port| {
        let at = start + i64::from(port) * SECOND / 20;
        flow(ATTACKER, VICTIM, port, at, at)
    });
    let line = |second: i64, text: &str| {
        let time = Timestamp::from_nanos(start + second * SECOND);
        format!("{time} web sshd[4711]: {text} for root from {ATTACKER} port 40{second} ssh2\n")
    };
    let mut log: String = (60..100).map(|second| line(second, "Failed password")).collect();
    log += &line(101, "Accepted password");
    let sent = (0..4).map(|part| {
        let begin = start + (180 + 60 * part) * SECOND;
        let whole = flow(VICTIM, ELSEWHERE, 443, begin, begin + 50 * SECOND);
        Flow { tcp_flags: 0x1b, packets: 400_000, bytes: 600_000_000, ..whole }
    });
    let started = start - 3_600 * SECOND;
    (datagrams(scan, started), log, datagrams(sent, started))
}

/// An incident in which all of it is.
fn check(incident: &Value) {
    let classes: Vec<_> =
        incident["timeline"].as_array().expect("a list").iter().map(|step| step["class"].as_str().expect("text")).collect();
    // The guesses are a part of the login that they led to.
    assert_eq!(classes, ["port-scan", "success-after-failures", "exfiltration"], "{incident}");
    assert_eq!(incident["timeline"][1]["count"], 41, "{incident}");
    assert_eq!(incident["severity"], "critical", "worse than each of its parts: {incident}");
    assert_eq!(incident["title"], "203.0.113.9 scanned ports, then got in after failed logins; then 10.0.0.5 sent much data out");
}

#[test]
fn a_scan_guesses_a_login_and_an_upload_are_one_incident_across_sources() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
    let (scan, log, sent) = story(now - 600 * SECOND);
    let directory = tempfile::tempdir().expect("a directory");
    let listen = [("LAPWING__SOURCES__NETFLOW__ENABLED", "true"), ("LAPWING__SOURCES__NETFLOW__LISTEN", "[\"127.0.0.1:0\"]")];
    let mut service = Service::start(directory.path(), &listen);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(service.address("netflow")).expect("an address");
    let send = |datagrams: &[Datagram]| datagrams.iter().for_each(|datagram| _ = socket.send(&datagram.bytes).expect("sent"));
    send(&scan);
    service.settle();
    assert_eq!(service.post("/logs", log.as_bytes()).expect("an answer").0, 202);
    service.settle();
    send(&sent);
    let begun = Instant::now();
    let incident = loop {
        let all: Value = serde_json::from_str(&service.get("/incidents").1).expect("JSON");
        let items = all["items"].as_array().expect("a list").clone();
        if items.iter().any(|incident| incident["timeline"].as_array().is_some_and(|steps| steps.len() >= 3)) {
            assert_eq!(items.len(), 1, "{all}");
            break items[0].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{all} of {:?}", service.anomalies());
        std::thread::sleep(Duration::from_millis(200));
    };
    check(&incident);
    let id = incident["id"].as_str().expect("text");
    let (status, one) = service.get(&format!("/incidents/{id}"));
    assert_eq!((status, serde_json::from_str::<Value>(&one).expect("JSON")), (200, incident));
    service.stop();
}

fn pcap(path: PathBuf, datagrams: &[Datagram]) -> PathBuf {
    let [from, to] = [50_000, 2_055].map(|port| SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), port));
    let packets = datagrams.iter().flat_map(|datagram| captured(datagram, from, to));
    std::fs::write(&path, capture_head().into_iter().chain(packets).collect::<Vec<_>>()).expect("written");
    path
}

#[test]
fn a_scan_of_captures_and_a_log_tells_the_same_story() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = |name: &str| -> PathBuf { Path::join(directory.path(), name) };
    let (scan, log, sent) = story(1_767_600_000 * SECOND);
    std::fs::write(own("2-auth.log"), log).expect("written");
    let files = [pcap(own("1-scan.pcap"), &scan), own("2-auth.log"), pcap(own("3-sent.pcap"), &sent)];
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["scan", "--output", "json"])
        .args(files)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let incidents = found["incidents"].as_array().expect("a list");
    assert_eq!(incidents.len(), 1, "{found}");
    check(&incidents[0]);
}
