//! The line framer and the multi-line joiner: however input is cut into chunks, the lines are the same and nothing is lost.
#![no_main]

use bytes::Bytes;
use lapwing_source::lines::{Framer, Line};
use lapwing_source::multiline::{Joiner, MAX_BYTES};
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max: u16,
    chunks: Vec<&'a [u8]>,
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let max = usize::from(input.max).max(1);
    let whole = input.chunks.concat();
    let lines = framed(&input.chunks, max);
    assert_eq!(lines, framed(&[&whole], max), "chunks change the lines");
    let end = lines.last().map_or(0, |line| line.position.line);
    assert_eq!(end as usize, whole.split_inclusive(|&byte| byte == b'\n').count());
    join(lines);
});

fn framed(chunks: &[&[u8]], max: usize) -> Vec<Line> {
    let mut framer = Framer::new(max);
    let mut lines = Vec::new();
    for chunk in chunks {
        framer.feed(Bytes::copy_from_slice(chunk));
        lines.extend(std::iter::from_fn(|| framer.next_line()));
        assert!(framer.pending() <= max + 1);
    }
    lines.extend(std::iter::from_fn(|| framer.finish()));
    assert_eq!(framer.position().offset as usize, chunks.iter().map(|chunk| chunk.len()).sum::<usize>());
    assert_eq!(framer.take_too_long() as usize, lines.iter().filter(|line| line.cut).count());
    assert!(lines.iter().all(|line| line.body.len() <= max));
    lines
}

/// Joined lines are the lines, with a newline between them.
fn join(lines: Vec<Line>) {
    let (mut joiner, mut records) = (Joiner::default(), Vec::new());
    let expected: Vec<Bytes> = lines.iter().map(|line| line.body.clone()).collect();
    for line in lines {
        records.extend(joiner.push(line));
        assert!(joiner.pending() <= MAX_BYTES);
    }
    records.extend(joiner.flush());
    let joined = records.iter().map(|record| &record.body[..]).collect::<Vec<_>>().join(&b'\n');
    assert_eq!(joined, expected.join(&b'\n'));
}
