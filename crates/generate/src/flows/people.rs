//! What people do at work: they come, browse, meet, mail, print, and go home.

use std::sync::Arc;

use super::office::{DIRECTORY, FILES, GUESTS, Office, RESOLVERS, printer, server};
use super::talk::{Habit, Moment, Talk};
use crate::random::Random;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// When somebody is at work.
#[derive(Debug, Clone, Copy)]
struct Hours {
    from: f64,
    until: f64,
}

impl Hours {
    fn of(random: &mut Random) -> Hours {
        let from = (7.0 + 3.0 * random.unit()) * HOUR;
        Hours { from, until: from + (6.5 + 3.5 * random.unit()) * HOUR }
    }

    /// Seconds until it is time again; nothing while it is.
    fn away(self, of_day: f64) -> Option<f64> {
        match of_day {
            second if second < self.from => Some(self.from - second),
            second if second > self.until => Some(DAY - second + self.from),
            _ => None,
        }
    }
}

/// A habit that rests while somebody is away.
fn at_work(first: f64, hours: Hours, mut act: impl FnMut(&mut Moment<'_>) -> f64 + Send + 'static) -> Habit {
    Habit::new(first, move |moment| match hours.away(moment.of_day()) {
        Some(away) => Some(away + moment.wait(300.0)),
        None => Some(act(moment)),
    })
}

pub(super) fn habits(office: &Arc<Office>, number: u32, random: &mut Random, all: &mut Vec<Habit>) {
    let host = office.host(number);
    let hours = Hours::of(random);
    let mut first = || random.unit() * 240.0;
    let (there, firsts) = (office.clone(), std::array::from_fn::<f64, 8, _>(|_| first()));
    all.push(at_work(firsts[0], hours, move |moment| {
        page(&there, host, moment);
        moment.wait(150.0)
    }));
    all.push(meetings(office.clone(), host, hours, firsts[1] * 20.0));
    all.push(mail(office, host, number, hours, firsts[2]));
    all.push(push(office, host, number, hours, firsts[3]));
    let there = office.clone();
    all.push(at_work(firsts[4] * 30.0, hours, move |moment| {
        let cloud = (moment.random.pick(&there.clouds), 443);
        let (sent, client) = (moment.heavy(300_000.0, 150_000_000.0), moment.end(host));
        moment.say(Talk::tcp(client, cloud, sent, 20_000).lasting(2.0 + sent as f64 / 2e6));
        moment.wait(2.0 * HOUR)
    }));
    all.push(at_work(firsts[5], hours, move |moment| {
        domain(host, moment);
        moment.about(1.5 * HOUR, 0.3)
    }));
    all.push(at_work(firsts[6] * 20.0, hours, move |moment| {
        paper(host, number, moment);
        moment.wait(3.0 * HOUR)
    }));
    if number.is_multiple_of(15) {
        all.push(administration(office.clone(), host, hours, firsts[7] * 5.0));
    }
}

/// Thirty people more behind one address, whose hours are those of visitors.
pub(super) fn guests(office: &Arc<Office>, random: &mut Random, all: &mut Vec<Habit>) {
    for _ in 0..30 {
        let (there, first) = (office.clone(), random.unit() * HOUR);
        let hours = Hours { from: (8.0 + 4.0 * random.unit()) * HOUR, until: 19.0 * HOUR };
        all.push(at_work(first, hours, move |moment| {
            page(&there, GUESTS, moment);
            if moment.random.chance(0.02) {
                peers(GUESTS, moment);
            }
            moment.wait(240.0)
        }));
    }
}

/// A page: its names are asked for, then what it consists of is fetched from where it lies.
fn page(office: &Office, host: u32, moment: &mut Moment<'_>) {
    let resolver = RESOLVERS[usize::from(moment.random.chance(0.05))];
    for _ in 0..moment.random.between(1, 5) {
        for _ in 0..2 {
            let (after, client) = (moment.wait(0.3), moment.end(host));
            let returned = moment.about(180.0, 0.6) as u64;
            moment.say(Talk::udp(client, (resolver, 53), 48, returned).after(after));
        }
    }
    for _ in 0..moment.random.between(2, 18) {
        let site = office.site(moment.random);
        let (after, talk) = (0.1 + moment.wait(3.0), part(host, site, moment));
        moment.say(talk.after(after));
    }
    if moment.random.chance(0.012) {
        let (site, client) = (office.site(moment.random), moment.end(host));
        let seconds = moment.about(1_500.0, 0.7);
        let returned = (seconds * 350_000.0) as u64;
        moment.say(Talk::udp(client, (site, 443), returned / 60, returned).lasting(seconds).after(2.0));
    }
}

fn part(host: u32, site: u32, moment: &mut Moment<'_>) -> Talk {
    let client = moment.end(host);
    let (sent, returned) = (moment.heavy(700.0, 4_000_000.0), moment.heavy(1_800.0, 60_000_000.0));
    let lasts = moment.wait(12.0) + returned as f64 / 3e6;
    match moment.random.unit() {
        x if x < 0.012 => Talk::unanswered(client, (site, 443), 3),
        x if x < 0.018 => Talk::refused(client, (site, 443)),
        x if x < 0.06 => Talk::tcp(client, (site, 80), sent, returned).lasting(lasts),
        x if x < 0.36 => Talk::udp(client, (site, 443), sent, returned).lasting(lasts),
        // An address that is not reachable over QUIC: nothing comes back, and TCP is taken instead.
        x if x < 0.365 => Talk::udp(client, (site, 443), 3_600, 0).lasting(3.0),
        _ => Talk::tcp(client, (site, 443), sent, returned).lasting(lasts),
    }
}

/// Sound and pictures through a relay, both ways; before it, whatever address might lead there is tried.
fn meetings(office: Arc<Office>, host: u32, hours: Hours, first: f64) -> Habit {
    at_work(first, hours, move |moment| {
        let relay = (moment.random.pick(&office.meetings), moment.random.between(3_478, 3_481) as u16);
        for _ in 0..moment.random.between(1, 4) {
            let (client, to) = (moment.end(host), office.host(moment.random.next() as u32));
            let port = moment.port();
            moment.say(Talk::udp(client, (to, port), 400, 0).lasting(2.0));
        }
        let seconds = moment.about(1_900.0, 0.8);
        let (up, down) = (moment.about(80_000.0, 0.8), moment.about(150_000.0, 0.8));
        let client = moment.end(host);
        moment.say(Talk::udp(client, relay, (up * seconds) as u64, (down * seconds) as u64).lasting(seconds).after(1.0));
        moment.wait(3.0 * HOUR) + seconds
    })
}

/// Asks for mail every five minutes, and sends some.
fn mail(office: &Office, host: u32, number: u32, hours: Hours, first: f64) -> Habit {
    let provider = office.mail[number as usize % office.mail.len()];
    at_work(first, hours, move |moment| {
        let news = if moment.random.chance(0.3) { moment.heavy(8_000.0, 20_000_000.0) } else { 0 };
        let (client, lasts) = (moment.end(host), moment.about(1.5, 0.6));
        moment.say(Talk::tcp(client, (provider, 993), 900, 1_800 + news).lasting(lasts));
        if moment.random.chance(0.04) {
            let (client, sent) = (moment.end(host), moment.heavy(4_000.0, 15_000_000.0));
            moment.say(Talk::tcp(client, (provider, 587), sent, 1_500).lasting(2.0));
        }
        moment.about(300.0, 0.02)
    })
}

/// Stays connected all day, for notices.
fn push(office: &Office, host: u32, number: u32, hours: Hours, first: f64) -> Habit {
    let service = office.push[number as usize % office.push.len()];
    let port = if number.is_multiple_of(3) { 5_228 } else { 443 };
    at_work(first, hours, move |moment| {
        let lasts = moment.about(0.8 * (hours.until - moment.of_day()).max(600.0), 0.2);
        let client = moment.end(host);
        moment.say(Talk::tcp(client, (service, port), (lasts * 4.0) as u64, (lasts * 9.0) as u64).lasting(lasts));
        lasts + moment.wait(60.0)
    })
}

/// Tickets, policies and files of the domain.
fn domain(host: u32, moment: &mut Moment<'_>) {
    for (port, sent, returned) in
        [(88, 1_600, 1_700), (88, 1_500, 1_600), (389, 2_500, 9_000), (445, 4_000, 12_000), (135, 800, 600)]
    {
        let client = moment.end(host);
        moment.say(Talk::tcp(client, (DIRECTORY, port), sent, returned).lasting(0.4));
    }
    let (client, port) = (moment.end(host), moment.random.between(49_664, 49_680) as u16);
    moment.say(Talk::tcp(client, (DIRECTORY, port), 3_000, 2_000));
    let (client, lasts) = (moment.end(host), moment.about(2_400.0, 0.9));
    let (sent, returned) = (moment.heavy(40_000.0, 300_000_000.0), moment.heavy(300_000.0, 2e9));
    moment.say(Talk::tcp(client, (FILES, 445), sent, returned).lasting(lasts));
}

fn paper(host: u32, number: u32, moment: &mut Moment<'_>) {
    let printer = printer(number / 40);
    let client = moment.end(host);
    moment.say(Talk::udp(client, (printer, 161), 90, 120));
    let (client, sent) = (moment.end(host), moment.heavy(120_000.0, 40_000_000.0));
    // A printer that is out of paper refuses a while.
    if moment.random.chance(0.05) {
        (0..6).for_each(|again| {
            moment.say(Talk::refused((client.0, client.1 ^ again), (printer, 9_100)).after(f64::from(again) * 10.0));
        });
    } else {
        moment.say(Talk::tcp(client, (printer, 9_100), sent, 600).lasting(5.0 + sent as f64 / 1e6));
    }
}

/// Sessions on servers, now and then a copy, and a way traced through the Internet.
fn administration(office: Arc<Office>, host: u32, hours: Hours, first: f64) -> Habit {
    at_work(first, hours, move |moment| {
        let to = (server(moment.random.next() as u32), 22);
        let (client, lasts) = (moment.end(host), moment.heavy(40.0, 4.0 * HOUR) as f64);
        moment.say(Talk::tcp(client, to, 3_000 + (lasts * 20.0) as u64, 5_000 + (lasts * 90.0) as u64).lasting(lasts));
        if moment.random.chance(0.05) {
            let site = office.site(moment.random);
            for hop in 0..30 {
                let client = moment.end(host);
                moment.say(Talk::udp(client, (site, 33_434 + hop), 32, 0).after(f64::from(hop) * 0.3));
            }
        }
        if moment.random.chance(0.1) {
            peers(host, moment);
        }
        moment.wait(900.0)
    })
}

/// A game or a download among peers: half of those that are tried are gone.
fn peers(host: u32, moment: &mut Moment<'_>) {
    for _ in 0..moment.random.between(10, 60) {
        let (client, peer) = (moment.end(host), moment.random.address());
        let port = moment.random.between(1_025, 65_000) as u16;
        let returned = if moment.random.chance(0.5) { 900 } else { 0 };
        let after = moment.wait(60.0);
        moment.say(Talk::udp(client, (peer, port), 700, returned).after(after));
    }
}
