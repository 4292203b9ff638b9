//! Datagrams of NetFlow, IPFIX and sFlow: the input as one, and cut into several of one exporter.
#![no_main]

use lapwing_flow::{Decoder, Settings};
use std::net::SocketAddr;

/// 2025-11-21T04:40:00Z
const RECEIVED: i64 = 1_763_700_000_000_000_000;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exporter = SocketAddr::from(([192, 0, 2, 1], 2_055));
    let mut decoder = Decoder::default();
    let mut rest = data;
    look_at(&mut decoder, exporter, rest);
    // The first two bytes of each piece are how long it is.
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let (datagram, more) = more.split_at(usize::from(u16::from_le_bytes(*length)).min(more.len()));
        look_at(&mut decoder, exporter, datagram);
        rest = more;
    }
    // What came before a restart is known after it.
    let mut again = Decoder::load(Settings::default(), &decoder.save()).expect("a state of ours");
    let (mut flows, mut same) = (Vec::new(), Vec::new());
    let outcome = decoder.decode(exporter, RECEIVED, data, &mut flows);
    assert_eq!(again.decode(exporter, RECEIVED, data, &mut same), outcome);
    assert_eq!(flows, same);
});

fn look_at(decoder: &mut Decoder, exporter: SocketAddr, datagram: &[u8]) {
    let mut flows = Vec::new();
    let outcome = decoder.decode(exporter, RECEIVED, datagram, &mut flows);
    assert_eq!(outcome.flows as usize, flows.len());
    assert!(flows.iter().all(|flow| flow.start <= flow.end && flow.sampling > 0));
    assert!(outcome.replayed > 0 || flows.len() <= datagram.len() / 4, "more rows than there can be addresses");
    decoder.decode_records(exporter, RECEIVED, datagram, &mut Vec::new());
}
