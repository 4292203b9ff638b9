use lapwing_rules::{Correlations, Fired, Limits, RuleSet};
use proptest::prelude::*;

use super::{Event, Seen, compiled, errors};

const SECOND: i64 = 1_000_000_000;
const BASE: &str = "title: a\nname: a\ndetection:\n  s: {kind: a}\n  condition: s\n---\ntitle: b\nname: b\ndetection:\n  s: {kind: b}\n  \
                    condition: s\n---\ntitle: c\nname: c\ndetection:\n  s: {kind: c}\n  condition: s\n---\n";

fn set(correlation: &str) -> RuleSet {
    compiled(&format!("{BASE}title: t\nname: t\ncorrelation: {correlation}\n"))
}

fn from(address: &str) -> Event {
    Event::default().with("ip", address)
}

struct Run<'a> {
    set: &'a RuleSet,
    state: Correlations,
}

impl<'a> Run<'a> {
    fn new(set: &'a RuleSet) -> Run<'a> {
        Run { set, state: Correlations::new(set, Limits::default(), |_, _| true) }
    }

    /// `rule` 0 to 2 is a to c; the time is in seconds.
    fn see(&mut self, rule: usize, at: i64, event: &Event) -> Vec<Fired> {
        let mut fired = Vec::new();
        self.state.observe(rule, at * SECOND, &Seen(event, self.set), &mut fired);
        fired
    }

    fn count(&mut self, rule: usize, at: i64, event: &Event) -> Option<u64> {
        self.see(rule, at, event).first().map(|fired| fired.count)
    }
}

#[test]
fn counts_events_per_group_within_the_timespan() {
    let set = set("{type: event_count, rules: a, group-by: ip, timespan: 10s, condition: {gte: 3}}");
    assert!(!set.speaks(0) && set.speaks(1) && set.speaks(3));
    let mut run = Run::new(&set);
    let (one, two) = (from("192.0.2.1"), from("192.0.2.2"));
    assert_eq!(run.count(0, 0, &one), None);
    assert_eq!(run.count(0, 1, &two), None);
    assert_eq!(run.count(0, 2, &one), None);
    assert_eq!(run.count(1, 3, &one), None, "another rule does not count");
    let fired = run.see(0, 9, &one);
    assert_eq!(fired, [Fired { rule: 3, count: 3, first: 0, last: 9 * SECOND, fresh: true }]);
    let fired = run.see(0, 10, &one);
    assert_eq!(fired, [Fired { rule: 3, count: 3, first: 2 * SECOND, last: 10 * SECOND, fresh: false }], "the first has left");
    assert_eq!(run.count(0, 30, &one), None);
    assert_eq!(run.count(0, 31, &two), None);
}

#[test]
fn late_events_count_where_they_belong() {
    let set = set("{type: event_count, rules: a, group-by: ip, timespan: 10s, condition: {gte: 3}}");
    let mut run = Run::new(&set);
    let ip = from("192.0.2.1");
    assert_eq!(run.count(0, 100, &ip), None);
    assert_eq!(run.count(0, 109, &ip), None);
    assert_eq!(run.count(0, 104, &ip), Some(3));
    // A file that begins anew an hour earlier, and another clock besides, do not disturb each other.
    for at in [0, 1] {
        assert_eq!(run.count(0, at, &ip), None);
    }
    assert_eq!(run.count(0, 110, &ip), Some(3));
    assert_eq!(run.count(0, 2, &ip), Some(3));
}

#[test]
fn counts_distinct_values() {
    let set = set("{type: value_count, rules: [a, b], group-by: [ip], timespan: 10s, condition: {gte: 3, field: user}}");
    let mut run = Run::new(&set);
    let login = |user: &str| from("192.0.2.1").with("user", user);
    assert_eq!(run.count(0, 0, &login("ada")), None);
    for at in 0..5 {
        assert_eq!(run.count(0, at, &login("bob")), None, "the same value counts once");
    }
    assert_eq!(run.count(1, 6, &login("eve")), Some(3));
    assert_eq!(run.count(0, 11, &login("eve")), None, "ada has left");
    assert_eq!(run.see(0, 12, &from("192.0.2.1")), []);
    assert_eq!(run.state.counters().ungrouped, 1);
}

#[test]
fn rules_that_come_together_in_any_order_or_in_theirs() {
    let any = set("{type: temporal, rules: [a, b, c], group-by: [ip], timespan: 10s}");
    let mut run = Run::new(&any);
    let ip = from("192.0.2.1");
    assert_eq!(run.count(2, 0, &ip), None);
    assert_eq!(run.count(0, 3, &ip), None);
    assert_eq!(run.count(0, 4, &ip), None);
    assert_eq!(run.count(1, 9, &ip), Some(3));
    assert_eq!(run.count(1, 11, &ip), None, "c has left");

    let ordered = set("{type: temporal_ordered, rules: [a, b, c], group-by: [ip], timespan: 10s}");
    let mut run = Run::new(&ordered);
    assert_eq!(run.count(2, 0, &ip), None);
    assert_eq!(run.count(0, 1, &ip), None);
    assert_eq!(run.count(1, 2, &ip), None);
    assert_eq!(run.count(0, 3, &ip), None, "a second beginning does not undo the first");
    let fired = run.see(2, 4, &ip);
    assert_eq!(fired, [Fired { rule: 3, count: 3, first: SECOND, last: 4 * SECOND, fresh: true }]);
    assert_eq!(run.count(2, 12, &ip), None, "too long after the beginning");
}

#[test]
fn correlations_count_correlations() {
    let yaml = format!(
        "title: u\nname: u\ncorrelation: {{type: temporal_ordered, rules: [t, b], group-by: ip, timespan: 1h}}\n---\n{BASE}title: t\nname: t\n\
         correlation: {{type: event_count, rules: a, group-by: ip, timespan: 10s, condition: {{gte: 2}}, generate: true}}\n"
    );
    let set = compiled(&yaml);
    assert!(set.speaks(0), "generate: true");
    let titles: Vec<&str> = set.rules().iter().map(|rule| rule.title.as_str()).collect();
    assert_eq!(titles, ["a", "b", "c", "t", "u"]);
    let mut run = Run::new(&set);
    let ip = from("192.0.2.1");
    assert_eq!(run.see(0, 0, &ip), []);
    assert_eq!(run.see(0, 1, &ip).len(), 1);
    let fired = run.see(1, 60, &ip);
    assert_eq!(fired.iter().map(|fired| fired.rule).collect::<Vec<_>>(), [4]);
}

#[test]
fn aliases_name_another_field_in_each_rule() {
    let set = set("{type: temporal, rules: [a, b], group-by: [host], timespan: 10s, aliases: {host: {a: source, b: target}}}");
    let mut run = Run::new(&set);
    assert_eq!(run.count(0, 0, &Event::default().with("source", "x").with("target", "y")), None);
    assert_eq!(run.count(1, 1, &Event::default().with("source", "x").with("target", "y")), None);
    assert_eq!(run.count(1, 2, &Event::default().with("target", "x")), Some(2));
}

#[test]
fn a_state_survives_saving_and_a_changed_rule_begins_anew() {
    let rule = "{type: event_count, rules: a, group-by: ip, timespan: 10s, condition: {gte: 3}}";
    let (set, ip) = (set(rule), from("192.0.2.1"));
    let mut run = Run::new(&set);
    run.see(0, 0, &ip);
    run.see(0, 1, &ip);
    let mut saved = Vec::new();
    run.state.save(&mut saved);

    let mut again = Run::new(&set);
    again.state.load(&saved).unwrap();
    assert_eq!(again.count(0, 2, &ip), Some(3));

    let changed = self::set(&rule.replace("10s", "20s"));
    let mut other = Run::new(&changed);
    other.state.load(&saved).unwrap();
    assert_eq!((other.state.groups(), other.count(0, 2, &ip)), (0, None));

    for end in 0..saved.len() {
        let mut damaged = Run::new(&set);
        assert!(damaged.state.load(&saved[..end]).is_err());
    }
}

#[test]
fn a_million_groups_and_a_million_events_stay_within_the_limits() {
    let set = set("{type: value_count, rules: [a, b], group-by: ip, timespan: 1h, condition: {gte: 1000000, field: user}}");
    let limits = Limits { groups: 1000, events: 100 };
    let mut state = Correlations::new(&set, limits, |_, _| true);
    let mut fired = Vec::new();
    for n in 0..100_000 {
        let event = from(&n.to_string()).with("user", "x");
        state.observe(0, n, &Seen(&event, &set), &mut fired);
    }
    assert_eq!((state.groups(), state.counters().evicted), (1000, 99_000));

    let counting = self::set("{type: event_count, rules: a, group-by: ip, timespan: 1h, condition: {gte: 5}}");
    let mut state = Correlations::new(&counting, limits, |_, _| true);
    for n in 0..100_000 {
        fired.clear();
        state.observe(0, n, &Seen(&from("192.0.2.1"), &counting), &mut fired);
    }
    assert_eq!(fired[0].count, 100, "told as the most that is remembered");
    let mut saved = Vec::new();
    state.save(&mut saved);
    assert!(saved.len() < 2000);
}

#[test]
fn absurd_times_do_not_overflow() {
    let set = set("{type: event_count, rules: a, timespan: 1y, condition: {gte: 2}}");
    let mut state = Correlations::new(&set, Limits::default(), |_, _| true);
    for at in [i64::MIN, i64::MAX, 0, i64::MIN, i64::MAX, -1] {
        state.observe(0, at, &Seen(&Event::default(), &set), &mut Vec::new());
    }
    assert_eq!(state.groups(), 1);
}

#[test]
fn says_which_rule_is_not_there() {
    let with = |rules: &str| {
        errors(&format!("{BASE}title: t\nname: t\ncorrelation:\n  type: temporal\n  rules: {rules}\n  timespan: 5m\n"))
    };
    assert_eq!(with("[a, 'bb']"), ["x.yml:23:14: unknown rule 'bb'; did you mean 'b'?"]);
    assert_eq!(with("[a, t]"), ["x.yml:23:14: the correlation 't' could not be used, or refers back to this one"]);
    assert_eq!(with("[a, a]"), ["x.yml:23:14: the rule 'a' stands here twice"]);
}

#[test]
fn only_the_chosen_correlations_are_kept() {
    let set = set("{type: event_count, rules: a, timespan: 1m, condition: {gte: 1}}");
    let mut none = Correlations::new(&set, Limits::default(), |_, rule| rule.title != "t");
    assert!(none.is_empty());
    let mut fired = Vec::new();
    none.observe(0, 0, &Seen(&Event::default(), &set), &mut fired);
    assert!(fired.is_empty() && none.groups() == 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order (within the timespan), the correlation fires if and only if there is a window that is full enough.
    #[test]
    fn order_within_the_timespan_does_not_matter(
        mut times in proptest::collection::vec(0..20i64, 1..30),
        late in proptest::collection::vec(0..10i64, 30),
        wanted in 2..6usize,
    ) {
        let rule = format!("{{type: event_count, rules: a, timespan: 10s, condition: {{gte: {wanted}}}}}");
        let set = set(&rule);
        // Each event arrives late by less than the timespan.
        times.sort_unstable();
        let mut arriving: Vec<(i64, i64)> = times.iter().zip(&late).map(|(time, late)| (time + late, *time)).collect();
        arriving.sort_unstable();
        let mut run = Run::new(&set);
        let most = arriving.iter().filter_map(|(_, time)| run.count(0, *time, &Event::default())).max();
        let fullest = times.iter().map(|start| times.iter().filter(|time| (*start..start + 10).contains(*time)).count()).max();
        let expected = fullest.filter(|count| *count >= wanted).map(|count| count as u64);
        prop_assert_eq!(most, expected, "{:?}", arriving);
    }
}

/// The examples of the specification's value_sum and value_avg.
#[test]
fn numbers_of_a_field_are_added_up_or_averaged_per_group_within_the_timespan() {
    let bytes = |ip: &str, sent: &str| from(ip).with("bytes_sent", sent);
    let sum = set("{type: value_sum, rules: a, group-by: ip, timespan: 1h, condition: {field: bytes_sent, gt: 1000000}}");
    let mut run = Run::new(&sum);
    assert_eq!(run.count(0, 0, &bytes("192.0.2.1", "600000")), None);
    assert_eq!(run.count(0, 10, &bytes("192.0.2.2", "600000")), None, "another group");
    assert_eq!(run.count(0, 20, &bytes("192.0.2.1", "nan")), None, "what is no number adds nothing");
    assert_eq!(run.count(0, 30, &bytes("192.0.2.1", "400001")), Some(1_000_001));
    assert_eq!(run.count(0, 3600, &bytes("192.0.2.1", "1")), None, "the first has left");
    let average = set("{type: value_avg, rules: a, group-by: ip, timespan: 1d, condition: {field: bytes_sent, gt: 500.5}}");
    let mut run = Run::new(&average);
    assert_eq!(run.count(0, 0, &bytes("192.0.2.1", "500")), None);
    assert_eq!(run.count(0, 1, &bytes("192.0.2.1", "501")), None);
    assert_eq!(run.count(0, 2, &bytes("192.0.2.1", "700")), Some(567));
    let mut state = Vec::new();
    run.state.save(&mut state);
    let mut later = Run::new(&average);
    later.state.load(&state).unwrap();
    assert_eq!(later.count(0, 3, &bytes("192.0.2.1", "567")), run.count(0, 3, &bytes("192.0.2.1", "567")));
}

#[test]
fn values_of_several_fields_count_together() {
    let set = set("{type: value_count, rules: a, group-by: ip, timespan: 1m, condition: {field: [user, host], gte: 3}}");
    let mut run = Run::new(&set);
    let of = |user: &str, host: &str| from("192.0.2.1").with("user", user).with("host", host);
    let counts: Vec<_> =
        [("a", "x"), ("a", "y"), ("a", "x"), ("b", "x")].iter().map(|(user, host)| run.count(0, 1, &of(user, host))).collect();
    assert_eq!(counts, [None, None, None, Some(3)]);
    let wrong = format!(
        "{BASE}title: t\ncorrelation: {{type: value_sum, rules: a, timespan: 1m, condition: {{field: [x, y], gte: 3}}}}\n"
    );
    assert!(errors(&wrong)[0].contains("value_sum adds up the numbers of one field only"), "{:?}", errors(&wrong));
}
