//! Same input, same alerts: for 1, 2 or 7 workers, at once or in pieces, and across a restart in the middle.

use std::sync::Arc;

use bytes::Bytes;
use lapwing::cli::config::Config;
use lapwing::pipeline::{self, Blueprint, Engine, Joined, Work};
use lapwing_generate::{Kind, generate};
use lapwing_model::{Origin, Position, Record, Timestamp, Verdict};
use proptest::prelude::*;

fn blueprint() -> Blueprint {
    Config::default().blueprint().expect("the defaults are valid")
}

/// Generated traffic of three kinds, as three sources whose blocks alternate.
fn blocks(seed: u64, lines: u64, size: usize) -> Vec<Vec<Record>> {
    let mut blocks = Vec::new();
    for kind in [Kind::Web, Kind::App, Kind::Auth] {
        let origin = Origin::new(kind.name());
        let settings = lapwing_generate::Settings {
            kind,
            seed,
            count: lines,
            start: 1_750_000_000 * 1_000_000_000,
            anomaly_share: 0.1,
            ..Default::default()
        };
        let records: Vec<_> =
            generate(settings).enumerate().map(|(number, line)| record(&origin, number as u64, &line.text)).collect();
        blocks.extend(records.chunks(size).map(<[Record]>::to_vec).enumerate());
    }
    // Stable: the sources take turns, each in its own order.
    blocks.sort_by_key(|(turn, _)| *turn);
    blocks.into_iter().map(|(_, block)| block).collect()
}

fn record(origin: &Arc<Origin>, number: u64, text: &str) -> Record {
    Record {
        body: Bytes::copy_from_slice(text.as_bytes()),
        origin: origin.clone(),
        position: Position { offset: number * 100, line: number + 1 },
        received: Timestamp::from_seconds(2_000_000_000),
    }
}

fn told(verdicts: &[Verdict]) -> Vec<String> {
    verdicts.iter().map(|verdict| format!("{verdict:?}")).collect()
}

/// Runs blocks through a pipeline; answers its verdicts and, where asked for, its state at the end.
fn run(
    workers: usize,
    blocks: &[Vec<Record>],
    state: Option<&lapwing_detect::State>,
    save: bool,
) -> (Vec<String>, Option<lapwing_detect::State>) {
    let (mut feeder, joiner) = pipeline::start::<()>(&blueprint(), workers, state).expect("a pipeline");
    let fed = blocks.to_vec();
    let thread = std::thread::spawn(move || {
        for records in fed {
            assert!(feeder.feed(Work::of(records, ())));
        }
        assert!(!save || feeder.feed(Work { barrier: true, ..Work::of(Vec::new(), ()) }));
    });
    let (mut all, mut last) = (Vec::new(), None);
    for joined in joiner {
        let Joined { verdicts, state, .. } = joined.expect("no worker panics");
        all.extend(told(&verdicts));
        last = state.or(last);
    }
    thread.join().expect("fed");
    (all, last)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn verdicts_do_not_depend_on_workers_batches_or_a_restart(seed in 0_u64..1000, size in 1_usize..400, cut in 0.05_f64..0.95) {
        let pieces = blocks(seed, 1200, size);
        let mut engine = Engine::new(&blueprint()).expect("an engine");
        let at_once: Vec<_> = pieces.iter().flat_map(|records| told(&engine.judge(records).verdicts)).collect();
        prop_assert!(at_once.len() > 10, "only {} verdicts", at_once.len());

        for workers in [1, 2, 7] {
            prop_assert_eq!(&run(workers, &pieces, None, false).0, &at_once, "{} workers", workers);
        }

        let middle = ((pieces.len() as f64 * cut) as usize).max(1);
        let (mut before, state) = run(2, &pieces[..middle], None, true);
        prop_assert!(state.is_some());
        let (after, _) = run(7, &pieces[middle..], state.as_ref(), false);
        before.extend(after);
        prop_assert_eq!(before, at_once, "restarted after block {}", middle);
    }
}

#[test]
fn quiet_time_passes_with_heartbeats_only_for_a_source_that_is_live() {
    let origin = Origin::new("pump");
    let beat = |n: u64| {
        let at = Timestamp::from_seconds(1_750_000_000 + 5 * n as i64);
        Record { received: at, ..record(&origin, n, &format!("{at} INFO [pump] pressure {} kPa", 300 + n % 20)) }
    };
    let beats: Vec<_> = (0..800).map(beat).collect();
    let end = beats[799].received;
    let told = |received: Option<Timestamp>| {
        let (mut feeder, joiner) = pipeline::start::<()>(&blueprint(), 2, None).expect("a pipeline");
        let records = beats.iter().map(|beat| Record { received: received.unwrap_or(beat.received), ..beat.clone() }).collect();
        let begin = received.unwrap_or(end);
        let thread = std::thread::spawn(move || {
            feeder.feed(Work::of(records, ()));
            for second in 1..200 {
                let now = begin + std::time::Duration::from_secs(second);
                feeder.feed(Work { heartbeat: Some(now), ..Work::of(Vec::new(), ()) });
            }
        });
        let verdicts: Vec<_> = joiner.flat_map(|joined| joined.expect("no panic").verdicts).collect();
        thread.join().expect("fed");
        verdicts.iter().map(|verdict| verdict.findings[0].class.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told(None), ["silence"]);
    assert!(told(Some(Timestamp::from_seconds(1_900_000_000))).is_empty(), "a replayed history does not fall silent");
}

/// A rule set whose rule counts, and one that also speaks of every request.
fn rules(more: &str) -> lapwing_detect::Rulebook {
    let counted = "title: asked\nname: asked\nlogsource: {category: webserver}\ndetection: {s: {cs-method: [GET, POST]}, condition: s}\n---\n\
                   title: many\nclass: many\nlevel: high\ncorrelation: {type: event_count, rules: asked, group-by: [log.file.path], \
                   timespan: 7d, condition: {gte: 700}}\n---\n";
    let (set, errors) = lapwing_detect::logsource::compile(lapwing_rules::parse("x.yml", &format!("{counted}{more}")).0);
    assert_eq!(errors, []);
    lapwing_detect::Rulebook { rules: Arc::new(set), ..Default::default() }
}

#[test]
fn other_rules_take_effect_at_the_same_event_for_any_number_of_workers_and_counts_go_on() {
    let pieces = blocks(3, 1000, 90);
    let more =
        rules("title: write\nclass: writes\nlogsource: {category: webserver}\ndetection: {s: {cs-method: POST}, condition: s}\n");
    let told = |workers: usize, change: usize| {
        let mut blueprint = blueprint();
        blueprint.detectors.rulebook = rules("");
        let (mut feeder, joiner) = pipeline::start::<()>(&blueprint, workers, None).expect("a pipeline");
        let (fed, more) = (pieces.clone(), more.clone());
        let thread = std::thread::spawn(move || {
            for (number, records) in fed.into_iter().enumerate() {
                let rulebook = (number == change).then(|| more.clone());
                feeder.feed(Work { rulebook, ..Work::of(records, ()) });
            }
        });
        let verdicts: Vec<_> = joiner.flat_map(|joined| joined.expect("no panic").verdicts).collect();
        thread.join().expect("fed");
        verdicts
    };
    let one = told(1, 12);
    for workers in [2, 7] {
        assert_eq!(told_of(&told(workers, 12)), told_of(&one), "{workers} workers");
    }
    let count = |verdicts: &[Verdict], class: &str| {
        verdicts.iter().flat_map(|verdict| &verdict.findings).filter(|found| found.class == class).count()
    };
    let never = told(1, usize::MAX);
    assert!(count(&one, "writes") > 0 && count(&never, "writes") == 0);
    assert_eq!(count(&one, "many"), count(&never, "many"), "what the unchanged correlation had counted is still known");
    assert!(count(&one, "many") > 0);
}

fn told_of(verdicts: &[Verdict]) -> Vec<String> {
    told(verdicts)
}
