//! Real exporters and a real scanner, in networks of namespaces, through the real binary: fprobe (NetFlow v5) and pmacctd (v9, IPFIX)
//! tell of what nmap does and of captures that are played to them. What is not installed is said, and the test passes.

#[path = "../common/mod.rs"]
mod common;
mod lab;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Service;
use lab::{Lab, Running};
use serde_json::Value;

const COLLECTOR: &str = "10.210.0.1:2055";

fn start(directory: &Path) -> Service {
    Service::start(
        directory,
        &[("LAPWING__SOURCES__NETFLOW__ENABLED", "true"), ("LAPWING__SOURCES__NETFLOW__LISTEN", "[\"10.210.0.1:2055\"]")],
    )
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net").join(name);
    if !path.exists() {
        eprintln!("skipped: {name} is not beside this repository (../shared/data/net)");
        return None;
    }
    Some(path)
}

fn exporter(service: &mut Service, address: &str) -> Value {
    let stats: Value = serde_json::from_str(&service.get("/stats").1).expect("JSON");
    stats["exporters"][address].clone()
}

/// Waits until the exporter has told of so many flows, and a little longer for those that should not be there.
fn until(service: &mut Service, address: &str, flows: u64) -> Value {
    let begun = Instant::now();
    while exporter(service, address)["flows"].as_u64() < Some(flows) && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    service.settle();
    exporter(service, address)
}

/// NetFlow v5 of all that passes an interface.
fn fprobe(lab: &Lab, host: &str, interface: &str) -> Running {
    lab.start(host, "fprobe", &["-q", "10000", "-B", "8192", "-p", "-s", "1", "-d", "2", "-i", interface, "-l", "2", COLLECTOR])
}

/// The same by pmacctd, in another version.
fn pmacctd(lab: &Lab, host: &str, interface: &str, version: u8, directory: &Path) -> Running {
    let settings = format!(
        "daemonize: false\npcap_interface: {interface}\nplugins: nfprobe\n\
         aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\nnfprobe_receiver: {COLLECTOR}\n\
         nfprobe_version: {version}\nnfprobe_timeouts: tcp=2:tcp.rst=1:tcp.fin=1:udp=2:icmp=2:general=2:maxlife=60:expint=1\n"
    );
    let path = directory.join(format!("pmacctd-{host}.conf"));
    std::fs::write(&path, settings).expect("written");
    lab.start(host, "pmacctd", &["-f", path.to_str().expect("a plain path")])
}

fn play(lab: &Lab, host: &str, interface: &str, capture: &Path) {
    lab.run(host, "tcpreplay", &["-q", "-p", "500", "-i", interface, capture.to_str().expect("a plain path")]);
}

/// Three exporters in two hosts that their router hides behind its own address.
#[test]
fn exporters_behind_one_address_are_told_apart_and_none_of_their_flows_is_lost() {
    let (Some(many), Some(few)) = (shared("captures/synscan.pcap"), shared("scans/445_scan.pcap")) else { return };
    let programs = ["ip", "iptables", "tcpreplay", "fprobe", "pmacctd"];
    let cables = [
        (("collector", "10.210.0.1/24"), ("router", "10.210.0.2/24")),
        (("router", "10.210.1.1/24"), ("one", "10.210.1.2/24")),
        (("router", "10.210.2.1/24"), ("two", "10.210.2.2/24")),
    ];
    let name = "exporters_behind_one_address_are_told_apart_and_none_of_their_flows_is_lost";
    let Some(lab) = Lab::enter(name, &programs, &["collector", "router", "one", "two"], &cables) else { return };
    lab.run("router", "sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
    lab.run("router", "iptables", &["-t", "nat", "-A", "POSTROUTING", "-o", "e0b", "-j", "MASQUERADE"]);
    lab.run("one", "ip", &["route", "add", "default", "via", "10.210.1.1"]);
    lab.run("two", "ip", &["route", "add", "default", "via", "10.210.2.1"]);
    let directory = tempfile::tempdir().expect("a directory");
    let mut service = start(directory.path());
    let (stage, other) = (lab.stage("one"), lab.stage("two"));
    let exporters = [
        fprobe(&lab, "one", stage),
        pmacctd(&lab, "one", stage, 9, directory.path()),
        pmacctd(&lab, "two", other, 10, directory.path()),
    ];
    std::thread::sleep(Duration::from_secs(2));
    play(&lab, "one", stage, &many);
    play(&lab, "two", other, &few);
    std::thread::sleep(Duration::from_secs(6));
    exporters.into_iter().for_each(Running::stop);
    let rows = scan(&few)["summary"]["lines"].as_u64().expect("a number");
    // The capture's own flows go both ways in one row; exporters tell each direction, and one that goes on in pieces.
    let least = 2 * 2_002 + rows;
    let stats = until(&mut service, "10.210.0.2", least);
    for wrong in ["malformed", "missing_template", "lost", "dropped"] {
        assert_eq!(stats[wrong], 0, "{wrong}: {stats}");
    }
    let flows = stats["flows"].as_u64().expect("a number");
    assert!((least..=least + rows + 20).contains(&flows), "{rows} connections in the second capture: {stats}");
    let told: Vec<_> = service.anomalies().iter().map(|anomaly| format!("{} {}", anomaly["class"], anomaly["entity"])).collect();
    assert!(told.iter().any(|told| told.contains("port-scan") && told.contains("172.16.0.8")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("port-scan") && told.contains("176.192.150.3")), "{told:?}");
    assert_eq!(told.len(), 2, "what is mixed up looks like something else: {told:?}");
    service.stop();
}

fn scan(file: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["scan", "--output", "json"])
        .arg(file)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Somebody outside, a router that exports and captures, somebody inside.
struct Attack {
    lab: Lab,
    directory: tempfile::TempDir,
}

const SCANNER: &str = "203.0.113.9";
const VICTIM: &str = "10.210.4.2";

impl Attack {
    fn prepare(test: &str) -> Option<Attack> {
        let programs = ["ip", "nmap", "fprobe", "pmacctd", "tcpdump"];
        let cables = [
            (("collector", "10.210.0.1/24"), ("router", "10.210.0.2/24")),
            (("outside", "203.0.113.9/24"), ("router", "203.0.113.1/24")),
            (("router", "10.210.4.1/24"), ("inside", "10.210.4.2/24")),
        ];
        let lab = Lab::enter(test, &programs, &["collector", "router", "outside", "inside"], &cables)?;
        lab.run("router", "sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
        lab.run("outside", "ip", &["route", "add", "default", "via", "203.0.113.1"]);
        lab.run("inside", "ip", &["route", "add", "default", "via", "10.210.4.1"]);
        Some(Attack { lab, directory: tempfile::tempdir().expect("a directory") })
    }

    /// Scans while the router watches; what the service and a scan of the capture tell of: class and entity.
    fn scanned(&self, version: u8, nmap: &[&str]) -> [Vec<(String, String)>; 2] {
        let mut service = start(self.directory.path());
        let capture = self.directory.path().join("seen.pcap");
        let exporter = match version {
            5 => fprobe(&self.lab, "router", "e2a"),
            version => pmacctd(&self.lab, "router", "e2a", version, self.directory.path()),
        };
        let packets = capture.to_str().expect("a plain path");
        let dump = self.lab.start("router", "tcpdump", &["-U", "-Z", "root", "-i", "e2a", "-w", packets]);
        std::thread::sleep(Duration::from_secs(2));
        self.lab.run("outside", "nmap", &[&["-n", "-Pn"], nmap, &[VICTIM]].concat());
        std::thread::sleep(Duration::from_secs(4));
        dump.stop();
        exporter.stop();
        let stats = until(&mut service, "10.210.0.2", 20);
        assert_eq!((&stats["malformed"], &stats["lost"]), (&0.into(), &0.into()), "{stats}");
        let live = told(&service.anomalies());
        service.stop();
        let captured = scan(&capture)["anomalies"].as_array().cloned().expect("a list");
        [live, told(&captured)]
    }

    /// Each way one anomaly, a port scan by that address.
    fn is_one_scan(&self, version: u8, nmap: &[&str]) {
        for found in self.scanned(version, nmap) {
            assert_eq!(found, [("port-scan".to_owned(), SCANNER.to_owned())], "nmap {nmap:?}");
        }
    }
}

fn told(anomalies: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = anomalies.iter().map(|anomaly| (text(&anomaly["class"]), text(&anomaly["entity"]))).collect();
    told.sort();
    told
}

#[test]
fn a_half_open_scan_is_found() {
    let Some(attack) = Attack::prepare("a_half_open_scan_is_found") else { return };
    attack.is_one_scan(5, &["-sS", "-p1-300"]);
}

#[test]
fn a_scan_by_whole_connections_is_found() {
    let Some(attack) = Attack::prepare("a_scan_by_whole_connections_is_found") else { return };
    attack.is_one_scan(9, &["-sT", "-p1-300"]);
}

#[test]
fn a_scan_by_datagrams_is_found() {
    let Some(attack) = Attack::prepare("a_scan_by_datagrams_is_found") else { return };
    // A closed port answers once a second at most, which would take minutes: those that say nothing are as good.
    attack.lab.run("inside", "iptables", &["-A", "INPUT", "-p", "udp", "-j", "DROP"]);
    // Live an answer is waited for, for a minute and a half of the exporter's time: longer than this test may take.
    let [_, captured] = attack.scanned(10, &["-sU", "-F", "--max-retries", "1", "--max-rtt-timeout", "200ms"]);
    assert_eq!(captured, [("port-scan".to_owned(), SCANNER.to_owned())]);
}

#[test]
fn a_polite_scan_of_few_ports_is_found() {
    let Some(attack) = Attack::prepare("a_polite_scan_of_few_ports_is_found") else { return };
    attack.is_one_scan(9, &["-sS", "-T2", "-p20-80"]);
}

#[test]
fn of_a_scan_among_decoys_the_scanner_is_found_too() {
    let Some(attack) = Attack::prepare("of_a_scan_among_decoys_the_scanner_is_found_too") else { return };
    for found in attack.scanned(5, &["-sS", "-p1-300", "-D", "203.0.113.20,203.0.113.21,ME"]) {
        let scanners: Vec<_> = found.iter().filter(|(class, _)| class == "port-scan").map(|(_, entity)| &**entity).collect();
        assert_eq!(scanners, ["203.0.113.20", "203.0.113.21", SCANNER], "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
