//! What every detector promises, asked of every kind in the list: a new detector gets these tests free.

use std::time::Duration;

use lapwing_model::{Event, Timestamp};
use proptest::prelude::*;

use crate::testing::{Line, flow, judge, setup, tcp};
use crate::{Found, Shard, State};

/// Traffic in which something is found by several detectors, unsorted in time, with odd numbers in it.
fn traffic(seed: u64, count: u64) -> Vec<Event> {
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut second = 0.0;
    let mut events = Vec::new();
    for n in 0..count {
        second += match random(400) {
            0 => 900.0,
            1..=100 => 0.0,
            _ => random(3) as f64 * 0.7,
        };
        let jitter = if random(10) == 0 { -(random(50) as f64) } else { 0.0 };
        let status = [200, 200, 200, 304, 404, 404, 500, 503][random(8) as usize];
        if random(3) == 0 {
            events.push(some_flow(n, (second + jitter).max(0.0), &mut random));
            continue;
        }
        let popular = random(30) + 1;
        let client = format!("10.{}.0.{}", random(2), random(popular));
        let mut line = Line::new((second + jitter).max(0.0), &client, status);
        line.path = format!("/{}", random(20));
        line.source = ["a.log", "b.log"][random(2) as usize].to_owned();
        let mut event = line.web(n);
        if random(50) == 0 {
            event.duration = Duration::MAX;
            event.at = [Timestamp::MIN, Timestamp::MAX, Timestamp::EPOCH][random(3) as usize];
        }
        events.push(event);
    }
    events
}

/// Scans, logins, answers and odd numbers, so that detectors of flows have something to say.
fn some_flow(number: u64, second: f64, random: &mut impl FnMut(u64) -> u64) -> Event {
    let port = [22, 443, 445, 53, random(4000) as u16][random(5) as usize];
    let (client, to) = (format!("203.0.113.{}", random(6)), format!("10.0.0.{}", random(9)));
    let flags = [0, 2, 4, 18, 27][random(5) as usize];
    let large = [0, 900, 700_000_000, u64::MAX][random(4) as usize];
    let to = lapwing_model::Flow {
        protocol: [6, 6, 6, 17, 1][random(5) as usize],
        packets: [1, 5, 300, 1_000_000, u64::MAX][random(5) as usize],
        bytes: large,
        reverse_bytes: random(3) * 900,
        ..tcp(&to, 50_000 + random(3) as u16, port, flags)
    };
    let mut event = flow(number, second, &client, to);
    event.duration = Duration::from_secs([0, 1, 900, 50_000][random(4) as usize]);
    event
}

fn shards(count: usize) -> Vec<Shard> {
    (0..count).map(|index| Shard::new(&setup(), index, count)).collect()
}

/// What was found, without where in its batch it stood.
fn told(found: &[Found]) -> Vec<String> {
    found.iter().map(|found| format!("{:?} {:?}", found.tick, found.finding)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_same_input_gives_the_same_findings_for_any_number_of_shards_and_any_batches(seed in 1_u64.., size in 1_usize..700) {
        let events = traffic(seed, 3000);
        let whole = told(&judge(&mut shards(1), &events, 1024));
        prop_assert!(!whole.is_empty());
        for count in [2, 7] {
            prop_assert_eq!(&told(&judge(&mut shards(count), &events, size)), &whole);
        }
    }

    #[test]
    fn a_restart_in_the_middle_with_another_number_of_shards_changes_nothing(seed in 1_u64.., cut in 1_usize..2999) {
        let events = traffic(seed, 3000);
        let mut uninterrupted = shards(1);
        judge(&mut uninterrupted, &events[..cut], 1024);
        let mut state = State::new();
        uninterrupted.iter().for_each(|shard| shard.save(&mut state));
        let mut revived = shards(7);
        for shard in &mut revived {
            prop_assert_eq!(shard.load(&state), Ok(()));
        }
        prop_assert_eq!(told(&judge(&mut revived, &events[cut..], 1024)), told(&judge(&mut uninterrupted, &events[cut..], 1024)));
    }
}

#[test]
fn what_is_general_is_continued_from_by_any_shards_and_names_nothing_of_where_it_was_learned() {
    let mut shard = shards(1);
    let mut events = traffic(7, 3000);
    (events.iter_mut().zip(0_u64..)).for_each(|(event, n)| event.duration = Duration::from_millis(50 + n * n % 37));
    judge(&mut shard, &events, 1000);
    let mut general = State::new();
    shard[0].save_general(&mut general);
    assert!(general.keys().any(|name| name.starts_with("response_time/")), "{:?}", general.keys());
    let odd = traffic(8, 3000);
    let warm = |count: usize| {
        let mut shards = shards(count);
        shards.iter_mut().for_each(|shard| assert_eq!(shard.load(&general), Ok(())));
        shards
    };
    let whole = told(&judge(&mut warm(1), &odd, 1024));
    assert_eq!(told(&judge(&mut warm(7), &odd, 77)), whole);
    let (mut fresh, mut used) = (State::new(), State::new());
    warm(1)[0].save(&mut fresh);
    shard[0].save(&mut used);
    let size = |state: &State| state.values().map(Vec::len).sum::<usize>();
    assert!(size(&fresh) < size(&used) / 4 && warm(1)[0].entities().values().all(|&count| count == 0));
}

#[test]
fn a_damaged_state_is_refused_with_the_name_of_the_detector() {
    let mut shard = shards(1);
    judge(&mut shard, &traffic(7, 500), 100);
    let mut state = State::new();
    shard[0].save(&mut state);
    assert!(!state.is_empty());
    state.values_mut().for_each(|bytes| *bytes = vec![0xff; 3]);
    let errors = Shard::whole(&setup()).load(&state).expect_err("damaged");
    assert_eq!(errors.len(), state.len());
    assert!(errors.iter().any(|error| error.starts_with("windows/client/")), "{errors:?}");
}

#[test]
fn half_a_million_random_ends_of_flows_do_not_grow_the_state() {
    let mut shard = shards(1);
    let mut number = 0_u64;
    let mut flood = |shards: &mut [Shard], count: u64| {
        for _ in 0..count / 1000 {
            let events: Vec<_> = (0..1000)
                .map(|_| {
                    number += 1;
                    let n = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let [client, to] = [n as u32, (n >> 32) as u32].map(|bits| std::net::Ipv4Addr::from_bits(bits).to_string());
                    let to = tcp(&to, 50_000, (n >> 20) as u16, [0, 2, 27][(n >> 40) as usize % 3]);
                    let to = lapwing_model::Flow { bytes: 50_000, packets: 1, ..to };
                    flow(number, number as f64 / 500.0, &client, to)
                })
                .collect();
            judge(shards, &events, 1024);
        }
        let mut state = State::new();
        shards[0].save(&mut state);
        state.values().map(Vec::len).sum::<usize>()
    };
    let full = flood(&mut shard, 300_000);
    let after = flood(&mut shard, 200_000);
    assert!(after <= full * 5 / 4 + 4_000_000, "{full} bytes of state grew to {after}");
    assert!(shard[0].entities()["port_scan"] <= 100_000);
}

#[test]
fn a_million_random_entities_do_not_grow_the_state() {
    let mut shard = shards(1);
    let mut number = 0_u64;
    let mut flood = |shards: &mut [Shard], count: u64| {
        for _ in 0..count / 1000 {
            let events: Vec<_> = (0..1000)
                .map(|_| {
                    number += 1;
                    let n = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let mut line = Line::new(number as f64 / 500.0, &std::net::Ipv4Addr::from_bits(n as u32).to_string(), 404);
                    line.agent = format!("agent {n}");
                    line.web(number)
                })
                .collect();
            judge(shards, &events, 1024);
        }
        let mut state = State::new();
        shards[0].save(&mut state);
        state.values().map(Vec::len).sum::<usize>()
    };
    let full = flood(&mut shard, 300_000);
    let after = flood(&mut shard, 700_000);
    assert!(after <= full * 5 / 4 + 4_000_000, "{full} bytes of state grew to {after}");
    assert!(shard[0].entities()["windows"] <= 2 * 10_000 + 64);
}
