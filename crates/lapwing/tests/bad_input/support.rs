//! Runs `lapwing` on input made on the fly, and watches how much memory it takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Service, sum};

pub const MIB: u64 = 1 << 20;

/// A command that knows nothing of the settings of whoever runs the tests.
pub fn lapwing(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LAPWING")) {
        command.env_remove(name);
    }
    // Each worker has some blocks at hand: figures of memory must not depend on the machine.
    command.args(arguments).stdin(Stdio::null()).env("LAPWING__WORKERS", "2");
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The most memory it took, in bytes.
    pub peak: u64,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn json(&self) -> Value {
        assert!(self.status.success(), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `lapwing` while `feed` writes its standard input; `feed` may ask how much memory it took so far.
pub fn fed(arguments: &[&str], feed: impl FnOnce(&mut ChildStdin, &dyn Fn() -> u64) -> std::io::Result<()>) -> Ended {
    run(lapwing(arguments), feed)
}

/// Runs `lapwing` without input.
pub fn ended(arguments: &[&str]) -> Ended {
    fed(arguments, |_, _| Ok(()))
}

/// The same with a command that is ready.
pub fn run(mut command: Command, feed: impl FnOnce(&mut ChildStdin, &dyn Fn() -> u64) -> std::io::Result<()>) -> Ended {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the binary starts");
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    let watched = watch(&child);
    let mut stdin = child.stdin.take().expect("piped");
    feed(&mut stdin, &|| watched.load(Relaxed)).expect("it reads all its input");
    drop(stdin);
    let status = child.wait().expect("waited for");
    let text = |thread: std::thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&thread.join().expect("read")).into_owned();
    Ended { status, stdout: text(stdout), stderr: text(stderr), peak: watched.load(Relaxed) }
}

fn reading(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        pipe.expect("piped").read_to_end(&mut all).expect("output");
        all
    })
}

/// The peak of a child's memory, looked up again and again until it ends.
fn watch(child: &Child) -> Arc<AtomicU64> {
    let (pid, peak) = (child.id(), Arc::new(AtomicU64::new(0)));
    let seen = peak.clone();
    std::thread::spawn(move || {
        while let Some(now) = peak_of(pid) {
            seen.fetch_max(now, Relaxed);
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    peak
}

/// The most memory that a process ever took (`VmHWM`), in bytes; nothing once it has ended.
pub fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    row.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

pub fn assert_below(what: &str, peak: u64, limit: u64) {
    println!("{what}: peak {} MiB", peak / MIB);
    assert!(peak > 0 && peak < limit, "{what}: {} MiB of memory, not below {} MiB", peak / MIB, limit / MIB);
}

/// One value of `/metrics`: the sum of a family over its labels, or one of its rows such as `name{reason="x"}`.
pub fn metric(service: &mut Service, name: &str) -> u64 {
    let metrics = service.get("/metrics").1;
    if name.contains('{') {
        let row = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        return row.unwrap_or(0.0) as u64;
    }
    sum(&metrics, name)
}

/// Waits until a metric is at least that much.
pub fn await_metric(service: &mut Service, name: &str, least: u64) {
    let until = Instant::now() + Duration::from_secs(30);
    while metric(service, name) < least {
        assert!(Instant::now() < until, "{name} stays below {least}: {}", service.get("/metrics").1);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends bytes over a TCP connection of their own, and closes it.
pub fn send(service: &Service, bytes: &[u8]) {
    TcpStream::connect(service.tcp).and_then(|mut stream| stream.write_all(bytes)).expect("sent");
}

/// It answers, is ready, and a line that is pushed is judged.
pub fn assert_lives(service: &mut Service) {
    assert_eq!(service.get("/health").0, 200);
    let before = metric(service, "lapwing_events_received_total");
    assert_eq!(service.post("/logs", b"{\"message\":\"still there\"}").expect("an answer").0, 202);
    await_metric(service, "lapwing_events_received_total", before + 1);
    assert_eq!(service.get("/ready").0, 200, "{}", service.get("/ready").1);
}

/// A POST with headers of its own, over a connection of its own.
pub fn post_with(service: &Service, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(service.http).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        service.http,
        body.len()
    );
    // A server that has seen enough answers before it has read everything.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// A path as an argument.
pub fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
