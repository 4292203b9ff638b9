//! Very many connections that say nothing.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::{MIB, assert_below, assert_lives, await_metric, metric, peak_of, send};
use crate::common::Service;

const IDLE: usize = 2_000;

/// Lets a process open enough files; false, with the reason printed, where that is not allowed.
fn many_files(pid: u32) -> bool {
    let raised = Command::new("prlimit").args(["--pid", &pid.to_string(), "--nofile=8192:8192"]).output();
    match raised {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: cannot raise the limit of open files: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("skipped: cannot run prlimit: {error}");
            false
        }
    }
}

#[test]
fn two_thousand_idle_connections_do_not_keep_an_active_one_waiting() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let limit = [("LAPWING__SOURCES__TCP__CONNECTIONS", "2100")];
    let mut service = Service::start(directory.path(), &limit);
    if !many_files(std::process::id()) || !many_files(service.pid()) {
        return;
    }
    let before = peak_of(service.pid()).expect("alive");
    let connect = |_| TcpStream::connect(service.tcp).expect("connected");
    let idle: Vec<TcpStream> = (0..IDLE).map(connect).collect();
    let begun = Instant::now();
    send(&service, b"{\"message\":\"from the active one\"}\n");
    await_metric(&mut service, "lapwing_events_received_total", 1);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_lives(&mut service);
    assert_eq!(metric(&mut service, "lapwing_dropped_total{reason=\"tcp_connection_limit\"}"), 0);
    let taken = peak_of(service.pid()).expect("alive") - before;
    assert_below("2,000 idle connections, beyond what was there before", taken + 1, 32 * MIB);
    drop(idle);
    service.stop();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_counted_and_free_places_are_given_again() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = Service::start(directory.path(), &[("LAPWING__SOURCES__TCP__CONNECTIONS", "5")]);
    let connect = |_| TcpStream::connect(service.tcp).expect("connected");
    let idle: Vec<TcpStream> = (0..20).map(connect).collect();
    await_metric(&mut service, "lapwing_dropped_total{reason=\"tcp_connection_limit\"}", 15);
    drop(idle);
    let until = Instant::now() + Duration::from_secs(10);
    while metric(&mut service, "lapwing_events_received_total") == 0 {
        assert!(Instant::now() < until, "no place becomes free");
        // The one that comes too early is closed.
        let _ = TcpStream::connect(service.tcp).map(|mut stream| std::io::Write::write_all(&mut stream, b"x\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_lives(&mut service);
    service.stop();
}
