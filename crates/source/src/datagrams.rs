//! What sources of datagrams have in common: sockets that are read many datagrams at once, and blocks by sender.
//!
//! Nobody can be told to wait. While the pipeline is behind the newest datagrams are dropped, and counted by their sender;
//! what the kernel drops before (its receive buffer was full) is read from `/proc/net/udp` and counted, too.

mod kernel;
mod receive;

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lapwing_model::{Datagram, Network, Reading, Record, Timestamp, allows};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::counters::{Tally, loss};
use crate::push::{Shared, stopped};
use crate::senders::{Sender, Senders};
use crate::{Accepted, BLOCK, BLOCK_BYTES, Block, Context, NotTaken, SourceError};
use kernel::KernelDrops;
use receive::Receiver;

/// Under these names things are lost: by sender, but for what the kernel drops.
const LOSSES: [&str; 6] = [loss::KERNEL, loss::TOO_LONG, loss::BLANK, loss::INTAKE_FULL, loss::REFUSED, loss::CUT_OFF];

/// A record is put this long after it came at the latest. Longer than for a connection: every sender has a block of its own.
const LINGER: Duration = Duration::from_millis(20);

/// So much may wait for the pipeline, in records and in bytes; then the newest is dropped.
const WAITING: usize = 16 * BLOCK;
const WAITING_BYTES: usize = 32 << 20;

/// So many reads before anything else has its turn.
const ROUNDS: usize = 16;

/// While datagrams come, the sockets are looked at so often. To be woken up for each would cost more than all that is done with
/// it; what comes meanwhile waits in the receive buffer.
const REST: Duration = Duration::from_millis(2);
/// Reads after which more comes than should wait.
const FEW: usize = 2;
/// With a smaller receive buffer, in which a burst of some hundred datagrams has no room, each is woken up for.
const ROOMY: usize = 4 << 20;

/// How often the kernel's count of drops is read.
const KERNEL_EVERY: Duration = Duration::from_secs(1);

/// On stop: how long what was received may take to be handed on.
const DRAIN: Duration = Duration::from_secs(5);

/// What becomes of a datagram.
#[derive(Debug, Clone)]
pub(crate) enum Keep {
    /// It is a message of at most so many bytes, without what ends or pads it.
    Message { max: usize },
    /// It is kept as it came, behind who sent it; of these senders only, or of all where none are named.
    Whole { allowed: Vec<Network> },
}

/// Binds at once, so that a port in use shows at the start.
pub(crate) fn bind(source: &'static str, listen: &str, receive_buffer: usize) -> Result<(UdpSocket, SocketAddr), SourceError> {
    let bound = UdpSocket::bind(listen).and_then(|socket| {
        socket.set_nonblocking(true)?;
        receive::set_buffer(&socket, receive_buffer);
        let address = socket.local_addr()?;
        Ok((socket, address))
    });
    bound.map_err(|cause| SourceError::Bind { source, address: listen.into(), cause })
}

/// Receives on all the sockets until it is told to stop.
pub(crate) async fn run(
    name: &'static str,
    sockets: Vec<UdpSocket>,
    reading: Reading,
    keep: Keep,
    context: Context,
) -> Result<(), SourceError> {
    let drops = sockets.iter().map(KernelDrops::of).collect();
    let tally = context.counters.source(name, &LOSSES);
    if matches!(keep, Keep::Whole { .. }) {
        tally.lost(loss::NOT_ALLOWED, 0);
    }
    let mut stop = context.stop.clone();
    let mut post = Post {
        senders: Senders::new(name, reading, context.counters.clone()),
        shared: Shared::new(&context, lapwing_model::Origin::new(name), tally),
        batches: HashMap::new(),
        records: 0,
        bytes: 0,
        due: None,
        unaccepted: VecDeque::new(),
        keep,
    };
    let mut receiver = Receiver::default();
    let mut kernel = Watched { drops, next: Instant::now() + KERNEL_EVERY };
    let mut next = Next::WhenSomethingComes;
    let may_rest = sockets.iter().all(|socket| receive::buffer(socket) >= ROOMY);
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
            () = next.wait(&sockets) => {
                let found = post.take_from(&sockets, &mut receiver);
                next = if found == Next::Soon && !may_rest { Next::WhenSomethingComes } else { found };
            }
        }
    }
    for socket in &sockets {
        while post.take(socket, &mut receiver) && post.records < WAITING {}
    }
    kernel.next = Instant::now();
    kernel.count(&post.shared.tally);
    _ = timeout(DRAIN, post.finish()).await;
    Ok(())
}

/// When the sockets are looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    WhenSomethingComes,
    Soon,
    Now,
}

impl Next {
    async fn wait(self, sockets: &[UdpSocket]) {
        match self {
            Next::WhenSomethingComes => match sockets.iter().map(watched).collect::<Result<Vec<_>, _>>() {
                Ok(sockets) => readable(&sockets).await,
                // The system watches no more of them for us: then they are looked at now and then.
                Err(_) => sleep(LINGER).await,
            },
            Next::Soon => sleep(REST).await,
            Next::Now => yield_now().await,
        }
    }
}

/// The same socket, watched by the system for as long as this lives.
fn watched(socket: &UdpSocket) -> std::io::Result<tokio::net::UdpSocket> {
    tokio::net::UdpSocket::from_std(socket.try_clone()?)
}

/// Until one of them has something.
async fn readable(sockets: &[tokio::net::UdpSocket]) {
    std::future::poll_fn(|context| {
        let ready = sockets.iter().any(|socket| socket.poll_recv_ready(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

struct Watched {
    drops: Vec<KernelDrops>,
    next: Instant,
}

impl Watched {
    fn count(&mut self, tally: &Tally) {
        if Instant::now() >= self.next {
            self.next = Instant::now() + KERNEL_EVERY;
            tally.lost(loss::KERNEL, self.drops.iter_mut().map(KernelDrops::since).sum());
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
    keep: Keep,
}

struct Batch {
    sender: Sender,
    records: VecDeque<Record>,
}

impl Post {
    /// Receives what is there, but from each only so much that others have their turn.
    fn take_from(&mut self, sockets: &[UdpSocket], receiver: &mut Receiver) -> Next {
        let next = sockets.iter().map(|socket| match (0..ROUNDS).take_while(|_| self.take(socket, receiver)).count() {
            0 => Next::WhenSomethingComes,
            1..=FEW => Next::Soon,
            _ => Next::Now,
        });
        next.max().unwrap_or(Next::WhenSomethingComes)
    }

    /// Receives once; false where nothing was there.
    fn take(&mut self, socket: &UdpSocket, receiver: &mut Receiver) -> bool {
        let Ok(count) = receiver.receive(socket) else { return false };
        let received = (self.shared.clock)();
        // One allocation for all of them.
        let mut whole = BytesMut::with_capacity(receiver.bytes() + count * Datagram::HEAD);
        for (datagram, from) in receiver.datagrams() {
            if let Some((sender, content)) = self.kept(datagram, from) {
                if matches!(self.keep, Keep::Whole { .. }) {
                    whole.extend_from_slice(&Datagram::head(from));
                }
                whole.extend_from_slice(content);
                self.add(whole.split().freeze(), sender, received);
            }
        }
        true
    }

    /// What is kept of a datagram, if anything.
    fn kept<'a>(&mut self, datagram: &'a [u8], from: SocketAddr) -> Option<(Sender, &'a [u8])> {
        match &self.keep {
            Keep::Message { max } => {
                let sender = self.senders.at(from.ip());
                // Some end a message as they would in a stream, or pad it.
                let length = datagram.iter().rposition(|byte| !matches!(byte, 0 | b'\n' | b'\r')).map_or(0, |last| last + 1);
                if length == 0 {
                    sender.tally.lost(loss::BLANK, 1);
                    return None;
                }
                sender.tally.lost(loss::TOO_LONG, u64::from(length > *max));
                Some((sender, &datagram[..length.min(*max)]))
            }
            Keep::Whole { allowed } => {
                if !allows(allowed, from.ip()) {
                    // Not by sender: there may be any number of them, and none of them is ours.
                    self.shared.tally.lost(loss::NOT_ALLOWED, 1);
                    return None;
                }
                Some((self.senders.at(from.ip()), datagram))
            }
        }
    }

    fn add(&mut self, body: Bytes, sender: Sender, received: Timestamp) {
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
            sleep(LINGER / 4).await;
        }
        while !self.unaccepted.is_empty() {
            self.hear();
            sleep(Duration::from_millis(1)).await;
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
