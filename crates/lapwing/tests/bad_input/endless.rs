//! Input without an end: no newline in a gibibyte, and a little that unpacks to a lot.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::support::{MIB, assert_below, assert_lives, await_metric, ended, fed, metric, name, peak_of, post_with, send};
use crate::common::Service;

/// Well under what a machine has, and far under the input.
const LIMIT: u64 = 96 * MIB;

/// A gibibyte of zeros in about one mebibyte: a member of 1 MiB, again and again.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; MIB as usize]).expect("into memory");
    encoder.finish().expect("into memory").repeat(1024)
}

#[test]
fn a_gibibyte_without_a_newline_on_standard_input_is_one_line_that_was_cut_and_says_so() {
    let chunk = vec![b'a'; MIB as usize];
    let scan = fed(&["scan", "-", "--output", "json"], |stdin, _| {
        (0..1024).try_for_each(|_| stdin.write_all(&chunk))?;
        stdin.write_all(b"\nthe next line\n")
    });
    assert_below("1 GiB without a newline on stdin", scan.peak, LIMIT);
    let summary = &scan.json()["summary"];
    assert_eq!((&summary["lines"], &summary["losses"]["too-long"]), (&2.into(), &1.into()), "{summary}");
}

#[test]
fn a_line_without_an_end_over_tcp_is_cut_and_counted_and_others_get_through() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[("LAPWING__WORKERS", "2")]);
    send(&service, &[vec![b'a'; 64 * MIB as usize], b"\nthe next line\n".to_vec()].concat());
    await_metric(&mut service, "lapwing_events_received_total", 2);
    assert_eq!(metric(&mut service, "lapwing_dropped_total{reason=\"tcp_too_long\"}"), 1);
    assert_lives(&mut service);
    assert_below("64 MiB without a newline over TCP", peak_of(service.pid()).expect("alive"), LIMIT);
    service.stop();
}

#[test]
fn a_gzip_bomb_over_http_is_refused_and_memory_stays_flat() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[("LAPWING__WORKERS", "2")]);
    assert_lives(&mut service);
    let (before, bomb) = (peak_of(service.pid()).expect("alive"), bomb());
    for _ in 0..4 {
        let (status, answer) = post_with(&service, "/logs", "content-encoding: gzip\r\n", &bomb);
        assert_eq!(status, 413, "{answer}");
        assert!(answer.contains("server.limits.body_bytes"), "{answer}");
    }
    assert_lives(&mut service);
    let after = peak_of(service.pid()).expect("alive");
    // What fits into the limit of a body (16 MiB) is unpacked before it shows that more follows, and the allocator keeps such
    // a buffer for each thread for a while.
    assert_below("gzip bombs over HTTP, beyond what was there before", after - before + 1, 96 * MIB);
    service.stop();
}

#[test]
fn a_gzip_bomb_in_a_file_is_read_through_in_flat_memory() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("bomb.log.gz");
    std::fs::write(&file, bomb()).expect("written");
    let scan = ended(&["scan", name(&file), "--output", "json"]);
    assert_below("a .gz of 1 GiB of zeros", scan.peak, LIMIT);
    let summary = &scan.json()["summary"];
    assert_eq!((&summary["lines"], &summary["unparsed"]), (&1.into(), &1.into()), "{summary}");
    assert_eq!((&summary["losses"]["too-long"], &summary["losses"]["nul-bytes"]), (&1.into(), &1.into()), "{summary}");
}

#[test]
fn a_packed_file_that_breaks_off_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("broken.log.gz");
    let whole = bomb();
    std::fs::write(&file, &whole[..5000]).expect("written");
    let scan = ended(&["scan", name(&file)]);
    assert_eq!(scan.code(), Some(1), "{scan:?}");
    assert!(scan.stderr.contains("cannot read") && scan.stderr.contains("broken.log.gz"), "{scan:?}");
}
