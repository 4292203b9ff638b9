//! Files as people have them: packed, broken, huge lines, several at once.

use std::fs::{create_dir, write};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use flate2::Compression;
use flate2::write::GzEncoder;
use lapwing_model::{Record, Timestamp};
use lapwing_source::files::{Files, Reader};
use lapwing_source::{BLOCK, BLOCK_BYTES, SourceError, loss};

fn reader() -> Reader {
    Reader::new(|| Timestamp::from_seconds(1))
}

fn open(paths: &[PathBuf]) -> Files {
    reader().open(&patterns(paths)).unwrap()
}

fn patterns(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn records(files: Files) -> (Vec<Record>, Vec<SourceError>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    for block in files {
        match block {
            Ok(mut block) => {
                assert!((1..=BLOCK).contains(&block.records.len()));
                assert!(block.records.iter().all(|record| record.origin == block.records[0].origin), "one origin");
                records.append(&mut block.records);
            }
            Err(error) => errors.push(error),
        }
    }
    (records, errors)
}

fn bodies(files: Files) -> Vec<String> {
    let (records, errors) = records(files);
    assert!(errors.is_empty(), "{errors:?}");
    records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn text(from: u32, to: u32) -> String {
    (from..to).map(|i| format!("line {i} {}\n", "x".repeat(i as usize % 300))).collect()
}

#[test]
fn what_stands_above_records_travels_with_those_below_it_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeek.log");
    let heading = |fields: &str| format!("#separator \\x09\n#fields\t{fields}\n");
    let log = format!("{}1\ta\n2\tb\n{}c\t3\n#close\t2025\n", heading("ts\tuid"), heading("uid\tts"));
    write(&path, gzip(log.as_bytes())).unwrap();
    let (records, errors) = records(open(&[path]));
    assert!(errors.is_empty(), "{errors:?}");
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (String::from_utf8_lossy(&record.body).into_owned(), record.origin.reading.columns.clone().unwrap_or_default())
        })
        .collect();
    let [first, second] = [heading("ts\tuid"), heading("uid\tts")];
    assert_eq!(
        told,
        [("1\ta", &first), ("2\tb", &first), ("c\t3", &second)].map(|(body, columns)| (body.to_owned(), columns.as_str().into()))
    );
}

#[test]
fn packed_files_are_told_by_their_bytes_not_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let plain = text(0, 20_000);
    let (first, second) = (text(0, 9_000), text(9_000, 20_000));
    let contents = [
        plain.as_bytes().to_vec(),
        gzip(plain.as_bytes()),
        [gzip(first.as_bytes()), gzip(b""), gzip(second.as_bytes())].concat(),
        zstd::encode_all(plain.as_bytes(), 1).unwrap(),
        [zstd::encode_all(first.as_bytes(), 1).unwrap(), zstd::encode_all(second.as_bytes(), 1).unwrap()].concat(),
    ];
    let expected: Vec<&str> = plain.lines().collect();
    for (i, content) in contents.iter().enumerate() {
        let path = folder.path().join(format!("{i}.log"));
        write(&path, content).unwrap();
        let files = open(&[path]);
        let (total, progress) = (files.total(), files.progress());
        assert_eq!(bodies(files), expected, "file {i}");
        assert_eq!(Some(progress.load(Relaxed)), total, "file {i}");
    }
}

#[test]
fn positions_are_those_in_the_unpacked_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let content = "\u{feff}first\r\n\n\nfourth\n\tgoes on\nsixth".to_owned();
    write(&path, gzip(content.as_bytes())).unwrap();
    let (records, _) = records(open(&[path]));
    let places: Vec<_> = records.iter().map(|record| (record.position.line, record.position.offset, &record.body[..])).collect();
    assert_eq!(places, [(1, 3, &b"first"[..]), (4, 12, b"fourth\n\tgoes on"), (6, 28, b"sixth")]);
    assert_eq!(&content[28..], "sixth");
}

#[test]
fn records_are_stamped_with_the_time_of_the_files_last_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    write(&path, "a\n").unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(records(open(&[path])).0[0].received, Timestamp::from_seconds(1_000_000_000));
}

#[test]
fn a_broken_file_gives_what_can_be_read_then_an_error_and_the_next_file_follows() {
    let folder = tempfile::tempdir().unwrap();
    let content = gzip(text(0, 5_000).as_bytes());
    let paths: Vec<PathBuf> = ["a.gz", "b.log"].iter().map(|name| folder.path().join(name)).collect();
    write(&paths[0], &content[..content.len() / 2]).unwrap();
    write(&paths[1], "next\n").unwrap();
    let (records, errors) = records(open(&paths));
    assert!(records.len() > 100 && records[0].body.starts_with(b"line 0"));
    assert_eq!(records.last().unwrap().body, "next");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().starts_with("cannot read ") && errors[0].to_string().contains("a.gz"), "{}", errors[0]);
}

#[test]
fn random_bytes_and_nul_are_records_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    write(&path, b"\xff\xfe\x00\n\x00\x00\nok\n").unwrap();
    let (records, errors) = records(open(&[path]));
    assert_eq!(records.iter().map(|record| &record.body[..]).collect::<Vec<_>>(), [&b"\xff\xfe\x00"[..], b"\x00\x00", b"ok"]);
    assert!(errors.is_empty());
}

#[test]
fn a_line_that_is_too_long_is_cut_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    write(&path, format!("a\n{}\nb\n", "x".repeat(3_000_000))).unwrap();
    let files = open(&[path]);
    let tally = files.tally();
    let lengths: Vec<usize> = bodies(files).iter().map(String::len).collect();
    assert_eq!(lengths, [1, 1 << 20, 1]);
    assert_eq!((tally.loss(loss::TOO_LONG), tally.records()), (1, 3));
}

#[test]
fn blocks_of_long_lines_are_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    write(&path, format!("{}\n", "x".repeat(300_000)).repeat(100)).unwrap();
    let sizes: Vec<usize> =
        open(&[path]).map(|block| block.unwrap().records.iter().map(|record| record.body.len()).sum()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 30_000_000);
    assert!(sizes.iter().all(|size| *size < BLOCK_BYTES + 300_000));
}

#[test]
fn empty_files_give_nothing_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.log", "b.log"] {
        write(folder.path().join(name), "").unwrap();
    }
    write(folder.path().join("c.log"), "c").unwrap();
    create_dir(folder.path().join("d.log")).unwrap();
    let files = open(&[folder.path().join("*.log")]);
    assert_eq!(files.names().len(), 3);
    assert_eq!(bodies(files), ["c"]);
}

#[test]
fn records_that_are_kept_keep_their_bytes_while_buffers_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let content: String = (0..400_000).map(|i| format!("line number {i}\n")).collect();
    write(&path, &content).unwrap();
    let kept: Vec<Record> = records(open(&[path])).0.into_iter().step_by(997).collect();
    for (i, record) in kept.iter().enumerate() {
        assert_eq!(record.body, format!("line number {}", i * 997));
    }
}

#[test]
fn the_real_access_log_is_read_line_by_line() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/web/access-logs/apache-10k.log");
    let Ok(content) = std::fs::read(&path) else {
        println!("skipped: no shared test data here");
        return;
    };
    let content = String::from_utf8_lossy(&content).into_owned();
    assert_eq!(bodies(open(&[path])), content.lines().collect::<Vec<_>>());
}
