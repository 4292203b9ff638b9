//! What servers do: they are visited, watched, backed up, deployed to, and knocked at by everybody.

use std::sync::Arc;

use super::office::{
    APPLICATION, BACKUP, DATABASE, GIT, LOGS, MAIL, MONITORING, Office, RESOLVERS, RUNNER, SERVERS, WEB, own, public, server,
};
use super::talk::{Habit, Moment, Sent, Talk};
use crate::clock::busyness;
use crate::random::Random;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// `start` is that of the whole, in seconds of the day.
pub(super) fn habits(office: &Arc<Office>, start: f64, random: &mut Random, all: &mut Vec<Habit>) {
    visitors(office, random, all);
    mail(random, all);
    resolvers(office, all);
    monitoring(random, all);
    polls(random, all);
    inside(all);
    nightly(office, start, all);
    deployment(start, all);
    noise(all);
}

/// Seconds until that hour of the day comes.
fn until(hour: f64, start: f64) -> f64 {
    (hour * HOUR - start).rem_euclid(DAY)
}

/// The public web server; its visitors sleep at night.
fn visitors(office: &Office, random: &mut Random, all: &mut Vec<Habit>) {
    let regulars: Vec<u32> = (0..2_000).map(|_| random.address()).collect();
    let mean = 900.0 / f64::from(office.hosts).max(30.0);
    all.push(Habit::new(0.0, move |moment| {
        let visitor = if moment.random.chance(0.5) { moment.random.pick(&regulars) } else { moment.random.address() };
        for _ in 0..moment.random.between(1, 6) {
            let client = moment.end(visitor);
            let (sent, returned) = (moment.heavy(500.0, 3_000_000.0), moment.heavy(4_000.0, 80_000_000.0));
            let (after, lasts) = (moment.wait(4.0), moment.wait(10.0) + returned as f64 / 2e6);
            moment.say(Talk::tcp(client, (WEB, 443), sent, returned).lasting(lasts).after(after));
        }
        Some(moment.wait(mean) / busyness(moment.at))
    }));
}

/// Mail in, from servers and from those that send unasked; mail out, to servers of which some are gone and tried again.
fn mail(random: &mut Random, all: &mut Vec<Habit>) {
    all.push(Habit::now_and_then(0.0, 20.0, |moment| {
        let (client, size) = (moment.random.address(), moment.heavy(3_000.0, 25_000_000.0));
        let client = moment.end(client);
        moment.say(Talk::tcp(client, (MAIL, 25), size, 900).lasting(2.0));
    }));
    let gone: Vec<u32> = (0..8).map(|_| random.address()).collect();
    all.push(Habit::every(60.0, 900.0, 0.01, move |moment| {
        for &server in &gone {
            let (client, after) = (moment.end(MAIL), moment.wait(5.0));
            moment.say(Talk::unanswered(client, (server, 25), 4).after(after));
        }
    }));
    all.push(Habit::now_and_then(5.0, 40.0, |moment| {
        let (server, client) = (moment.random.address(), moment.end(MAIL));
        let size = moment.heavy(4_000.0, 20_000_000.0);
        moment.say(Talk::tcp(client, (server, 25), size, 1_100).lasting(3.0));
    }));
}

/// The resolvers ask the world, and a few of its servers never answer.
fn resolvers(office: &Arc<Office>, all: &mut Vec<Habit>) {
    for resolver in RESOLVERS {
        let (there, mean) = (office.clone(), 60.0 / f64::from(office.hosts));
        all.push(Habit::new(0.0, move |moment| {
            let server = moment.random.below(there.name_servers.len());
            let returned = if server.is_multiple_of(29) { 0 } else { moment.about(240.0, 0.7) as u64 };
            let client = moment.end(resolver);
            moment.say(Talk::udp(client, (there.name_servers[server], 53), 62, returned));
            Some(moment.wait(mean) / busyness(moment.at))
        }));
    }
}

/// Every server once a minute, the printers and two that are down as well.
fn monitoring(random: &mut Random, all: &mut Vec<Habit>) {
    for number in 0..SERVERS {
        all.push(Habit::every(random.unit() * 60.0, 60.0, 0.0, move |moment| {
            moment.say(Talk::ping(MONITORING, server(number), 2, true));
            let (client, port) = (moment.end(MONITORING), [22, 80, 443, 5_432][number as usize % 4]);
            moment.say(match number {
                7 => Talk::refused(client, (server(number), port)),
                11 => Talk::unanswered(client, (server(number), port), 3),
                _ => Talk::tcp(client, (server(number), port), 300, 900),
            });
        }));
        all.push(Habit::every(random.unit() * 300.0, 300.0, 0.0, move |moment| {
            let client = moment.end(MONITORING);
            moment.say(Talk::udp(client, (server(number), 161), 1_800, 6_000));
        }));
    }
}

/// Jobs that ask others by the clock: every five minutes sharp, every minute, every quarter of an hour.
fn polls(random: &mut Random, all: &mut Vec<Habit>) {
    for (host, seconds, returned) in
        [(APPLICATION, 300, 4_000.0), (MONITORING, 60, 1_500.0), (server(3), 900, 90_000.0), (MONITORING, 300, 1_200.0)]
    {
        let partner = random.address();
        all.push(Habit::on_the_clock(random.unit() * 60.0, seconds, move |moment| ask(host, partner, returned, moment)));
    }
    // The screen in the hall sleeps five minutes between two looks at the weather.
    let (kiosk, weather) = (own(50, 40), random.address());
    all.push(Habit::new(random.unit() * 300.0, move |moment| {
        ask(kiosk, weather, 6_000.0, moment);
        Some(300.0 + moment.wait(0.4))
    }));
}

fn ask(host: u32, partner: u32, returned: f64, moment: &mut Moment<'_>) {
    let client = moment.end(host);
    let (returned, lasts) = (moment.about(returned, 0.4) as u64, moment.about(0.5, 0.6));
    moment.say(Talk::tcp(client, (partner, 443), 1_100, returned).lasting(lasts));
}

/// The database, logs, and an application whose other half is down and that tries again for ever.
fn inside(all: &mut Vec<Habit>) {
    all.push(Habit::now_and_then(0.0, 4.0, |moment| {
        let client = moment.end(APPLICATION);
        let (sent, returned) = (moment.heavy(400.0, 2_000_000.0), moment.heavy(900.0, 30_000_000.0));
        moment.say(Talk::tcp(client, (DATABASE, 5_432), sent, returned).lasting(0.4));
    }));
    for number in 0..SERVERS {
        all.push(Habit::now_and_then(f64::from(number), 240.0, move |moment| {
            moment.say(Talk::udp((server(number), 514), (LOGS, 514), 24_000, 0).in_packets_of(300).lasting(200.0));
        }));
    }
    all.push(Habit::every(3.0, 5.0, 0.0, |moment| {
        let client = moment.end(server(2));
        moment.say(Talk::refused(client, (server(14), 8_080)));
    }));
}

/// Backups: of every server to one, and from there out of the house.
fn nightly(office: &Office, start: f64, all: &mut Vec<Habit>) {
    for number in 0..SERVERS {
        all.push(Habit::every(until(1.0 + f64::from(number) * 0.05, start), DAY, 0.001, move |moment| {
            let (client, size) = (moment.end(server(number)), moment.heavy(400_000_000.0, 3e10));
            moment.say(Talk::tcp(client, (BACKUP, 873), size, size / 200).lasting(60.0 + size as f64 / 4e7));
        }));
    }
    let cloud = office.clouds[0];
    all.push(Habit::every(until(3.5, start), DAY, 0.001, move |moment| {
        for stream in 0..4 {
            let (client, size) = (moment.end(BACKUP), moment.about(9e9, 0.2));
            moment.say(Talk::tcp(client, (cloud, 443), size as u64, 900_000).lasting(2_400.0).after(f64::from(stream) * 3.0));
        }
    }));
}

/// The runner looks for changes every five minutes; in the morning all servers are set up anew, one after the other.
fn deployment(start: f64, all: &mut Vec<Habit>) {
    all.push(Habit::every(30.0, 300.0, 0.001, |moment| {
        for repository in 0..6 {
            let (client, returned) = (moment.end(RUNNER), moment.heavy(5_500.0, 50_000_000.0));
            moment.say(Talk::tcp(client, (GIT, 22), 3_600, returned).lasting(0.9).after(f64::from(repository) * 1.6));
        }
    }));
    all.push(Habit::every(until(6.0, start), DAY, 0.001, |moment| {
        for number in 0..SERVERS {
            let (client, lasts) = (moment.end(RUNNER), moment.about(45.0, 0.5));
            moment.say(Talk::tcp(client, (server(number), 22), 90_000, 40_000).lasting(lasts).after(f64::from(number) * 8.0));
        }
    }));
}

/// What the Internet sends to everybody: knocks of many that try one door and go on, and answers to requests forged in our name.
fn noise(all: &mut Vec<Habit>) {
    all.push(Habit::now_and_then(1.0, 7.0, |moment| {
        let stranger = moment.random.address();
        for _ in 0..moment.random.between(1, 3) {
            let talk = knock(stranger, moment);
            let after = moment.wait(20.0);
            moment.say(talk.after(after));
        }
    }));
    all.push(Habit::now_and_then(4.0, 90.0, |moment| {
        let (victim, to) = (moment.random.address(), public(moment.random.next() as u32));
        let flags = if moment.random.chance(0.6) { 0x12 } else { 0x14 };
        let port = moment.port();
        let answer = Talk { sent: Sent { packets: 1, bytes: 44, flags }, ..Talk::unanswered((victim, 80), (to, port), 1) };
        moment.say(answer);
    }));
}

fn knock(stranger: u32, moment: &mut Moment<'_>) -> Talk {
    const DOORS: [u16; 16] = [23, 23, 22, 445, 3_389, 80, 8_080, 443, 5_555, 2_323, 1_433, 6_379, 81, 8_443, 21, 25];
    let (client, to) = (moment.end(stranger), public(moment.random.next() as u32));
    let port = moment.random.pick(&DOORS);
    match moment.random.unit() {
        x if x < 0.1 => Talk::ping(stranger, to, 1, true),
        x if x < 0.25 => Talk::udp(client, (to, moment.random.pick(&[53, 123, 161, 1_900, 5_060, 11_211])), 60, 0),
        x if x < 0.5 => Talk::refused(client, (to, port)),
        _ => Talk::unanswered(client, (to, port), 1),
    }
}
