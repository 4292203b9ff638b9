use std::borrow::Cow;

use lapwing_model::{Anomaly, AnomalyId, Entity, Evidence, Known, Part, Scope, Score, Severity, State, Timestamp, hash};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

/// Low bits of a key that tell rows of one millisecond apart.
const TIE_BITS: u32 = 20;

/// How many milliseconds too late a row's key may say, where thousands of rows share one.
pub(super) const KEY_SLACK: i64 = 64;

/// The lowest key that an anomaly of this time can have: 43 bits of milliseconds, then [`TIE_BITS`] that tell apart. Times
/// beyond the years 1691 and 2248 all count as those.
pub(super) fn first_key(time: Timestamp) -> i64 {
    key_of_millis(time.millis())
}

pub(super) fn key_of_millis(millis: i64) -> i64 {
    const REACH: i64 = (1 << 43) - 4 * KEY_SLACK;
    millis.clamp(-REACH, REACH) << TIE_BITS
}

/// The `attempt`-th key to try for an anomaly: within its millisecond by its id, then in the following ones, so that a
/// million anomalies of one moment cost a few attempts and not a search.
pub(super) fn key(anomaly: &Anomaly, attempt: u64) -> i64 {
    let later = (attempt / 8).min(KEY_SLACK as u64 - 1) as i64;
    let tie = anomaly.id.0.wrapping_add(attempt) & ((1 << TIE_BITS) - 1);
    first_key(anomaly.time) + (later << TIE_BITS) + tie as i64
}

/// What only a person reads.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    reason: Cow<'a, str>,
    parts: Cow<'a, [Part]>,
    expected: Cow<'a, str>,
    observed: Cow<'a, str>,
    // Rows of the first version have neither.
    #[serde(default)]
    one_in: u64,
    #[serde(default)]
    silenced_by: Cow<'a, str>,
    #[serde(default)]
    related: Cow<'a, [Entity]>,
    #[serde(default)]
    known: Option<Cow<'a, Known>>,
    evidence: Cow<'a, [Evidence]>,
}

/// The part of an anomaly that is kept as JSON.
pub(super) fn encode_body(anomaly: &Anomaly) -> rusqlite::Result<String> {
    let mut parts = Cow::Borrowed(anomaly.parts.as_slice());
    if parts.iter().any(|part| !part.value.is_finite()) {
        // JSON has no NaN: it would be written as null and never be read again.
        parts.to_mut().iter_mut().filter(|part| !part.value.is_finite()).for_each(|part| part.value = 0.0);
    }
    let body = Body {
        reason: Cow::Borrowed(&anomaly.reason),
        parts,
        expected: Cow::Borrowed(&anomaly.expected),
        observed: Cow::Borrowed(&anomaly.observed),
        one_in: anomaly.one_in,
        silenced_by: Cow::Borrowed(&anomaly.silenced_by),
        related: Cow::Borrowed(&anomaly.related),
        known: anomaly.known.as_ref().map(Cow::Borrowed),
        evidence: Cow::Borrowed(&anomaly.evidence),
    };
    serde_json::to_string(&body).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Changes with every field that the machine writes.
pub(super) fn content_hash(anomaly: &Anomaly, body: &str) -> i64 {
    let mut all = format!(
        "{} {} {} {} {} {} ",
        anomaly.time.nanos(),
        anomaly.last.nanos(),
        anomaly.severity.name(),
        anomaly.score.value().to_bits(),
        anomaly.count,
        anomaly.scope
    );
    for text in [&anomaly.detector, &anomaly.class, &*anomaly.entity, body] {
        all.push_str(text);
        all.push('\0');
    }
    hash(all.as_bytes()) as i64
}

/// A `u64` count in SQLite's signed integers.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn scope_number(scope: Scope) -> i64 {
    scope as i64
}

pub(super) fn scope(number: i64) -> Option<Scope> {
    usize::try_from(number).ok().and_then(|index| Scope::EACH.get(index)).copied()
}

/// The columns that [`decode`] reads, in its order.
const SELECT: &str =
    "SELECT a.id, a.time, a.last, a.severity, a.state, a.score, a.count, a.scope, a.detector, a.class, a.entity, \
                             d.body, d.note
                      FROM anomaly a JOIN detail d ON d.key = a.key";

pub(super) fn find(connection: &Connection, id: AnomalyId) -> rusqlite::Result<Option<Anomaly>> {
    connection.prepare_cached(&format!("{SELECT} WHERE a.id = ?"))?.query_row([id.0 as i64], decode).optional()
}

/// The anomalies of these keys, in this order.
pub(super) fn read(connection: &Connection, keys: &[i64]) -> rusqlite::Result<Vec<Anomaly>> {
    let mut sql = connection.prepare_cached(&format!("{SELECT} WHERE a.key = ?"))?;
    keys.iter().filter_map(|key| sql.query_row([key], decode).optional().transpose()).collect()
}

fn decode(row: &Row<'_>) -> rusqlite::Result<Anomaly> {
    let body: Body<'_> = serde_json::from_str(row.get_ref(11)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(11, Type::Text, error.into()))?;
    Ok(Anomaly {
        id: AnomalyId(row.get::<_, i64>(0)? as u64),
        time: Timestamp::from_nanos(row.get(1)?),
        last: Timestamp::from_nanos(row.get(2)?),
        severity: pick(&Severity::ALL, row, 3)?,
        state: pick(&State::ALL, row, 4)?,
        score: Score::new(row.get::<_, f64>(5)? as f32),
        count: row.get::<_, i64>(6)? as u64,
        scope: pick(&Scope::EACH, row, 7)?,
        entity: row.get(10)?,
        detector: Cow::Owned(row.get(8)?),
        class: Cow::Owned(row.get(9)?),
        reason: body.reason.into_owned(),
        parts: body.parts.into_owned(),
        expected: body.expected.into_owned(),
        observed: body.observed.into_owned(),
        one_in: body.one_in,
        silenced_by: body.silenced_by.into_owned(),
        related: body.related.into_owned(),
        known: body.known.map(Cow::into_owned),
        evidence: body.evidence.into_owned(),
        note: row.get(12)?,
    })
}

/// The member of a closed list that a column's number stands for.
pub(super) fn pick<T: Copy>(all: &[T], row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let number: i64 = row.get(column)?;
    let member = usize::try_from(number).ok().and_then(|index| all.get(index)).copied();
    member.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_database_stand_for_what_they_stand_for_in_the_model() {
        assert!(Severity::ALL.iter().enumerate().all(|(index, severity)| *severity as usize == index));
        assert!(State::ALL.iter().enumerate().all(|(index, state)| *state as usize == index));
    }

    #[test]
    fn keys_are_in_the_order_of_time_and_reach_its_ends() {
        let times = [Timestamp::MIN, Timestamp::from_millis(-1), Timestamp::EPOCH, Timestamp::from_millis(1), Timestamp::MAX];
        assert!(times.map(first_key).is_sorted_by(|a, b| a < b));
    }
}
