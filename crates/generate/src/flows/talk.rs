//! What hosts do: conversations, and habits that begin them.

use crate::Label;
use crate::random::Random;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

const SYN: u8 = 2;
/// FIN, SYN, PSH and ACK: an ordinary connection from its begin to its end.
const WHOLE: u8 = 0x1b;
const RST_ACK: u8 = 0x14;

/// What one side sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub packets: u64,
    /// Of IP packets, headers included.
    pub bytes: u64,
    pub flags: u8,
}

/// One conversation: who asks whom, and what each side sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    /// Seconds after the moment in which it was thought of, and how many it lasts.
    pub after: f64,
    pub lasts: f64,
    pub client: (u32, u16),
    pub server: (u32, u16),
    pub protocol: u8,
    pub sent: Sent,
    pub returned: Sent,
}

impl Talk {
    /// A connection that carries so many bytes each way, headers not counted, and ends as it should.
    pub(super) fn tcp(client: (u32, u16), server: (u32, u16), sent: u64, returned: u64) -> Talk {
        let side = |own: u64, other: u64| {
            let packets = 4 + own.div_ceil(1_400) + other / 2_800;
            Sent { packets, bytes: own + 52 * packets, flags: WHOLE }
        };
        Talk { after: 0.0, lasts: 0.2, client, server, protocol: TCP, sent: side(sent, returned), returned: side(returned, sent) }
    }

    /// Nobody is there: so many times asked.
    pub(super) fn unanswered(client: (u32, u16), server: (u32, u16), times: u64) -> Talk {
        let sent = Sent { packets: times, bytes: 60 * times, flags: SYN };
        let lasts = [0.0, 0.0, 1.0, 3.0, 7.0][times.min(4) as usize];
        Talk { sent, returned: Sent::default(), lasts, ..Talk::tcp(client, server, 0, 0) }
    }

    /// The port is closed.
    pub(super) fn refused(client: (u32, u16), server: (u32, u16)) -> Talk {
        let returned = Sent { packets: 1, bytes: 40, flags: RST_ACK };
        Talk { returned, lasts: 0.01, ..Talk::unanswered(client, server, 1) }
    }

    /// Datagrams; nothing comes back where `returned` is 0.
    pub(super) fn udp(client: (u32, u16), server: (u32, u16), sent: u64, returned: u64) -> Talk {
        let side = |bytes: u64| match bytes.div_ceil(1_200) {
            0 => Sent::default(),
            packets => Sent { packets, bytes: bytes + 28 * packets, flags: 0 },
        };
        Talk { after: 0.0, lasts: 0.02, client, server, protocol: UDP, sent: side(sent), returned: side(returned) }
    }

    pub(super) fn ping(client: u32, server: u32, times: u64, answered: bool) -> Talk {
        let sent = Sent { packets: times, bytes: 84 * times, flags: 0 };
        let returned = if answered { sent } else { Sent::default() };
        Talk {
            protocol: ICMP,
            sent,
            returned,
            lasts: times.saturating_sub(1) as f64,
            ..Talk::udp((client, 0), (server, 8 << 8), 0, 0)
        }
    }

    pub(super) fn lasting(self, lasts: f64) -> Talk {
        Talk { lasts, ..self }
    }

    pub(super) fn after(self, after: f64) -> Talk {
        Talk { after, ..self }
    }

    /// In packets of the size of sound instead of full ones.
    pub(super) fn in_packets_of(mut self, bytes: u64) -> Talk {
        for side in [&mut self.sent, &mut self.returned] {
            side.packets = side.bytes.div_ceil(bytes);
        }
        self
    }
}

/// Now, for a habit.
pub(super) struct Moment<'a> {
    pub at: i64,
    pub random: &'a mut Random,
    pub talks: Vec<Talk>,
}

impl Moment<'_> {
    pub(super) fn say(&mut self, talk: Talk) {
        self.talks.push(talk);
    }

    /// A port that a client takes for one conversation.
    pub(super) fn port(&mut self) -> u16 {
        // Windows begins at 49,152, Linux at 32,768.
        let first = if self.random.chance(0.6) { 49_152 } else { 32_768 };
        self.random.between(first, 60_999) as u16
    }

    /// An end at such a port.
    pub(super) fn end(&mut self, address: u32) -> (u32, u16) {
        (address, self.port())
    }

    /// Sizes with a heavy tail: Pareto's distribution with exponent 1, cut at `most`.
    pub(super) fn heavy(&mut self, least: f64, most: f64) -> u64 {
        (least / (1.0 - self.random.unit())).min(most) as u64
    }

    /// About so much: within the share of it, evenly.
    pub(super) fn about(&mut self, mean: f64, share: f64) -> f64 {
        mean * (1.0 + share * (2.0 * self.random.unit() - 1.0))
    }

    /// Waiting for what happens by chance.
    pub(super) fn wait(&mut self, mean: f64) -> f64 {
        self.random.exponential() * mean
    }

    /// Second of the day.
    pub(super) fn of_day(&self) -> f64 {
        self.at.rem_euclid(86_400_000_000_000) as f64 / 1e9
    }
}

type Act = Box<dyn FnMut(&mut Moment<'_>) -> Option<f64> + Send>;

/// What somebody or something does again and again. It answers the seconds until the next time; nothing where it is over.
pub(super) struct Habit {
    /// Seconds after the start.
    pub first: f64,
    pub label: Option<Label>,
    pub act: Act,
}

impl std::fmt::Debug for Habit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Habit").field("first", &self.first).field("label", &self.label).finish_non_exhaustive()
    }
}

impl Habit {
    pub(super) fn new(first: f64, act: impl FnMut(&mut Moment<'_>) -> Option<f64> + Send + 'static) -> Habit {
        Habit { first, label: None, act: Box::new(act) }
    }

    /// By the clock: every so many seconds, give or take a share of them.
    pub(super) fn every(first: f64, seconds: f64, share: f64, mut act: impl FnMut(&mut Moment<'_>) + Send + 'static) -> Habit {
        Habit::new(first, move |moment| {
            act(moment);
            Some(moment.about(seconds, share))
        })
    }

    /// By the clock on the wall, as cron does: at every multiple of so many seconds, and a moment later.
    pub(super) fn on_the_clock(first: f64, seconds: u32, mut act: impl FnMut(&mut Moment<'_>) + Send + 'static) -> Habit {
        let period = i64::from(seconds.max(1)) * 1_000_000_000;
        Habit::new(first, move |moment| {
            // The first time is any; from then on it comes when it is due.
            if moment.at.rem_euclid(period) < 3_000_000_000 {
                act(moment);
            }
            let next = (moment.at.div_euclid(period) + 1) * period - moment.at;
            Some(next as f64 / 1e9 + 0.2 + moment.wait(0.3).min(1.0))
        })
    }

    /// By chance, so many seconds apart on average.
    pub(super) fn now_and_then(first: f64, seconds: f64, mut act: impl FnMut(&mut Moment<'_>) + Send + 'static) -> Habit {
        Habit::new(first, move |moment| {
            act(moment);
            Some(moment.wait(seconds))
        })
    }
}
