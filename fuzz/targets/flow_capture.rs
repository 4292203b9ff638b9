//! Files of captured packets, and flows made of them.
#![no_main]

use lapwing_flow::{Aggregator, Capture, Link, Timeouts, dissect};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut aggregator = Aggregator::new(Timeouts { most: 4, ..Timeouts::default() });
    let (mut flows, mut packets) = (Vec::new(), 0);
    for link in [Link::Ethernet, Link::Sll, Link::Sll2, Link::Raw, Link::Loopback] {
        let _ = dissect(link, data);
    }
    if let Ok(mut capture) = Capture::new(data) {
        while let Ok(Some(frame)) = capture.next_frame() {
            assert!(frame.data.len() <= data.len());
            if let Some(packet) = frame.link.and_then(|link| dissect(link, frame.data)) {
                aggregator.packet(frame.time, &packet, &mut flows);
                packets += 1;
                assert!(aggregator.len() <= 4);
            }
        }
    }
    aggregator.finish(&mut flows);
    assert_eq!(flows.iter().map(|flow| flow.packets + flow.reverse_packets).sum::<u64>(), packets);
});
