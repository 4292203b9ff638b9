//! The framer of syslog streams: however input is cut into chunks, the messages are the same, and nothing grows beyond its bound.
#![no_main]

use bytes::Bytes;
use lapwing_source::frames::Framer;
use lapwing_source::lines::Line;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max: u16,
    chunks: Vec<&'a [u8]>,
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let max = usize::from(input.max).max(1);
    let whole = input.chunks.concat();
    assert_eq!(framed(&input.chunks, max), framed(&[&whole], max), "chunks change the messages");
});

fn framed(chunks: &[&[u8]], max: usize) -> Vec<Line> {
    let mut framer = Framer::new(max);
    let mut lines = Vec::new();
    for chunk in chunks {
        framer.feed(Bytes::copy_from_slice(chunk));
        lines.extend(std::iter::from_fn(|| framer.next_line()));
        assert!(framer.pending() <= (max + 1).max(16));
    }
    lines.extend(std::iter::from_fn(|| framer.finish()));
    assert_eq!(framer.take_too_long() as usize, lines.iter().filter(|line| line.cut).count());
    assert!(lines.iter().all(|line| line.body.len() <= max));
    lines
}
