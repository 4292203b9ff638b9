//! Tells people: one thread per sink, which tries again while that may help. What cannot be told in time is merged by anomaly,
//! so that a sink that comes back tells the newest of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use lapwing_alert::{Failure, Sink};
use lapwing_model::{Anomaly, AnomalyId};

use super::lock;
use super::stats::Stats;

/// Alerts that wait for one sink.
const WAITING: usize = 256;

/// Anomalies whose telling is postponed while a sink is behind; beyond it the oldest is dropped and counted.
const POSTPONED: usize = 4096;

/// How long a sink is tried once nothing more will come.
const LAST_TRIES: u32 = 3;

/// All sinks.
#[derive(Debug, Default)]
pub struct Tellers {
    tellers: Vec<Teller>,
}

#[derive(Debug)]
struct Teller {
    alerts: Sender<Anomaly>,
    postponed: BTreeMap<AnomalyId, Anomaly>,
    thread: JoinHandle<()>,
}

impl Tellers {
    /// # Errors
    /// Where a thread cannot be started.
    pub fn start(sinks: Vec<Box<dyn Sink>>, stats: &Arc<Mutex<Stats>>) -> Result<Tellers, String> {
        let tellers = sinks.into_iter().map(|sink| {
            let (alerts, waiting) = bounded(WAITING);
            let stats = stats.clone();
            let thread =
                std::thread::Builder::new().name(format!("alert-{}", sink.name())).spawn(move || tell(sink, &waiting, &stats));
            let thread = thread.map_err(|error| format!("cannot start an alert thread: {error}"))?;
            Ok(Teller { alerts, postponed: BTreeMap::new(), thread })
        });
        Ok(Tellers { tellers: tellers.collect::<Result<_, String>>()? })
    }

    /// Hands alerts on without ever waiting; answers how many had to be dropped.
    pub fn tell(&mut self, alerts: &[Anomaly]) -> u64 {
        self.tellers.iter_mut().map(|teller| teller.tell(alerts)).sum()
    }

    /// Lets every sink finish.
    pub fn finish(self) {
        for Teller { alerts, postponed, thread } in self.tellers {
            for anomaly in postponed.into_values() {
                let _ = alerts.send_timeout(anomaly, Duration::from_secs(1));
            }
            drop(alerts);
            // A sink that panicked has ended all the same.
            let _ = thread.join();
        }
    }
}

impl Teller {
    fn tell(&mut self, alerts: &[Anomaly]) -> u64 {
        self.postponed.extend(alerts.iter().map(|anomaly| (anomaly.id, anomaly.clone())));
        while let Some((id, anomaly)) = self.postponed.pop_first() {
            if let Err(TrySendError::Full(anomaly)) = self.alerts.try_send(anomaly) {
                self.postponed.insert(id, anomaly);
                break;
            }
        }
        let excess = self.postponed.len().saturating_sub(POSTPONED);
        for _ in 0..excess {
            self.postponed.pop_first();
        }
        excess as u64
    }
}

fn tell(mut sink: Box<dyn Sink>, alerts: &Receiver<Anomaly>, stats: &Mutex<Stats>) {
    let name = sink.name().to_owned();
    while let Ok(anomaly) = alerts.recv() {
        let mut tries = 0;
        loop {
            match sink.send(&anomaly) {
                Ok(()) => break *lock(stats).alerts.entry(name.clone()).or_default() += 1,
                Err(failure) => {
                    *lock(stats).alert_failures.entry(name.clone()).or_default() += 1;
                    tracing::warn!(sink = name, "{failure}");
                    let Failure::Passing { after, .. } = failure else { break };
                    tries += 1;
                    // While more may come this waits as long as it takes; when nothing will, the end must not wait for ever.
                    if tries > LAST_TRIES && matches!(alerts.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected)) {
                        break;
                    }
                    std::thread::sleep(after.min(Duration::from_secs(60)));
                }
            }
        }
    }
}
