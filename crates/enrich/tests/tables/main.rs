//! What people set: databases, assets and lists in files, and what becomes of them when they change or are damaged.

mod mmdb;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use lapwing_enrich::{Database, Enrichment, ListSettings, NetworkLists, Settings};
use lapwing_model::{AutonomousSystem, Country, Known, NetworkClass};
use mmdb::{Data, database};
use tempfile::TempDir;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn country(code: &str) -> Data<'_> {
    Data::Map(vec![("country", Data::Map(vec![("iso_code", Data::Text(code))]))])
}

fn of_makers() -> Vec<u8> {
    let long = "an organization whose name is rather longer than thirty bytes";
    database(&[
        ([1, 1, 1, 0], 24, country("AU")),
        ([8, 8, 8, 0], 24, Data::Map(vec![("country_code", Data::Text("US"))])),
        (
            [9, 9, 0, 0],
            16,
            Data::Map(vec![
                ("autonomous_system_number", Data::Number(64_500)),
                ("autonomous_system_organization", Data::Text(long)),
            ]),
        ),
        (
            [10, 0, 0, 0],
            8,
            Data::Map(vec![("asn", Data::Text("AS64501")), ("as_name", Data::Text("Inside")), ("country", Data::Text("DE"))]),
        ),
    ])
}

fn known(tables: &Enrichment, of: &str) -> (Option<String>, Option<u32>) {
    let known = tables.about(address(of));
    (known.country.map(|country| country.to_string()), known.autonomous_system.map(|system| system.number))
}

#[test]
fn databases_of_different_makers_are_read() {
    let folder = folder();
    let path = folder.path().join("own.mmdb");
    fs::write(&path, of_makers()).unwrap();
    let database = Database::open(&path).expect("a sound database");
    let about = |of: &str| {
        let mut known = Known::default();
        database.add_to(&mut known, address(of));
        known
    };
    assert_eq!(about("1.1.1.255").country, Country::new("AU"));
    assert_eq!(about("8.8.8.8").country, Country::new("US"));
    let system =
        AutonomousSystem { number: 64_500, organization: "an organization whose name is rather longer than thirty bytes".into() };
    assert_eq!(about("9.9.255.255").autonomous_system, Some(system));
    assert_eq!(
        (about("10.1.2.3").country, about("10.1.2.3").autonomous_system.map(|system| system.number)),
        (Country::new("DE"), Some(64_501))
    );
    assert_eq!(about("1.1.2.0"), Known::default());
    assert_eq!(about("2001:db8::1"), Known::default(), "it knows of IPv4 only");
}

#[test]
fn what_a_database_says_comes_before_the_built_in_table() {
    let folder = folder();
    let path = folder.path().join("own.mmdb");
    fs::write(&path, database(&[([8, 8, 8, 0], 24, country("CH"))])).unwrap();
    let settings = Settings { databases: vec![path], ..Settings::default() };
    let (tables, errors) = Enrichment::open(&settings, folder.path(), None);
    assert_eq!((known(&tables, "8.8.8.8").0.as_deref(), errors), (Some("CH"), Vec::new()));
    assert_eq!(known(&tables, "8.8.4.4").0.as_deref(), Some("US"), "the table knows what the database does not");
    assert_eq!(tables.about(address("192.168.0.1")).network_class, NetworkClass::Private);
}

#[test]
fn a_database_cut_or_changed_anywhere_is_refused_or_read_but_never_panics() {
    let folder = folder();
    let path = folder.path().join("own.mmdb");
    let whole = of_makers();
    for cut in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = Database::open(&path).expect_err("what is cut short is refused");
        assert!(error.contains("own.mmdb") && error.ends_with("correct enrichment.databases"), "{error}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        if let Ok(database) = Database::open(&path) {
            for of in ["1.1.1.1", "8.8.8.8", "9.9.9.9", "10.0.0.1", "255.255.255.255"] {
                database.add_to(&mut Known::default(), address(of));
            }
        }
    }
}

/// One of each in a folder.
fn everything(folder: &Path) -> Settings {
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let list =
        ListSettings { name: "feed".into(), path: Some(write("feed.txt", b"203.0.113.0/24\n")), ..ListSettings::default() };
    let fetched = ListSettings { name: "far".into(), url: Some("http://127.0.0.1:9/".into()), ..ListSettings::default() };
    Settings {
        databases: vec![write("own.mmdb", &database(&[([8, 8, 8, 0], 24, country("CH"))]))],
        networks: NetworkLists { tor: vec![write("tor.txt", b"198.18.0.0/15\n9.9.9.9\n")], ..NetworkLists::default() },
        assets: Some(write("assets.yaml", b"- {name: db, criticality: high, addresses: [10.0.0.5]}\n")),
        allow: Some(write("allow.yaml", b"- {users: [backup], until: 2100-01-01}\n")),
        threat_lists: vec![list, fetched],
        ..Settings::default()
    }
}

fn said(tables: &Enrichment) -> (Option<String>, NetworkClass, bool, bool, usize) {
    let about = |of| tables.about(address(of));
    (
        known(tables, "8.8.8.8").0,
        about("9.9.9.9").network_class,
        about("10.0.0.5").asset.is_some(),
        tables.allow().is_empty(),
        about("203.0.113.7").threats.len(),
    )
}

#[test]
fn everything_is_read_and_a_bad_change_of_any_file_keeps_what_was_there() {
    let folder = folder();
    let settings = everything(folder.path());
    let (tables, errors) = Enrichment::open(&settings, folder.path(), None);
    let good = (Some("CH".to_owned()), NetworkClass::Tor, true, false, 1);
    assert_eq!((said(&tables), errors), (good.clone(), Vec::new()));
    for file in ["own.mmdb", "tor.txt", "assets.yaml", "allow.yaml", "feed.txt"] {
        let path = folder.path().join(file);
        let before = fs::read(&path).unwrap();
        fs::write(&path, "<html>\nnothing of use here: {\n").unwrap();
        let (after, errors) = Enrichment::open(&settings, folder.path(), Some(&tables));
        assert_eq!(said(&after), good, "{file}");
        assert!(errors.len() == 1 && errors[0].contains(file), "{file}: {errors:?}");
        fs::remove_file(&path).unwrap();
        let (after, errors) = Enrichment::open(&settings, folder.path(), Some(&tables));
        assert_eq!((said(&after), errors.len()), (good.clone(), 1), "{file} is gone");
        fs::write(&path, before).unwrap();
    }
    fs::write(folder.path().join("feed.txt"), "192.0.2.0/24\n").unwrap();
    let (after, errors) = Enrichment::open(&settings, folder.path(), Some(&tables));
    assert_eq!((said(&after).4, errors), (0, Vec::new()), "a good change takes effect");
}

#[test]
fn lists_without_a_good_name_or_place_and_two_of_one_name_are_refused() {
    let of = |name: &str, path: Option<&str>, url: Option<&str>| ListSettings {
        name: name.into(),
        path: path.map(Into::into),
        url: url.map(Into::into),
        ..ListSettings::default()
    };
    for (list, expected) in [
        (of("../x", Some("a"), None), "is no name for a threat list"),
        (of("a", None, None), "needs either a path or a url"),
        (of("a", Some("a"), Some("b")), "needs either a path or a url"),
        (of("a", Some("/nowhere/at/all"), None), "cannot use threat list a (/nowhere/at/all)"),
    ] {
        let (_, errors) = Enrichment::open(&Settings { threat_lists: vec![list], ..Settings::default() }, Path::new("."), None);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
    let twice = vec![of("a", None, Some("b")), of("a", None, Some("c"))];
    let (_, errors) = Enrichment::open(&Settings { threat_lists: twice, ..Settings::default() }, Path::new("."), None);
    assert_eq!(errors, ["there are two threat lists named a; choose different names"]);
}

#[test]
fn switched_off_nothing_is_known() {
    let (tables, errors) = Enrichment::open(&Settings { enabled: false, ..everything(folder().path()) }, Path::new("."), None);
    assert!(!tables.is_enabled() && tables.threats().is_empty() && errors.is_empty());
}
