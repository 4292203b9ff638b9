//! What a bucket that overflowed is told as.

use std::borrow::Cow;

use lapwing_model::{Event, Field, Finding, Score, Severity, Timestamp, Value, printable};
use lapwing_rules::Level;

use super::bucket::Bucket;
use super::plan::Counted;
use super::span::words;

/// What is told of an event that belongs to an overflowing bucket; `count` events that no earlier finding stood for.
pub(super) fn finding(detector: &'static str, counted: &Counted, bucket: &Bucket, event: &Event, count: u64) -> Finding {
    let scenario = &counted.scenario;
    let (score, severity) = weight(scenario.level);
    let began = bucket.began().min(event.at.nanos());
    let span = words(bucket.span());
    let distinct = scenario.distinct.as_ref();
    let reason = filled(&scenario.reason, bucket, event, counted, &span);
    let what = distinct.map_or(String::new(), |field| format!(", {} or more different values of {}", bucket.distinct(), field.name()));
    Finding {
        detector,
        rule: Cow::Owned(scenario.name.clone()),
        class: Cow::Owned(scenario.class.clone()),
        entity: event.entity_of(scenario.scope).unwrap_or_else(|| event.entity()),
        score,
        severity,
        count,
        since: Some(Timestamp::from_nanos(began)),
        reason,
        expected: expected(counted),
        observed: format!("{} events within {span}{what}", bucket.count()),
    }
}

fn expected(counted: &Counted) -> String {
    let scenario = &counted.scenario;
    let what = scenario.distinct.as_ref().map_or("such events".to_owned(), |field| format!("different values of {}", field.name()));
    format!("at most {} {what}, and one more every {}", scenario.shape.capacity, words(scenario.shape.leak))
}

fn filled(reason: &str, bucket: &Bucket, event: &Event, counted: &Counted, span: &str) -> String {
    let mut text = reason
        .replace("{count}", &bucket.count().to_string())
        .replace("{distinct}", &bucket.distinct().to_string())
        .replace("{capacity}", &counted.scenario.shape.capacity.to_string())
        .replace("{span}", span);
    // Last, since values are attacker text and may contain a placeholder: each is put in where the reason itself has one.
    if let Some((before, after)) = text.split_once("{key}") {
        let key: Vec<_> = counted.scenario.within.iter().map(|field| shown(event, field)).collect();
        text = [before, &key.join(" "), after].concat();
    } else if let Some((before, after)) = text.split_once("{value}") {
        let value = counted.scenario.distinct.as_ref().map_or(String::new(), |field| shown(event, field));
        text = [before, &value, after].concat();
    }
    text
}

fn shown(event: &Event, field: &Field) -> String {
    match event.get(field) {
        Value::Absent => String::new(),
        Value::Text(text) => printable(text).within(120).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Address(address) => address.to_string(),
    }
}

fn weight(level: Level) -> (Score, Severity) {
    match level {
        Level::Informational => (Score::new(0.1), Severity::Info),
        Level::Low => (Score::new(0.35), Severity::Low),
        Level::Medium => (Score::new(0.65), Severity::Medium),
        Level::High => (Score::new(0.87), Severity::High),
        Level::Critical => (Score::new(0.97), Severity::Critical),
    }
}
