//! What people said of anomalies: kept until it expires, longer than the anomalies themselves.

use std::borrow::Cow;

use lapwing_model::{AnomalyId, Mark, Scope, State, Timestamp};
use rusqlite::{Connection, Row};

use super::row::{self, pick};

pub(super) fn put(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let mut sql = connection.prepare_cached(
        "INSERT OR REPLACE INTO mark (id, said, detector, rule, class, scope, entity, made, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    sql.execute((
        mark.anomaly.0 as i64,
        mark.said as i64,
        &*mark.detector,
        &*mark.rule,
        &*mark.class,
        row::scope_number(mark.scope),
        &*mark.entity,
        mark.made.nanos(),
        mark.expires.nanos(),
    ))
    .map(|_| ())
}

pub(super) fn remove(connection: &Connection, id: AnomalyId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM mark WHERE id = ?")?.execute([id.0 as i64]).map(|_| ())
}

/// The latest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Mark>> {
    let sql = "SELECT id, said, detector, rule, class, scope, entity, made, expires FROM mark ORDER BY made DESC, id";
    connection.prepare_cached(sql)?.query_map([], decode)?.collect()
}

fn decode(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        anomaly: AnomalyId(row.get::<_, i64>(0)? as u64),
        said: pick(&State::ALL, row, 1)?,
        detector: Cow::Owned(row.get(2)?),
        rule: Cow::Owned(row.get(3)?),
        class: Cow::Owned(row.get(4)?),
        scope: pick(&Scope::EACH, row, 5)?,
        entity: row.get(6)?,
        made: Timestamp::from_nanos(row.get(7)?),
        expires: Timestamp::from_nanos(row.get(8)?),
    })
}
