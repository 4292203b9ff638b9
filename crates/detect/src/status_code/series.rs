//! The answers of one endpoint, window by window.

use lapwing_learn::{Gamma, OneClassSettings, OneClassSvm, Rows};
use lapwing_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Settings;

/// 2xx, 3xx, 4xx, 5xx, and others.
pub(super) const CLASSES: usize = 5;
/// Windows remembered, the latest.
const REMEMBERED: usize = 64;
/// Requests of a window at most, whatever the settings say.
const MOST: u32 = 1_000_000;
/// Half a request more of each class: what never came is not impossible.
const PRIOR: f32 = 0.5;
/// Mixes within a third of a window of each other are the same to the SVM.
const GAMMA: f64 = 4.0;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Window {
    counts: [u32; CLASSES],
    since: Timestamp,
    /// The client that may have sent most of it, and by how many requests more than half (Boyer and Moore, 1981).
    client: u64,
    votes: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Series {
    open: Window,
    /// A ring.
    closed: Vec<Window>,
    next: u8,
    support: Option<Support>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Support {
    svm: OneClassSvm,
    trained: Timestamp,
}

/// A window that is unlike those before it.
#[derive(Debug)]
pub(super) struct Unlike {
    pub(super) requests: u32,
    pub(super) since: Timestamp,
    pub(super) shares: [f32; CLASSES],
    pub(super) usual: [f32; CLASSES],
    pub(super) probability: f64,
    /// Windows it was compared with.
    pub(super) windows: usize,
}

impl Window {
    fn new(since: Timestamp) -> Window {
        Window { counts: [0; CLASSES], since, client: 0, votes: 0 }
    }

    fn count(&mut self, status: u16, client: u64) {
        let class = match status {
            200..300 => 0,
            300..400 => 1,
            400..500 => 2,
            500..600 => 3,
            _ => 4,
        };
        self.counts[class] = self.counts[class].saturating_add(1);
        match (client == self.client, self.votes) {
            (true, _) => self.votes += 1,
            (false, 0) => (self.client, self.votes) = (client, 1),
            (false, _) => self.votes -= 1,
        }
    }

    fn requests(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// Whether one client sent nearly three quarters or more.
    fn is_of_one(&self) -> bool {
        u64::from(self.votes) * 9 >= u64::from(self.requests()) * 4
    }

    fn shares(&self) -> [f32; CLASSES] {
        self.counts.map(|count| count as f32 / self.requests().max(1) as f32)
    }

    /// Half the likelihood ratio statistic G (Sokal and Rohlf: Biometry) of its counts against expected shares, in nats.
    fn nats(&self, expected: &[f32; CLASSES]) -> f64 {
        let nats = |(&share, &expected): (&f32, &f32)| if share > 0.0 { f64::from(share * (share / expected).ln()) } else { 0.0 };
        self.shares().iter().zip(expected).map(nats).sum::<f64>() * f64::from(self.requests())
    }
}

impl Series {
    pub(super) fn new(at: Timestamp) -> Series {
        Series { open: Window::new(at), closed: Vec::new(), next: 0, support: None }
    }

    pub(super) fn windows(&self) -> usize {
        self.closed.len()
    }

    /// Counts an answer; where it ends a window, says whether that is unlike those before.
    pub(super) fn count(&mut self, status: u16, client: u64, at: Timestamp, settings: &Settings) -> Option<Unlike> {
        if self.open.requests() == 0 {
            self.open = Window::new(at);
        }
        self.open.count(status, client);
        let (requests, age) = (self.open.requests(), at.since(self.open.since).as_secs());
        if requests < settings.window.clamp(1, MOST) && (requests < settings.at_least || age < 60) {
            return None;
        }
        let window = std::mem::replace(&mut self.open, Window::new(at));
        let unlike = self.judge(&window, at, settings);
        self.remember(window);
        unlike
    }

    fn remember(&mut self, window: Window) {
        if self.closed.len() < REMEMBERED {
            self.closed.push(window);
        } else if let Some(oldest) = self.closed.get_mut(usize::from(self.next) % REMEMBERED) {
            *oldest = window;
            self.next = (self.next + 1) % REMEMBERED as u8;
        }
    }

    fn judge(&mut self, window: &Window, at: Timestamp, settings: &Settings) -> Option<Unlike> {
        let windows = self.closed.len();
        if windows < settings.windows_at_least.max(1) as usize {
            return None;
        }
        let (shares, usual) = (window.shares(), self.usual());
        let changed = shares.iter().zip(&usual).map(|(share, usual)| (share - usual).max(0.0)).sum::<f32>();
        let of_one = self.closed.iter().filter(|window| window.is_of_one()).count();
        if changed < settings.share || (window.is_of_one() && 2 * of_one < windows) {
            return None;
        }
        let probability = self.probability(window, &usual);
        let unlike = Unlike { requests: window.requests(), since: window.since, shares, usual, probability, windows };
        let is_new = probability <= settings.rate && self.support(at, settings).is_none_or(|svm| svm.decision(&point(window)) < 0.0);
        is_new.then_some(unlike)
    }

    /// The usual shares: those of all that is remembered.
    fn usual(&self) -> [f32; CLASSES] {
        let mut sums = [PRIOR; CLASSES];
        for window in &self.closed {
            sums.iter_mut().zip(window.counts).for_each(|(sum, count)| *sum += count as f32);
        }
        let all: f32 = sums.iter().sum();
        sums.map(|sum| sum / all)
    }

    /// How probable so large a difference is, by Chernoff's bound for each class; what is usual of it counts as one.
    fn probability(&self, window: &Window, usual: &[f32; CLASSES]) -> f64 {
        let mean = self.closed.iter().map(|window| window.nats(usual)).sum::<f64>() / self.closed.len().max(1) as f64;
        // Without groups it is half the degrees of freedom on average.
        let crowding = (mean / ((CLASSES - 1) as f64 / 2.0)).max(1.0);
        (CLASSES as f64 * (-window.nats(usual) / crowding).exp()).min(1.0)
    }

    /// The SVM, trained anew if it is too old; none where it cannot be trained.
    fn support(&mut self, at: Timestamp, settings: &Settings) -> Option<&OneClassSvm> {
        let seconds = u64::from(settings.retrain_seconds);
        if self.support.as_ref().is_none_or(|support| at.since(support.trained).as_secs() >= seconds) {
            let rows: Vec<f32> = self.closed.iter().flat_map(point).collect();
            let choice = OneClassSettings { gamma: Gamma::Value(GAMMA), ..OneClassSettings::default() };
            self.support = OneClassSvm::fit(Rows::new(&rows, CLASSES), &choice).ok().map(|svm| Support { svm, trained: at });
        }
        self.support.as_ref().map(|support| &support.svm)
    }
}

/// Where mixes stand as far from each other as chance keeps them: the roots of their shares.
fn point(window: &Window) -> [f32; CLASSES] {
    window.shares().map(f32::sqrt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_of_one_client_where_that_sent_most_of_it() {
        let mut window = Window::new(Timestamp::EPOCH);
        (0..50).for_each(|n| window.count(200, if n % 5 == 0 { n } else { 7 }));
        assert!(window.is_of_one());
        (0..50).for_each(|n| window.count(200, n % 9));
        assert!(!window.is_of_one());
    }

    #[test]
    fn a_minute_with_enough_requests_ends_a_window() {
        let (mut series, settings) = (Series::new(Timestamp::EPOCH), Settings::default());
        (0..25).for_each(|n| _ = series.count(200, n, Timestamp::from_seconds(n as i64 * 4), &settings));
        assert_eq!((series.windows(), series.open.requests()), (1, 5));
    }

    #[test]
    fn times_that_jump_and_states_that_are_none_do_no_harm() {
        let mut series = Series::new(Timestamp::MAX);
        for n in 0..5000_u16 {
            series.count(n, u64::from(n % 3), [Timestamp::MIN, Timestamp::MAX][usize::from(n % 2)], &Settings::default());
        }
        assert!(series.windows() == REMEMBERED && postcard::to_stdvec(&series).unwrap().len() < 8000);
    }
}
