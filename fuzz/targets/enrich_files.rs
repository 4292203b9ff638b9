//! Files about addresses: databases in MaxMind's format, assets, allow-lists, threat lists. Each is refused with a reason, or sound.
#![no_main]

#[allow(dead_code, reason = "the tests' writer of databases: not all of it is needed here")]
#[path = "../../crates/enrich/tests/tables/mmdb.rs"]
mod mmdb;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use lapwing_enrich::{AllowList, Assets, Database, List, ListSettings};
use lapwing_model::{Entity, Known, Scope, Timestamp};
use libfuzzer_sys::arbitrary::Arbitrary;
use mmdb::Data;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Database(&'a [u8]),
    Damaged { changes: Vec<(u16, u8)>, length: Option<u16> },
    Assets(&'a str),
    Allow(&'a str),
    List(&'a [u8]),
}

const ADDRESSES: [IpAddr; 3] =
    [IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), IpAddr::V6(Ipv6Addr::LOCALHOST)];

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let folder = lapwing_fuzz::scratch();
    let path = folder.path().join("file");
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).expect("written");
    match input {
        Input::Database(bytes) => write(bytes),
        Input::Damaged { changes, length } => {
            let mut bytes = sound();
            lapwing_fuzz::damage(&mut bytes, &changes, length);
            write(&bytes);
        }
        Input::Assets(text) => return assets(&path, text),
        Input::Allow(text) => return allow(&path, text),
        Input::List(bytes) => return list(&path, bytes),
    }
    if let Ok(database) = Database::open(&path) {
        for address in ADDRESSES {
            database.add_to(&mut Known::default(), address);
        }
    }
});

fn sound() -> Vec<u8> {
    let system = vec![("autonomous_system_number", Data::Number(64_500)), ("name", Data::Text("an organization"))];
    let country = vec![("country", Data::Map(vec![("iso_code", Data::Text("DE"))]))];
    mmdb::database(&[([8, 8, 8, 0], 24, Data::Map(system)), ([203, 0, 112, 0], 20, Data::Map(country))])
}

fn assets(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    if let Ok(assets) = Assets::open(path) {
        ADDRESSES.iter().for_each(|&address| _ = assets.at(address));
        let _ = assets.named("web1.example.org");
    }
}

fn allow(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    if let Ok(list) = AllowList::open(path) {
        for allowed in list.iter() {
            assert!(!allowed.who().is_empty());
        }
        let entity = Entity::new(Scope::Client, "8.8.8.8");
        let _ = (list.naming(&entity), list.entity(&entity, Timestamp::EPOCH));
    }
}

fn list(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("written");
    for column in [None, Some(2)] {
        let settings = ListSettings { column, ..ListSettings::default() };
        if let Ok(list) = List::open(path, &settings) {
            ADDRESSES.iter().for_each(|&address| _ = list.address(address));
            let _ = (list.domain("www.example.org"), list.hash("d41d8cd98f00b204e9800998ecf8427e"));
        }
    }
}
