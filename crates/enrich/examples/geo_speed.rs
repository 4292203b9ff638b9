//! How long it takes to find out what is known of an address: `geo_speed [DATABASE.mmdb]`. One figure a line.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lapwing_enrich::{Database, Enricher, Enrichment};
use lapwing_model::{Detail, Event, Known, Log, Origin, Position, Record, Timestamp};

const LOOK_UPS: usize = 2_000_000;

/// Addresses of the whole public space, the same in every run.
fn addresses(v6: bool) -> Vec<IpAddr> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut one = || match v6 {
        false => Ipv4Addr::from_bits((random() >> 16) as u32).into(),
        // Where addresses are given out: 2000::/4.
        true => Ipv6Addr::from_bits(u128::from(random() >> 4 | 0x2000_0000_0000_0000) << 64 | u128::from(random())).into(),
    };
    std::iter::repeat_with(&mut one)
        .filter(|address| lapwing_enrich::class(*address) == Default::default())
        .take(LOOK_UPS)
        .collect()
}

fn timed(what: &str, addresses: &[IpAddr], mut look_up: impl FnMut(IpAddr) -> bool) {
    let begin = Instant::now();
    let found = addresses.iter().filter(|address| look_up(black_box(**address))).count();
    let nanos = begin.elapsed().as_nanos() as f64 / addresses.len() as f64;
    println!("{what:<40} {nanos:>7.1} ns, known {:.1} %", 100.0 * found as f64 / addresses.len() as f64);
}

fn main() {
    let tables = Arc::new(Enrichment::builtin());
    let begin = Instant::now();
    black_box(tables.about(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))));
    println!("{:<40} {:>7.1} ms", "unpacking the built-in table", begin.elapsed().as_secs_f64() * 1e3);
    let (v4, v6) = (addresses(false), addresses(true));
    timed("built-in table, random IPv4", &v4, |address| tables.about(address).country.is_some());
    timed("built-in table, random IPv6", &v6, |address| tables.about(address).country.is_some());
    if let Some(path) = std::env::args().nth(1) {
        let database = Database::open(Path::new(&path)).expect("a database");
        let look_up = |address| {
            let mut known = Known::default();
            database.add_to(&mut known, address);
            known.country.is_some() || known.autonomous_system.is_some()
        };
        timed("the given database, random IPv4", &v4, look_up);
        timed("the given database, random IPv6", &v6, look_up);
    }
    events(&tables, &v4);
}

/// Events of a thousand clients, as a site has them.
fn events(tables: &Arc<Enrichment>, addresses: &[IpAddr]) {
    let record =
        Record { body: "x".into(), origin: Origin::new("bench"), position: Position::default(), received: Timestamp::EPOCH };
    let event = |client| Event { client: Some(client), ..Event::new(&record, Detail::Log(Log::default())) };
    let mut events: Vec<Event> = addresses.iter().take(1000).map(|address| event(*address)).collect();
    let mut enricher = Enricher::new(tables.clone());
    let begin = Instant::now();
    let rounds = LOOK_UPS / events.len();
    (0..rounds).for_each(|_| enricher.enrich(&mut events));
    println!("{:<40} {:>7.1} ns", "an event of a client seen before", begin.elapsed().as_nanos() as f64 / LOOK_UPS as f64);
}
