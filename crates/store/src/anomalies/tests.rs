use std::collections::HashSet;
use std::fs;
use std::path::Path;

use lapwing_model::{Evidence, Part, Scope, Score, Severity};
use proptest::prelude::*;

use super::*;
use crate::Cause;

fn anomaly(number: u64) -> Anomaly {
    let class = ["error-burst", "new-value", "silence"][number as usize % 3];
    Anomaly {
        id: AnomalyId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        time: Timestamp::from_seconds(1_700_000_000 + number as i64 * 7),
        last: Timestamp::from_seconds(1_700_000_100 + number as i64 * 7),
        severity: Severity::ALL[number as usize % 5],
        score: Score::new(number as f32 % 97.0 / 97.0),
        detector: ["windows", "novelty"][number as usize % 2].into(),
        class: class.into(),
        scope: Scope::Client,
        entity: format!("203.0.113.{}", number % 11).into(),
        count: 1 + number % 4,
        reason: format!("{class} of entity number {number}"),
        parts: vec![Part { detector: "windows".into(), rule: "burst".into(), value: 0.1 + number as f32 }],
        expected: "2 a minute".into(),
        observed: format!("{number} a minute"),
        one_in: 0,
        silenced_by: String::new(),
        related: Vec::new(),
        known: None,
        evidence: vec![Evidence { file: "access.log".into(), line: number, text: "GET /wp-login.php HTTP/1.1".into() }],
        state: State::Open,
        note: String::new(),
    }
}

fn store(rows: u64) -> (tempfile::TempDir, Store, Reader) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.put(&(0..rows).map(anomaly).collect::<Vec<_>>()).unwrap();
    let reader = store.reader().unwrap();
    (dir, store, reader)
}

/// Ids of all rows of a query, page by page.
fn ids(reader: &Reader, query: &Query) -> Vec<AnomalyId> {
    let mut query = query.clone();
    let mut ids = Vec::new();
    loop {
        let page = reader.list(&query).unwrap();
        ids.extend(page.items.iter().map(|item| item.id));
        query.after = page.next;
        if page.next.is_none() {
            return ids;
        }
    }
}

fn text(words: &str) -> Query {
    Query { text: Some(words.to_owned()), limit: 1000, ..Query::default() }
}

#[test]
fn reads_back_what_was_put() {
    let (dir, store, reader) = store(30);
    for number in 0..30 {
        assert_eq!(reader.get(anomaly(number).id).unwrap(), Some(anomaly(number)));
    }
    assert_eq!(reader.get(AnomalyId(1)).unwrap(), None);
    drop((store, reader));
    let reader = Store::open(dir.path()).unwrap().reader().unwrap();
    assert_eq!(ids(&reader, &Query::default()).len(), 30, "after reopening");
}

#[test]
fn extreme_values_read_back_or_are_bounded() {
    let (_dir, mut store, reader) = store(0);
    let mut odd = anomaly(1);
    odd.time = Timestamp::MIN;
    odd.last = Timestamp::MAX;
    odd.count = u64::MAX;
    odd.entity = "nul \0 quote \" ' ä\u{202e}".into();
    odd.parts[0].value = f32::NAN;
    store.put(std::slice::from_ref(&odd)).unwrap();
    let read = reader.get(odd.id).unwrap().unwrap();
    assert_eq!((read.time, read.last, &read.entity), (odd.time, odd.last, &odd.entity));
    assert_eq!((read.count, read.parts[0].value), (i64::MAX as u64, 0.0));
    let query = Query { entity: Some(odd.entity.into()), ..Query::default() };
    assert_eq!(ids(&reader, &query), [odd.id]);
}

#[test]
fn a_later_version_replaces_what_the_machine_says_and_keeps_what_a_person_said() {
    let (_dir, mut store, reader) = store(3);
    let id = anomaly(1).id;
    let change = Change { state: Some(State::Expected), note: Some("the backup".into()), ..Change::default() };
    let set = store.set(id, &change).unwrap().unwrap();
    assert_eq!((set.state, set.note.as_str()), (State::Expected, "the backup"));
    for earlier in [0, 10] {
        let mut later = anomaly(1);
        later.count = 50 + earlier;
        later.severity = Severity::Critical;
        later.reason = "quite another reason".into();
        later.last = Timestamp::from_seconds(1_800_000_000);
        later.time = later.time - std::time::Duration::from_secs(earlier);
        store.put(std::slice::from_ref(&later)).unwrap();
        later.state = State::Expected;
        later.note = "the backup".into();
        assert_eq!(reader.get(id).unwrap(), Some(later));
        assert_eq!(ids(&reader, &text("another")), [id]);
        assert_eq!(ids(&reader, &text("number")).len(), 2, "the old reason is found no more");
    }
    assert_eq!(reader.stats().unwrap().total, 3);
    assert_eq!(ids(&reader, &Query::default()).len(), 3);
}

#[test]
fn an_earlier_version_changes_nothing() {
    let (_dir, mut store, reader) = store(4);
    let mut early = anomaly(3);
    early.count -= 1;
    early.reason = "earlier".into();
    store.put(&[early]).unwrap();
    assert_eq!(reader.get(anomaly(3).id).unwrap(), Some(anomaly(3)));
}

#[test]
fn what_a_person_deleted_is_not_resurrected() {
    let (dir, mut store, reader) = store(3);
    let mut again = anomaly(1);
    assert!(store.delete(again.id).unwrap());
    assert!(!store.delete(again.id).unwrap());
    again.count = 1000;
    store.put(&[again.clone(), anomaly(0)]).unwrap();
    assert_eq!(reader.get(again.id).unwrap(), None);
    assert_eq!(ids(&reader, &text("entity")).len(), 2);
    assert_eq!(reader.stats().unwrap().total, 2);
    assert_eq!(store.set(again.id, &Change::default()).unwrap(), None);
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    store.put(&[again]).unwrap();
    assert_eq!(reader.stats().unwrap().total, 2, "after reopening");
}

#[test]
fn a_thousand_anomalies_of_one_moment_are_all_kept_and_listed_once() {
    let (_dir, mut store, reader) = store(0);
    let same = |number: u64| {
        let mut same = anomaly(number);
        // The same low bits too, which tell rows of a millisecond apart.
        same.id = AnomalyId(number << 32 | 0xf_ffff);
        same.time = Timestamp::from_seconds(1_700_000_000);
        same
    };
    store.put(&(0..1000).map(same).collect::<Vec<_>>()).unwrap();
    let listed = ids(&reader, &Query { limit: 7, ..Query::default() });
    assert_eq!(listed.len(), 1000);
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), 1000);
    let at = Timestamp::from_seconds(1_700_000_000);
    let to = at + std::time::Duration::from_nanos(1);
    assert_eq!(ids(&reader, &Query { from: Some(at), to: Some(to), ..Query::default() }).len(), 1000);
    assert_eq!(ids(&reader, &Query { to: Some(at), ..Query::default() }).len(), 0);
}

#[test]
fn paging_sees_every_row_once_while_rows_are_inserted() {
    let (_dir, mut store, reader) = store(200);
    let filters = [Query::default(), Query { severity: Some(Severity::Medium), ..Query::default() }, text("number")];
    for (round, filter) in filters.into_iter().enumerate() {
        let before = ids(&reader, &filter);
        let mut query = Query { limit: 9, ..filter };
        let mut seen = Vec::new();
        loop {
            let page = reader.list(&query).unwrap();
            seen.extend(page.items.iter().map(|item| item.id));
            let start = 10_000 * (round as u64 + 1) + seen.len() as u64 * 20;
            store.put(&(start..start + 15).map(anomaly).collect::<Vec<_>>()).unwrap();
            let Some(next) = page.next else { break };
            query.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, before);
    }
}

#[test]
fn the_last_page_says_that_it_is_the_last() {
    let (_dir, _store, reader) = store(20);
    let page = reader.list(&Query { limit: 20, ..Query::default() }).unwrap();
    assert_eq!((page.items.len(), page.next), (20, None));
    assert!(reader.list(&Query { limit: 19, ..Query::default() }).unwrap().next.is_some());
    assert!(page.items.is_sorted_by_key(|item| std::cmp::Reverse(item.time)));
}

#[test]
fn hostile_text_is_only_words() {
    let (_dir, _store, reader) = store(10);
    let typed = [
        "\"*(NEAR",
        "NEAR(a b)",
        "a AND",
        "OR",
        "NOT x",
        "reason:",
        "reason : number",
        "{reason}: x",
        "^number",
        "a + b",
        "\"",
        "\"\"\"\"",
        "'; DROP TABLE anomaly;--",
        "\0",
        "number\0\"",
        "(((((",
        "-",
        "*",
        "number*",
        "\u{202e}",
        "é\u{301}",
        "\u{301}",
        "%s%n",
        "\\",
        "num\u{ad}ber",
        "🦀",
        "a\"b\"c",
        "--",
        "NEAR/3",
        "AND AND AND",
        "½",
        "²",
    ];
    for words in typed {
        reader.list(&text(words)).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert_eq!(ids(&reader, &text("reason:")).len(), 0, "a column's name is a word like any other");
    assert_eq!(ids(&reader, &text("\"*(numb*")).len(), 10);
    assert_eq!(ids(&reader, &text("NEAR")).len(), 0);
    assert_eq!(ids(&reader, &text("(((")).len(), 0, "no word matches nothing");
    assert_eq!(ids(&reader, &text("  ")).len(), 10, "nothing typed matches all");
}

#[test]
fn words_are_found_in_every_text() {
    let (_dir, _store, reader) = store(12);
    let found = [("203.0.113.4", 1), ("wp-login.php silence", 4), ("SILENCE number", 4), ("number 7", 1), ("access.log", 12)];
    for (words, rows) in found.into_iter().chain([("wp-log", 0), ("wp-log*", 12), ("203.0", 0), ("203.0.*", 12)]) {
        assert_eq!(ids(&reader, &text(words)).len(), rows, "{words}");
    }
    let query = Query { state: Some(State::Open), class: Some("silence".into()), ..text("wp") };
    assert_eq!(ids(&reader, &query).len(), 4);
    assert_eq!(ids(&reader, &Query { state: Some(State::Real), ..text("wp") }).len(), 0);
}

#[test]
fn statistics_are_what_counting_gives() {
    let (_dir, mut store, reader) = store(100);
    store.set(anomaly(5).id, &Change { state: Some(State::Real), ..Change::default() }).unwrap();
    store.delete(anomaly(6).id).unwrap();
    let stats = reader.stats().unwrap();
    assert_eq!(stats.total, 99);
    for (severity, rows) in stats.severities {
        let query = Query { severity: Some(severity), limit: 1000, ..Query::default() };
        let exactly = reader.list(&query).unwrap().items.iter().filter(|item| item.severity == severity).count();
        assert_eq!(rows as usize, exactly);
    }
    assert_eq!(stats.states, [(State::Open, 98), (State::Acknowledged, 0), (State::Expected, 0), (State::Real, 1)]);
    assert_eq!(stats.detectors, [("novelty".to_owned(), 50), ("windows".to_owned(), 49)]);
    assert_eq!(stats.classes.iter().map(|(_, rows)| rows).sum::<u64>(), 99);
    assert_eq!(stats.entities.len(), 11);
    assert_eq!(stats.entities[0], (lapwing_model::Entity::new(Scope::Client, "203.0.113.0"), 10));
    assert!(stats.bytes > 10_000);
}

#[test]
fn pruning_deletes_what_ended_long_ago_and_the_oldest_beyond_the_limit() {
    let (_dir, mut store, reader) = store(100);
    let mut long = anomaly(0);
    long.count = 500;
    long.last = anomaly(80).last;
    store.put(&[long]).unwrap();
    assert_eq!(store.prune(anomaly(50).last, u64::MAX).unwrap(), 49, "number 0 goes on");
    assert_eq!(store.prune(anomaly(50).last, u64::MAX).unwrap(), 0);
    assert!(reader.get(anomaly(0).id).unwrap().is_some());
    assert_eq!(store.prune(Timestamp::MIN, 10).unwrap(), 41);
    assert_eq!(reader.stats().unwrap().total, 10);
    assert_eq!(ids(&reader, &text("number")), (90..100).rev().map(|number| anomaly(number).id).collect::<Vec<_>>());
    store.prune(Timestamp::MAX, 0).unwrap();
    let stats = reader.stats().unwrap();
    assert!(stats.total == 0 && stats.entities.is_empty() && stats.classes.is_empty(), "{stats:?}");
}

#[test]
fn counters_add_up_by_minute() {
    let (_dir, mut store, reader) = store(0);
    let at = Timestamp::from_seconds;
    store.add_counts(at(60), &[("received", 5), ("dropped", 0)]).unwrap();
    store.add_counts(at(119), &[("received", u64::MAX), ("received", u64::MAX)]).unwrap();
    store.add_counts(at(-1), &[("received", 2)]).unwrap();
    store.add_counts(at(120), &[("received", 3), ("dropped", 1)]).unwrap();
    let all = reader.series("received", Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(all, [(at(-60), 2), (at(60), 1 << 62), (at(120), 3)]);
    assert_eq!(store.series("received", at(1), at(61)).unwrap(), [(at(60), 1 << 62)]);
    assert_eq!(reader.series("dropped", at(0), at(120)).unwrap(), []);
    store.prune(at(125), u64::MAX).unwrap();
    assert_eq!(reader.series("received", Timestamp::MIN, Timestamp::MAX).unwrap(), [(at(120), 3)]);
    assert_eq!(reader.series("dropped", Timestamp::MIN, Timestamp::MAX).unwrap(), [(at(120), 1)]);
}

#[test]
fn a_file_that_is_no_database_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), b"this is no database, it is a text of some length".repeat(100)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.cause(), Cause::Damaged);
    assert!(!error.is_passing());
    assert!(error.to_string().contains("lapwing.db: it is not a lapwing database; restore it from a backup"), "{error}");
}

#[test]
fn a_damaged_database_is_an_error_and_no_panic() {
    let (dir, store, reader) = store(500);
    drop(reader);
    drop(store);
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 * 2..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let error = store.put(&[anomaly(3)]).unwrap_err();
    assert_eq!(error.cause(), Cause::Damaged, "{error}");
    let error = store.reader().unwrap().list(&Query::default()).unwrap_err();
    assert_eq!(error.cause(), Cause::Damaged, "{error}");
}

#[test]
fn a_newer_database_is_left_alone() {
    let (dir, store, _) = store(1);
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.cause(), Cause::Newer, "{error}");
    assert_eq!(Reader::open(dir.path()).unwrap_err().cause(), Cause::Newer);
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    fs::create_dir_all(dir.path().join("taken").join(FILE)).unwrap();
    for place in [file.as_path(), Path::new("/proc/store"), &dir.path().join("taken")] {
        let error = Store::open(place).unwrap_err();
        assert_eq!(error.cause(), Cause::Unwritable, "{error}");
        assert!(error.to_string().ends_with("; choose another directory with `store.directory`"), "{error}");
    }
    let error = Reader::open(&dir.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("no such file or directory"), "{error}");
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let (dir, store, _) = store(1);
    assert_eq!(Store::open(dir.path()).unwrap_err().cause(), Cause::Busy);
    assert_eq!(ids(&Reader::open(dir.path()).unwrap(), &Query::default()).len(), 1);
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn what_was_synced_is_in_the_files_without_closing_the_store() {
    let (dir, mut store, _reader) = store(20);
    store.sync().unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in [FILE, "lapwing.db-wal"] {
        fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let mut copied = Store::open(copy.path()).unwrap();
    copied.sync().unwrap();
    assert_eq!(copied.reader().unwrap().stats().unwrap().total, 20);
}

#[test]
#[cfg(target_os = "linux")]
fn opening_readers_leaves_the_writer_its_locks() {
    let (_dir, store, _) = store(1);
    drop((store.reader().unwrap(), Reader::of_file(&store.path).unwrap().bytes()));
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&store.path).unwrap());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    assert!(locks.lines().any(|line| line.contains("POSIX") && line.contains(&format!(":{inode} "))), "{inode} in {locks}");
}

#[test]
fn a_reader_can_go_to_another_thread() {
    let (_dir, _store, reader) = store(3);
    let rows = std::thread::spawn(move || reader.list(&Query::default()).map(|page| page.items.len())).join().unwrap();
    assert_eq!(rows, Ok(3));
}

fn queries() -> impl Strategy<Value = Query> {
    let time = || proptest::option::of((-5..65_i64).prop_map(|step| Timestamp::from_seconds(1_700_000_000 + step * 7)));
    let words = proptest::option::of(proptest::sample::select(vec!["silence", "number 1", "burst", "203.0*"]));
    (
        (time(), time(), proptest::option::of(0..5_usize), words),
        (
            proptest::option::of(proptest::sample::select(vec!["windows", "novelty", "none"])),
            proptest::option::of(0..12_u64),
            proptest::option::of(proptest::sample::select(vec!["silence", "new-value"])),
            proptest::option::of(0..4_usize),
            1..40_usize,
        ),
    )
        .prop_map(|((from, to, severity, words), (detector, entity, class, state, limit))| Query {
            from,
            to,
            severity: severity.map(|index| Severity::ALL[index]),
            detector: detector.map(str::to_owned),
            entity: entity.map(|number| format!("203.0.113.{number}")),
            class: class.map(str::to_owned),
            state: state.map(|index| State::ALL[index]),
            text: words.map(str::to_owned),
            after: None,
            limit,
        })
}

fn matches(query: &Query, item: &Anomaly) -> bool {
    let text = format!("{} {} {} GET wp login php HTTP 1.1 access log", item.reason, item.entity, item.class);
    let word = |word: &str| match word.strip_suffix('*') {
        Some(start) => text.split([' ', '-']).any(|token| token.starts_with(start)),
        None => text.split([' ', '-']).any(|token| token == word),
    };
    query.from.is_none_or(|from| item.time >= from)
        && query.to.is_none_or(|to| item.time < to)
        && query.severity.is_none_or(|severity| item.severity >= severity)
        && query.detector.as_ref().is_none_or(|detector| item.detector == *detector)
        && query.entity.as_ref().is_none_or(|entity| *item.entity == **entity)
        && query.class.as_ref().is_none_or(|class| item.class == *class)
        && query.state.is_none_or(|state| item.state == state)
        && query.text.as_ref().is_none_or(|words| words.split(' ').all(word))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_filter_gives_what_comparing_each_row_gives(queries in proptest::collection::vec(queries(), 20)) {
        let (_dir, mut store, reader) = store(60);
        let mut all: Vec<Anomaly> = (0..60).map(anomaly).collect();
        for number in (0..60).step_by(4) {
            let state = State::ALL[1 + number % 3];
            all[number].state = state;
            store.set(all[number].id, &Change { state: Some(state), ..Change::default() }).unwrap();
        }
        for query in queries {
            let expected: Vec<_> = all.iter().rev().filter(|item| matches(&query, item)).map(|item| item.id).collect();
            prop_assert_eq!(ids(&reader, &query), expected, "{:?}", query);
        }
    }
}

#[test]
fn what_a_person_says_of_an_anomaly_is_kept_as_a_mark_and_can_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let one = anomaly(1);
    store.put([&one]).unwrap();
    let (made, expires) = (Timestamp::from_seconds(100), Timestamp::from_seconds(200));
    let say = |state| Change { state: Some(state), made, expires, ..Change::default() };
    store.set(one.id, &say(State::Expected)).unwrap();
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.marks().unwrap(), [lapwing_model::Mark::of(&one, State::Expected, made, expires)]);
    store.set(one.id, &say(State::Real)).unwrap();
    assert_eq!(reader.marks().unwrap()[0].said, State::Real);
    store.set(one.id, &say(State::Open)).unwrap();
    assert_eq!(reader.marks().unwrap(), []);
}

#[test]
fn incidents_are_kept_in_their_newest_form_the_latest_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let incident = |number: u64, severity| {
        let anomaly = anomaly(number);
        Incident {
            id: anomaly.id,
            time: anomaly.time,
            last: anomaly.last,
            severity,
            title: format!("story {number}"),
            entities: vec![lapwing_model::Entity::new(anomaly.scope, anomaly.entity.clone())],
            timeline: vec![lapwing_model::Step::of(&anomaly)],
            more: 0,
        }
    };
    let (mild, grave) = (incident(1, Severity::Low), incident(2, Severity::High));
    store.put_incidents([&mild, &grave]).unwrap();
    let told = Incident { title: "told again".into(), ..mild.clone() };
    store.put_incidents([&told]).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.incident(mild.id).unwrap(), Some(told));
    assert_eq!(reader.incidents(Severity::High, 10).unwrap(), std::slice::from_ref(&grave));
    assert_eq!(reader.incidents(Severity::Info, 10).unwrap().len(), 2);
    store.prune(grave.last + std::time::Duration::from_secs(1), 100).unwrap();
    assert!(reader.incidents(Severity::Info, 10).unwrap().is_empty());
}
