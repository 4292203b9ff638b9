use std::fs::{self, OpenOptions};
use std::path::Path;

use proptest::prelude::*;

use super::*;

const SMALL: Settings = Settings { limit_bytes: 1 << 20, segment_bytes: 1 << 10, fsync: false };

fn open(dir: &Path) -> Journal {
    Journal::open(dir, SMALL).unwrap()
}

fn payload(sequence: u64) -> Vec<u8> {
    format!("entry {sequence} ").repeat(1 + sequence as usize % 5).into_bytes()
}

/// Appends and commits this many entries whose payload tells their sequence number.
fn fill(journal: &mut Journal, entries: u64) {
    for _ in 0..entries {
        let next = journal.next_seq();
        assert_eq!(journal.append(&payload(next)).unwrap(), next);
    }
    journal.commit().unwrap();
}

/// Sequence numbers of all that can be read, after checking that each payload is the one written.
fn sequences(journal: &Journal) -> Vec<u64> {
    let entries = journal.read_from(0).map(|entry| entry.unwrap());
    entries.inspect(|(sequence, bytes)| assert_eq!(*bytes, payload(*sequence))).map(|(sequence, _)| sequence).collect()
}

fn files(dir: &Path) -> Vec<Segment> {
    Segment::list(dir).unwrap()
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    assert_eq!((journal.first_seq(), journal.next_seq(), journal.bytes()), (1, 1, 0));
    fill(&mut journal, 3);
    journal.append(b"never committed").unwrap();
    assert_eq!(sequences(&journal), [1, 2, 3], "only what is committed can be read");
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(sequences(&journal), [1, 2, 3]);
    assert_eq!((journal.next_seq(), journal.recovered()), (4, Damage::default()));
}

#[test]
fn reads_from_any_place_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    (0..40).for_each(|_| fill(&mut journal, 10));
    assert!(files(dir.path()).len() > 5, "the entries are in many segments");
    for from in [0, 1, 57, 399, 400, 401, u64::MAX] {
        let read: Vec<u64> = journal.read_from(from).map(|entry| entry.unwrap().0).collect();
        assert_eq!(read, (from.max(1)..=400).collect::<Vec<_>>());
    }
}

#[test]
fn recovers_when_the_file_is_cut_at_any_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    fill(&mut journal, 8);
    drop(journal);
    let path = files(dir.path())[0].path.clone();
    let whole = fs::read(&path).unwrap();
    let mut ends = vec![0];
    for sequence in 1..=8 {
        ends.push(ends.last().unwrap() + HEADER + payload(sequence).len());
    }
    for cut in 0..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(path.file_name().unwrap()), &whole[..cut]).unwrap();
        let mut journal = open(dir.path());
        let kept = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(sequences(&journal), (1..=kept as u64).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(journal.recovered().bytes, (cut - ends[kept]) as u64, "cut at {cut}");
        let next = journal.next_seq();
        assert!(next > kept as u64 && (cut == ends[kept] || next > kept as u64 + 1), "the torn entry's number is used up");
        fill(&mut journal, 2);
        drop(journal);
        let mut expected: Vec<u64> = (1..=kept as u64).collect();
        expected.extend([next, next + 1]);
        assert_eq!(sequences(&open(dir.path())), expected, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_never_makes_a_wrong_entry_and_no_number_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    fill(&mut journal, 8);
    drop(journal);
    let path = files(dir.path())[0].path.clone();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(dir.path().join(path.file_name().unwrap()), flipped).unwrap();
        let mut journal = open(dir.path());
        let read = sequences(&journal);
        assert!(read.len() < 8 && read.is_sorted(), "flipped at {at}: {read:?}");
        let damage = journal.recovered();
        assert!(damage.entries > 0 || damage.bytes > 0, "flipped at {at}: the damage is counted");
        assert!(journal.next_seq() > 8, "flipped at {at}: numbers 1 to 8 were given out");
        fill(&mut journal, 1);
        assert_eq!(sequences(&journal).len(), read.len() + 1);
    }
}

#[test]
fn a_damaged_payload_costs_only_its_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    fill(&mut journal, 8);
    drop(journal);
    let path = files(dir.path())[0].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    let second = HEADER + payload(1).len();
    bytes[second + HEADER + 3] ^= 1;
    fs::write(&path, bytes).unwrap();
    let journal = open(dir.path());
    assert_eq!(sequences(&journal), [1, 3, 4, 5, 6, 7, 8]);
    assert_eq!(journal.recovered(), Damage { entries: 1, bytes: 0, segments: 0 });
}

#[test]
fn damage_in_the_middle_is_counted_and_reading_goes_on_with_the_next_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    (0..20).for_each(|_| fill(&mut journal, 10));
    drop(journal);
    let segments = files(dir.path());
    let mut bytes = fs::read(&segments[1].path).unwrap();
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&segments[1].path, bytes).unwrap();
    let journal = open(dir.path());
    let mut replay = journal.read_from(0);
    let read: Vec<u64> = replay.by_ref().map(|entry| entry.unwrap().0).collect();
    let lost = segments[1].first..segments[2].first;
    assert_eq!(read, (1..=200).filter(|sequence| !lost.contains(sequence)).collect::<Vec<_>>());
    assert_eq!(replay.damage(), Damage { entries: 0, bytes: segments[1].len, segments: 1 });
}

#[test]
fn zeros_at_the_end_are_no_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    fill(&mut journal, 3);
    drop(journal);
    let path = files(dir.path())[0].path.clone();
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length + 5000).unwrap();
    let journal = open(dir.path());
    assert_eq!(sequences(&journal), [1, 2, 3]);
    assert_eq!(journal.recovered().bytes, 5000);
}

#[test]
fn numbers_go_on_after_everything_was_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    (0..10).for_each(|_| fill(&mut journal, 10));
    journal.forget_before(51).unwrap();
    assert!(journal.first_seq() <= 51 && journal.first_seq() > 1);
    assert_eq!(sequences(&journal).last(), Some(&100));
    journal.forget_before(journal.next_seq()).unwrap();
    assert_eq!((journal.first_seq(), journal.bytes()), (101, 0));
    drop(journal);
    for _ in 0..3 {
        let journal = open(dir.path());
        assert_eq!((journal.first_seq(), journal.next_seq()), (101, 101));
    }
    let mut journal = open(dir.path());
    fill(&mut journal, 1);
    assert_eq!(sequences(&journal), [101]);
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn numbers_that_a_snapshot_counts_on_are_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    journal.append(&payload(1)).unwrap();
    journal.skip_to(500).unwrap();
    journal.skip_to(7).unwrap();
    drop(journal);
    let mut journal = open(dir.path());
    assert_eq!(journal.next_seq(), 500);
    fill(&mut journal, 1);
    assert_eq!(sequences(&journal), [1, 500]);
}

#[test]
fn numbers_that_none_can_have_are_damage_and_leave_numbers_for_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    entry::encode(&mut bytes, 1, [&*payload(1)].into_iter());
    entry::encode(&mut bytes, u64::MAX, [&b"x"[..]].into_iter());
    fs::write(dir.path().join(format!("{:020}.log", 1)), bytes).unwrap();
    for none in [u64::MAX, LAST + 1] {
        fs::write(dir.path().join(format!("{none:020}.log")), b"").unwrap();
    }
    let mut journal = open(dir.path());
    assert_eq!(sequences(&journal), [1]);
    assert_eq!(journal.skip_to(u64::MAX).unwrap_err().cause(), Cause::Damaged);
    let next = journal.next_seq();
    fill(&mut journal, 2);
    assert_eq!(sequences(&journal), [1, next, next + 1]);
}

#[test]
fn a_file_by_the_name_of_no_number_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{:020}.log", 0)), b"").unwrap();
    let mut journal = open(dir.path());
    fill(&mut journal, 2);
    assert_eq!(sequences(&journal), [1, 2], "an entry numbered 0 would never be read again");
}

#[test]
fn at_its_limit_it_refuses_until_something_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { limit_bytes: 10_000, segment_bytes: 1 << 30, fsync: false };
    let mut journal = Journal::open(dir.path(), settings).unwrap();
    let full = loop {
        match journal.append(&[7; 100]) {
            Ok(_) => journal.commit().unwrap(),
            Err(error) => break error,
        }
    };
    assert!(full.is_passing(), "{full}");
    assert!(full.to_string().contains("its limit of 10000 bytes is reached; wait for the next snapshot"), "{full}");
    assert!(journal.bytes() <= 10_000);
    let (first, next) = (journal.first_seq(), journal.next_seq());
    journal.forget_before(first + (next - first) / 2).unwrap();
    assert!(journal.bytes() < 8_000, "segments are short enough that forgetting a half makes room");
    journal.append(&[7; 100]).unwrap();
    journal.commit().unwrap();
    journal.forget_before(journal.next_seq()).unwrap();
    assert_eq!(journal.bytes(), 0);
}

#[test]
fn an_entry_that_is_too_long_is_refused_and_the_group_stays() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { limit_bytes: 1 << 40, ..SMALL };
    let mut journal = Journal::open(dir.path(), settings).unwrap();
    journal.append(&payload(1)).unwrap();
    assert_eq!(journal.append(&vec![0; LONGEST + 1]).unwrap_err().cause(), Cause::Refused);
    journal.append(&payload(2)).unwrap();
    journal.commit().unwrap();
    assert_eq!(sequences(&journal), [1, 2]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_group_that_could_not_be_written_is_gone_and_the_next_one_goes_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    // A segment that reads as empty, takes no byte and cannot be cut back.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("00000000000000000001.log")).unwrap();
    let mut journal = open(dir.path());
    journal.append(&payload(1)).unwrap();
    journal.append(&payload(2)).unwrap();
    let error = journal.commit().unwrap_err();
    assert_eq!(error.cause(), Cause::Full, "{error}");
    assert!(error.to_string().contains("00000000000000000001.log: no space left on device"), "{error}");
    journal.commit().unwrap();
    fill(&mut journal, 2);
    assert_eq!(sequences(&journal), [3, 4]);
    drop(journal);
    assert_eq!(sequences(&open(dir.path())), [3, 4]);
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Journal::open(dir.path(), SMALL).unwrap_err();
    assert_eq!(error.cause(), Cause::Busy);
    drop(first);
    open(dir.path());
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    for place in [file.as_path(), Path::new("/proc/journal")] {
        let error = Journal::open(place, SMALL).unwrap_err();
        assert_eq!(error.cause(), Cause::Unwritable, "{error}");
    }
}

#[test]
fn reading_goes_on_when_a_segment_is_forgotten_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    (0..20).for_each(|_| fill(&mut journal, 10));
    let mut replay = journal.read_from(1);
    assert_eq!(replay.next().unwrap().unwrap().0, 1);
    journal.forget_before(150).unwrap();
    let rest: Vec<u64> = replay.map(|entry| entry.unwrap().0).collect();
    assert!(rest.ends_with(&(150..=200).collect::<Vec<_>>()));
}

/// What a crash can do between two steps.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Commit,
    Forget(u64),
    Reopen,
    /// Kill, and lose this many bytes of what was not committed (as a torn write does).
    Tear(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..300_usize).prop_map(Step::Append),
        4 => Just(Step::Commit),
        1 => (0..60_u64).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
        1 => (1..400_usize).prop_map(Step::Tear),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn committed_entries_survive_anything(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        let mut committed: Vec<(u64, Vec<u8>)> = vec![];
        let mut pending = vec![];
        let mut forgotten = 0;
        let mut highest = 0;
        for step in steps {
            match step {
                Step::Append(size) => {
                    let bytes = vec![size as u8; size];
                    let sequence = journal.append(&bytes).unwrap();
                    prop_assert!(sequence > highest);
                    pending.push((sequence, bytes));
                }
                Step::Commit => {
                    journal.commit().unwrap();
                    highest = pending.last().map_or(highest, |entry| entry.0);
                    committed.append(&mut pending);
                }
                Step::Forget(back) => {
                    forgotten = forgotten.max(journal.next_seq().saturating_sub(back));
                    journal.forget_before(forgotten).unwrap();
                }
                Step::Reopen => {
                    drop(journal);
                    pending.clear();
                    journal = open(dir.path());
                }
                Step::Tear(bytes) => {
                    drop(journal);
                    pending.clear();
                    let path = files(dir.path()).pop().unwrap().path;
                    let mut torn = fs::read(&path).unwrap();
                    let mut entry = Vec::new();
                    entry::encode(&mut entry, u64::MAX, [&[9; 400][..]].into_iter());
                    torn.extend_from_slice(&entry[..bytes]);
                    fs::write(&path, torn).unwrap();
                    journal = open(dir.path());
                }
            }
            let read: Vec<_> = journal.read_from(forgotten).map(|entry| entry.unwrap()).collect();
            let kept: Vec<_> = committed.iter().filter(|entry| entry.0 >= forgotten).cloned().collect();
            prop_assert_eq!(read, kept);
        }
    }
}
