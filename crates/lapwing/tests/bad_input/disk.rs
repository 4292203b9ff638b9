//! A disk that is full, and a store that cannot be written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::{Ended, fed, lapwing, metric, name};
use crate::common::Service;

/// A mounted file system in memory; unmounted when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Nothing, with the reason printed, where this machine does not allow it.
    fn mount(options: &str) -> Option<Disk> {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(directory.path()).output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Disk(directory)),
            Ok(output) => println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => println!("skipped: cannot run mount: {error}"),
        }
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all room there is but this much.
    fn fill(&self, free: u64) -> PathBuf {
        let ballast = self.path().join("ballast");
        // Fails when the disk is full, which is the point.
        let _ = std::fs::write(&ballast, vec![1; 64 << 20]);
        let file = std::fs::OpenOptions::new().write(true).open(&ballast).expect("open");
        let length = file.metadata().expect("there").len();
        file.set_len(length.saturating_sub(free)).expect("cut");
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there has been killed by now; a lazy unmount does not wait for it to be gone.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A body of lines that are each an anomaly of its own, with a weight to it.
fn body(numbers: std::ops::Range<u64>) -> String {
    let padding = "x".repeat(2000);
    let line = |n| {
        format!(
            "{{\"timestamp\":\"2025-03-01T10:00:00Z\",\"level\":\"fatal\",\"service\":\"svc-{n}\",\"message\":\"{padding}\"}}\n"
        )
    };
    numbers.map(line).collect()
}

#[test]
fn on_a_full_disk_pushed_data_is_refused_and_none_that_was_accepted_is_lost() {
    let Some(disk) = Disk::mount("size=16m") else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = disk.path().join("data");
    let mut service = Service::start(directory.path(), &[("LAPWING__STORE__DIRECTORY", name(&store))]);
    let ballast = disk.fill(2 << 20);
    let (mut accepted, mut refused, mut next) = (BTreeSet::new(), 0, 0_u64);
    let until = Instant::now() + Duration::from_secs(40);
    while refused < 5 {
        assert!(Instant::now() < until, "the disk does not fill: {} accepted", accepted.len());
        let numbers = next..next + 20;
        next = numbers.end;
        match service.post("/logs", body(numbers.clone()).as_bytes()).expect("an answer") {
            (202, _) => accepted.extend(numbers),
            (503 | 429, _) => refused += 1,
            (status, answer) => panic!("answered {status}: {answer}"),
        }
    }
    println!("full after {} accepted records", accepted.len());
    assert!(!accepted.is_empty());
    assert_eq!(service.get("/health").0, 200);
    assert_eq!(service.get("/metrics").0, 200, "what is wrong must be visible while it is");
    std::fs::remove_file(ballast).expect("removed");
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        let numbers = next..next + 1;
        next = numbers.end;
        match service.post("/logs", body(numbers.clone()).as_bytes()).expect("an answer") {
            (202, _) => break accepted.extend(numbers),
            (status, answer) => assert!(Instant::now() < until, "does not recover: {status} {answer}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    service.settle();
    // What waited for the store is tried again as time passes.
    let until = Instant::now() + Duration::from_secs(20);
    let stored = loop {
        let anomalies = service.anomalies();
        let number = |anomaly: &serde_json::Value| anomaly["entity"].as_str()?.strip_prefix("svc-")?.parse().ok();
        let stored: BTreeSet<u64> = anomalies.iter().filter_map(number).collect();
        let lost: Vec<_> = accepted.difference(&stored).collect();
        if lost.is_empty() {
            break stored;
        }
        assert!(Instant::now() < until, "{} of {} accepted are lost: {lost:?}", lost.len(), accepted.len());
        std::thread::sleep(Duration::from_millis(200));
    };
    let unexpected: Vec<_> = stored.difference(&accepted).collect();
    assert!(unexpected.is_empty(), "judged although it was refused: {unexpected:?}");
    assert_eq!(metric(&mut service, "lapwing_dropped_total{reason=\"anomalies_not_stored\"}"), 0);
    service.stop();
}

#[test]
fn over_tcp_a_full_disk_closes_the_connection_and_counts_what_was_refused() {
    let Some(disk) = Disk::mount("size=16m") else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = disk.path().join("data");
    let mut service = Service::start(directory.path(), &[("LAPWING__STORE__DIRECTORY", name(&store))]);
    let ballast = disk.fill(64 << 10);
    let until = Instant::now() + Duration::from_secs(40);
    let mut next = 0;
    while metric(&mut service, "lapwing_dropped_total{reason=\"tcp_refused\"}") == 0 {
        assert!(Instant::now() < until, "nothing is refused: {}", service.get("/metrics").1);
        // Writing fails once the other end has closed.
        let _ = std::net::TcpStream::connect(service.tcp)
            .and_then(|mut stream| std::io::Write::write_all(&mut stream, body(next..next + 50).as_bytes()));
        next += 50;
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_file(ballast).expect("removed");
    let until = Instant::now() + Duration::from_secs(40);
    while service.post("/logs", b"x\n").expect("an answer").0 != 202 {
        assert!(Instant::now() < until, "does not recover");
        std::thread::sleep(Duration::from_millis(100));
    }
    service.settle();
    service.stop();
}

/// `lapwing run` with this directory, which must end by itself.
fn refused(store: &Path) -> Ended {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut command = lapwing(&["run"]);
    command
        .current_dir(directory.path())
        .env("LAPWING__STORE__DIRECTORY", store)
        .env("LAPWING__SERVER__LISTEN", "127.0.0.1:0")
        .env("LAPWING__SOURCES__TCP__LISTEN", "127.0.0.1:0");
    super::support::run(command, |_, _| Ok(()))
}

#[test]
fn a_store_that_cannot_be_written_is_said_at_the_start_with_the_setting() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("in-the-way");
    std::fs::write(&file, b"").expect("written");
    let ended = refused(&file);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("in-the-way") && ended.stderr.contains("store.directory"), "{ended:?}");
}

#[test]
fn a_read_only_store_is_said_at_the_start_with_the_setting() {
    let Some(disk) = Disk::mount("size=1m,ro") else { return };
    for store in [disk.path().to_owned(), disk.path().join("data")] {
        let ended = refused(&store);
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains("read-only") && ended.stderr.contains("store.directory"), "{ended:?}");
    }
}

#[test]
fn the_alert_file_that_cannot_be_written_is_said_at_the_start() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut command = lapwing(&["run"]);
    command
        .current_dir(directory.path())
        .env("LAPWING__ALERTS__FILE", "/no/such/directory/alerts.json")
        .env("LAPWING__SERVER__LISTEN", "127.0.0.1:0")
        .env("LAPWING__SOURCES__TCP__LISTEN", "127.0.0.1:0");
    let ended = super::support::run(command, |_, _| Ok(()));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/no/such/directory/alerts.json") && ended.stderr.contains("alerts.file"), "{ended:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ended = fed(&["scan", "/no/such/file.log"], |_, _| Ok(()));
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/no/such/file.log"), "{ended:?}");
}
