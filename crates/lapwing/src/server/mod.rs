//! Doors for programs: HTTP. Only this module knows status codes.
//!
//! One file per resource; [`Shared`] is what they have in common. Every request passes [`layers`], then the role of its route.

mod anomalies;
mod asked;
mod auth;
mod body;
mod connections;
mod detect;
mod docs;
mod doubts;
mod error;
mod events;
mod feed;
mod guard;
mod health;
mod incidents;
mod intake;
mod json;
mod layers;
mod limits;
mod manual;
mod metrics;
mod query;
mod reading;
mod routes;
mod schema;
mod settings;
mod split;
mod stats;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
pub use detect::detect;
use hyper_util::rt::TokioTimer;
use lapwing_model::Timestamp;
use lapwing_source::Counters;
pub use settings::{Limits, Role, Secret, Settings, Tls, Token};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::cors::CorsLayer;

use crate::pipeline::{Live, Stats};

/// How long requests may take to end once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, the time between two requests included.
const HEAD: Duration = Duration::from_secs(60);

/// Listeners of `/events` at once.
const LISTENERS: usize = 256;

/// The bodies of all requests together may take as much memory as this many of the largest ones.
const BODIES: usize = 4;

/// A socket that is bound, with everything checked that can be checked before anything starts.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    auth: auth::Auth,
    cors: CorsLayer,
    settings: Settings,
    counters: Arc<Counters>,
}

/// Binds the socket, so that a later start cannot fail for anything that the settings say.
///
/// # Errors
/// Where the address is wrong or in use, where it lies beyond loopback and no tokens are set, and where tokens, TLS files or
/// origins cannot be used.
pub async fn bind(settings: &Settings) -> Result<Server, String> {
    let auth = auth::Auth::new(&settings.tokens)?;
    let cors = layers::cors(&settings.cors_origins)?;
    let tls = settings.tls.as_ref().map(tls::load).transpose()?;
    let listen = &settings.listen;
    let wrong = |error: &io::Error| {
        format!("cannot bind http {listen}: {}; write server.listen as host:port, such as 127.0.0.1:8080", reason(error))
    };
    let addresses: Vec<_> = tokio::net::lookup_host(listen).await.map_err(|error| wrong(&error))?.collect();
    if !auth.required() && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(format!(
            "cannot bind http {listen}: beyond loopback a token is required, and none is set; add one with \
             server.tokens: [{{role: admin, token: ...}}], or listen on 127.0.0.1"
        ));
    }
    let listener = TcpListener::bind(&addresses[..]).await.map_err(|error| cannot_bind(listen, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_bind(listen, &error))?;
    let listener = listener.into_std().map_err(|error| cannot_bind(listen, &error))?;
    Ok(Server { listener, address, tls, auth, cors, settings: settings.clone(), counters: Arc::default() })
}

fn cannot_bind(listen: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "use a port above 1024 with server.listen",
        io::ErrorKind::AddrNotAvailable => "choose an address of this machine with server.listen",
        _ => "choose another port with server.listen",
    };
    format!("cannot bind http {listen}: {}; {advice}", reason(error))
}

/// The system's words without their number, beginning in lower case.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
}

impl Server {
    /// Where it listens: the real port, also where port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows what sources count and lose in `/metrics` and `/stats`.
    #[must_use]
    pub fn counting(mut self, counters: Arc<Counters>) -> Server {
        self.counters = counters;
        self
    }

    /// Serves until `stop` is true or its sender gone; then takes no more connections, lets requests end for up to 10 s and
    /// ends.
    ///
    /// # Errors
    /// Where the socket fails.
    pub async fn serve(self, live: Live, stop: watch::Receiver<bool>) -> Result<(), String> {
        let Server { listener, tls, cors, .. } = &self;
        let listener = listener.try_clone().map_err(|error| format!("cannot serve http: {}", reason(&error)))?;
        let (tls, cors) = (tls.clone(), cors.clone());
        let notices = live.notices.subscribe();
        let app = Arc::new(self.shared(live, stop.clone()));
        let feed = tokio::spawn(feed::run(app.clone(), notices));
        let service = routes::router(&app, cors).into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        tokio::spawn(shut_down(stop, handle.clone()));
        let mut server = axum_server::from_tcp(listener)
            .map_err(|error| format!("cannot serve http: {}", reason(&error)))?
            .http1_only()
            .handle(handle);
        server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
        let bounded = connections::Bounded::new(app.connections.clone());
        let served = match tls {
            Some(config) => server.acceptor(RustlsAcceptor::new(config).acceptor(bounded)).serve(service).await,
            None => server.acceptor(bounded).serve(service).await,
        };
        feed.abort();
        served.map_err(|error| format!("http {} failed: {}", app.address, reason(&error)))
    }

    fn shared(self, live: Live, stop: watch::Receiver<bool>) -> Shared {
        let api = routes::openapi();
        let api = serde_json::to_value(&api).unwrap_or_default();
        let started_at = (live.clock)();
        let Settings { listen, cors_origins, limits, .. } = &self.settings;
        Shared {
            address: self.address,
            guard: guard::Guard::new(!self.auth.required(), listen, cors_origins),
            rates: limits::Rates::new(limits.requests_per_second),
            memory: limits::Memory::new(limits.body_bytes.saturating_mul(BODIES)),
            connections: limits::Slots::new(limits.connections),
            listeners: limits::Slots::new(LISTENERS),
            feed: feed::Feed::starting_at(started_at),
            docs: docs::render(&api),
            paths: api["paths"].as_object().map(|paths| paths.keys().cloned().collect()).unwrap_or_default(),
            openapi: Bytes::from(api.to_string()),
            auth: self.auth,
            limits: self.settings.limits,
            counters: self.counters,
            live,
            stop,
            started_at,
            started: Instant::now(),
            asked: AtomicU64::new(1),
            parsers: doubts::Parsers::default(),
            readers: reading::Readers::default(),
            requests: metrics::Requests::default(),
            sources: intake::Sources::default(),
        }
    }
}

async fn shut_down(mut stop: watch::Receiver<bool>, handle: Handle<SocketAddr>) {
    // An error means that whoever could say stop is gone, which says the same.
    let _ = stop.wait_for(|stop| *stop).await;
    handle.graceful_shutdown(Some(DRAIN));
}

/// What handlers have in common.
type App = Arc<Shared>;

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    live: Live,
    stop: watch::Receiver<bool>,
    started: Instant,
    started_at: Timestamp,
    auth: auth::Auth,
    guard: guard::Guard,
    limits: Limits,
    rates: limits::Rates,
    memory: limits::Memory,
    connections: limits::Slots,
    listeners: limits::Slots,
    feed: feed::Feed,
    parsers: doubts::Parsers,
    readers: reading::Readers,
    requests: metrics::Requests,
    sources: intake::Sources,
    counters: Arc<Counters>,
    /// The running number of records that were asked about.
    asked: AtomicU64,
    openapi: Bytes,
    docs: String,
    /// Every path that is served.
    paths: Vec<String>,
}

impl Shared {
    /// Looks at the pipeline's figures, for a short moment.
    fn stats<T>(&self, look: impl FnOnce(&Stats) -> T) -> T {
        look(&self.live.stats.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that was lost, by reason: by the pipeline, by sources and by this server.
    fn losses(&self, stats: &Stats) -> BTreeMap<String, u64> {
        let mut losses: BTreeMap<String, u64> =
            stats.dropped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        for (source, reason, count) in self.counters.losses() {
            *losses.entry(format!("{source}_{reason}")).or_default() += count;
        }
        losses.insert("http_connection_limit".to_owned(), self.connections.refused());
        losses.insert("http_listener_limit".to_owned(), self.listeners.refused());
        losses
    }
}
