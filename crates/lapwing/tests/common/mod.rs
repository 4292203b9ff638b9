//! The real binary as a service, on ports of its own and in a directory of its own.
#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Service {
    child: Child,
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    pub netflow: Option<SocketAddr>,
    pub ipfix: Option<SocketAddr>,
    listening: Vec<(String, SocketAddr)>,
    connection: Option<TcpStream>,
}

impl Service {
    /// Starts `lapwing run` and waits until it listens.
    pub fn start(directory: &Path, environment: &[(&str, &str)]) -> Service {
        Service::try_start(directory, environment).unwrap_or_else(|error| panic!("the service did not start: {error}"))
    }

    /// The same; answers what it said where it did not come to listen.
    pub fn try_start(directory: &Path, environment: &[(&str, &str)]) -> Result<Service, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        command.current_dir(directory).stdout(Stdio::null());
        Service::launch(command, environment)
    }

    /// The same with a command that says where it runs and where its output goes.
    pub fn launch(mut command: Command, environment: &[(&str, &str)]) -> Result<Service, String> {
        if !command.get_args().any(|arg| arg == "run") {
            command.arg("run");
        }
        let mut child = command
            .env("LAPWING__SERVER__LISTEN", "127.0.0.1:0")
            .env("LAPWING__SOURCES__TCP__LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (mut http, mut tcp, mut said) = (None, None, String::new());
        let (mut netflow, mut ipfix) = (None, None);
        let mut listening = Vec::new();
        while http.is_none() {
            let Some(Ok(line)) = lines.next() else {
                let _ = child.wait();
                return Err(said);
            };
            let address = || line.rsplit(' ').next().and_then(|word| word.parse().ok());
            if let (Some(at), Some(address)) = (line.find("listening: "), address()) {
                let name = line[at + 11..].split(' ').next().unwrap_or_default();
                listening.push((name.to_owned(), address));
            }
            if line.contains("listening: tcp") {
                tcp = address();
            } else if line.contains("listening: netflow") {
                netflow = address();
            } else if line.contains("listening: ipfix_tcp") {
                ipfix = address();
            } else if line.contains("listening: http") {
                http = address();
            }
            said.push_str(&line);
            said.push('\n');
        }
        // Whoever does not read what a service says stops it sooner or later.
        std::thread::spawn(move || lines.for_each(drop));
        let unused = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Service {
            child,
            http: http.expect("listening"),
            tcp: tcp.unwrap_or(unused),
            netflow,
            ipfix,
            listening,
            connection: None,
        })
    }

    /// Where a source listens.
    pub fn address(&self, source: &str) -> SocketAddr {
        let found = self.listening.iter().find(|(name, _)| name == source);
        found.unwrap_or_else(|| panic!("{source} does not listen: {:?}", self.listening)).1
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.connection = None;
        self.child.wait().expect("waited for")
    }

    /// Ends it as a service manager would, and expects a clean end.
    pub fn stop(mut self) {
        kill(self.pid(), "-TERM");
        let status = self.wait();
        assert!(status.success(), "ended with {status}");
    }

    pub fn get(&mut self, path: &str) -> (u16, String) {
        self.request("GET", path, b"").expect("an answer")
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> std::io::Result<(u16, String)> {
        self.request("POST", path, body)
    }

    /// One request over a connection that is kept open.
    pub fn request(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<(u16, String)> {
        if self.connection.is_none() {
            let connection = TcpStream::connect(self.http)?;
            connection.set_read_timeout(Some(Duration::from_secs(30)))?;
            connection.set_nodelay(true)?;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_mut().expect("just made");
        let kind = if body.starts_with(b"{") { "application/json" } else { "text/plain" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.http,
            body.len()
        );
        let answered = connection.write_all(&[head.as_bytes(), body].concat()).and_then(|()| answer(connection));
        if answered.is_err() {
            self.connection = None;
        }
        answered
    }

    /// Waits until everything accepted is judged and stored: ready, and nothing in flight.
    pub fn settle(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        let mut before = (u64::MAX, u64::MAX);
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(300));
            let metrics = self.get("/metrics").1;
            let now = (sum(&metrics, "lapwing_events_received_total"), sum(&metrics, "lapwing_queue_depth"));
            if self.get("/ready").0 == 200 && now.1 == 0 && now == before {
                return;
            }
            before = now;
        }
        panic!("the service does not settle: {}", self.get("/stats").1);
    }

    /// All stored anomalies.
    pub fn anomalies(&mut self) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, body) = self.get(&format!("/anomalies?limit=1000{cursor}"));
            assert_eq!(status, 200, "{body}");
            let page: Value = serde_json::from_str(&body).expect("JSON");
            all.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sum of a metric over its labels.
pub fn sum(metrics: &str, name: &str) -> u64 {
    let rows = metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    rows.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

pub fn kill(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
}

/// Reads one HTTP answer with a content length or in chunks.
fn answer(connection: &mut TcpStream) -> std::io::Result<(u16, String)> {
    let mut reader = BufReader::new(connection);
    let (mut status, mut length, mut chunked) = (0, 0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let lower = line.to_lowercase();
        if let Some(rest) = lower.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        } else if let Some(rest) = lower.strip_prefix("content-length:") {
            length = rest.trim().parse().unwrap_or(0);
        } else if lower.starts_with("transfer-encoding: chunked") {
            chunked = true;
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else {
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
