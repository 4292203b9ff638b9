//! Alone in its process, because it measures memory.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use lapwing_model::Timestamp;
use lapwing_source::files::Reader;
use lapwing_source::loss;

/// Peak resident memory in KiB, where the system tells it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmHWM"))?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_gibibyte_of_zeros_in_a_small_gzip_file_needs_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.gz");
    let mut encoder = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..1_024).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.finish().unwrap();
    assert!(path.metadata().unwrap().len() < 8 << 20);
    let Some(before) = peak() else {
        println!("skipped: the system does not tell peak memory");
        return;
    };
    let files = Reader::new(|| Timestamp::EPOCH).open(&[path.to_string_lossy().into_owned()]).unwrap();
    let tally = files.tally();
    let lengths: Vec<usize> = files.flat_map(|block| block.unwrap().records).map(|record| record.body.len()).collect();
    let grown = peak().unwrap() - before;
    println!("peak memory grew by {grown} KiB");
    assert_eq!((lengths, tally.loss(loss::TOO_LONG)), (vec![1 << 20], 1));
    assert!(grown < 12 << 10, "{grown} KiB");
}
