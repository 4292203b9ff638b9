//! What happens on a disk that is full, on a small file system in memory of the test's own.

use std::path::Path;
use std::process::Command;

use lapwing_model::{Anomaly, AnomalyId, Evidence, Scope, Score, Severity, State, Timestamp};
use lapwing_store::snapshot::{self, Snapshot};
use lapwing_store::{Cause, Journal, Query, Settings, Store};

/// A mounted file system of 4 MiB; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Nothing where this machine does not allow it.
    fn mount() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            Ok(output) => {
                println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves only these bytes free.
    fn fill(&self, free: usize) -> std::path::PathBuf {
        let ballast = self.path().join("ballast");
        // Fails when the disk is full, which is the point.
        let _ = std::fs::write(&ballast, vec![1; 8 << 20]);
        let length = std::fs::metadata(&ballast).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(length - free as u64).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

fn anomaly(number: u64) -> Anomaly {
    Anomaly {
        id: AnomalyId(number),
        time: Timestamp::from_seconds(number as i64),
        last: Timestamp::from_seconds(number as i64),
        severity: Severity::High,
        score: Score::ONE,
        detector: "rules".into(),
        class: "server-error".into(),
        scope: Scope::Client,
        entity: format!("198.51.100.{number}").into(),
        count: 1,
        reason: format!("number {number}"),
        parts: vec![],
        expected: String::new(),
        observed: String::new(),
        one_in: 0,
        silenced_by: String::new(),
        related: Vec::new(),
        known: None,
        evidence: vec![Evidence { file: "a.log".into(), line: number, text: "x y z ".repeat(200).into() }],
        state: State::Open,
        note: String::new(),
    }
}

#[test]
fn the_journal_keeps_what_it_acknowledged_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let settings = Settings { limit_bytes: 1 << 30, segment_bytes: 256 << 10, fsync: true };
    let mut journal = Journal::open(&disk.path().join("journal"), settings).unwrap();
    let ballast = disk.fill(1 << 20);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    while refused < 20 {
        let group: Vec<u64> = (0..7).map_while(|_| journal.append(&[0xab; 3000]).ok()).collect();
        match journal.commit() {
            Ok(()) if !group.is_empty() => acknowledged.extend(group),
            outcome => {
                assert!(outcome.is_ok_and(|()| group.is_empty()) || journal.read_from(0).count() == acknowledged.len());
                refused += 1;
            }
        }
    }
    assert!(acknowledged.len() > 200);
    std::fs::remove_file(ballast).unwrap();
    for _ in 0..100 {
        acknowledged.push(journal.append(&[0xab; 3000]).unwrap());
        journal.commit().unwrap();
    }
    drop(journal);
    let journal = Journal::open(&disk.path().join("journal"), settings).unwrap();
    let read: Vec<u64> = journal.read_from(0).map(|entry| entry.unwrap().0).collect();
    assert_eq!(read, acknowledged);
}

#[test]
fn the_journal_makes_room_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let settings = Settings { limit_bytes: 1 << 30, segment_bytes: 256 << 10, fsync: true };
    let mut journal = Journal::open(&disk.path().join("journal"), settings).unwrap();
    while journal.append(&[0xab; 3000]).and_then(|_| journal.commit()).is_ok() {}
    let next = journal.next_seq();
    journal.forget_before(next).unwrap();
    assert_eq!(journal.bytes(), 0);
    assert_eq!(journal.append(&[0xab; 3000]).unwrap(), next);
    journal.commit().unwrap();
}

#[test]
fn the_store_refuses_for_now_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut store = Store::open(&disk.path().join("store")).unwrap();
    let ballast = disk.fill(1 << 20);
    let mut kept = 0;
    let error = loop {
        match store.put(&(kept..kept + 20).map(anomaly).collect::<Vec<_>>()) {
            Ok(()) => kept += 20,
            Err(error) => break error,
        }
    };
    assert_eq!(error.cause(), Cause::Full, "{error}");
    assert!(error.is_passing() && error.to_string().contains("no space left on device; free some space"), "{error}");
    let reader = store.reader().unwrap();
    assert_eq!(reader.stats().unwrap().total, kept, "all of a batch or nothing");
    std::fs::remove_file(ballast).unwrap();
    store.put(&(kept..kept + 20).map(anomaly).collect::<Vec<_>>()).unwrap();
    let text = Some(format!("number {}", kept + 19));
    assert_eq!(reader.list(&Query { text, ..Query::default() }).unwrap().items.len(), 1);
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_the_newest() {
    let Some(disk) = SmallDisk::mount() else { return };
    let small = Snapshot { version: 1, sequence: 5, sections: vec![("a".into(), vec![1; 100])] };
    snapshot::write(disk.path(), &small).unwrap();
    let ballast = disk.fill(8 << 10);
    // Noise, which cannot be compressed.
    let mut noise = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    });
    let big = Snapshot { version: 1, sequence: 9, sections: vec![("a".into(), bytes.take(1 << 20).collect())] };
    assert!(snapshot::write(disk.path(), &big).unwrap_err().is_passing());
    assert_eq!(snapshot::read_newest(disk.path()).unwrap().unwrap().snapshot, small);
    std::fs::remove_file(ballast).unwrap();
    snapshot::write(disk.path(), &big).unwrap();
    assert_eq!(snapshot::read_newest(disk.path()).unwrap().unwrap().snapshot, big);
}
