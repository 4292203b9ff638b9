use lapwing_model::{Scope, Severity, hash};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::query::{Cursor, Query};
use super::row::{KEY_SLACK, key_of_millis};
use super::search;
use super::tally::{self, Kind};

/// Keys of a page, newest first, and where the next one begins.
pub(super) struct Keys {
    pub(super) keys: Vec<i64>,
    pub(super) next: Option<Cursor>,
}

/// Finds a page's keys by walking the index of the rarest thing asked for from its newest end; the rest is compared row by
/// row. Every index is in the order of keys within a value, so nothing is sorted and reading stops when the page is full.
pub(super) fn keys(connection: &Connection, query: &Query) -> rusqlite::Result<Keys> {
    let limit = query.page();
    let words = query.text.as_deref().filter(|text| !text.trim().is_empty());
    let mut keys = match (words.map(search::expression), rarest(connection, query)?) {
        (Some(None), _) | (_, Walk::Nothing) => Vec::new(),
        (Some(Some(words)), _) => walk(connection, query, Walk::Words(words), limit + 1)?,
        (None, Walk::Severities(least)) => by_severity(connection, query, least, limit + 1)?,
        (None, other) => walk(connection, query, other, limit + 1)?,
    };
    let more = keys.len() > limit;
    keys.truncate(limit);
    Ok(Keys { next: keys.last().filter(|_| more).map(|key| Cursor(*key)), keys })
}

/// What the rows of a page are found by.
#[derive(Debug, Clone)]
enum Walk {
    /// Some trait asked for has no rows at all.
    Nothing,
    Words(String),
    Newest,
    Index(&'static str),
    Severities(Severity),
    Severity(Severity),
}

/// What fewest rows have, by the totals.
fn rarest(connection: &Connection, query: &Query) -> rusqlite::Result<Walk> {
    let mut best = (tally::rows(connection, Kind::All, "")?, Walk::Newest);
    let mut offer = |rows: u64, walk: Walk| {
        if rows < best.0 {
            best = (rows, walk);
        }
    };
    if let Some(least) = query.severity {
        let mut rows = 0;
        for severity in Severity::ALL.into_iter().filter(|severity| *severity >= least) {
            rows += tally::rows(connection, Kind::Severity, severity.name())?;
        }
        offer(rows, Walk::Severities(least));
    }
    if let Some(state) = query.state {
        offer(tally::rows(connection, Kind::State, state.name())?, Walk::Index("anomaly_state"));
    }
    if let Some(detector) = &query.detector {
        offer(tally::rows(connection, Kind::Detector, detector)?, Walk::Index("anomaly_detector"));
    }
    if let Some(class) = &query.class {
        offer(tally::rows(connection, Kind::Class, class)?, Walk::Index("anomaly_class"));
    }
    if let Some(name) = &query.entity {
        let mut rows = 0;
        for scope in Scope::EACH {
            rows += tally::rows(connection, Kind::Entity, &tally::entity_name(scope, name))?;
        }
        offer(rows, Walk::Index("anomaly_entity"));
    }
    Ok(if best.0 == 0 { Walk::Nothing } else { best.1 })
}

/// Merges the newest of each severity.
fn by_severity(connection: &Connection, query: &Query, least: Severity, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let mut keys = Vec::new();
    for severity in Severity::ALL.into_iter().filter(|severity| *severity >= least) {
        keys.extend(walk(connection, query, Walk::Severity(severity), limit)?);
    }
    keys.sort_unstable_by_key(|key| std::cmp::Reverse(*key));
    keys.truncate(limit);
    Ok(keys)
}

fn walk(connection: &Connection, query: &Query, walk: Walk, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let (mut conditions, mut values) = conditions(query, &walk);
    let (from, key) = match walk {
        Walk::Words(words) => {
            values.push(Value::Text(words));
            let from = if conditions.is_empty() { "search s" } else { "search s CROSS JOIN anomaly a ON a.key = s.rowid" };
            conditions.push_str(" AND s.search MATCH ?");
            (from.to_owned(), "s.rowid")
        }
        Walk::Newest | Walk::Severities(_) | Walk::Nothing => ("anomaly a NOT INDEXED".to_owned(), "a.key"),
        Walk::Index(index) => (format!("anomaly a INDEXED BY {index}"), "a.key"),
        Walk::Severity(_) => ("anomaly a INDEXED BY anomaly_severity".to_owned(), "a.key"),
    };
    values.extend(range(query).map(Value::Integer));
    values.push(Value::Integer(limit as i64));
    let sql = format!("SELECT {key} FROM {from} WHERE 1 {conditions} AND {key} >= ? AND {key} < ? ORDER BY {key} DESC LIMIT ?");
    let mut sql = connection.prepare_cached(&sql)?;
    sql.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?.collect()
}

/// First key, and the one behind the last, that a row of this query can have.
fn range(query: &Query) -> [i64; 2] {
    let first = query.from.map_or(i64::MIN, |from| key_of_millis(from.millis()));
    let end = query.to.map_or(i64::MAX, |to| key_of_millis(to.millis().saturating_add(1 + KEY_SLACK)));
    [first, query.after.map_or(end, |after| end.min(after.0))]
}

/// What every row must meet apart from the words and the range of keys.
fn conditions(query: &Query, walk: &Walk) -> (String, Vec<Value>) {
    let mut sql = String::new();
    let mut values = Vec::new();
    let mut add = |condition: &str, value: Value| {
        sql.push_str(" AND a.");
        sql.push_str(condition);
        values.push(value);
    };
    match (walk, query.severity) {
        (Walk::Severity(severity), _) => add("severity = ?", Value::Integer(*severity as i64)),
        (_, Some(least)) if least > Severity::Info => add("severity >= ?", Value::Integer(least as i64)),
        _ => {}
    }
    if let Some(state) = query.state {
        add("state = ?", Value::Integer(state as i64));
    }
    if let Some(detector) = &query.detector {
        add("detector = ?", Value::Text(detector.clone()));
    }
    if let Some(class) = &query.class {
        add("class = ?", Value::Text(class.clone()));
    }
    if let Some(name) = &query.entity {
        add("entity_hash = ?", Value::Integer(hash(name.as_bytes()) as i64));
        add("entity = ?", Value::Text(name.clone()));
    }
    if let Some(from) = query.from {
        add("time >= ?", Value::Integer(from.nanos()));
    }
    if let Some(to) = query.to {
        add("time < ?", Value::Integer(to.nanos()));
    }
    (sql, values)
}
