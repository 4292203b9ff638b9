use lapwing_model::{ConnectionState, Origin, Position, Scope, Timestamp};

use super::*;

const SENDER: &str = "192.0.2.1:9995";

/// A v5 datagram (Cisco's layout: a header of 24 bytes, records of 48) of TCP SYNs to ports from `first` on.
fn v5(first: u16, count: u16, sequence: u32) -> Vec<u8> {
    let mut datagram = [&5_u16.to_be_bytes()[..], &count.to_be_bytes(), &60_000_u32.to_be_bytes()].concat();
    datagram.extend(1_750_000_000_u32.to_be_bytes());
    datagram.extend([0; 4]);
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([0; 4]);
    for port in first..first + count {
        let mut record = [0; 48];
        record[..4].copy_from_slice(&[203, 0, 113, 9]);
        record[4..8].copy_from_slice(&[10, 0, 0, 2]);
        record[16..20].copy_from_slice(&1_u32.to_be_bytes());
        record[20..24].copy_from_slice(&44_u32.to_be_bytes());
        record[24..28].copy_from_slice(&59_000_u32.to_be_bytes());
        record[28..32].copy_from_slice(&59_500_u32.to_be_bytes());
        record[32..34].copy_from_slice(&4_444_u16.to_be_bytes());
        record[34..36].copy_from_slice(&port.to_be_bytes());
        (record[37], record[38]) = (2, 6);
        datagram.extend(record);
    }
    datagram
}

fn record(origin: &Arc<Origin>, number: u64, body: Vec<u8>) -> Record {
    Record {
        body: body.into(),
        origin: origin.clone(),
        position: Position { offset: number, line: number },
        received: Timestamp::from_seconds(1_750_000_000),
    }
}

fn origin(format: &str) -> Arc<Origin> {
    let reading = Reading { format: Some(format.into()), host: Some("192.0.2.1".into()), ..Reading::default() };
    Origin::read_as("netflow/192.0.2.1", reading)
}

fn datagram(number: u64, content: &[u8]) -> Record {
    let head = Datagram::head(SENDER.parse().unwrap());
    record(&origin(Reading::DATAGRAMS), number, [&head[..], content].concat())
}

fn read(reader: &mut FlowReader, records: &[Record]) -> (Vec<Event>, Vec<Understood>) {
    let mut parts = Parts::default();
    let understood = records.iter().map(|record| reader.read(record, &mut parts)).collect();
    (parts.batches().flat_map(|(_, events)| events).collect(), understood)
}

#[test]
fn a_row_becomes_an_event_about_both_ends_told_by_its_exporter() {
    let (events, understood) = read(&mut FlowReader::new(&Flows::default(), None), &[datagram(7, &v5(22, 2, 1))]);
    assert_eq!(understood, [Understood::As("netflow-v5")]);
    let [first, second] = events.as_slice() else { panic!("{} events", events.len()) };
    let flow = first.flow().expect("a flow");
    assert_eq!((flow.destination_port, flow.packets, flow.state), (22, 1, ConnectionState::Attempted));
    assert_eq!(first.at, Timestamp::from_nanos(1_749_999_999_000_000_000), "uptime 59 s of 60 s");
    for scope in [Scope::Client, Scope::Victim, Scope::Pair, Scope::Host, Scope::Source, Scope::Network] {
        assert!(first.keys.get(scope).is_some(), "{scope}");
    }
    assert_eq!(first.entity_of(Scope::Pair).unwrap().to_string(), "203.0.113.9 > 10.0.0.2");
    assert_eq!(first.entity_of(Scope::Host).unwrap().to_string(), "192.0.2.1");
    assert_ne!(first.position.offset, second.position.offset, "ids derive from it");
    assert_eq!(
        String::from_utf8_lossy(&first.shown()),
        "tcp 203.0.113.9:4444 > 10.0.0.2:22 S, 1 packets, 44 bytes, 0.500 s, attempted"
    );
}

#[test]
fn many_flows_are_cut_into_batches_in_their_order() {
    let records: Vec<_> = (0..100_u16).map(|i| datagram(u64::from(i), &v5(i * 30, 30, u32::from(i) * 30))).collect();
    let mut reader = FlowReader::new(&Flows::default(), None);
    let mut parts = Parts::beginning_with(Vec::new());
    for record in &records {
        reader.read(record, &mut parts);
    }
    let batches: Vec<_> = parts.batches().collect();
    assert!(batches.iter().all(|(_, events)| events.len() <= BATCH_EVENTS));
    assert_eq!(batches.iter().map(|(last, _)| *last).collect::<Vec<_>>(), [false, false, true]);
    let ports: Vec<_> =
        batches.iter().flat_map(|(_, events)| events).map(|event| event.flow().unwrap().destination_port).collect();
    assert_eq!(ports, (0..3_000).collect::<Vec<_>>());
}

#[test]
fn without_events_there_is_still_one_batch_for_what_travels_with_it() {
    assert_eq!(Parts::default().batches().map(|(last, events)| (last, events.len())).collect::<Vec<_>>(), [(true, 0)]);
}

#[test]
fn hostile_datagrams_cost_a_counter_by_their_reason() {
    let mut reader = FlowReader::new(&Flows::default(), None);
    let mut cut = v5(1, 3, 1);
    cut.truncate(100);
    let bad = [datagram(1, b""), datagram(2, &[0, 77, 1, 2, 3]), datagram(3, &cut), record(&origin("netflow"), 4, vec![1, 2])];
    let (_, understood) = read(&mut reader, &bad);
    assert!(understood.iter().all(|understood| matches!(understood, Understood::Broken(_))), "{understood:?}");
    let exporters = reader.exporters().unwrap();
    assert_eq!((exporters[0].1.received, exporters[0].1.malformed), (3, 3), "{exporters:?}");
}

#[test]
fn exporters_have_names_up_to_a_bound() {
    let mut reader = FlowReader::new(&Flows::default(), None);
    let mut parts = Parts::default();
    for i in 0..10_000_u32 {
        let head = Datagram::head((std::net::Ipv4Addr::from_bits(i << 4), 1).into());
        reader.read(&record(&origin("netflow"), 1, [&head[..], &v5(1, 1, 1)].concat()), &mut parts);
    }
    let exporters = reader.exporters().unwrap();
    assert_eq!(exporters.len(), NAMED + 1);
    assert_eq!(exporters.iter().map(|(_, counters)| counters.flows).sum::<u64>(), 10_000);
}

/// A pcap of one TCP SYN over Ethernet, and its answer.
fn capture() -> Vec<u8> {
    let mut file =
        [&0xa1b2_c3d4_u32.to_be_bytes()[..], &[0, 2, 0, 4], &[0; 8], &65_535_u32.to_be_bytes(), &1_u32.to_be_bytes()].concat();
    for (seconds, from, to, flags) in [(1_u32, 9_u8, 2_u8, 2_u8), (2, 2, 9, 0x14)] {
        let mut frame =
            [&[0; 12][..], &[8, 0, 0x45, 0, 0, 40], &[0; 4], &[64, 6, 0, 0], &[10, 0, 0, from], &[10, 0, 0, to]].concat();
        let (source, destination) = if from == 9 { (4_444_u16, 22_u16) } else { (22, 4_444) };
        frame.extend([source.to_be_bytes(), destination.to_be_bytes()].concat());
        frame.extend([&[0; 8][..], &[0x50, flags], &[0; 6]].concat());
        file.extend([seconds, 0, frame.len() as u32, frame.len() as u32].map(u32::to_be_bytes).concat());
        file.extend(frame);
    }
    file
}

#[test]
fn a_capture_makes_the_same_flows_however_it_is_cut() {
    let file = capture();
    for size in [1, 7, 60, 10_000] {
        let origin = origin(Reading::CAPTURE);
        let mut records: Vec<_> = file.chunks(size).map(|piece| record(&origin, 0, piece.to_vec())).collect();
        records.push(record(&origin, 0, Vec::new()));
        let (events, understood) = read(&mut FlowReader::new(&Flows::default(), None), &records);
        let [event] = events.as_slice() else { panic!("{} events in pieces of {size}", events.len()) };
        assert_eq!(
            String::from_utf8_lossy(&event.shown()),
            "tcp 10.0.0.9:4444 > 10.0.0.2:22 SRA, 1 packets, 40 bytes, back 1 packets, 40 bytes, 1.000 s, rejected"
        );
        assert_eq!(event.position.line, 1);
        assert!(understood.iter().all(|understood| *understood == Understood::As("capture")));
    }
}

#[test]
fn a_capture_that_breaks_off_tells_what_came_before_and_says_so_once() {
    let file = capture();
    let origin = origin(Reading::CAPTURE);
    let (events, understood) = read(
        &mut FlowReader::new(&Flows::default(), None),
        &[record(&origin, 0, file[..file.len() - 5].to_vec()), record(&origin, 0, Vec::new())],
    );
    assert_eq!((events.len(), understood[1]), (1, Understood::Broken("capture-cut")));
}

#[test]
fn a_capture_without_a_single_packet_is_not_silently_empty() {
    let mut reader = FlowReader::new(&Flows::default(), None);
    let origin = origin(Reading::CAPTURE);
    let mut file = capture();
    // The frames' EtherType becomes that of ARP.
    for at in [24 + 16 + 12, 24 + 16 + 54 + 16 + 12] {
        file[at..at + 2].copy_from_slice(&[8, 6]);
    }
    let (events, understood) = read(&mut reader, &[record(&origin, 0, file), record(&origin, 1, Vec::new())]);
    assert!(events.is_empty());
    assert!(matches!(understood.last(), Some(Understood::Broken("capture-without-ip"))), "{understood:?}");
}
