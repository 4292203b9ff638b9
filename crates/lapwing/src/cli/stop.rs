//! Ctrl-C and SIGTERM for the commands that send: the first ends them in good order, the second at once.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a program that Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Whether somebody wants the command to end. Nothing is ever sent: the other end goes away at the signal.
#[derive(Debug)]
pub struct Stop(Receiver<()>);

impl Stop {
    /// Listens to SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// Where the system refuses a signal handler or a thread.
    pub fn on_signals() -> io::Result<Stop> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interrupt, terminate) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let (sender, receiver) = bounded(0);
        let listen = move || runtime.block_on(listen(interrupt, terminate, sender));
        std::thread::Builder::new().name("signals".into()).spawn(listen)?;
        Ok(Stop(receiver))
    }

    /// A stop that comes when the sender is dropped.
    #[cfg(test)]
    pub fn when_dropped() -> (Sender<()>, Stop) {
        let (sender, receiver) = bounded(0);
        (sender, Stop(receiver))
    }

    #[must_use]
    pub fn told(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits so long, or until somebody wants the command to end: then it is true.
    #[must_use]
    pub fn wait(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }
}

async fn listen(mut interrupt: Signal, mut terminate: Signal, sender: Sender<()>) {
    either(&mut interrupt, &mut terminate).await;
    drop(sender);
    either(&mut interrupt, &mut terminate).await;
    std::process::exit(INTERRUPTED);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_early_when_told_and_stays_told() {
        let (sender, stop) = Stop::when_dropped();
        assert!(!stop.told() && !stop.wait(Duration::from_millis(1)));
        drop(sender);
        assert!(stop.wait(Duration::from_secs(600)) && stop.told());
    }
}
