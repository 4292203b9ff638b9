use std::borrow::Cow;

use lapwing_model::{Anomaly, AnomalyId, Mark, Scope, Severity, State, Timestamp, hash};
use rusqlite::{Connection, OptionalExtension, Row};

use super::row::{self, pick, signed};
use super::search::Texts;
use super::tally::{self, Changes, Kind, Traits};
use super::{Change, counts, incidents, marks};

/// What is known of a row before it is changed or deleted.
struct Stored {
    key: i64,
    id: i64,
    time: Timestamp,
    last: Timestamp,
    count: i64,
    content_hash: i64,
    text_hash: i64,
    traits: Traits<'static>,
}

const COLUMNS: &str = "key, id, time, last, count, content_hash, text_hash, severity, state, detector, class, scope, entity";

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let traits = Traits {
        severity: pick(&Severity::ALL, row, 7)?,
        state: pick(&State::ALL, row, 8)?,
        detector: Cow::Owned(row.get(9)?),
        class: Cow::Owned(row.get(10)?),
        scope: pick(&Scope::EACH, row, 11)?,
        entity: Cow::Owned(row.get(12)?),
    };
    Ok(Stored {
        key: row.get(0)?,
        id: row.get(1)?,
        time: Timestamp::from_nanos(row.get(2)?),
        last: Timestamp::from_nanos(row.get(3)?),
        count: row.get(4)?,
        content_hash: row.get(5)?,
        text_hash: row.get(6)?,
        traits,
    })
}

fn find(connection: &Connection, id: AnomalyId) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM anomaly WHERE id = ?");
    connection.prepare_cached(&sql)?.query_row([id.0 as i64], stored).optional()
}

fn traits(anomaly: &Anomaly, state: State) -> Traits<'_> {
    Traits {
        severity: anomaly.severity,
        state,
        detector: Cow::Borrowed(&anomaly.detector),
        class: Cow::Borrowed(&anomaly.class),
        scope: anomaly.scope,
        entity: Cow::Borrowed(&anomaly.entity),
    }
}

pub(super) fn put<'a>(connection: &Connection, anomalies: impl IntoIterator<Item = &'a Anomaly>) -> rusqlite::Result<()> {
    let mut changes = Changes::default();
    for anomaly in anomalies {
        match find(connection, anomaly.id)? {
            Some(stored) => renew(connection, &stored, anomaly, &mut changes)?,
            None if is_deleted(connection, anomaly.id)? => {}
            None => insert(connection, anomaly, anomaly.state, &anomaly.note, &mut changes)?,
        }
    }
    changes.write(connection)
}

fn is_deleted(connection: &Connection, id: AnomalyId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM deleted WHERE id = ?")?.exists([id.0 as i64])
}

fn insert(connection: &Connection, anomaly: &Anomaly, state: State, note: &str, changes: &mut Changes) -> rusqlite::Result<()> {
    let body = row::encode_body(anomaly)?;
    let texts = Texts::of(anomaly);
    let mut attempt = 0;
    let key = loop {
        let key = row::key(anomaly, attempt);
        if insert_row(connection, key, anomaly, state, row::content_hash(anomaly, &body), texts.hash())? {
            break key;
        }
        attempt += 1;
    };
    connection.prepare_cached("INSERT INTO detail (key, body, note) VALUES (?, ?, ?)")?.execute((key, body, note))?;
    index(connection, key, &texts)?;
    changes.add(&traits(anomaly, state), 1);
    Ok(())
}

/// False where the key is taken.
fn insert_row(
    connection: &Connection,
    key: i64,
    anomaly: &Anomaly,
    state: State,
    content_hash: i64,
    text_hash: i64,
) -> rusqlite::Result<bool> {
    let mut sql = connection.prepare_cached(
        "INSERT INTO anomaly (key, id, time, last, severity, state, score, count, scope, entity_hash, content_hash, text_hash, \
                              detector, class, entity)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    )?;
    let rows = sql.execute((
        key,
        anomaly.id.0 as i64,
        anomaly.time.nanos(),
        anomaly.last.nanos(),
        anomaly.severity as i64,
        state as i64,
        f64::from(anomaly.score.value()),
        signed(anomaly.count),
        row::scope_number(anomaly.scope),
        hash(anomaly.entity.as_bytes()) as i64,
        content_hash,
        text_hash,
        &*anomaly.detector,
        &*anomaly.class,
        &*anomaly.entity,
    ))?;
    Ok(rows == 1)
}

fn index(connection: &Connection, key: i64, texts: &Texts) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO search (rowid, reason, entity, class, evidence) VALUES (?, ?, ?, ?, ?)")?
        .execute((key, &texts.reason, &texts.entity, &texts.class, &texts.evidence))
        .map(|_| ())
}

/// Replaces what the machine says by what a later version says; leaves what a person says.
fn renew(connection: &Connection, old: &Stored, anomaly: &Anomaly, changes: &mut Changes) -> rusqlite::Result<()> {
    let body = row::encode_body(anomaly)?;
    let content_hash = row::content_hash(anomaly, &body);
    if signed(anomaly.count) < old.count || content_hash == old.content_hash {
        return Ok(());
    }
    if anomaly.time != old.time {
        let note: String =
            connection.prepare_cached("SELECT note FROM detail WHERE key = ?")?.query_row([old.key], |row| row.get(0))?;
        remove(connection, old, changes)?;
        return insert(connection, anomaly, old.traits.state, &note, changes);
    }
    let texts = Texts::of(anomaly);
    update_row(connection, old.key, anomaly, content_hash, texts.hash())?;
    connection.prepare_cached("UPDATE detail SET body = ? WHERE key = ?")?.execute((body, old.key))?;
    if texts.hash() != old.text_hash {
        unindex(connection, old.key)?;
        index(connection, old.key, &texts)?;
    }
    changes.add(&old.traits, -1);
    changes.add(&traits(anomaly, old.traits.state), 1);
    Ok(())
}

fn update_row(connection: &Connection, key: i64, anomaly: &Anomaly, content: i64, text: i64) -> rusqlite::Result<()> {
    let mut sql = connection.prepare_cached(
        "UPDATE anomaly SET last = ?, severity = ?, score = ?, count = ?, scope = ?, entity_hash = ?, content_hash = ?, \
                            text_hash = ?, detector = ?, class = ?, entity = ? WHERE key = ?",
    )?;
    sql.execute((
        anomaly.last.nanos(),
        anomaly.severity as i64,
        f64::from(anomaly.score.value()),
        signed(anomaly.count),
        row::scope_number(anomaly.scope),
        hash(anomaly.entity.as_bytes()) as i64,
        content,
        text,
        &*anomaly.detector,
        &*anomaly.class,
        &*anomaly.entity,
        key,
    ))
    .map(|_| ())
}

fn unindex(connection: &Connection, key: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([key]).map(|_| ())
}

fn remove(connection: &Connection, stored: &Stored, changes: &mut Changes) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM anomaly WHERE key = ?")?.execute([stored.key])?;
    connection.prepare_cached("DELETE FROM detail WHERE key = ?")?.execute([stored.key])?;
    unindex(connection, stored.key)?;
    changes.add(&stored.traits, -1);
    Ok(())
}

pub(super) fn set(connection: &Connection, id: AnomalyId, change: &Change) -> rusqlite::Result<Option<Anomaly>> {
    let Some(stored) = find(connection, id)? else { return Ok(None) };
    if let Some(state) = change.state {
        connection.prepare_cached("UPDATE anomaly SET state = ? WHERE key = ?")?.execute((state as i64, stored.key))?;
        let mut changes = Changes::default();
        changes.change_state(stored.traits.state, state);
        changes.write(connection)?;
    }
    if let Some(note) = &change.note {
        connection.prepare_cached("UPDATE detail SET note = ? WHERE key = ?")?.execute((note, stored.key))?;
    }
    let anomaly = row::find(connection, id)?;
    match (change.state, &anomaly) {
        (Some(said @ (State::Expected | State::Real)), Some(anomaly)) => {
            marks::put(connection, &Mark::of(anomaly, said, change.made, change.expires))?;
        }
        (Some(State::Open | State::Acknowledged), _) => marks::remove(connection, id)?,
        _ => {}
    }
    Ok(anomaly)
}

pub(super) fn delete(connection: &Connection, id: AnomalyId) -> rusqlite::Result<bool> {
    let Some(stored) = find(connection, id)? else { return Ok(false) };
    let mut changes = Changes::default();
    remove(connection, &stored, &mut changes)?;
    changes.write(connection)?;
    let mut mark = connection.prepare_cached("INSERT OR REPLACE INTO deleted (id, last) VALUES (?, ?)")?;
    mark.execute((stored.id, stored.last.nanos()))?;
    Ok(true)
}

pub(super) fn prune(connection: &Connection, older_than: Timestamp, keep: u64, at_once: u64) -> rusqlite::Result<u64> {
    counts::prune(connection, older_than)?;
    connection.prepare_cached("DELETE FROM deleted WHERE last < ?")?.execute([older_than.nanos()])?;
    incidents::prune(connection, older_than)?;
    // Who was often wrong is remembered for as long as anomalies are, after the mark itself mutes no longer.
    connection.prepare_cached("DELETE FROM mark WHERE expires < ?")?.execute([older_than.nanos()])?;
    let mut old = select(connection, "key < ? AND last < ?", (row::first_key(older_than), older_than.nanos(), signed(at_once)))?;
    if old.is_empty() {
        let excess = tally::rows(connection, Kind::All, "")?.saturating_sub(keep).min(at_once);
        old = select(connection, "? = ?", (0, 0, signed(excess)))?;
    }
    let mut changes = Changes::default();
    for stored in &old {
        remove(connection, stored, &mut changes)?;
    }
    changes.write(connection)?;
    Ok(old.len() as u64)
}

/// The oldest rows that meet a condition with two parameters; the third is how many at most.
fn select(connection: &Connection, condition: &'static str, values: (i64, i64, i64)) -> rusqlite::Result<Vec<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM anomaly WHERE {condition} ORDER BY key LIMIT ?");
    connection.prepare_cached(&sql)?.query_map(values, stored)?.collect()
}
