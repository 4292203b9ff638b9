//! What the behaviours that come with Lapwing say of themselves, and what every behaviour can rely on.

use bytes::Bytes;
use lapwing_model::{Event, Finding, Origin, Position, Record, Scope, Timestamp};
use lapwing_parse::Parser;

use super::plan::{Act, Role};
use crate::behaviour::BUILTIN;
use crate::glance::{Answers, Glance};
use crate::testing::{judge, observe, setup};
use crate::{Findings, Setup, Shard};

fn read(lines: &[String]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut parser = Parser::new();
    for (number, line) in lines.iter().enumerate() {
        let record = Record {
            body: Bytes::copy_from_slice(line.as_bytes()),
            origin: Origin::new("test"),
            position: Position { offset: number as u64 * 100, line: number as u64 + 1 },
            received: Timestamp::from_seconds(1_743_400_000),
        };
        parser.parse(&record, &mut events);
    }
    events
}

fn repeated(times: u32, line: &str) -> Vec<String> {
    (0..times).map(|n| line.replace("{n}", &n.to_string()).replace("{s}", &format!("{:02}", n % 60))).collect()
}

fn found(lines: &[String]) -> Vec<Finding> {
    found_by(&setup(), lines)
}

fn found_by(setup: &Setup, lines: &[String]) -> Vec<Finding> {
    let events = read(lines);
    let scopes = super::KIND.scopes.iter();
    let found = scopes.flat_map(|&scope| {
        let mine: Vec<_> = events.iter().filter(|event| event.keys.get(scope).is_some()).cloned().collect();
        observe(&mut *(super::KIND.build)(setup, scope), &mine)
    });
    found.collect()
}

#[test]
fn every_builtin_behaviour_has_runs_that_overflow_it_and_runs_that_do_not() {
    let setup = setup();
    let behaviours = &setup.rulebook.behaviours;
    let mut seen = 0;
    for scope in [Scope::Client, Scope::Network, Scope::User, Scope::Source] {
        let plan = behaviours.plan(scope).expect("a behaviour of every scope");
        for counted in plan.buckets.iter().filter(|counted| !counted.scenario.is_gate) {
            let kinds: Vec<bool> = behaviours.examples(&counted.scenario.name).map(|(overflows, _)| overflows).collect();
            assert!(kinds.contains(&true) && kinds.contains(&false), "{} needs runs of both kinds", counted.scenario.name);
        }
    }
    for name in behaviours.names() {
        for (number, (overflows, lines)) in behaviours.examples(name).enumerate() {
            let told = found_by(&setup, &lines).iter().any(|finding| finding.rule == name);
            assert_eq!(told, overflows, "{name}: run {number}");
            seen += 1;
        }
    }
    assert!(seen >= 50, "{seen}");
}

#[test]
fn every_builtin_detection_matches_the_lines_it_says_and_no_others() {
    let behaviours = setup().rulebook.behaviours;
    let plan = behaviours.plan(Scope::Client).expect("clients have behaviours");
    let detections = &plan.detections;
    for (number, (_, rule)) in (0..).zip(detections.iter()) {
        assert!(!rule.tests.is_empty(), "{} has no tests", rule.title);
        let matches = |line: &String| {
            let event = &read(std::slice::from_ref(line))[0];
            let (glance, answers) = (Glance::at(event), Answers::new());
            detections.certain(glance).any(|certain| certain == number)
                || detections.asked(event, glance, &answers, &mut super::Asker::default()).contains(&number)
        };
        rule.tests.matching.iter().for_each(|line| assert!(matches(line), "{} does not match {line}", rule.title));
        rule.tests.not_matching.iter().for_each(|line| assert!(!matches(line), "{} matches {line}", rule.title));
    }
}

#[test]
fn a_detection_without_buckets_only_plays_the_roles_it_is_asked_for() {
    let plan = setup().rulebook.behaviours.plan(Scope::Client).expect("clients have behaviours");
    let is_granted = |rule: &lapwing_rules::Rule| rule.name.as_deref() == Some("web-login-granted");
    let number = plan.detections.iter().position(|(_, rule)| is_granted(rule)).expect("there");
    let roles: Vec<Role> = plan.roles(&[number as u32]).collect();
    assert!(!roles.is_empty());
    assert!(roles.iter().all(|role| matches!(role.act, Act::Then | Act::Drain)));
    assert!(!setup().rulebook.rules.rules().iter().any(|rule| BUILTIN.iter().any(|(file, _)| *file == &*rule.file)), "none is a rule besides");
}

#[test]
fn what_surely_follows_of_a_glance_is_what_its_certain_detections_do_gates_first() {
    let behaviours = setup().rulebook.behaviours;
    for plan in [Scope::Client, Scope::Network, Scope::User, Scope::Source].into_iter().filter_map(|scope| behaviours.plan(scope)) {
        for glance in Glance::each() {
            let certain: Vec<u32> = plan.detections.certain(glance).collect();
            let roles: Vec<Role> = plan.roles(&certain).collect();
            assert_eq!(plan.surely(glance), roles);
            assert!(roles.is_sorted_by_key(|role| role.act != Act::Pass));
        }
    }
    let clients = behaviours.plan(Scope::Client).expect("clients have behaviours");
    assert!(clients.surely(Glance::REQUEST).iter().any(|role| role.act == Act::Pass && role.gate == 0));
}

#[test]
fn a_scan_names_the_lines_that_filled_the_bucket_and_then_every_line_of_the_client() {
    let mut scan = repeated(14, r#"203.0.113.9 - - [01/Mar/2025:10:00:{s} +0000] "GET /x{n} HTTP/1.1" 404 1 "-" "x""#);
    scan.extend(repeated(3, r#"203.0.113.9 - - [01/Mar/2025:10:01:{s} +0000] "GET / HTTP/1.1" 200 1 "-" "x""#));
    let found = judge(&mut [Shard::whole(&setup())], &read(&scan), 5);
    let ours: Vec<_> = found.iter().filter(|found| found.finding.detector == "behaviour").collect();
    assert_eq!(ours.len(), 3 + 3, "the twelfth (one had leaked) to the fourteenth, and the three that were granted");
    assert_eq!(ours[0].earlier.iter().map(|(_, position)| position.line).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    assert_eq!(ours.iter().map(|found| found.finding.count).sum::<u64>(), 17);
    assert!(ours.iter().all(|found| found.leads && found.finding.class == "scanning"));
    assert_eq!(ours[0].finding.reason, "one client asked for 12 different pages that are not there (12 such requests within 11 s)");
}

#[test]
fn nothing_is_told_of_what_an_attacker_writes_into_a_reason() {
    let lines = repeated(3, r#"203.0.113.9 - - [01/Mar/2025:10:00:{s} +0000] "GET /{count}{n}/.env HTTP/1.1" 404 1 "-" "x""#);
    let reason = &found(&lines)[0].reason;
    assert!(reason.contains("/{count}2/.env"), "{reason}");
}

#[test]
fn without_findings_nothing_is_said() {
    assert!(Findings::default().is_empty());
    assert!(found(&repeated(50, r#"203.0.113.{n} - - [01/Mar/2025:10:00:{s} +0000] "GET / HTTP/1.1" 200 1 "-" "x""#)).is_empty());
}
