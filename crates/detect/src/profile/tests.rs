use lapwing_model::{Clock, Origin, Position, Record, Scope, Timestamp};
use lapwing_parse::Parser;

use super::*;
use crate::{Detector, Setup};

/// Requests as an access log tells of them, a minute apart.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    parser: Parser,
}

impl Log {
    fn request(&mut self, client: &str, method: &str, target: &str, status: u16) -> &mut Log {
        self.answered(client, method, target, status, 120)
    }

    fn answered(&mut self, client: &str, method: &str, target: &str, status: u16, bytes: usize) -> &mut Log {
        self.line(format!(
            "{client} - - [17/May/2015:10:05:03 +0000] \"{method} {target} HTTP/1.1\" {status} {bytes} \"-\" \"Mozilla\""
        ))
    }

    fn post(&mut self, target: &str, body: &str) -> &mut Log {
        let content = body.replace('"', "\\\"");
        self.line(format!(
            r#"{{"http":{{"request":{{"method":"POST","body":{{"content":"{content}"}}}}}},"url":{{"original":"{target}"}}}}"#
        ))
    }

    fn line(&mut self, body: String) -> &mut Log {
        let number = self.events.len() as u64;
        let received = Timestamp::from_seconds(1_431_857_103 + 60 * number as i64);
        let position = Position { offset: number, line: number };
        let record = Record { body: body.into(), origin: Origin::new("access.log"), position, received };
        self.parser.parse(&record, &mut self.events);
        for event in &mut self.events[number as usize..] {
            (event.at, event.clock) = (received, Clock::Stated);
        }
        self
    }
}

fn profile(learning: bool) -> Box<dyn Detector> {
    (KIND.build)(&Setup { learning, ..Setup::default() }, Scope::All)
}

fn tell(detector: &mut dyn Detector, log: &Log) -> Vec<Finding> {
    crate::testing::observe(detector, &log.events)
}

const NAMES: [&str; 12] = ["anna", "bert", "carla", "dirk", "emil", "fritz", "gerda", "hans", "ida", "jana", "karl", "lena"];

/// A shop that people call normal: what was learned of it.
fn shop() -> Box<dyn Detector> {
    let mut log = Log::default();
    for n in 0..1200_usize {
        let client = format!("10.0.0.{}", n % 200);
        let (name, second) = (NAMES[n % 12], NAMES[n / 12 % 12]);
        let way = ["asc", "desc"][n % 2];
        log.request(&client, "GET", &format!("/shop/list.php?sort={way}&page={}&q={name}{second}{n}", n % 40), 200);
        log.request(&client, "GET", ["/", "/shop/about.php", "/style/main.css", "/img/logo.png"][n % 4], 200);
        log.post("/shop/login.php", &format!("user={name}{n}&zip={:05}&remember=on", n * 7919 % 100_000));
    }
    let mut learning = profile(true);
    assert!(tell(&mut *learning, &log).is_empty(), "nobody is told while people say it is normal");
    let (mut state, mut detector) = (Vec::new(), profile(false));
    learning.save(&mut state);
    assert_eq!(detector.load(&state), Ok(()));
    detector
}

/// The class of what is told of one request to the shop.
fn of(target: &str) -> Option<String> {
    of_method("GET", target)
}

fn of_method(method: &str, target: &str) -> Option<String> {
    let mut log = Log::default();
    log.request("10.9.9.9", method, target, 200);
    tell(&mut *shop(), &log).first().map(|finding| finding.class.to_string())
}

#[test]
fn more_of_the_same_is_not_told() {
    for target in ["/", "/shop/list.php?sort=asc&page=3&q=something", "/shop/list.php?sort=desc&page=41&q=new", "/img/logo.png"] {
        assert_eq!(of(target), None, "{target}");
    }
    assert_eq!(of_method("HEAD", "/shop/about.php"), None);
}

#[test]
fn a_value_outside_a_closed_set_is_told_with_what_was_expected() {
    let mut log = Log::default();
    log.request("10.9.9.9", "GET", "/shop/list.php?sort=name&page=1&q=x", 200);
    let findings = tell(&mut *shop(), &log);
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!((&*finding.class, &*finding.rule, finding.observed.as_str()), ("unexpected-value", "value", "name"));
    assert!(finding.expected.contains("one of 2 values") && finding.expected.contains("'asc', 'desc'"), "{}", finding.expected);
    assert!(finding.reason.starts_with("parameter 'sort' of /shop/list.php is none of its values"), "{}", finding.reason);
}

#[test]
fn values_of_other_characters_shape_or_length_are_told() {
    for value in ["a'%20or%20'1'%3d'1", "%3Cb%3E", "..%2f..%2fetc", "a;id"] {
        assert_eq!(of(&format!("/shop/list.php?sort=asc&page=1&q={value}")).as_deref(), Some("unexpected-value"), "{value}");
    }
    assert_eq!(of(&format!("/shop/list.php?sort=asc&page=1&q={}", "a".repeat(500))).as_deref(), Some("unexpected-value"));
    assert_eq!(of("/shop/list.php?sort=asc&page=-1&q=x").as_deref(), Some("unexpected-value"));
}

#[test]
fn parameters_in_a_body_are_judged_like_those_of_a_query() {
    let mut log = Log::default();
    log.post("/shop/login.php", "user=anna5&zip=1234&remember=on");
    log.post("/shop/login.php", "user=anna6&zip=12345&remember=on");
    log.post("/shop/login.php", "user=anna7&zip=12345");
    let findings = tell(&mut *shop(), &log);
    let told: Vec<_> = findings.iter().map(|finding| (&*finding.class, &*finding.rule)).collect();
    assert_eq!(told, [("unexpected-value", "shape"), ("missing-parameter", "missing-parameter")], "{findings:?}");
}

#[test]
fn parameters_methods_and_paths_never_seen_are_told() {
    assert_eq!(of("/shop/list.php?sort=asc&page=1&q=x&debug=1").as_deref(), Some("unexpected-parameter"));
    assert_eq!(of_method("DELETE", "/shop/about.php").as_deref(), Some("unexpected-method"));
    for path in ["/shop/list.php.bak", "/shop/list.php~", "/backup/db.sql", "/shop/list.php/x", "/admin/config.inc"] {
        assert_eq!(of(path).as_deref(), Some("unexpected-path"), "{path}");
    }
}

/// A page that is always served and one that always is denied, by people's own account.
fn answering() -> Box<dyn Detector> {
    let mut log = Log::default();
    for n in 0..1000_usize {
        let client = format!("10.0.0.{}", n % 200);
        log.answered(&client, "GET", "/shop/item", if n % 4 == 0 { 304 } else { 200 }, 4000 + n % 60);
        log.answered(&client, "GET", "/shop/internal", 403, 199);
    }
    let mut learning = profile(true);
    assert!(tell(&mut *learning, &log).is_empty());
    let (mut state, mut detector) = (Vec::new(), profile(false));
    learning.save(&mut state);
    assert_eq!(detector.load(&state), Ok(()));
    detector
}

#[test]
fn an_answer_unlike_all_before_is_noted_and_the_grant_of_what_was_always_denied_is_told() {
    let told = |target: &str, status: u16, bytes: usize| {
        let mut log = Log::default();
        log.answered("10.9.9.9", "GET", target, status, bytes);
        tell(&mut *answering(), &log)
    };
    assert_eq!(told("/shop/item", 200, 4020), []);
    assert_eq!(told("/shop/internal", 403, 199), []);
    let size = told("/shop/item", 200, 250_000);
    assert_eq!(size.len(), 1);
    assert_eq!((&*size[0].class, &*size[0].rule, size[0].score), ("unexpected-answer", "size", NOTED));
    assert!(size[0].reason.contains("expected 3444 to 4096 bytes, as 750 answers had; observed 250000 bytes"), "{}", size[0].reason);
    let failed = told("/shop/item", 500, 300);
    assert_eq!((&*failed[0].rule, failed[0].score, failed[0].expected.as_str()), ("status", NOTED, "as before: 1000 times 200"));
    let granted = told("/shop/internal", 200, 9000);
    assert_eq!((&*granted[0].rule, granted[0].observed.as_str()), ("status", "200"));
    assert!(granted[0].score > NOTED, "{granted:?}");
}

#[test]
fn a_page_that_has_changed_is_noted_until_it_is_known() {
    let mut log = Log::default();
    for n in 0..300 {
        log.answered(&format!("10.0.1.{}", n % 50), "GET", "/shop/item", 200, 9000 + n % 60);
    }
    let noted = tell(&mut *answering(), &log);
    assert!((1..5).contains(&noted.len()) && noted.iter().all(|finding| finding.score == NOTED), "{noted:?}");
}

#[test]
fn a_path_that_is_not_there_is_not_told_for_being_asked_for() {
    let mut log = Log::default();
    log.request("10.9.9.9", "GET", "/backup/db.sql", 404).request("10.9.9.9", "GET", "/shop/list.php.bak", 403);
    assert!(tell(&mut *shop(), &log).is_empty());
}

#[test]
fn a_new_page_beside_known_ones_is_natural_where_pages_come_and_go() {
    let mut log = Log::default();
    for n in 0..3000 {
        log.request(&format!("10.0.0.{}", n % 200), "GET", &format!("/blog/{}{}", NAMES[n % 12], ["", "-a", "-b"][n / 12 % 3]), 200);
        let words: String = (0..4).map(|at| char::from(b'a' + (n >> (3 * at) & 7) as u8)).collect();
        log.request("10.0.0.1", "GET", &format!("/blog/on-{words}"), 200);
    }
    log.request("10.0.0.9", "GET", "/blog/something.sql", 200);
    assert!(tell(&mut *profile(false), &log).is_empty(), "the set of paths is open");
}

#[test]
fn what_one_client_repeats_is_never_learned_and_what_several_do_over_time_is() {
    let asks = |detector: &mut dyn Detector, clients: usize| {
        let mut log = Log::default();
        for n in 0..300 {
            log.request(&format!("10.9.9.{}", n % clients), "GET", "/shop/list.php?sort=price&page=1&q=x", 200);
        }
        tell(detector, &log).len()
    };
    assert_eq!(asks(&mut *shop(), 1), 300);
    let told = asks(&mut *shop(), 10);
    assert!((60..90).contains(&told), "told {told} times: an hour, a request a minute");
}

#[test]
fn what_was_refused_is_not_learned() {
    let mut detector = profile(false);
    let mut log = Log::default();
    for n in 0..500 {
        log.request(&format!("10.0.0.{n}"), "GET", "/login?next=home", 200);
        log.request(&format!("10.0.0.{n}"), "GET", "/wp-admin/setup.php?step=1", 404);
    }
    tell(&mut *detector, &log);
    assert_eq!(detector.entities(), 1);
}

#[test]
fn even_a_young_endpoint_does_not_learn_an_attack_of_one_client() {
    let mut detector = profile(false);
    let mut log = Log::default();
    for n in 0..20 {
        log.request("10.9.9.9", "GET", &format!("/item?id={n}%3Cscript%3E"), 200);
    }
    tell(&mut *detector, &log);
    assert_eq!(detector.entities(), 0);
}

#[test]
fn what_was_not_seen_for_two_generations_is_forgotten() {
    let mut detector = profile(true);
    let mut log = Log::default();
    let day = |log: &mut Log, from: i64, value: &str| {
        for n in 0..400 {
            log.request("10.0.0.1", "GET", &format!("/list?sort={value}&id={n}"), 200);
            if let Some(event) = log.events.last_mut() {
                event.at = Timestamp::from_seconds(86_400 * from + n);
            }
        }
    };
    [(0, "asc"), (40, "desc"), (80, "desc"), (120, "desc")].into_iter().for_each(|(from, value)| day(&mut log, from, value));
    log.events.chunks(400).for_each(|events| drop(crate::testing::observe(&mut *detector, events)));
    let (mut state, mut judging, mut log) = (Vec::new(), profile(false), Log::default());
    detector.save(&mut state);
    assert_eq!(judging.load(&state), Ok(()));
    log.request("10.0.0.2", "GET", "/list?sort=asc&id=7", 200);
    assert_eq!(tell(&mut *judging, &log).len(), 1, "once it was a value; long ago");
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut detector = profile(true);
    let mut sizes = Vec::new();
    for round in 0..3 {
        let mut log = Log::default();
        for n in 0..12_000_u32 {
            let noise = format!("{:x}", (n + round * 12_000).wrapping_mul(2_654_435_761));
            let word: String = noise.bytes().map(|byte| char::from(b'a' + byte % 26)).collect();
            log.request("10.0.0.1", "GET", &format!("/{word}/{word}?{word}a={noise}&{word}b=1&{word}c=x"), 200);
        }
        log.events.chunks(1000).for_each(|events| drop(crate::testing::observe(&mut *detector, events)));
        let mut state = Vec::new();
        detector.save(&mut state);
        sizes.push(state.len());
    }
    assert!(detector.entities() <= 8192);
    assert!(sizes[2] <= sizes[1] * 5 / 4, "{sizes:?}");
}

#[test]
fn a_saved_profile_continues_exactly() {
    let mut log = Log::default();
    for n in 0..900_usize {
        let sign = ["", "%27", "!", "%3C"][usize::from(n % 97 == 0) + usize::from(n % 53 == 0) * 2];
        log.request(&format!("10.0.0.{}", n % 9), "GET", &format!("/{}?a={}{sign}&b={n}", NAMES[n % 5], NAMES[n % 12]), 200);
    }
    log.request("10.0.0.1", "PUT", "/anna?a=x%3Cy", 200).request("10.0.0.1", "GET", "/anna.bak", 200);
    let state = |detector: &dyn Detector| {
        let mut state = Vec::new();
        detector.save(&mut state);
        state
    };
    let (mut whole, mut first, mut second) = (profile(false), profile(false), profile(false));
    let findings: Vec<_> = log.events.chunks(500).flat_map(|events| crate::testing::observe(&mut *whole, events)).collect();
    crate::testing::observe(&mut *first, &log.events[..500]);
    assert_eq!(second.load(&state(&*first)), Ok(()));
    let after = crate::testing::observe(&mut *second, &log.events[500..]);
    assert!(!after.is_empty(), "something is told");
    assert!(findings.ends_with(&after));
    assert!(state(&*whole) == state(&*second));
}

#[test]
fn an_attack_that_is_answered_unlike_all_before_is_graver_than_one_that_is_answered_as_ever() {
    const QUERIES: [&str; 6] = ["it's+here", "a%3Cb", "%22quoted%22", "1%2B1=2", "(x)", "%7Bset%7D"];
    let gravest = |bytes: usize| {
        let mut log = Log::default();
        for n in 0..2000_usize {
            let (client, query) = (format!("10.0.0.{}", n % 200), format!("/search?q={}+{}{n}", QUERIES[n % 6], NAMES[n % 12]));
            log.answered(&client, "GET", &query, 200, 4000 + n % 60);
        }
        log.answered("203.0.113.9", "GET", "/search?q=sleep(5)", 200, bytes);
        let (before, attack) = log.events.split_at(2000);
        let mut shards = [crate::Shard::whole(&crate::testing::setup())];
        crate::testing::judge(&mut shards, before, 500);
        let found = crate::testing::judge(&mut shards, attack, 500);
        let verdicts = crate::Ensemble::default().conclude(&crate::Batch::new(0, attack.to_vec(), Vec::new()), found);
        verdicts.iter().map(|verdict| verdict.severity).max()
    };
    assert_eq!(gravest(4020), Some(Severity::Medium));
    assert_eq!(gravest(250_000), Some(Severity::High));
}
