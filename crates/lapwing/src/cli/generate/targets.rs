//! Where generated lines go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lapwing_generate::Line;

use crate::cli::Failed;
use crate::cli::client::{Access, Address, Client, plain};
use crate::cli::show::thousands;
use crate::cli::stop::Stop;

/// The most lines of one request.
const BATCH: usize = 500;

/// How long a line may wait for others to be sent with.
const LINGER: Duration = Duration::from_millis(250);

const CONNECT: Duration = Duration::from_secs(5);

/// For one write, where the other end does not read.
const WRITE: Duration = Duration::from_secs(30);

/// Takes lines, or flows.
pub(super) trait Target<T> {
    fn put(&mut self, item: &T) -> Result<(), Failed>;

    /// Told before a pause: what was put should not wait much longer.
    fn pause(&mut self, pause: Duration) -> Result<(), Failed>;

    /// Sends what is left.
    fn finish(&mut self) -> Result<(), Failed>;

    /// For the closing statistic: where so many went, and what became of them.
    fn tell(&self, count: u64) -> String;
}

/// A file, or standard output.
pub(super) struct Stream<W: Write> {
    out: BufWriter<W>,
    path: Option<PathBuf>,
}

pub(super) fn stdout() -> Stream<io::StdoutLock<'static>> {
    Stream { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), path: None }
}

pub(super) fn file(path: &Path) -> Result<Stream<File>, Failed> {
    let file = File::create(path).map_err(|error| unwritable(path, &error))?;
    Ok(Stream { out: BufWriter::with_capacity(64 << 10, file), path: Some(path.to_owned()) })
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failed {
    Failed::new(format!("cannot write {}: {}", path.display(), plain(error)))
}

impl<W: Write> Stream<W> {
    fn failed(&self, error: io::Error) -> Failed {
        match &self.path {
            Some(path) => unwritable(path, &error),
            None => error.into(),
        }
    }
}

impl<W: Write> Target<Line> for Stream<W> {
    fn put(&mut self, line: &Line) -> Result<(), Failed> {
        let written = self.out.write_all(line.text.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| self.failed(error))
    }

    fn pause(&mut self, _: Duration) -> Result<(), Failed> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Failed> {
        self.out.flush().map_err(|error| self.failed(error))
    }

    fn tell(&self, _: u64) -> String {
        self.path.as_deref().map(|path| format!(" to {}", path.display())).unwrap_or_default()
    }
}

/// A connection to a service that takes lines.
pub(super) struct Tcp {
    out: BufWriter<TcpStream>,
    to: String,
}

impl Tcp {
    pub(super) fn connect(to: &str) -> Result<Tcp, Failed> {
        let addresses = to.to_socket_addrs().map_err(|_| {
            Failed::new(format!(
                "cannot send to '{to}': it is no host:port, or there is no such host; use one such as 127.0.0.1:9090"
            ))
        })?;
        let mut refused = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(WRITE))?;
                    return Ok(Tcp { out: BufWriter::with_capacity(64 << 10, stream), to: to.to_owned() });
                }
                Err(error) => refused = error,
            }
        }
        Err(Failed::new(format!("cannot reach tcp {to}: {}; start the service with lapwing run", plain(&refused))))
    }

    fn failed(&self, error: &io::Error) -> Failed {
        Failed::new(format!("cannot send to tcp {}: {}; is the service well?", self.to, plain(error)))
    }
}

impl Target<Line> for Tcp {
    fn put(&mut self, line: &Line) -> Result<(), Failed> {
        let written = self.out.write_all(line.text.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|error| self.failed(&error))
    }

    fn pause(&mut self, _: Duration) -> Result<(), Failed> {
        self.out.flush().map_err(|error| self.failed(&error))
    }

    fn finish(&mut self) -> Result<(), Failed> {
        let ended = self.out.flush().and_then(|()| self.out.get_ref().shutdown(Shutdown::Write));
        ended.map_err(|error| self.failed(&error))
    }

    fn tell(&self, _: u64) -> String {
        format!(" to tcp {}", self.to)
    }
}

/// A datagram a line. Nobody says whether it arrived.
pub(super) struct Udp {
    socket: UdpSocket,
    to: String,
    source: &'static str,
}

impl Udp {
    /// `source` is the setting that makes somebody receive there.
    pub(super) fn connect(to: &str, source: &'static str) -> Result<Udp, Failed> {
        let address = to.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        let address = address.ok_or_else(|| {
            Failed::new(format!(
                "cannot send to '{to}': it is no host:port, or there is no such host; use one such as 127.0.0.1:5514"
            ))
        })?;
        let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.connect(address)?;
        Ok(Udp { socket, to: to.to_owned(), source })
    }

    pub(super) fn send(&self, datagram: &[u8]) -> Result<(), Failed> {
        match self.socket.send(datagram) {
            Ok(_) => Ok(()),
            // The datagram before this one found nobody.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(Failed::new(format!("cannot reach udp {}: nobody receives there; switch on {}", self.to, self.source)))
            }
            Err(error) => Err(Failed::new(format!("cannot send to udp {}: {}", self.to, plain(&error)))),
        }
    }

    pub(super) fn to(&self) -> &str {
        &self.to
    }
}

impl Target<Line> for Udp {
    fn put(&mut self, line: &Line) -> Result<(), Failed> {
        self.send(line.text.as_bytes())
    }

    fn pause(&mut self, _: Duration) -> Result<(), Failed> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    fn tell(&self, _: u64) -> String {
        format!(" to udp {}", self.to)
    }
}

/// A service that takes batches of lines over HTTP.
pub(super) struct Http<'a> {
    client: Client,
    stop: &'a Stop,
    kind: &'static str,
    batch: Vec<u8>,
    /// Where each line of the batch ends.
    ends: Vec<usize>,
    /// When the first line of the batch came.
    since: Instant,
    taken: u64,
}

impl<'a> Http<'a> {
    pub(super) fn new(access: &Access, to: &str, json: bool, stop: &'a Stop) -> Result<Http<'a>, Failed> {
        let client = Client::new(access, Address::parse(to)?.or_under("/logs"))?;
        let kind = if json { "application/x-ndjson" } else { "text/plain" };
        Ok(Http { client, stop, kind, batch: Vec::new(), ends: Vec::new(), since: Instant::now(), taken: 0 })
    }

    fn send(&mut self) -> Result<(), Failed> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let rest = |taken: usize| {
            let done = taken.checked_sub(1).map_or(0, |last| self.ends.get(last).copied().unwrap_or(self.batch.len()));
            &self.batch[done..]
        };
        let answer = self.client.post(self.stop, self.kind, rest)?;
        self.taken += if answer.is_some() { self.ends.len() as u64 } else { 0 };
        self.batch.clear();
        self.ends.clear();
        Ok(())
    }
}

impl Target<Line> for Http<'_> {
    fn put(&mut self, line: &Line) -> Result<(), Failed> {
        if self.ends.is_empty() {
            self.since = Instant::now();
        }
        self.batch.extend_from_slice(line.text.as_bytes());
        self.batch.push(b'\n');
        self.ends.push(self.batch.len());
        if self.ends.len() >= BATCH || self.since.elapsed() >= LINGER { self.send() } else { Ok(()) }
    }

    fn pause(&mut self, pause: Duration) -> Result<(), Failed> {
        if self.since.elapsed() + pause >= LINGER { self.send() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Failed> {
        self.send()
    }

    fn tell(&self, lines: u64) -> String {
        let counted = |count: u64, what: &str| if count > 0 { format!(", {} {what}", thousands(count)) } else { String::new() };
        let missing = counted(lines - self.taken.min(lines), "of them not taken");
        let repeated = counted(self.client.repeated(), "requests repeated");
        format!(" to {}{missing}{repeated}", self.client.address().url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = file(Path::new("/nonexistent/x.log")).err().expect("no such directory").to_string();
        assert!(error.starts_with("cannot write /nonexistent/x.log: "), "{error}");
    }

    #[test]
    fn an_address_without_a_port_is_no_address() {
        let error = Tcp::connect("localhost").err().expect("no port").to_string();
        assert!(error.contains("host:port"), "{error}");
    }
}
