//! Newline-delimited text or JSON over TCP.
//!
//! The protocol has no answer. What was received is handed on with `accepted`, and a connection is read no further while
//! the journal is behind, so that the sender's own TCP holds back. Where the journal refuses a block the connection is
//! closed: the only way to say so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lapwing_model::{Origin, Reading};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::counters::{Tally, loss};
use crate::push::{self, Ended, Feed, Shared, stopped};
use crate::{Built, Context, Source, SourceError, Task, lines};

pub(crate) const SUMMARY: &str = "newline-delimited text or JSON over TCP";

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

/// `sources.tcp`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose.
    pub listen: String,
    /// How many connections may be open; further ones are closed and counted.
    pub connections: usize,
    /// A connection that sends nothing for so many seconds is closed.
    pub idle_seconds: u64,
    /// The longest line that is kept whole, in bytes.
    pub max_line: usize,
    /// Joins stack traces to the line before them, which delays the last line of a connection by half a second.
    pub multiline: bool,
    /// How to read what comes; what is not said is found out.
    pub reading: Reading,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            listen: "127.0.0.1:9090".into(),
            connections: 1_024,
            idle_seconds: 300,
            max_line: lines::MAX_LINE,
            multiline: false,
            reading: Reading::default(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(Tcp::bind(settings)?)))
}

/// A bound listener that nobody is accepted on yet.
#[derive(Debug)]
pub struct Tcp {
    settings: Settings,
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Tcp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can listen there.
    pub fn bind(settings: &Settings) -> Result<Tcp, SourceError> {
        let bound = std::net::TcpListener::bind(&settings.listen).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Tcp { settings: settings.clone(), listener, address })
        });
        bound.map_err(|cause| SourceError::Bind { source: "tcp", address: settings.listen.as_str().into(), cause })
    }
}

impl Source for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        Box::pin(self.listen(context))
    }
}

impl Tcp {
    async fn listen(self, context: Context) -> Result<(), SourceError> {
        let listener = TcpListener::from_std(self.listener).map_err(|cause| SourceError::Bind {
            source: "tcp",
            address: self.settings.listen.as_str().into(),
            cause,
        })?;
        let tally = context.counters.source("tcp", &push::LOSSES);
        for reason in [loss::CONNECTION_LIMIT, loss::IDLE_TIMEOUT, loss::ACCEPT_FAILED, loss::BROKEN] {
            tally.lost(reason, 0);
        }
        let origin = Origin::read_as("tcp", self.settings.reading.clone());
        let desk = Desk {
            shared: Shared::new(&context, origin, tally),
            free: Arc::new(Semaphore::new(self.settings.connections.min(Semaphore::MAX_PERMITS))),
            held: Arc::default(),
            stop: context.stop,
            settings: Arc::new(self.settings),
        };
        desk.accept(listener).await;
        Ok(())
    }
}

/// What is needed to take connections.
struct Desk {
    shared: Shared,
    free: Arc<Semaphore>,
    held: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
    settings: Arc<Settings>,
}

impl Desk {
    async fn accept(mut self, listener: TcpListener) {
        let mut connections: JoinSet<Result<(), Ended>> = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut self.stop) => break,
                Some(ended) = connections.join_next() => if matches!(ended, Ok(Err(Ended::Closed))) { break },
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => _ = self.seat(stream).map(|connection| connections.spawn(connection.serve())),
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
    async fn seat_waiting(&self, listener: &TcpListener, connections: &mut JoinSet<Result<(), Ended>>) {
        for _ in 0..self.settings.connections {
            let Ok(Ok((stream, _))) = timeout(Duration::ZERO, listener.accept()).await else { return };
            self.seat(stream).map(|connection| connections.spawn(connection.serve()));
        }
    }

    fn seat(&self, stream: TcpStream) -> Option<Connection> {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            self.shared.tally.lost(loss::CONNECTION_LIMIT, 1);
            return None;
        };
        let feed = Feed::new(self.shared.clone(), self.settings.max_line, self.settings.multiline);
        Some(Connection {
            stream,
            feed,
            tally: Arc::clone(&self.shared.tally),
            share: Share { held: Arc::clone(&self.held), own: 0 },
            stop: self.stop.clone(),
            settings: Arc::clone(&self.settings),
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
    stream: TcpStream,
    feed: Feed,
    tally: Arc<Tally>,
    share: Share,
    stop: watch::Receiver<bool>,
    settings: Arc<Settings>,
    _permit: OwnedSemaphorePermit,
}

/// What a read brought.
enum Read {
    Bytes(Bytes),
    Nothing,
    End,
    Broken,
}

impl Connection {
    async fn serve(mut self) -> Result<(), Ended> {
        let idle = Duration::from_secs(self.settings.idle_seconds.clamp(1, 86_400));
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
                // An error of `readable` shows in the read.
                _ = self.stream.readable() => {
                    match self.read() {
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

    /// Hands on what has arrived already.
    async fn drain(mut self) -> Result<(), Ended> {
        let mut left = DRAIN_BYTES;
        // Without the wait only what tokio has heard of would be read.
        while left > 0 && timeout(ARRIVAL, self.stream.readable()).await.is_ok() {
            match self.read() {
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
        let max_line = self.share.update(self.feed.pending(), self.settings.max_line);
        self.feed.limit(max_line);
        Ok(())
    }

    fn read(&self) -> Read {
        let mut buffer = BytesMut::with_capacity(READ);
        match self.stream.try_read_buf(&mut buffer) {
            Ok(0) => Read::End,
            // A few lines must not hold a big buffer for as long as they live.
            Ok(n) if n < READ / 2 => Read::Bytes(Bytes::copy_from_slice(&buffer)),
            Ok(_) => Read::Bytes(buffer.freeze()),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {
                Read::Nothing
            }
            Err(_) => Read::Broken,
        }
    }
}
