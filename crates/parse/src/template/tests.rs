use proptest::collection::vec;
use proptest::prelude::*;

use super::{Mined, Miner, Resolved, Settings, path_skeleton, skeleton};

fn put(miner: &mut Miner, text: &str) -> Resolved {
    miner.resolve(skeleton(text.as_bytes()), Mined::Text(text.as_bytes()))
}

fn ask(miner: &mut Miner, path: &str) -> Resolved {
    let mined = Mined::Path { method: b"GET", path: path.as_bytes() };
    miner.resolve(mined.skeleton(), mined)
}

fn text_of(miner: &Miner, id: u64) -> String {
    miner.get(id).expect("the template is known").text()
}

#[test]
fn numbers_paths_and_addresses_are_values_at_once() {
    let mut miner = Miner::new(Settings::default());
    let first = put(&mut miner, "Served block blk_17 to /10.0.0.1:50010 in 12.5 ms from /var/data/a, cached=true");
    let second = put(&mut miner, "Served block blk_-9 to fe80::1 in 3 s from /b, cached=false");
    assert_eq!((first.is_new, second.is_new), (true, false));
    assert_eq!(first.id, second.id);
    assert_eq!(text_of(&miner, first.id), "Served block <*> to <*> in <*> from <*>, cached=<*>");
}

#[test]
fn a_name_behind_user_is_a_value_from_the_second_one_on() {
    let mut miner = Miner::new(Settings::default());
    let first = put(&mut miner, "session opened for user news by cron");
    assert!(!put(&mut miner, "session opened for user root by cron").is_new);
    assert_eq!(put(&mut miner, "session opened for user alice by cron").id, first.id);
    assert_eq!(text_of(&miner, first.id), "session opened for user <*> by cron");
}

#[test]
fn a_few_different_words_stay_apart_and_many_become_a_value() {
    let mut miner = Miner::new(Settings::default());
    let ids: Vec<Resolved> =
        ["open", "shut", "lost", "full"].map(|state| put(&mut miner, &format!("the valve of tank nine is {state} again"))).into();
    assert!(ids.iter().all(|resolved| resolved.is_new));
    let fifth = put(&mut miner, "the valve of tank nine is stuck again");
    assert!(!fifth.is_new);
    assert!(ids.iter().all(|resolved| miner.current(resolved.id) == fifth.id), "the ids of merged templates stay known");
    assert_eq!((miner.len(), miner.merged()), (1, 3));
    assert_eq!(miner.get(ids[0].id).map(|template| template.count), Some(5));
    assert_eq!(text_of(&miner, ids[0].id), "the valve of tank nine is <*> again");
}

#[test]
fn states_in_capitals_are_what_a_text_is_about() {
    let mut miner = Miner::new(Settings::default());
    for state in ["NEW", "READY", "RUNNING", "DONE"] {
        assert!(put(&mut miner, &format!("task_17 moved to {state}")).is_new);
    }
}

#[test]
fn lists_of_any_length_have_one_template() {
    let mut miner = Miner::new(Settings::default());
    let id = put(&mut miner, "inconsistent nodes n1 <ok> n2 <ok> n3 <ok>").id;
    assert_eq!(put(&mut miner, "inconsistent nodes n1 <ok>").id, id);
    let id = put(&mut miner, "cannot resolve an14 an15 an16").id;
    assert_eq!(put(&mut miner, "cannot resolve an7").id, id);
}

#[test]
fn a_value_in_another_form_is_still_one() {
    let mut miner = Miner::new(Settings::default());
    let id = put(&mut miner, "synchronized to 10.0.0.1, stratum 3").id;
    let local = "synchronized to LOCAL(0), stratum 10";
    assert_eq!(put(&mut miner, local).id, id);
    assert_eq!(miner.parameters(id, Mined::Text(local.as_bytes())), [b"LOCAL(0".as_slice(), b"10"]);
}

#[test]
fn only_the_first_line_of_a_record_counts() {
    assert_eq!(skeleton(b"failed to start\n  at main.rs:10\n  at lib.rs:2"), skeleton(b"failed to start"));
}

#[test]
fn parameters_are_what_stands_under_the_stars() {
    let mut miner = Miner::new(Settings::default());
    let text = b"Failed password for root from 203.0.113.9 port 4711 ssh2";
    let id = miner.resolve(skeleton(text), Mined::Text(text)).id;
    assert_eq!(miner.parameters(id, Mined::Text(text)), [b"203.0.113.9".as_slice(), b"4711 ssh2"]);
    assert!(miner.parameters(1, Mined::Text(text)).is_empty(), "nothing is known of a template that is not there");
}

#[test]
fn ids_are_the_same_on_every_machine() {
    let text = b"Failed password for root from 203.0.113.9 port 4711 ssh2";
    assert_eq!(skeleton(text), GOLDEN_TEXT, "whoever changes what a skeleton is must raise the version of the saved state");
    assert_eq!(path_skeleton(b"GET", b"/blog/17?page=2"), GOLDEN_PATH);
    let mut miner = Miner::new(Settings::default());
    assert_eq!(put(&mut miner, "Failed password for root from 198.51.100.1 port 1 ssh2").id, GOLDEN_TEXT);
}

const GOLDEN_TEXT: u64 = 6_012_567_885_250_157_081;
const GOLDEN_PATH: u64 = 15993082516179617139;

#[test]
fn what_follows_a_path_changes_nothing_of_its_skeleton_wherever_it_begins() {
    for length in [0, 1, 8, 100, 1022, 1023, 1024, 1025, 5000] {
        let path: Vec<u8> = b"/ab-c/d_17/".iter().copied().cycle().take(length).collect();
        for end in [b"?x=/1".as_slice(), b"#/y", b"?"] {
            assert_eq!(path_skeleton(b"GET", &[&path, end].concat()), path_skeleton(b"GET", &path), "{length}");
        }
    }
}

#[test]
fn requests_differ_by_method_and_words_of_the_path_only() {
    let mut miner = Miner::new(Settings::default());
    let id = ask(&mut miner, "/blog/17").id;
    assert_eq!(ask(&mut miner, "/blog/18?page=2").id, id);
    assert_ne!(ask(&mut miner, "/blog/archive").id, id);
    assert_ne!(path_skeleton(b"POST", b"/blog/17"), path_skeleton(b"GET", b"/blog/17"));
    assert_eq!(text_of(&miner, id), "GET /blog/<*>");
    assert_ne!(ask(&mut miner, "/api/v1/users").id, ask(&mut miner, "/api/v2/users").id);
    assert_eq!(miner.parameters(id, Mined::Path { method: b"GET", path: b"/blog/99" }), [b"99"]);
}

#[test]
fn many_rare_names_in_a_path_become_a_value_and_busy_ones_stay() {
    let mut miner = Miner::new(Settings::default());
    let busy = ask(&mut miner, "/shop/cart").id;
    for _ in 0..100 {
        ask(&mut miner, "/shop/cart");
    }
    let letters = "abcdefghijklmnopqrstuvwxyz";
    for letter in letters.chars() {
        ask(&mut miner, &format!("/shop/{letter}hat"));
    }
    ask(&mut miner, "/shop/17");
    let rare = ask(&mut miner, "/shop/umbrella");
    assert_eq!((rare.is_new, text_of(&miner, rare.id).as_str()), (false, "GET /shop/<*>"));
    assert_eq!((ask(&mut miner, "/shop/cart").id, miner.len()), (busy, 2));
}

/// A text of words that no text had before.
fn random_text(number: u64) -> String {
    let word = |salt: u64| {
        let bits = number.wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        (0..8).map(|place| (b'a' + (bits / 26_u64.pow(place) % 26) as u8) as char).collect::<String>()
    };
    (0..4 + number % 5).map(|salt| word(salt << 32)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_million_random_templates_do_not_grow_memory() {
    let settings = Settings { capacity: 1000, ..Settings::default() };
    let mut miner = Miner::new(settings);
    for number in 0..1_000_000 {
        put(&mut miner, &random_text(number));
    }
    assert!(miner.len() <= 1000 && miner.skeletons() <= 4 * 1000, "{} templates, {} skeletons", miner.len(), miner.skeletons());
    assert!(miner.evicted() > 900_000, "{} evicted", miner.evicted());
    assert!(saved(&miner).len() < 500_000, "the whole state is {} bytes", saved(&miner).len());
}

#[test]
fn the_templates_in_use_survive_a_flood() {
    let mut miner = Miner::new(Settings { capacity: 1000, ..Settings::default() });
    let id = put(&mut miner, "connection from 10.0.0.1 closed").id;
    for number in 0..20_000 {
        put(&mut miner, &random_text(number));
        if number % 100 == 0 {
            assert_eq!(put(&mut miner, "connection from 10.0.0.2 closed"), Resolved { id, is_new: false });
        }
    }
}

fn saved(miner: &Miner) -> Vec<u8> {
    let mut bytes = Vec::new();
    miner.save(&mut bytes);
    bytes
}

#[test]
fn a_smaller_capacity_forgets_the_oldest_on_load() {
    let mut miner = Miner::new(Settings::default());
    for number in 0..500 {
        put(&mut miner, &random_text(number));
    }
    let newest = put(&mut miner, "the newest of all").id;
    let loaded = Miner::load(Settings { capacity: 100, ..Settings::default() }, &saved(&miner)).unwrap();
    assert_eq!((loaded.len(), loaded.get(newest).is_some()), (100, true));
}

#[test]
fn a_state_of_another_version_is_refused() {
    let mut bytes = saved(&Miner::new(Settings::default()));
    bytes[0] ^= 0xff;
    assert!(Miner::load(Settings::default(), &bytes).unwrap_err().contains("another version"));
}

/// Texts that are alike often enough to be merged, and paths.
fn similar_texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec!["alpha", "beta", "gamma", "delta", "user", "x.y", "17", "/a/b", "STATE", "k=v", "for"]);
    vec(vec(word, 1..6).prop_map(|words| words.join(" ")), 1..200)
}

fn put_all(miner: &mut Miner, texts: &[String]) -> Vec<Resolved> {
    texts.iter().flat_map(|text| [put(miner, text), ask(miner, &text.replace(' ', "/"))]).collect()
}

#[test]
fn a_text_stays_with_the_template_that_its_own_was_merged_into() {
    let texts = ["17 for beta", "alpha for beta", "user for 17", "user for alpha", "user beta beta", "user /a/b alpha"];
    let mut miner = Miner::new(Settings::default());
    let ids: Vec<u64> = texts.iter().map(|text| put(&mut miner, text).id).collect();
    for (text, id) in texts.iter().zip(ids) {
        assert_eq!(put(&mut miner, text).id, miner.current(id), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_loads_a_state_goes_on_as_the_one_that_saved_it(before in similar_texts(), after in similar_texts()) {
        let settings = Settings { capacity: 64, path_values: 3 };
        let mut miner = Miner::new(settings.clone());
        put_all(&mut miner, &before);
        let mut loaded = Miner::load(settings, &saved(&miner)).unwrap();
        prop_assert_eq!(saved(&miner), saved(&loaded));
        prop_assert_eq!(put_all(&mut miner, &after), put_all(&mut loaded, &after));
        prop_assert_eq!(saved(&miner), saved(&loaded));
    }

    #[test]
    fn every_id_leads_to_a_template_that_fits_the_text(texts in similar_texts()) {
        let mut miner = Miner::new(Settings::default());
        let ids = put_all(&mut miner, &texts);
        for (text, pair) in texts.iter().zip(ids.chunks(2)) {
            prop_assert!(miner.get(pair[0].id).is_some() && miner.get(pair[1].id).is_some());
            prop_assert_eq!(put(&mut miner, text).id, miner.current(pair[0].id));
        }
        prop_assert_eq!(miner.templates().map(|template| template.count).sum::<u64>(), 3 * texts.len() as u64);
    }

    #[test]
    fn any_bytes_have_a_template(texts in vec(vec(any::<u8>(), 0..300), 1..50)) {
        let mut miner = Miner::new(Settings::default());
        for text in &texts {
            for mined in [Mined::Text(text), Mined::Path { method: text, path: text }] {
                let id = miner.resolve(mined.skeleton(), mined).id;
                prop_assert_ne!(id, 0);
                prop_assert!(miner.get(id).is_some());
                prop_assert!(miner.parameters(id, mined).iter().all(|value| value.len() <= text.len()));
                prop_assert!(text_of(&miner, id).len() <= 8 * text.len() + 64);
            }
        }
    }

    #[test]
    fn a_damaged_state_is_refused_or_harmless(texts in similar_texts(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut miner = Miner::new(Settings::default());
        put_all(&mut miner, &texts);
        let mut bytes = saved(&miner);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(mut loaded) = Miner::load(Settings::default(), &bytes) {
            put_all(&mut loaded, &texts);
        }
    }
}
