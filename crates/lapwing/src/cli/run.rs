//! `lapwing run`: the service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lapwing_alert::Sink;
use lapwing_alert::sink::{File, Stream};
use lapwing_source::{Context, Counters};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::{Config, Sourced};
use super::model::{self, Reads};
use super::model_files::look;
use super::reload::{Watched, reload};
use super::{Exit, Failed};
use crate::pipeline::{self, Plan, Tables};
use crate::server;

/// Run the service: take logs over HTTP and TCP, follow files, raise alerts.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    reads: Reads,
}

/// How long sources and the server may take to end.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the command until SIGTERM or SIGINT.
///
/// # Errors
/// Where something cannot be started, or the service was not well at its end.
pub fn run(args: &Run, sourced: &Sourced) -> Result<Exit, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(&args.reads, sourced))
}

async fn serve(reads: &Reads, sourced: &Sourced) -> Result<Exit, Failed> {
    let config = &sourced.config;
    let mut signals = Signals::new()?;
    // Everything that can be refused is tried before anything is started.
    let sources = lapwing_source::build(&config.sources)?;
    let listener = if config.server.enabled { Some(server::bind(&config.server).await.map_err(Failed::new)?) } else { None };
    let watched = Watched::new(sourced);
    let blueprint = reads.blueprint(config)?;
    let session = blueprint.session_key.as_ref().map(|key| key.pattern().to_owned());
    let plan = Plan {
        blueprint,
        workers: config.workers(),
        grouping: config.alerts.grouping.clone(),
        tell_at: config.alerts.at,
        incidents: config.alerts.incidents.clone(),
        budget: config.alerts.alert_budget,
        reverse_dns: config.enrichment.reverse_dns.clone(),
        sinks: sinks(config)?,
        keeping: config.store.clone(),
        clock: pipeline::clock,
    };
    let (service, live, bookmarks) = pipeline::start_live(plan).map_err(Failed::new)?;
    let (stop, stopping) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();
    for source in sources {
        let context = Context {
            intake: live.intake.clone(),
            stop: stopping.clone(),
            clock: pipeline::clock,
            bookmarks: bookmarks.clone(),
            counters: counters.clone(),
        };
        announce(source.name(), &source.addresses());
        let running = source.run(context);
        tasks.spawn(async move { running.await.map_err(|error| error.to_string()) });
    }
    if let Some(directory) = reads.model.clone() {
        let (every, session) = (config.rules.reload_seconds, session);
        tasks.spawn(renew(directory, session, every, live.reload.clone(), stopping.clone()));
    }
    let tables = Tables::new(config.enrichment.clone(), config.fetched(), &live);
    tasks.spawn(tables.watch(signal(SignalKind::hangup())?, stopping.clone()));
    tasks.spawn(reload(watched, live.reload.clone(), signal(SignalKind::hangup())?, stopping.clone()));
    if let Some(listener) = listener {
        announce("http", &[listener.address()]);
        tasks.spawn(listener.counting(counters).serve(live, stopping));
    } else {
        drop(live);
    }
    let failed = until_told(&mut tasks, &mut signals).await;
    tracing::info!("stopping: finishing what was accepted");
    let _ = stop.send(true);
    let ended = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!("some connections did not end within {} s and were cut", GRACE.as_secs());
        tasks.abort_all();
    }
    let finished = tokio::task::spawn_blocking(|| service.finish()).await.map_err(|error| Failed::new(error.to_string()))?;
    finished.map_err(Failed::new)?;
    failed.map_or(Ok(Exit::Clean), |error| Err(Failed::new(error)))
}

/// Continues from a model again where it has changed. One that is damaged or does not fit is told about and changes nothing.
async fn renew(
    directory: PathBuf,
    session: Option<String>,
    seconds: u64,
    reload: pipeline::Reload,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let mut before = look(&directory);
    if seconds == 0 {
        return Ok(());
    }
    loop {
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
        }
        let now = look(&directory);
        if now.is_none() || now == before {
            continue;
        }
        before = now;
        let (directory, session, reload) = (directory.clone(), session.clone(), reload.clone());
        let renewing = tokio::task::spawn_blocking(move || match model::renewed(&directory, session.as_deref(), &reload) {
            Ok(()) => tracing::info!("continuing from the model {}, which has changed", directory.display()),
            Err(Failed(reason)) => tracing::error!("{reason}; going on as before"),
        });
        renewing.await.map_err(|error| error.to_string())?;
    }
}

/// Waited for from the very beginning: whoever stops a service that has only just started means it as well.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Waits for a signal to end; a task that fails ends the service too, rather than leave it deaf and looking well. Answers why.
async fn until_told(tasks: &mut JoinSet<Result<(), String>>, signals: &mut Signals) -> Option<String> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error),
                Err(panic) => return Some(format!("a source panicked: {panic}")),
            },
        }
    }
}

fn sinks(config: &Config) -> Result<Vec<Box<dyn Sink>>, Failed> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if config.alerts.console {
        sinks.push(Box::new(Stream::new("console", std::io::stdout())));
    }
    if let Some(path) = &config.alerts.file {
        sinks.push(Box::new(File::open(path).map_err(Failed::new)?));
    }
    Ok(sinks)
}

fn announce(name: &str, addresses: &[std::net::SocketAddr]) {
    for address in addresses {
        tracing::info!("listening: {name} {address}");
    }
    if addresses.is_empty() {
        tracing::info!("reading: {name}");
    }
}
