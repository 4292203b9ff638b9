//! Many exporters, restarts, forgers, and exporters behind one address.

use lapwing_flow::{Decoder, Flow, Outcome, Settings};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const NOW: i64 = 1_700_000_000_000_000_000;
const MINUTE: i64 = 60_000_000_000;

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A datagram of v9 with those sets.
fn netflow9(sequence: u32, domain: u32, sets: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut datagram = words(&[9, sets.len() as u16]);
    for word in [60_000, (NOW / 1_000_000_000) as u32, sequence, domain] {
        datagram.extend(word.to_be_bytes());
    }
    for (id, content) in sets {
        datagram.extend(words(&[*id, content.len() as u16 + 4]));
        datagram.extend(content);
    }
    datagram
}

/// Source, destination, bytes; the second has source and destination the other way round.
fn template(turned: bool) -> (u16, Vec<u8>) {
    let (first, second) = if turned { (12, 8) } else { (8, 12) };
    (0, words(&[300, 3, first, 4, second, 4, 1, 4]))
}

fn data(bytes: u32) -> (u16, Vec<u8>) {
    (300, [[10, 0, 0, 1], [10, 0, 0, 2], bytes.to_be_bytes()].concat())
}

fn at(address: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from(address), port)
}

fn decode(decoder: &mut Decoder, from: SocketAddr, time: i64, datagram: &[u8]) -> (Vec<Flow>, Outcome) {
    let mut flows = Vec::new();
    let outcome = decoder.decode(from, time, datagram, &mut flows);
    (flows, outcome)
}

fn restarted(decoder: &Decoder) -> Decoder {
    Decoder::load(Settings::default(), &decoder.save()).expect("a state of ours")
}

#[test]
fn templates_and_waiting_data_survive_a_restart() {
    let (router, other) = (at([192, 0, 2, 1], 2_055), at([192, 0, 2, 2], 2_055));
    let mut decoder = Decoder::default();
    decode(&mut decoder, router, NOW, &netflow9(1, 7, &[template(false)]));
    decode(&mut decoder, other, NOW, &netflow9(1, 7, &[data(5)]));
    let mut decoder = restarted(&decoder);
    assert_eq!(decode(&mut decoder, router, NOW, &netflow9(2, 7, &[data(9)])).0[0].bytes, 9);
    let (flows, outcome) = decode(&mut decoder, other, NOW, &netflow9(2, 7, &[template(false)]));
    assert_eq!((flows[0].bytes, outcome.replayed), (5, 1));
}

#[test]
fn a_restart_between_any_two_datagrams_changes_no_row() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netflow-vendors");
    let mut files: Vec<_> = fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dat"));
    files.sort();
    assert_eq!(files.len(), 92);
    let (mut whole, mut broken) = (Decoder::default(), Decoder::default());
    // Backwards as well, so that data come before their templates.
    for file in files.iter().chain(files.iter().rev()) {
        let datagram = fs::read(file).expect("a datagram");
        broken = restarted(&broken);
        let from = at([192, 0, 2, 1], 2_055);
        assert_eq!(decode(&mut whole, from, NOW, &datagram), decode(&mut broken, from, NOW, &datagram), "{}", file.display());
    }
    assert_eq!(whole.save(), broken.save());
}

#[test]
fn a_damaged_state_is_refused() {
    let mut decoder = Decoder::default();
    decode(&mut decoder, at([192, 0, 2, 1], 1), NOW, &netflow9(1, 7, &[template(false)]));
    let state = decoder.save();
    assert!(Decoder::load(Settings::default(), &state[..state.len() - 3]).is_err());
    assert!(Decoder::load(Settings::default(), &[9]).is_err());
}

#[test]
fn exporters_behind_one_address_are_told_apart_by_domain_and_by_port() {
    let mut decoder = Decoder::default();
    let (first, second) = (at([192, 0, 2, 1], 4_000), at([192, 0, 2, 1], 4_001));
    for round in 0..3 {
        for (from, domain, turned) in [(first, 1, false), (first, 2, true), (second, 1, true)] {
            decode(&mut decoder, from, NOW, &netflow9(round, domain, &[template(turned)]));
            let (flows, _) = decode(&mut decoder, from, NOW, &netflow9(round, domain, &[data(1)]));
            assert_eq!(flows[0].src == IpAddr::from([10, 0, 0, 2]), turned, "{from} {domain}");
        }
    }
}

#[test]
fn the_data_of_another_exporter_are_not_read_with_the_first_ones_template() {
    let mut decoder = Decoder::default();
    let (first, second) = (at([192, 0, 2, 1], 4_000), at([192, 0, 2, 1], 4_001));
    for sequence in 0..4 {
        decode(&mut decoder, first, NOW, &netflow9(sequence, 1, &[template(false), data(1)]));
    }
    let (flows, outcome) = decode(&mut decoder, second, NOW, &netflow9(0, 1, &[data(1)]));
    assert_eq!((flows.len(), outcome.held), (0, 1));
    let (flows, _) = decode(&mut decoder, second, NOW, &netflow9(1, 1, &[template(true)]));
    assert_eq!(flows[0].src, IpAddr::from([10, 0, 0, 2]));
}

#[test]
fn an_exporter_that_sends_each_datagram_from_a_new_port_is_understood() {
    let mut decoder = Decoder::default();
    decode(&mut decoder, at([192, 0, 2, 1], 5_000), NOW, &netflow9(1, 1, &[template(false)]));
    for port in 5_001..5_100 {
        let (flows, _) = decode(&mut decoder, at([192, 0, 2, 1], port), NOW, &netflow9(2, 1, &[data(1)]));
        assert_eq!(flows.len(), 1, "port {port}");
    }
}

#[test]
fn forged_exporters_and_templates_push_out_no_real_one() {
    let settings = Settings { sessions: 2_048, template_octets: 1 << 20, exporters: 1_024, ..Settings::default() };
    let mut decoder = Decoder::new(settings);
    let real = at([192, 0, 2, 1], 2_055);
    decode(&mut decoder, real, NOW, &netflow9(0, 1, &[template(false)]));
    for round in 1..6 {
        decode(&mut decoder, real, NOW + i64::from(round) * MINUTE, &netflow9(round, 1, &[data(1)]));
    }
    let mut largest = 0;
    for forged in 0..12_000_u32 {
        let fields: Vec<u16> =
            std::iter::once(300).chain([300]).chain((0..600).map(|at| if at % 2 == 0 { at } else { 4 })).collect();
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + forged)), 9_999);
        let datagram = netflow9(1, forged, &[(0, words(&fields)), (999, vec![0; 400])]);
        decode(&mut decoder, from, NOW + 6 * MINUTE, &datagram);
        let (sessions, held) = decoder.sizes();
        assert!(sessions <= 2_048 && held <= 4_096);
        if forged % 4_000 == 3_999 {
            largest = largest.max(decoder.save().len());
        }
    }
    assert!(largest < 8 << 20, "{largest} octets of state");
    assert!(decoder.counters().len() <= 1_024);
    let all = decoder.counters().iter().fold(decoder.forgotten().received, |sum, (_, counters)| sum + counters.received);
    assert_eq!(all, 12_006, "none is uncounted");
    let (flows, _) = decode(&mut decoder, real, NOW + 7 * MINUTE, &netflow9(6, 1, &[data(1)]));
    assert_eq!(flows.len(), 1, "the real one's template is still there");
}

#[test]
fn sampling_is_told_by_options_and_a_setting_goes_before_it() {
    let options = (1, words(&[400, 4, 4, 1, 4, 34, 4]));
    let told = (400, [7_u32.to_be_bytes(), 100_u32.to_be_bytes()].concat());
    let datagram = netflow9(1, 1, &[options, told, template(false), data(3)]);
    let from = at([192, 0, 2, 1], 1);
    let flow = decode(&mut Decoder::default(), from, NOW, &datagram).0[0];
    assert_eq!((flow.bytes, flow.sampling), (300, 100));
    let settings = Settings { sampling: [(from.ip(), 10)].into(), ..Settings::default() };
    let flow = decode(&mut Decoder::new(settings), from, NOW, &datagram).0[0];
    assert_eq!((flow.bytes, flow.sampling), (30, 10));
}

#[test]
fn what_is_lost_on_the_way_is_counted() {
    let mut decoder = Decoder::default();
    let from = at([192, 0, 2, 1], 1);
    decode(&mut decoder, from, NOW, &netflow9(1, 1, &[template(false)]));
    for sequence in [2, 3, 6] {
        decode(&mut decoder, from, NOW, &netflow9(sequence, 1, &[data(1)]));
    }
    let (_, counters) = decoder.counters()[0];
    assert_eq!((counters.gaps, counters.lost, counters.flows), (1, 2, 3));
}

#[test]
fn a_withdrawn_template_is_no_longer_used() {
    let ipfix = |sets: &[(u16, Vec<u8>)]| {
        let body: Vec<u8> =
            sets.iter().flat_map(|(id, content)| [words(&[*id, content.len() as u16 + 4]), content.clone()].concat()).collect();
        let mut message = words(&[10, body.len() as u16 + 16]);
        for word in [(NOW / 1_000_000_000) as u32, 0, 1] {
            message.extend(word.to_be_bytes());
        }
        message.extend(body);
        message
    };
    let mut decoder = Decoder::default();
    let from = at([192, 0, 2, 1], 1);
    let (flows, _) = decode(&mut decoder, from, NOW, &ipfix(&[(2, template(false).1), data(1)]));
    assert_eq!(flows.len(), 1);
    let (flows, outcome) = decode(&mut decoder, from, NOW, &ipfix(&[(2, words(&[300, 0])), data(1)]));
    assert_eq!((flows.len(), outcome.missing_template), (0, 1));
}
