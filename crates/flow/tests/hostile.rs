//! Datagrams and captures of people who mean harm: nothing panics, nothing grows with what is only claimed.

use lapwing_flow::{Aggregator, Capture, Decoder, Framer, Link, Outcome, Settings, dissect};
use proptest::prelude::*;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NOW: i64 = 1_700_000_000_000_000_000;

fn exporter() -> SocketAddr {
    "192.0.2.1:2055".parse().expect("an address")
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn real() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netflow-vendors");
    let mut files: Vec<_> = fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dat"));
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a datagram")).collect()
}

/// Decodes with every door, and checks what holds for any datagram.
fn decode(decoder: &mut Decoder, datagram: &[u8]) -> Outcome {
    let (mut flows, mut records) = (Vec::new(), Vec::new());
    let outcome = decoder.decode(exporter(), NOW, datagram, &mut flows);
    assert!(flows.iter().all(|flow| flow.start <= flow.end && flow.sampling > 0));
    assert_eq!(outcome.flows as usize, flows.len());
    if outcome.replayed == 0 {
        assert!(flows.len() <= datagram.len() / 4, "a row has at least an address");
    }
    decoder.decode_records(exporter(), NOW, datagram, &mut records);
    outcome
}

fn version() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![0, 5]), Just(vec![0, 7]), Just(vec![0, 9]), Just(vec![0, 10]), Just(vec![0, 0, 0, 5]), Just(vec![])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_survived(version in version(), rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let datagram = [version, rest].concat();
        let mut decoder = Decoder::default();
        decode(&mut decoder, &datagram);
        decode(&mut decoder, &datagram);
        Decoder::load(Settings::default(), &decoder.save()).expect("a state of ours");
    }

    #[test]
    fn damaged_datagrams_of_real_exporters_are_survived(
        picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec((any::<u16>(), any::<u8>()), 0..6), any::<u16>()), 1..12),
    ) {
        let real = real();
        let mut decoder = Decoder::default();
        for (pick, changes, cut) in picks {
            let mut datagram = pick.get(&real).clone();
            for (at, byte) in changes {
                let at = usize::from(at) % datagram.len();
                datagram[at] = byte;
            }
            if cut % 3 == 0 {
                datagram.truncate(usize::from(cut) % datagram.len());
            }
            decode(&mut decoder, &datagram);
        }
        Decoder::load(Settings::default(), &decoder.save()).expect("a state of ours");
    }

    #[test]
    fn any_template_with_any_data_is_survived(
        kind in prop::sample::select(vec![(9_u16, 0_u16), (9, 1), (10, 2), (10, 3)]),
        template in prop::collection::vec(prop_oneof![0_u16..400, Just(65_535), Just(0), 1_u16..9, any::<u16>()], 0..60),
        data in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(255)], 0..300),
    ) {
        let template = [words(&[256]), words(&template)].concat();
        let mut sets = words(&[kind.1, template.len() as u16 + 4]);
        sets.extend(&template);
        sets.extend(words(&[256, data.len() as u16 + 4]));
        sets.extend(&data);
        let header = if kind.0 == 9 { [words(&[9, 2]), vec![0; 16]] } else { [words(&[10, sets.len() as u16 + 16]), vec![0; 12]] };
        decode(&mut Decoder::default(), &[header.concat(), sets].concat());
    }

    #[test]
    fn any_capture_is_survived(
        magic in prop::sample::select(vec![[0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x0a, 0x0d, 0x0d, 0x0a]]),
        rest in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(0x4d)], 0..400),
    ) {
        let file = [magic.to_vec(), rest].concat();
        if let Ok(mut capture) = Capture::new(&file[..]) {
            let mut frames = 0;
            while let Ok(Some(frame)) = capture.next_frame() {
                prop_assert!(frame.data.len() <= file.len());
                frames += 1;
            }
            prop_assert!(frames <= file.len());
        }
    }

    #[test]
    fn any_frames_are_survived_and_none_is_lost(
        frames in prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..80), 0..4_u8), 0..40),
    ) {
        let (mut aggregator, mut flows, mut packets) = (Aggregator::default(), Vec::new(), 0);
        for (time, mut bytes, kind) in frames {
            if let Some(first) = bytes.first_mut() {
                *first = if kind < 2 { 0x45 } else { 0x60 };
            }
            if let Some(packet) = dissect(Link::Raw, &bytes) {
                aggregator.packet(time, &packet, &mut flows);
                packets += 1;
            }
            for link in [Link::Ethernet, Link::Sll, Link::Sll2, Link::Loopback] {
                let _ = dissect(link, &bytes);
            }
        }
        aggregator.finish(&mut flows);
        prop_assert_eq!(flows.iter().map(|flow| flow.packets + flow.reverse_packets).sum::<u64>(), packets);
        prop_assert!(flows.iter().all(|flow| flow.start <= flow.end));
    }

    #[test]
    fn any_stream_is_cut_into_messages_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize) {
        let mut framer = Framer::new();
        for piece in bytes.chunks(piece) {
            if framer.push(piece, |message| assert!(message.len() >= 16)).is_err() {
                break;
            }
        }
    }

    #[test]
    fn any_state_is_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Decoder::load(Settings::default(), &bytes);
    }
}

/// A datagram of v9 as large as there can be, with a template of those fields and as much data as fits.
fn largest(fields: &[u16], data: u8) -> Vec<u8> {
    let mut datagram = [words(&[9, 2]), vec![0; 16]].concat();
    let count = fields.len() as u16 / 2;
    datagram.extend(words(&[0, 8 + count * 4, 256, count]));
    datagram.extend(words(fields));
    let rest = 65_507 - datagram.len() - 4;
    datagram.extend(words(&[256, rest as u16 + 4]));
    datagram.resize(datagram.len() + rest, data);
    datagram
}

#[test]
fn the_work_of_a_datagram_grows_with_its_length_and_with_nothing_else() {
    let without_length: Vec<u16> = (0..7_000).flat_map(|_| [8, 0]).chain([4, 1]).collect();
    let variable: Vec<u16> = (0..7_000).flat_map(|_| [8, 0]).chain([82, 65_535]).collect();
    let smallest = vec![8, 4];
    let one_byte = vec![4, 1];
    for fields in [without_length, variable, smallest, one_byte] {
        for data in [0, 1] {
            let datagram = largest(&fields, data);
            let begun = Instant::now();
            for _ in 0..10 {
                decode(&mut Decoder::default(), &datagram);
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?} for ten datagrams", begun.elapsed());
        }
    }
}

#[test]
fn a_template_of_65535_fields_costs_nothing_but_a_counter() {
    let mut datagram = [words(&[9, 1]), vec![0; 16]].concat();
    datagram.extend(words(&[0, 12, 256, 65_535, 8, 4]));
    let mut decoder = Decoder::default();
    assert!(decode(&mut decoder, &datagram).malformed.is_some());
    assert!(decoder.save().len() < 200, "nothing is kept");
}

#[test]
fn thousands_of_sets_without_a_template_are_held_within_bounds() {
    let mut datagram = [words(&[9, 1]), vec![0; 16]].concat();
    for id in 256..10_000 {
        datagram.extend(words(&[id, 6, 7]));
    }
    let mut decoder = Decoder::default();
    for _ in 0..20 {
        decode(&mut decoder, &datagram);
    }
    assert!(decoder.sizes().1 <= 4_096 / 8, "one exporter has an eighth of the room");
}
