//! Syslog over UDP (RFC 5426): a datagram is a message.
//!
//! Nobody can be told to wait. While the pipeline is behind the newest datagrams are dropped, and counted by their sender;
//! what the kernel drops before (its receive buffer was full) is read from `/proc/net/udp` and counted, too.

mod kernel;
mod receive;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lapwing_model::{Reading, Record, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use crate::counters::{Tally, loss};
use crate::push::{Shared, stopped};
use crate::senders::{Sender, Senders};
use crate::{Accepted, BLOCK, BLOCK_BYTES, Block, Built, Context, NotTaken, Source, SourceError, Task};
use kernel::KernelDrops;
use receive::Receiver;

pub(crate) const SUMMARY: &str = "syslog over UDP";

const NAME: &str = "syslog_udp";

/// Under these names things are lost: by sender, but for what the kernel drops.
const LOSSES: [&str; 6] = [loss::KERNEL, loss::TOO_LONG, loss::BLANK, loss::INTAKE_FULL, loss::REFUSED, loss::CUT_OFF];

/// A record is put this long after it came at the latest. Longer than for a connection: every sender has a block of its own.
const LINGER: Duration = Duration::from_millis(20);

/// So much may wait for the pipeline, in records and in bytes; then the newest is dropped.
const WAITING: usize = 16 * BLOCK;
const WAITING_BYTES: usize = 32 << 20;

/// So many reads before anything else has its turn.
const ROUNDS: usize = 16;

/// How often the kernel's count of drops is read.
const KERNEL_EVERY: Duration = Duration::from_secs(1);

/// On stop: how long what was received may take to be handed on.
const DRAIN: Duration = Duration::from_secs(5);

/// `sources.syslog_udp`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose.
    pub listen: String,
    /// Size of the kernel's receive buffer in bytes; the system may allow less (`net.core.rmem_max`).
    pub receive_buffer: usize,
    /// The longest message that is kept whole, in bytes.
    pub max_message: usize,
    /// How to read what comes; what is not said is found out.
    pub reading: Reading,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            listen: "127.0.0.1:5514".into(),
            receive_buffer: 8 << 20,
            max_message: 64 << 10,
            reading: Reading::default(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(SyslogUdp::bind(settings)?)))
}

/// A bound socket that nobody reads from yet; the kernel already keeps what comes.
#[derive(Debug)]
pub struct SyslogUdp {
    settings: Settings,
    socket: std::net::UdpSocket,
    address: SocketAddr,
}

impl SyslogUdp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can be received there.
    pub fn bind(settings: &Settings) -> Result<SyslogUdp, SourceError> {
        let bound = std::net::UdpSocket::bind(&settings.listen).and_then(|socket| {
            socket.set_nonblocking(true)?;
            receive::set_buffer(&socket, settings.receive_buffer);
            let address = socket.local_addr()?;
            Ok(SyslogUdp { settings: settings.clone(), socket, address })
        });
        bound.map_err(|cause| SourceError::Bind { source: NAME, address: settings.listen.as_str().into(), cause })
    }

    async fn receive(self, context: Context) -> Result<(), SourceError> {
        let drops = KernelDrops::of(&self.socket);
        let socket = UdpSocket::from_std(self.socket).map_err(|cause| SourceError::Bind {
            source: NAME,
            address: self.settings.listen.as_str().into(),
            cause,
        })?;
        let tally = context.counters.source(NAME, &LOSSES);
        let origin = lapwing_model::Origin::new(NAME);
        let mut stop = context.stop.clone();
        let mut post = Post {
            senders: Senders::new(NAME, self.settings.reading, context.counters.clone()),
            shared: Shared::new(&context, origin, tally),
            batches: HashMap::new(),
            records: 0,
            bytes: 0,
            due: None,
            unaccepted: VecDeque::new(),
            max: self.settings.max_message.max(1),
        };
        let mut receiver = Receiver::default();
        let mut kernel = Watched { drops, next: Instant::now() + KERNEL_EVERY };
        loop {
            let due = post.due.unwrap_or(kernel.next).min(kernel.next);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                () = sleep_until(due) => {
                    kernel.count(&post.shared.tally);
                    if !post.flush() {
                        return Ok(());
                    }
                }
                _ = socket.readable() => for _ in 0..ROUNDS {
                    if !post.take(&socket, &mut receiver) {
                        break;
                    }
                }
            }
        }
        while post.take(&socket, &mut receiver) && post.records < WAITING {}
        kernel.next = Instant::now();
        kernel.count(&post.shared.tally);
        _ = timeout(DRAIN, post.finish()).await;
        Ok(())
    }
}

impl Source for SyslogUdp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        Box::pin(self.receive(context))
    }
}

struct Watched {
    drops: KernelDrops,
    next: Instant,
}

impl Watched {
    fn count(&mut self, tally: &Tally) {
        if Instant::now() >= self.next {
            self.next = Instant::now() + KERNEL_EVERY;
            tally.lost(loss::KERNEL, self.drops.since());
        }
    }
}

/// What is on its way from the socket to the pipeline.
struct Post {
    senders: Senders,
    shared: Shared,
    /// What waits to be put, by sender: a block has one origin.
    batches: HashMap<u64, Batch>,
    records: usize,
    bytes: usize,
    due: Option<Instant>,
    unaccepted: VecDeque<(Arc<Tally>, u64, oneshot::Receiver<Accepted>)>,
    max: usize,
}

struct Batch {
    sender: Sender,
    records: VecDeque<Record>,
}

impl Post {
    /// Receives once; false where nothing was there.
    fn take(&mut self, socket: &UdpSocket, receiver: &mut Receiver) -> bool {
        let Ok(count) = socket.try_io(Interest::READABLE, || receiver.receive(socket)) else { return false };
        let received = (self.shared.clock)();
        // One allocation for all of them.
        let mut whole = BytesMut::with_capacity(receiver.bytes());
        receiver.datagrams().for_each(|(datagram, _)| whole.extend_from_slice(datagram));
        let mut whole = whole.freeze();
        for at in 0..count {
            let (length, from) = receiver.length(at);
            let body = whole.split_to(length);
            self.add(body, from, received);
        }
        true
    }

    fn add(&mut self, mut body: Bytes, from: IpAddr, received: Timestamp) {
        let sender = self.senders.at(from);
        // Some end a message as they would in a stream, or pad it.
        let length = body.iter().rposition(|byte| !matches!(byte, 0 | b'\n' | b'\r')).map_or(0, |last| last + 1);
        body.truncate(length);
        if length > self.max {
            sender.tally.lost(loss::TOO_LONG, 1);
            body.truncate(self.max);
        }
        if body.is_empty() {
            return sender.tally.lost(loss::BLANK, 1);
        }
        if self.records >= WAITING || self.bytes >= WAITING_BYTES {
            self.flush();
        }
        if self.records >= WAITING || self.bytes >= WAITING_BYTES {
            return sender.tally.lost(loss::INTAKE_FULL, 1);
        }
        self.records += 1;
        self.bytes += body.len();
        self.due.get_or_insert_with(|| Instant::now() + LINGER);
        let origin = sender.origin.clone();
        let record = Record { body, origin, position: Default::default(), received };
        let batch = self.batches.entry(record.origin.id).or_insert_with(|| Batch { sender, records: VecDeque::new() });
        batch.records.push_back(record);
    }

    /// Puts what waits, as far as there is room. False where the pipeline has ended.
    fn flush(&mut self) -> bool {
        self.hear();
        self.due = None;
        let mut full = false;
        for batch in self.batches.values_mut() {
            while !batch.records.is_empty() {
                let (block, bytes, answer) = batch.block();
                let count = block.records.len();
                match self.shared.intake.try_put(block) {
                    Ok(()) => {
                        batch.sender.tally.received(count, bytes);
                        self.records -= count;
                        self.bytes -= bytes;
                        self.unaccepted.push_back((batch.sender.tally.clone(), count as u64, answer));
                    }
                    Err(NotTaken::Full(block)) => {
                        block.records.into_iter().rev().for_each(|record| batch.records.push_front(record));
                        full = true;
                        break;
                    }
                    Err(NotTaken::Closed) => return false,
                }
            }
            if full {
                break;
            }
        }
        if full {
            self.due = Some(Instant::now() + LINGER / 4);
        } else {
            self.batches.clear();
        }
        true
    }

    /// Hears what the journal said of earlier blocks.
    fn hear(&mut self) {
        while let Some((tally, count, answer)) = self.unaccepted.front_mut() {
            match answer.try_recv() {
                Ok(Ok(())) => {}
                Err(oneshot::error::TryRecvError::Empty) => return,
                Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => tally.lost(loss::REFUSED, *count),
            }
            self.unaccepted.pop_front();
        }
    }

    /// Puts everything and waits until the journal has it.
    async fn finish(&mut self) {
        while self.records > 0 && self.flush() {
            tokio::time::sleep(LINGER / 4).await;
        }
        while !self.unaccepted.is_empty() {
            self.hear();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Batch {
    /// The oldest that wait as a block, and their bytes.
    fn block(&mut self) -> (Block, usize, oneshot::Receiver<Accepted>) {
        let mut bytes = 0;
        let mut fits = |record: &Record| {
            bytes += record.body.len();
            bytes <= BLOCK_BYTES
        };
        let count = self.records.iter().take(BLOCK).take_while(|record| fits(record)).count().max(1);
        let records: Vec<Record> = self.records.drain(..count).collect();
        let bytes = records.iter().map(|record| record.body.len()).sum();
        let (accepted, answer) = oneshot::channel();
        (Block { records, accepted: Some(accepted), bookmark: None }, bytes, answer)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        for batch in self.batches.values() {
            batch.sender.tally.lost(loss::CUT_OFF, batch.records.len() as u64);
        }
    }
}
