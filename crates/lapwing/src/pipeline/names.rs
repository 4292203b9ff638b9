//! The names of addresses that anomalies are about, asked of DNS by a thread of its own: nobody waits for it.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use lapwing_enrich::{ReverseDns, reverse};
use lapwing_learn::Lru;
use lapwing_model::{Anomaly, Scope, hash};

/// Addresses that wait to be asked about; those beyond are asked about when they come again.
const WAITING: usize = 256;

/// The longest datagram that DNS answers with over UDP without extensions, and some.
const DATAGRAM: usize = 4096;

/// What is known of names, and what is asked for.
#[derive(Debug)]
pub struct Names {
    asked: Sender<IpAddr>,
    answers: Receiver<(IpAddr, Option<Box<str>>)>,
    /// By the hash of the address; nothing where it has no name.
    known: Lru<Option<Box<str>>>,
    pending: HashSet<IpAddr>,
    /// Ends once nobody asks any more.
    _thread: JoinHandle<()>,
}

impl Names {
    /// # Errors
    /// Where there is no server to ask, or the thread cannot be started.
    pub fn start(settings: &ReverseDns) -> Result<Names, String> {
        let server =
            settings.server.or_else(system_server).ok_or("no server for reverse DNS; set enrichment.reverse_dns.server")?;
        let patience = Duration::from_millis(settings.timeout_ms.max(1));
        let (asked, questions) = bounded::<IpAddr>(WAITING);
        let (told, answers) = unbounded();
        let run = move || {
            for (address, id) in questions.iter().zip(std::iter::successors(Some(1_u16), |id| Some(id.wrapping_add(1)))) {
                let name = ask(server, id, address, patience).unwrap_or_else(|error| {
                    tracing::debug!("no name for {address}: {error}");
                    None
                });
                if told.send((address, name.map(String::into_boxed_str))).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("names".into()).spawn(run);
        let thread = thread.map_err(|error| format!("cannot start the thread for names: {error}"))?;
        Ok(Names { asked, answers, known: Lru::new(settings.names.max(1)), pending: HashSet::new(), _thread: thread })
    }

    /// The name of whom an anomaly is about, where it is known; asks for it where it is not.
    pub fn of(&mut self, anomaly: &Anomaly) -> Option<Box<str>> {
        let address = address(anomaly)?;
        if let Some(known) = self.known.get(key(address)) {
            return known.clone();
        }
        if !self.pending.contains(&address) && self.asked.try_send(address).is_ok() {
            self.pending.insert(address);
        }
        None
    }

    /// The names that came since.
    pub fn answered(&mut self) -> Vec<(IpAddr, Box<str>)> {
        let mut named = Vec::new();
        for (address, name) in self.answers.try_iter() {
            self.pending.remove(&address);
            *self.known.get_or_insert_with(key(address), || None).0 = name.clone();
            named.extend(name.map(|name| (address, name)));
        }
        named
    }
}

fn key(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => hash(&v4.octets()),
        IpAddr::V6(v6) => hash(&v6.octets()),
    }
}

fn address(anomaly: &Anomaly) -> Option<IpAddr> {
    matches!(anomaly.scope, Scope::Client | Scope::Victim).then(|| anomaly.entity.parse().ok())?
}

/// Asks once.
fn ask(server: SocketAddr, id: u16, address: IpAddr, patience: Duration) -> Result<Option<String>, String> {
    let said = |error: io::Error| format!("cannot ask {server}: {error}");
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0)).map_err(said)?;
    socket.connect(server).map_err(said)?;
    socket.send(&reverse::question(id, address)).map_err(said)?;
    let end = Instant::now() + patience;
    let mut buffer = [0; DATAGRAM];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{server} did not answer within {} ms", patience.as_millis()));
        }
        socket.set_read_timeout(Some(left)).map_err(said)?;
        let read = socket.recv(&mut buffer).map_err(said)?;
        match reverse::answer(&buffer[..read], id, address) {
            // An answer to an earlier question, or somebody who guesses.
            Err("it answers something else") => {}
            answer => return answer.map_err(str::to_owned),
        }
    }
}

/// The first server that the system asks.
fn system_server() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    servers.map(|server| SocketAddr::new(server, 53)).next()
}
