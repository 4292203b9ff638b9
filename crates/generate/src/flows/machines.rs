//! What machines do by themselves, by the clock: clocks, updates, telemetry, phones, cameras, printers.

use std::sync::Arc;

use super::office::{BROADCAST, Office, PBX, PRINT_SERVER, PRINTERS, own, printer};
use super::talk::{Habit, Moment, Talk};
use crate::random::Random;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// Groups that hosts of a network speak to: mDNS, SSDP, LLMNR.
const GROUPS: [(u32, u16); 3] = [(0xe000_00fb, 5_353), (0xefff_fffa, 1_900), (0xe000_00fc, 5_355)];

pub(super) fn of_workstation(office: &Arc<Office>, number: u32, random: &mut Random, all: &mut Vec<Habit>) {
    let host = office.host(number);
    let clock = office.clocks[number as usize % office.clocks.len()];
    all.push(Habit::every(random.unit() * 1_024.0, 1_024.0, 0.01, move |moment| {
        moment.say(Talk::udp((host, 123), (clock, 123), 48, 48));
    }));
    all.push(Habit::now_and_then(random.unit() * 600.0, 500.0, move |moment| {
        let (group, port) = moment.random.pick(&GROUPS);
        moment.say(Talk::udp((host, port), (group, port), 240, 0));
        if moment.random.chance(0.3) {
            moment.say(Talk::udp((host, 137), (BROADCAST, 137), 78, 0));
        }
    }));
    telemetry(office, host, number, random, all);
    // The updates of the month, once on a day, from a cache that all know.
    let (cache, first) = (office.vendors[6], random.unit() * DAY);
    all.push(Habit::every(first, DAY, 0.1, move |moment| {
        let (client, size) = (moment.end(host), moment.heavy(20_000_000.0, 1.5e9));
        moment.say(Talk::tcp(client, (cache, 443), size / 400, size).lasting(20.0 + size as f64 / 4e6));
    }));
}

/// The maker's telemetry: some of it by chance, some by the clock.
fn telemetry(office: &Office, host: u32, number: u32, random: &mut Random, all: &mut Vec<Habit>) {
    let vendors = office.vendors;
    all.push(Habit::now_and_then(random.unit() * 900.0, 1_100.0, move |moment| {
        let (client, vendor) = (moment.end(host), moment.random.pick(&vendors[..4]));
        let sent = moment.heavy(1_200.0, 80_000.0);
        moment.say(Talk::tcp(client, (vendor, 443), sent, 3_500).lasting(0.6));
    }));
    // The agent that keeps watch over the machine: half of all have it.
    if number.is_multiple_of(2) {
        let vendor = vendors[4];
        all.push(Habit::every(random.unit() * 600.0, 600.0, 0.05, move |moment| {
            let (client, sent) = (moment.end(host), moment.about(1_900.0, 0.3) as u64);
            moment.say(Talk::tcp(client, (vendor, 443), sent, 900).lasting(0.8));
        }));
    }
}

/// Telephones, cameras, a kiosk, and whatever else speaks to one cloud only.
pub(super) fn things(office: &Arc<Office>, random: &mut Random, all: &mut Vec<Habit>) {
    for number in 0..(office.hosts / 6).clamp(2, 200) {
        phone(own(40 + (number / 250) as u8, (number % 250) as u8), random, all);
    }
    for number in 0..6 {
        let (camera, cloud) = (own(50, 10 + number), random.address());
        // A message broker that keeps the connection for hours, and is asked again at once when it is lost.
        all.push(Habit::new(random.unit() * 60.0, move |moment| {
            let (client, lasts) = (moment.end(camera), moment.about(5.0 * HOUR, 0.6));
            moment.say(Talk::tcp(client, (cloud, 8_883), (lasts * 6.0) as u64, (lasts * 3.0) as u64).lasting(lasts));
            Some(lasts + 5.0)
        }));
    }
    for number in 0..PRINTERS {
        all.push(Habit::every(random.unit() * 300.0, 300.0, 0.0, move |moment| {
            let client = moment.end(PRINT_SERVER);
            moment.say(Talk::udp(client, (printer(number), 161), 300, 700));
        }));
    }
}

/// Keeps its registration alive, and calls.
fn phone(phone: u32, random: &mut Random, all: &mut Vec<Habit>) {
    all.push(Habit::every(random.unit() * 120.0, 120.0, 0.1, move |moment| {
        moment.say(Talk::udp((phone, 5_060), (PBX, 5_060), 520, 480));
    }));
    all.push(Habit::now_and_then(random.unit() * 2.0 * HOUR, 1.5 * HOUR, move |moment| {
        if (8.0..18.0).contains(&(moment.of_day() / HOUR)) {
            call(phone, moment);
        }
    }));
}

/// Fifty packets of sound a second, each way, between ports that are given out at random.
fn call(phone: u32, moment: &mut Moment<'_>) {
    let seconds = moment.heavy(40.0, 2_400.0);
    let ports = [moment.random.between(8_192, 16_000) * 2, moment.random.between(8_192, 16_000) * 2].map(|port| port as u16);
    let sound = Talk::udp((phone, ports[0]), (PBX, ports[1]), seconds * 50 * 172, seconds * 50 * 172);
    moment.say(sound.in_packets_of(200).lasting(seconds as f64));
}
