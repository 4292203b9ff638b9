//! Real datagrams of about 35 vendors (tests/fixtures/netflow-vendors, Apache-2.0), against what another collector reads in them.

#[path = "vendors/names.rs"]
mod names;

use lapwing_flow::{Decoder, Flow, Malformed, Outcome, Record, Settings};
use names::named;
use serde_json::{Map, Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(serde::Deserialize)]
struct Case {
    case: String,
    datagrams: Vec<String>,
    events: Option<usize>,
    fields_by_event: Map<String, Value>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netflow-vendors")
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the expectations");
    serde_json::from_str(&text).expect("expectations in JSON")
}

fn datagram(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn exporter() -> SocketAddr {
    "192.0.2.1:2055".parse().expect("an address")
}

/// When a datagram says it was sent.
fn exported(datagram: &[u8]) -> i64 {
    let at = if datagram[1] == 10 { 4 } else { 8 };
    i64::from(u32::from_be_bytes(datagram[at..at + 4].try_into().expect("four octets"))) * 1_000_000_000
}

/// The other collector has no memory for data that came too early.
fn forgetful() -> Decoder {
    Decoder::new(Settings { held_sets: 0, ..Settings::default() })
}

/// Fields of a record by name, with those of its header.
fn fields(record: &Record, datagram: &[u8]) -> Map<String, Value> {
    let mut fields: Map<_, _> = record.values.iter().filter_map(|(field, value)| named(record, field, value)).collect();
    fields.insert("version".into(), json!(record.version));
    fields.insert("flowset_id".into(), json!(record.template));
    fields.insert("flow_seq_num".into(), json!(record.sequence));
    if record.version == 5 {
        let sampling = u16::from_be_bytes([datagram[22], datagram[23]]);
        fields.insert("flow_records".into(), json!(datagram[3]));
        fields.insert("engine_type".into(), json!(datagram[20]));
        fields.insert("engine_id".into(), json!(datagram[21]));
        fields.insert("sampling_algorithm".into(), json!(sampling >> 14));
        fields.insert("sampling_interval".into(), json!(sampling & 0x3fff));
    }
    fields
}

#[test]
fn every_case_is_decoded_as_expected() {
    let cases = cases();
    assert_eq!(cases.len(), 51);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in &cases {
        let mut decoder = forgetful();
        let mut events = Vec::new();
        for name in &case.datagrams {
            let bytes = datagram(name);
            let mut records = Vec::new();
            decoder.decode_records(exporter(), exported(&bytes), &bytes, &mut records);
            events.extend(records.iter().map(|record| fields(record, &bytes)));
        }
        if case.events.is_some_and(|expected| expected != events.len()) {
            wrong.push(format!("{}: {} events instead of {:?}", case.case, events.len(), case.events));
        }
        for (event, expected) in &case.fields_by_event {
            let found = events.get(event.parse::<usize>().expect("a number"));
            for (name, expected) in expected.as_object().expect("fields") {
                compared += 1;
                let found = found.and_then(|fields| fields.get(name));
                if !found.is_some_and(|found| same(found, expected)) {
                    wrong.push(format!("{} {event} {name}: {found:?} instead of {expected}", case.case));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 800, "{compared} values compared");
}

/// One expectation still has the name of a variable where its value was to be.
fn same(found: &Value, expected: &Value) -> bool {
    let prefix = expected.as_str().and_then(|text| text.split_once("#{")).map(|(prefix, _)| prefix);
    match prefix {
        Some(prefix) => found.as_str().is_some_and(|text| text.starts_with(prefix)),
        // Both parse and print floats, and may differ in the last digit.
        None => found == expected || found.as_f64().zip(expected.as_f64()).is_some_and(|(a, b)| (a - b).abs() < 1e-9),
    }
}

fn rows(decoder: &mut Decoder, name: &str) -> (Vec<Flow>, Outcome) {
    let bytes = datagram(name);
    let mut flows = Vec::new();
    let outcome = decoder.decode(exporter(), exported(&bytes), &bytes, &mut flows);
    (flows, outcome)
}

#[test]
fn datagrams_that_claim_more_flows_than_they_hold_are_counted_and_give_none() {
    let mut decoder = Decoder::default();
    for name in ["netflow5_test_invalid01.dat", "netflow5_test_invalid02.dat"] {
        let (flows, outcome) = rows(&mut decoder, name);
        assert_eq!((flows.len(), outcome.malformed), (0, Some(Malformed::Length)), "{name}");
    }
    let (_, counters) = decoder.counters()[0];
    assert_eq!((counters.received, counters.malformed, counters.flows), (2, 2, 0));
}

#[test]
fn no_other_datagram_is_malformed() {
    for case in cases().iter().filter(|case| !case.case.starts_with("Netflow 5 invalid")) {
        let mut decoder = Decoder::default();
        for name in &case.datagrams {
            let (_, outcome) = rows(&mut decoder, name);
            assert_eq!(outcome.malformed, None, "{}: {name}", case.case);
        }
    }
}

#[test]
fn rows_say_the_same_as_records() {
    for case in cases() {
        let (mut decoder, mut slow) = (Decoder::default(), Decoder::default());
        for name in &case.datagrams {
            let (flows, outcome) = rows(&mut decoder, name);
            let (bytes, mut records) = (datagram(name), Vec::new());
            slow.decode_records(exporter(), exported(&bytes), &bytes, &mut records);
            assert_eq!((outcome.flows + outcome.others) as usize, records.len(), "{}: {name}", case.case);
            let has_addresses = |record: &&Record| {
                !record.options
                    && record.values.iter().any(|(field, _)| matches!((field.enterprise, field.id), (0, 8 | 12 | 27 | 28)))
            };
            assert_eq!(flows.len(), records.iter().filter(has_addresses).count(), "{}: {name}", case.case);
        }
    }
}

#[test]
fn data_before_its_template_is_decoded_when_the_template_comes() {
    let mut decoder = Decoder::default();
    let (early, outcome) = rows(&mut decoder, "ipfix_test_netscaler_data.dat");
    assert_eq!((early.len(), outcome.missing_template > 0), (0, true));
    let (late, outcome) = rows(&mut decoder, "ipfix_test_netscaler_tpl.dat");
    assert_eq!((late.len(), outcome.replayed), (3, outcome.flows));
    assert_eq!(decoder.sizes().1, 1, "the one set whose template never came still waits");
}

#[test]
fn rows_of_some_vendors() {
    let of = |names: &[&str]| {
        let mut decoder = Decoder::default();
        names.iter().flat_map(|name| rows(&mut decoder, name).0).collect::<Vec<_>>()
    };
    let address = |text: &str| text.parse::<std::net::IpAddr>().expect("an address");

    let asa = of(&["netflow9_test_cisco_asa_2_tpl_26x.dat", "netflow9_test_cisco_asa_2_data.dat"]);
    let last = asa.last().expect("flows");
    assert_eq!((last.src, last.src_port, last.dst_port), (address("192.168.0.1"), 56_651, 80));
    assert_eq!((last.bytes, last.reverse_bytes, last.firewall_event), (69, 14_178, 2));
    assert_eq!((last.nat_src, last.nat_dst_port), (Some(address("192.168.0.1")), 80));
    assert_eq!((last.start, last.end), (1_469_109_036_395_000_000, 1_469_109_036_495_000_000));

    let juniper = of(&["netflow5_test_juniper_mx80.dat"]);
    assert_eq!((juniper[28].sampling, juniper[28].packets, juniper[28].bytes), (1_000, 2_000, 104_000));
    assert_eq!((juniper[28].src_as, juniper[28].dst_as, juniper[28].src_mask), (15_169, 64_496, 19));

    let yaf = of(&["ipfix_test_yaf_tpl45841.dat", "ipfix_test_yaf_data45841.dat"]);
    assert_eq!((yaf[0].bytes, yaf[0].packets, yaf[0].reverse_bytes, yaf[0].reverse_packets), (132, 2, 200, 2));

    let mikrotik = of(&["ipfix_test_mikrotik_tpl.dat", "ipfix_test_mikrotik_data258.dat"]);
    assert_eq!((mikrotik[0].nat_src, mikrotik[0].next_hop), (Some(address("192.168.230.216")), Some(address("192.168.224.1"))));

    let procera = of(&["ipfix_test_procera_tpl52935.dat", "ipfix_test_procera_data52935.dat"]);
    assert_eq!((procera[7].src, procera[7].dst, procera[7].src_as), (address("138.44.161.14"), address("138.44.161.13"), 7_575));

    let zero_lengths = of(&["netflow9_test_0length_fields_tpl_data.dat"]);
    assert_eq!((zero_lengths[9].packets, zero_lengths[9].bytes), (1, 32), "of an egress flow OUT_BYTES count");
}
