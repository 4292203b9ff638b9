use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{Kind, classes, generate};

const HOUR: u64 = 3_600;

fn settings(hours: u64) -> Settings {
    Settings { kind: Kind::Flows, rate_per_second: 10.0, count: 10 * hours * HOUR, ..Settings::default() }
}

#[test]
fn the_same_settings_give_the_same_flows_and_another_seed_others() {
    let all = |seed| flows(&Settings { seed, ..settings(1) }).collect::<Vec<_>>();
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
}

#[test]
fn flows_come_in_the_order_in_which_they_are_told_after_they_ended() {
    let all: Vec<_> = flows(&settings(3)).collect();
    assert_eq!(all.len() as u64, settings(3).count);
    assert!(all.is_sorted_by_key(|flow| flow.told));
    assert!(
        all.iter()
            .all(|flow| flow.begin <= flow.end && flow.end < flow.told && flow.packets > 0 && flow.bytes >= 28 * flow.packets)
    );
}

#[test]
fn a_day_has_about_the_rate_asked_for_a_busy_afternoon_and_a_quiet_night() {
    let start = 1_767_571_200_000_000_000;
    let day = Settings { anomaly_share: 0.0, start, count: u64::MAX, ..settings(24) };
    let mut hours = [0_u32; 24];
    let within = |flow: &Flow| flow.told < start + 86_400_000_000_000;
    flows(&day).take_while(within).for_each(|flow| hours[((flow.told - start) / 3_600_000_000_000) as usize] += 1);
    let rate = f64::from(hours.iter().sum::<u32>()) / 86_400.0;
    assert!((8.0..12.0).contains(&rate), "{rate} {hours:?}");
    assert!(hours[14] > 2 * hours[3], "{hours:?}");
}

#[test]
fn every_class_of_attack_comes_with_its_flows_and_none_where_none_is_wanted() {
    let mut counts = BTreeMap::<_, u32>::new();
    flows(&settings(12)).filter_map(|flow| flow.label).for_each(|label| *counts.entry(label.class).or_default() += 1);
    let expected: BTreeSet<_> = classes().iter().filter(|class| class.kind == Kind::Flows).map(|class| class.name).collect();
    assert_eq!(counts.keys().copied().collect::<BTreeSet<_>>(), expected);
    assert!(counts["beacon"] > 100 && counts["syn-flood"] == 12_000 && counts["slow-scan"] == 220, "{counts:?}");
    assert!(flows(&Settings { anomaly_share: 0.0, ..settings(12) }).all(|flow| flow.label.is_none()));
}

#[test]
fn a_line_tells_of_the_same_flow() {
    let first = flows(&settings(1)).find(|flow| flow.protocol == 6).expect("a connection");
    let line = generate(settings(1)).find(|line| line.text.contains(r#""proto":"TCP""#)).expect("a line").text;
    for part in [
        format!(r#""src_ip":"{}","src_port":{}"#, first.source, first.source_port),
        format!(r#""pkts":{},"bytes":{}"#, first.packets, first.bytes),
        format!(r#""tcp_flags":"{:02x}""#, first.tcp_flags),
    ] {
        assert!(line.contains(&part), "{line} without {part}");
    }
}
