//! The attacks among the flows. Each is a habit of an attacker that ends.

use std::sync::Arc;

use super::office::{FILES, MAIL, Office, RESOLVERS, WEB, own, public, server};
use super::talk::{Habit, Moment, Sent, Talk};
use crate::Label;
use crate::random::Random;

/// A habit without an end: until the last flow.
const FOREVER: u32 = u32::MAX;

/// The incident of that class; `first` in seconds after the start.
pub(super) fn incident(label: Label, first: f64, office: &Arc<Office>, random: &mut Random) -> Habit {
    let attack = match label.class {
        "vertical-scan" => vertical(random),
        "horizontal-scan" => horizontal(office, random),
        "slow-scan" => slow(random),
        "distributed-scan" => distributed(random),
        "syn-flood" => syn_flood(),
        "udp-flood" => udp_flood(random),
        "reflection" => reflection(random),
        "beacon" => beacon(office, random),
        "exfiltration" => exfiltration(office, random),
        "dns-tunnel" => dns_tunnel(office, random),
        "brute-force" => brute_force(random),
        _ => lateral(office, random),
    };
    Habit { first, label: Some(label), ..attack }
}

/// Does something so many times; what it does answers the seconds until the next.
fn times(count: u32, mut act: impl FnMut(u32, &mut Moment<'_>) -> f64 + Send + 'static) -> Habit {
    let mut done = 0;
    Habit::new(0.0, move |moment| {
        let wait = act(done, moment);
        done = done.saturating_add(1);
        (count == FOREVER || done < count).then_some(wait)
    })
}

/// A port that hardly anybody serves, each once: 7919 is no divisor of what it is taken modulo.
fn door(first: u32, number: u32) -> u16 {
    (1 + (first + number * 7_919) % 9_973) as u16
}

fn vertical(random: &mut Random) -> Habit {
    let (attacker, target, first) = (random.address(), public(random.next() as u32), random.next() as u32 % 9_973);
    times(1_000, move |number, moment| {
        let client = (attacker, 40_000 + (number % 3) as u16);
        let to = (target, door(first, number));
        moment.say(if number.is_multiple_of(5) { Talk::unanswered(client, to, 1) } else { Talk::refused(client, to) });
        moment.wait(0.05)
    })
}

/// A worm: a workstation that tries every address of the next networks.
fn horizontal(office: &Office, random: &mut Random) -> Habit {
    let (attacker, third) = (office.host(random.next() as u32), random.between(100, 180) as u8);
    times(600, move |number, moment| {
        let client = moment.end(attacker);
        let to = own(third + (number / 250) as u8, 1 + (number % 250) as u8);
        moment.say(Talk::unanswered(client, (to, 445), 2));
        moment.wait(0.2)
    })
}

/// A door a minute, for hours.
fn slow(random: &mut Random) -> Habit {
    let (attacker, first) = (random.address(), random.next() as u32 % 9_973);
    times(220, move |number, moment| {
        let client = moment.end(attacker);
        moment.say(Talk::unanswered(client, (public(number), door(first, number)), 1));
        moment.about(60.0, 0.5)
    })
}

/// Forty sources that share out the ports of one host.
fn distributed(random: &mut Random) -> Habit {
    let sources: Vec<u32> = (0..40).map(|_| random.address()).collect();
    let (target, first) = (public(random.next() as u32), random.next() as u32 % 9_973);
    times(600, move |number, moment| {
        let client = moment.end(sources[number as usize % sources.len()]);
        moment.say(Talk::unanswered(client, (target, door(first, number)), 1));
        moment.wait(2.0)
    })
}

/// Sources are forged; who could answer does not know what for.
fn syn_flood() -> Habit {
    times(12_000, move |_, moment| {
        let client = (moment.random.address(), moment.random.between(1_024, 65_535) as u16);
        moment.say(Talk::unanswered(client, (WEB, 443), 1));
        moment.wait(0.012)
    })
}

/// Bots that send what they can to one host.
fn udp_flood(random: &mut Random) -> Habit {
    let bots: Vec<u32> = (0..60).map(|_| random.address()).collect();
    let target = public(random.next() as u32);
    times(600, move |number, moment| {
        let client = moment.end(bots[number as usize % bots.len()]);
        let port = moment.random.between(1, 65_535) as u16;
        let packets = moment.about(6_000.0, 0.3) as u64;
        let sent = Sent { packets, bytes: packets * 1_050, flags: 0 };
        moment.say(Talk { sent, ..Talk::udp(client, (target, port), 1, 0) }.lasting(8.0));
        moment.wait(0.3)
    })
}

/// Clocks and caches that answer at length to whom was asked for.
fn reflection(random: &mut Random) -> Habit {
    let amplifiers: Vec<u32> = (0..250).map(|_| random.address()).collect();
    let (target, port) = (public(random.next() as u32), random.pick(&[123, 11_211, 389]));
    times(750, move |number, moment| {
        let from = (amplifiers[number as usize % amplifiers.len()], port);
        let packets = moment.about(700.0, 0.3) as u64;
        let sent = Sent { packets, bytes: packets * 480, flags: 0 };
        moment.say(Talk { sent, ..Talk::udp(from, (target, 80), 1, 0) }.lasting(20.0));
        moment.wait(0.25)
    })
}

/// Every five minutes, give or take a tenth.
fn beacon(office: &Office, random: &mut Random) -> Habit {
    let (host, master) = (office.host(random.next() as u32), random.address());
    times(FOREVER, move |_, moment| {
        let (client, sent) = (moment.end(host), moment.about(420.0, 0.05) as u64);
        moment.say(Talk::tcp(client, (master, 443), sent, 260).lasting(0.3));
        moment.about(300.0, 0.1)
    })
}

fn exfiltration(office: &Office, random: &mut Random) -> Habit {
    let (host, to) = (office.host(random.next() as u32), random.address());
    times(6, move |_, moment| {
        let (client, sent) = (moment.end(host), moment.about(500e6, 0.3) as u64);
        moment.say(Talk::tcp(client, (to, 443), sent, sent / 300).lasting(170.0));
        180.0
    })
}

/// One conversation with the resolver from one port, as iodine keeps it.
fn dns_tunnel(office: &Office, random: &mut Random) -> Habit {
    let host = office.host(random.next() as u32);
    let client = (host, random.between(40_000, 60_000) as u16);
    times(1, move |_, moment| {
        let packets = moment.about(20_000.0, 0.3) as u64;
        let sent = Sent { packets, bytes: packets * 170, flags: 0 };
        let returned = Sent { packets, bytes: packets * 240, flags: 0 };
        moment.say(Talk { sent, returned, ..Talk::udp(client, (RESOLVERS[0], 53), 1, 1) }.lasting(1_500.0));
        0.0
    })
}

/// Guesses at a server's SSH, and a session at the end of them.
fn brute_force(random: &mut Random) -> Habit {
    let (attacker, target) = (random.address(), random.pick(&[WEB, MAIL]));
    times(301, move |number, moment| {
        let client = moment.end(attacker);
        let (sent, returned) = (moment.about(1_900.0, 0.2) as u64, moment.about(2_400.0, 0.2) as u64);
        let guess = Talk::tcp(client, (target, 22), sent, returned).lasting(1.8);
        moment.say(if number < 300 { guess } else { Talk::tcp(client, (target, 22), 60_000, 400_000).lasting(900.0) });
        moment.wait(1.5)
    })
}

/// From one host to many others that it never spoke to, and all let it in.
fn lateral(office: &Office, random: &mut Random) -> Habit {
    let (host, port) = (office.host(random.next() as u32), random.pick(&[445, 3_389, 5_985]));
    let others: Vec<u32> =
        (0..60).map(|number| if number % 4 == 0 { server(number) } else { office.host(number * 3 + 1) }).collect();
    let others: Vec<u32> = others.into_iter().filter(|other| ![host, FILES].contains(other)).collect();
    times(others.len() as u32, move |number, moment| {
        let (client, lasts) = (moment.end(host), moment.about(8.0, 0.5));
        moment.say(Talk::tcp(client, (others[number as usize], port), 30_000, 9_000).lasting(lasts));
        moment.wait(6.0)
    })
}
