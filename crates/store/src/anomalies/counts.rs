use lapwing_model::Timestamp;
use rusqlite::Connection;

/// A counter stops here instead of overflowing SQLite's signed integers.
const MOST: i64 = 1 << 62;

fn minute_of(time: Timestamp) -> i64 {
    time.seconds().div_euclid(60)
}

pub(super) fn add(connection: &Connection, minute: Timestamp, counts: &[(&str, u64)]) -> rusqlite::Result<()> {
    let mut sql = connection.prepare_cached(
        "INSERT INTO counts (name, minute, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = min(value + excluded.value, ?4)",
    )?;
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        sql.execute((name, minute_of(minute), i64::try_from(*count).unwrap_or(MOST).min(MOST), MOST))?;
    }
    Ok(())
}

pub(super) fn series(
    connection: &Connection,
    name: &str,
    from: Timestamp,
    to: Timestamp,
) -> rusqlite::Result<Vec<(Timestamp, u64)>> {
    let (first, end) = (first_minute_from(from), first_minute_from(to));
    let mut sql = connection
        .prepare_cached("SELECT minute, value FROM counts WHERE name = ? AND minute >= ? AND minute < ? ORDER BY minute")?;
    let rows = sql.query_map((name, first, end), |row| {
        let (minute, value): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((Timestamp::from_seconds(minute.saturating_mul(60)), value.max(0) as u64))
    })?;
    rows.collect()
}

/// Number of the first minute that begins at this time or later.
fn first_minute_from(time: Timestamp) -> i64 {
    let minute = minute_of(time);
    if Timestamp::from_seconds(minute * 60) < time { minute + 1 } else { minute }
}

/// Name by name, because the table is ordered by name first.
pub(super) fn prune(connection: &Connection, older_than: Timestamp) -> rusqlite::Result<()> {
    let mut next = connection.prepare_cached("SELECT min(name) FROM counts WHERE name > ?")?;
    let mut delete = connection.prepare_cached("DELETE FROM counts WHERE name = ? AND minute < ?")?;
    let mut name = String::new();
    while let Some(following) = next.query_row([&name], |row| row.get::<_, Option<String>>(0))? {
        name = following;
        delete.execute((&name, minute_of(older_than)))?;
    }
    Ok(())
}
