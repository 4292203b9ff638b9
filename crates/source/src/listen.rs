//! What the sources have in common that others connect to: connections with their limits, TLS, and an end in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lapwing_model::{Network, Origin, allows};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::counters::{Tally, loss};
use crate::push::{self, Cutter, Ended, Feed, Shared, stopped};
use crate::senders::{Sender, Senders};
use crate::{Context, SourceError, frames, lines, messages};

/// How much is read from a connection at once, in bytes. An idle connection holds no buffer.
const READ: usize = 64 << 10;

/// How much all connections together may keep of lines that have not ended; beyond, each may keep [`SHARE`].
const HELD: usize = 64 << 20;
const SHARE: usize = 64 << 10;

/// On stop: how long what was received may take to be handed on, and how much of it is still read per connection.
const DRAIN: Duration = Duration::from_secs(5);
const DRAIN_BYTES: usize = 16 << 20;

/// On stop: how long a connection may take to show that something has arrived.
const ARRIVAL: Duration = Duration::from_millis(50);

/// After a failed accept (too many open files) the listener waits, or it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Losses that everything has that others connect to.
pub(crate) const LOSSES: [&str; 4] = [loss::CONNECTION_LIMIT, loss::IDLE_TIMEOUT, loss::ACCEPT_FAILED, loss::BROKEN];

/// What a listener bears.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) idle_seconds: u64,
    pub(crate) max_line: usize,
}

/// How records are cut from the stream.
#[derive(Debug, Clone)]
pub(crate) enum Framing {
    Lines {
        multiline: bool,
    },
    Syslog,
    /// From these networks only, where any are named.
    Ipfix {
        allow: Vec<Network>,
    },
}

/// Whom records are said to come from.
#[derive(Debug)]
pub(crate) enum From {
    One(Arc<Origin>),
    /// Every address by itself.
    Each(Senders),
}

/// Binds at once, so that a port in use shows at the start.
pub(crate) fn bind(source: &'static str, listen: &str) -> Result<(std::net::TcpListener, SocketAddr), SourceError> {
    let bound = std::net::TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|cause| SourceError::Bind { source, address: listen.into(), cause })
}

/// Takes connections until it is told to stop, then ends them in good order.
pub(crate) async fn run(
    source: &'static str,
    listener: std::net::TcpListener,
    context: Context,
    limits: Limits,
    framing: Framing,
    from: From,
    tls: Option<TlsAcceptor>,
) -> Result<(), SourceError> {
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let bind = |cause| SourceError::Bind { source, address: address.into(), cause };
    let listener = TcpListener::from_std(listener).map_err(bind)?;
    let tally = context.counters.source(source, &push::LOSSES);
    LOSSES.iter().for_each(|reason| tally.lost(reason, 0));
    let origin = match &from {
        From::One(origin) => origin.clone(),
        From::Each(_) => Origin::new(source),
    };
    let desk = Desk {
        shared: Shared::new(&context, origin, tally),
        free: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
        held: Arc::default(),
        stop: context.stop,
        limits,
        framing,
        from,
        tls,
    };
    desk.accept(listener).await;
    Ok(())
}

/// What is needed to take connections.
struct Desk {
    shared: Shared,
    free: Arc<Semaphore>,
    held: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
    limits: Limits,
    framing: Framing,
    from: From,
    tls: Option<TlsAcceptor>,
}

impl Desk {
    async fn accept(mut self, listener: TcpListener) {
        let mut connections: JoinSet<Result<(), Ended>> = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut self.stop) => break,
                Some(ended) = connections.join_next() => if matches!(ended, Ok(Err(Ended::Closed))) { break },
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => _ = self.seat(stream, peer).map(|connection| connections.spawn(connection.serve())),
                    Err(_) => {
                        self.shared.tally.lost(loss::ACCEPT_FAILED, 1);
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        self.seat_waiting(&listener, &mut connections).await;
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever is not done by then is cut off: the set ends its tasks when it is dropped.
        _ = timeout(DRAIN, all).await;
    }

    /// Connections that the system has taken but nobody has looked at: they may have brought data and be gone.
    async fn seat_waiting(&mut self, listener: &TcpListener, connections: &mut JoinSet<Result<(), Ended>>) {
        for _ in 0..self.limits.connections {
            let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, listener.accept()).await else { return };
            self.seat(stream, peer).map(|connection| connections.spawn(connection.serve()));
        }
    }

    fn seat(&mut self, stream: TcpStream, peer: SocketAddr) -> Option<Connection> {
        if let Framing::Ipfix { allow } = &self.framing
            && !allows(allow, peer.ip())
        {
            self.shared.tally.lost(loss::NOT_ALLOWED, 1);
            return None;
        }
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            self.shared.tally.lost(loss::CONNECTION_LIMIT, 1);
            return None;
        };
        let shared = match &mut self.from {
            From::One(_) => self.shared.clone(),
            From::Each(senders) => {
                let Sender { origin, tally } = senders.at(peer.ip());
                self.shared.of(origin, tally)
            }
        };
        let tally = Arc::clone(&shared.tally);
        let (cutter, multiline) = match &self.framing {
            Framing::Lines { multiline } => (Cutter::Lines(lines::Framer::new(self.limits.max_line)), *multiline),
            Framing::Syslog => (Cutter::Syslog(frames::Framer::new(self.limits.max_line)), false),
            Framing::Ipfix { .. } => (Cutter::Ipfix(messages::Framer::new(peer)), false),
        };
        Some(Connection {
            stream: Stream::Plain(stream),
            feed: Feed::new(shared, cutter, multiline),
            tally,
            tls: self.tls.clone(),
            share: Share { held: Arc::clone(&self.held), own: 0 },
            stop: self.stop.clone(),
            limits: self.limits.clone(),
            _permit: permit,
        })
    }
}

/// What one connection keeps of lines that have not ended, counted into what all of them keep.
struct Share {
    held: Arc<AtomicUsize>,
    own: usize,
}

impl Share {
    /// Records how much is kept now; answers how long a line may become.
    fn update(&mut self, pending: usize, max_line: usize) -> usize {
        if pending > self.own {
            self.held.fetch_add(pending - self.own, Relaxed);
        } else {
            self.held.fetch_sub(self.own - pending, Relaxed);
        }
        self.own = pending;
        if self.held.load(Relaxed) > HELD { max_line.min(SHARE) } else { max_line }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.own, Relaxed);
    }
}

struct Connection {
    stream: Stream,
    feed: Feed,
    tally: Arc<Tally>,
    /// Still to be agreed on.
    tls: Option<TlsAcceptor>,
    share: Share,
    stop: watch::Receiver<bool>,
    limits: Limits,
    _permit: OwnedSemaphorePermit,
}

/// What a read brought.
enum Read {
    Bytes(Bytes),
    Nothing,
    End,
    Broken,
}

enum Stream {
    /// While TLS is being agreed on.
    Gone,
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, BytesMut),
}

impl Stream {
    /// Waits for the next bytes. May be dropped and called again.
    async fn read(&mut self) -> Read {
        match self {
            Stream::Gone => Read::End,
            Stream::Plain(stream) => {
                // An error of `readable` shows in the read.
                _ = stream.readable().await;
                let mut buffer = BytesMut::with_capacity(READ);
                taken(stream.try_read_buf(&mut buffer), &mut buffer)
            }
            Stream::Tls(stream, buffer) => {
                buffer.reserve(READ / 4);
                taken(stream.read_buf(buffer).await, buffer)
            }
        }
    }
}

fn taken(read: std::io::Result<usize>, buffer: &mut BytesMut) -> Read {
    match read {
        Ok(0) => Read::End,
        // A few lines must not hold a big buffer for as long as they live.
        Ok(n) if n < READ / 2 => {
            let bytes = Bytes::copy_from_slice(buffer);
            buffer.clear();
            Read::Bytes(bytes)
        }
        Ok(_) => Read::Bytes(buffer.split().freeze()),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => Read::Nothing,
        // A sender of syslog over TLS seldom says goodbye; what it sent was whole all the same.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Read::End,
        Err(_) => Read::Broken,
    }
}

impl Connection {
    async fn serve(mut self) -> Result<(), Ended> {
        if !self.agree().await {
            self.tally.lost(loss::BROKEN, 1);
            return Ok(());
        }
        let idle = Duration::from_secs(self.limits.idle_seconds.clamp(1, 86_400));
        let mut latest = Instant::now();
        loop {
            let due = self.feed.due().unwrap_or(latest + idle).min(latest + idle);
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => break,
                () = sleep_until(due) => {
                    self.feed.tick().await?;
                    if latest.elapsed() >= idle {
                        self.tally.lost(loss::IDLE_TIMEOUT, 1);
                        return self.feed.finish().await;
                    }
                }
                read = self.stream.read() => {
                    match read {
                        Read::Bytes(chunk) => self.take(chunk).await?,
                        Read::Nothing => continue,
                        Read::End => return self.feed.finish().await,
                        Read::Broken => {
                            self.tally.lost(loss::BROKEN, 1);
                            return self.feed.finish().await;
                        }
                    }
                    latest = Instant::now();
                }
            }
        }
        self.drain().await
    }

    /// Agrees on TLS, where that is asked for. False where nothing came of it.
    async fn agree(&mut self) -> bool {
        let Some(acceptor) = self.tls.take() else { return true };
        match std::mem::replace(&mut self.stream, Stream::Gone) {
            Stream::Plain(stream) => tokio::select! {
                () = stopped(&mut self.stop) => false,
                agreed = timeout(HANDSHAKE, acceptor.accept(stream)) => match agreed {
                    Ok(Ok(stream)) => {
                        self.stream = Stream::Tls(Box::new(stream), BytesMut::new());
                        true
                    }
                    _ => false,
                },
            },
            stream => {
                self.stream = stream;
                true
            }
        }
    }

    /// Hands on what has arrived already.
    async fn drain(mut self) -> Result<(), Ended> {
        let mut left = DRAIN_BYTES;
        // Without the wait only what tokio has heard of would be read.
        while left > 0
            && let Ok(read) = timeout(ARRIVAL, self.stream.read()).await
        {
            match read {
                Read::Bytes(chunk) => {
                    left = left.saturating_sub(chunk.len());
                    self.take(chunk).await?;
                }
                Read::Nothing => {}
                Read::End | Read::Broken => break,
            }
        }
        self.feed.finish().await
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Ended> {
        self.feed.feed(chunk).await?;
        let max_line = self.share.update(self.feed.pending(), self.limits.max_line);
        self.feed.limit(max_line);
        Ok(())
    }
}
