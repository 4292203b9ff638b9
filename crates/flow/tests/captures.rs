//! Captures of real exporters and of real traffic. They are not part of this repository (GPL, LGPL); each test says so and passes
//! where they are not beside it.

use lapwing_flow::{Aggregator, Capture, ConnState, Decoder, Flow, Link, Outcome, dissect};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A file of the data set, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {name} is not beside this repository (../shared/data/net)");
    None
}

fn each_frame(path: &PathBuf, mut see: impl FnMut(i64, lapwing_flow::Packet)) {
    let file = BufReader::new(File::open(path).expect("the capture opens"));
    let mut capture = Capture::new(file).expect("a capture");
    while let Some(frame) = capture.next_frame().expect("a frame") {
        if let Some(packet) = frame.link.and_then(|link| dissect(link, frame.data)) {
            see(frame.time, packet);
        }
    }
}

/// Decodes all datagrams of UDP in a capture.
fn decode(path: &PathBuf) -> (Vec<Flow>, Vec<Outcome>) {
    let (mut decoder, mut flows, mut outcomes) = (Decoder::default(), Vec::new(), Vec::new());
    each_frame(path, |time, packet| {
        if packet.protocol == 17 {
            let from = SocketAddr::new(packet.src, packet.src_port);
            outcomes.push(decoder.decode(from, time, packet.payload, &mut flows));
        }
    });
    (flows, outcomes)
}

type Row = (IpAddr, IpAddr, u16, u16, u8);

/// Packets and bytes by addresses, ports and protocol.
fn sums(rows: impl Iterator<Item = (Row, u64, u64)>) -> BTreeMap<Row, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for (row, packets, bytes) in rows {
        let sum: &mut (u64, u64) = sums.entry(row).or_default();
        *sum = (sum.0 + packets, sum.1 + bytes);
    }
    sums
}

fn row(flow: &Flow) -> (Row, u64, u64) {
    ((flow.src, flow.dst, flow.src_port, flow.dst_port, flow.protocol), flow.packets, flow.bytes)
}

/// A row of pmacct, which writes the names of protocols.
fn pmacct_row(line: &str) -> (Row, u64, u64) {
    let row: serde_json::Value = serde_json::from_str(line).expect("a row in JSON");
    let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"));
    let address = |name: &str| row[name].as_str().expect("text").parse().expect("an address");
    let protocol = match row["ip_proto"].as_str().expect("text") {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "ipv6-icmp" => 58,
        "pim" => 103,
        "vrrp" => 112,
        other => other.parse().unwrap_or_else(|_| panic!("protocol {other}")),
    };
    let ports = (number("port_src") as u16, number("port_dst") as u16);
    ((address("ip_src"), address("ip_dst"), ports.0, ports.1, protocol), number("packets"), number("bytes"))
}

#[test]
fn rows_agree_with_those_of_pmacct() {
    let cases = [
        "100-IPFIXv10-CISCO",
        "101-NFv9-CISCO-cust_primitives",
        "102-NFv9-CISCO-f2rd-pretag-sampling-reload",
        "103-IPFIXv10-CISCO-pretag-JSON_encoding",
        "104-IPFIXv10-IPv6-CISCO-sampling_option",
    ];
    for case in cases {
        let Some(folder) = data(&format!("pmacct/{case}")) else { return };
        let text = fs::read_to_string(folder.join("output-flow-00.json")).expect("rows");
        let expected = sums(text.lines().map(pmacct_row));
        let (flows, outcomes) = decode(&folder.join("traffic-00.pcap"));
        assert!(outcomes.iter().all(|outcome| outcome.malformed.is_none()), "{case}");
        let found = sums(flows.iter().map(row));
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn samples_and_counters_of_sflow_are_decoded() {
    let Some(path) = data("captures/sflow.pcap") else { return };
    let (flows, outcomes) = decode(&path);
    assert!(outcomes.iter().all(|outcome| outcome.malformed.is_none()), "{outcomes:?}");
    let counters: u32 = outcomes.iter().map(|outcome| outcome.others).sum();
    assert_eq!((flows.len(), counters), (1, 8), "a ping, and the counters of eight interfaces");
    let ping = flows[0];
    assert_eq!((ping.src.to_string(), ping.dst.to_string()), ("172.21.32.254".into(), "172.21.32.241".into()));
    assert_eq!((ping.protocol, ping.icmp, ping.vlan, ping.sampling), (1, Some((8, 0)), 32, 2_048));
    assert_eq!((ping.packets, ping.bytes), (2_048, 60 * 2_048));
}

fn aggregate(path: &PathBuf) -> Vec<Flow> {
    let (mut aggregator, mut flows) = (Aggregator::default(), Vec::new());
    each_frame(path, |time, packet| aggregator.packet(time, &packet, &mut flows));
    aggregator.finish(&mut flows);
    flows
}

#[test]
fn flows_of_a_syn_scan_have_all_its_packets() {
    let Some(path) = data("captures/synscan.pcap") else { return };
    let flows = aggregate(&path);
    let one_way: usize = flows.iter().map(|flow| usize::from(flow.packets > 0) + usize::from(flow.reverse_packets > 0)).sum();
    let packets: u64 = flows.iter().map(|flow| flow.packets + flow.reverse_packets).sum();
    let bytes: u64 = flows.iter().map(|flow| flow.bytes + flow.reverse_bytes).sum();
    let states = flows.iter().fold(BTreeMap::new(), |mut states: BTreeMap<_, u32>, flow| {
        *states.entry(flow.state.map(ConnState::name)).or_default() += 1;
        states
    });
    println!("{} rows, {one_way} one way, states {states:?}", flows.len());
    // softflowd counts what fills short Ethernet frames up to 60 octets as well; octets of IP do not include it (RFC 7012).
    let mut padding = 0;
    let file = BufReader::new(File::open(&path).expect("the capture opens"));
    let mut capture = Capture::new(file).expect("a capture");
    while let Some(frame) = capture.next_frame().expect("a frame") {
        let packet = dissect(Link::Ethernet, frame.data).expect("a packet");
        padding += frame.data.len() as u64 - 14 - u64::from(packet.bytes);
    }
    assert_eq!((packets, bytes + padding), (2_011, 88_518));
    assert_eq!(one_way, 2_002, "softflowd counts each way");
    assert_eq!(flows, aggregate(&path), "the same packets make the same rows");
}

#[test]
fn scans_are_attempts_and_backscatter_is_answers() {
    for name in ["445_scan.pcap", "multiport_scan.pcap", "port_scan.pcap", "scan_with_zero_windows.pcap"] {
        let Some(path) = data(&format!("scans/{name}")) else { return };
        let flows = aggregate(&path);
        let mut tcp = flows.iter().filter(|flow| flow.protocol == 6).peekable();
        assert!(tcp.peek().is_some(), "{name}");
        assert!(tcp.all(|flow| matches!(flow.state, Some(ConnState::S0 | ConnState::Rej))), "{name}: {flows:?}");
    }
    let Some(path) = data("scans/backscatter.trace") else { return };
    let flows = aggregate(&path);
    let attempts =
        flows.iter().filter(|flow| flow.protocol == 6 && matches!(flow.state, Some(ConnState::S0 | ConnState::Rej))).count();
    println!("backscatter: {} rows, {attempts} attempts", flows.len());
    assert_eq!(attempts, 0);
}

#[test]
fn a_brute_force_is_many_whole_connections() {
    let Some(path) = data("captures/bruteforce.pcap") else { return };
    let flows = aggregate(&path);
    let whole = flows.iter().filter(|flow| flow.dst_port == 21 && flow.reverse_packets > 0).count();
    println!("{} rows, {whole} to ftp", flows.len());
    assert!(whole > 10);
}
