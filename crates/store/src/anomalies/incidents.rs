//! Incidents, each as one JSON text: few, small, and always read whole.

use lapwing_model::{AnomalyId, Incident, Severity, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::row::signed;

pub(super) fn put<'a>(connection: &Connection, incidents: impl IntoIterator<Item = &'a Incident>) -> rusqlite::Result<()> {
    let mut sql = connection.prepare_cached("INSERT OR REPLACE INTO incident (id, last, severity, body) VALUES (?, ?, ?, ?)")?;
    for incident in incidents {
        let body = serde_json::to_string(incident).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        sql.execute((incident.id.0 as i64, incident.last.nanos(), incident.severity as i64, body))?;
    }
    Ok(())
}

pub(super) fn find(connection: &Connection, id: AnomalyId) -> rusqlite::Result<Option<Incident>> {
    connection.prepare_cached("SELECT body FROM incident WHERE id = ?")?.query_row([id.0 as i64], decode).optional()
}

/// The latest first.
pub(super) fn list(connection: &Connection, at_least: Severity, most: u64) -> rusqlite::Result<Vec<Incident>> {
    let mut sql = connection.prepare_cached("SELECT body FROM incident WHERE severity >= ? ORDER BY last DESC, id LIMIT ?")?;
    sql.query_map((at_least as i64, signed(most)), decode)?.collect()
}

pub(super) fn prune(connection: &Connection, older_than: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM incident WHERE last < ?")?.execute([older_than.nanos()]).map(|_| ())
}

fn decode(row: &Row<'_>) -> rusqlite::Result<Incident> {
    serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}
