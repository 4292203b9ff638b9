use std::borrow::Cow;
use std::collections::HashMap;

use lapwing_model::{Entity, Scope, Severity, State};
use rusqlite::Connection;

use super::row;

/// By what rows are counted. The numbers are in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    All = 0,
    Severity = 1,
    State = 2,
    Detector = 3,
    Class = 4,
    Entity = 5,
}

/// What a row is counted under.
#[derive(Debug)]
pub(super) struct Traits<'a> {
    pub(super) severity: Severity,
    pub(super) state: State,
    pub(super) detector: Cow<'a, str>,
    pub(super) class: Cow<'a, str>,
    pub(super) scope: Scope,
    pub(super) entity: Cow<'a, str>,
}

/// Changes of the totals within one transaction: collected, then written once per name.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<(Kind, String), i64>);

impl Changes {
    /// Counts a row (`by` = 1) or takes it back (-1).
    pub(super) fn add(&mut self, traits: &Traits<'_>, by: i64) {
        self.count(Kind::All, String::new(), by);
        self.count(Kind::Severity, traits.severity.name().to_owned(), by);
        self.count(Kind::State, traits.state.name().to_owned(), by);
        self.count(Kind::Detector, traits.detector.to_string(), by);
        self.count(Kind::Class, traits.class.to_string(), by);
        self.count(Kind::Entity, entity_name(traits.scope, &traits.entity), by);
    }

    /// Moves a row from one state to another.
    pub(super) fn change_state(&mut self, from: State, to: State) {
        self.count(Kind::State, from.name().to_owned(), -1);
        self.count(Kind::State, to.name().to_owned(), 1);
    }

    fn count(&mut self, kind: Kind, name: String, by: i64) {
        *self.0.entry((kind, name)).or_default() += by;
    }

    /// Names whose last row went away are forgotten, so there are never more than rows.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut add = connection.prepare_cached(
            "INSERT INTO tally (kind, name, rows) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
        )?;
        let mut forget = connection.prepare_cached("DELETE FROM tally WHERE kind = ? AND name = ? AND rows <= 0")?;
        for ((kind, name), by) in self.0.into_iter().filter(|(_, by)| *by != 0) {
            add.execute((kind as i64, &name, by))?;
            if by < 0 {
                forget.execute((kind as i64, &name))?;
            }
        }
        Ok(())
    }
}

/// How many rows there are of this name.
pub(super) fn rows(connection: &Connection, kind: Kind, name: &str) -> rusqlite::Result<u64> {
    let mut sql = connection.prepare_cached("SELECT rows FROM tally WHERE kind = ? AND name = ?")?;
    let mut found = sql.query((kind as i64, name))?;
    found.next()?.map_or(Ok(0), |row| row.get::<_, i64>(0).map(|rows| rows.max(0) as u64))
}

/// Names with most rows first.
pub(super) fn top(connection: &Connection, kind: Kind, limit: usize) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut sql = connection.prepare_cached("SELECT name, rows FROM tally WHERE kind = ? ORDER BY rows DESC, name LIMIT ?")?;
    let rows = sql.query_map((kind as i64, limit as i64), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0) as u64)))?;
    rows.collect()
}

/// An entity as one name: scope number, colon, name.
pub(super) fn entity_name(scope: Scope, name: &str) -> String {
    format!("{}:{name}", row::scope_number(scope))
}

/// The entity that such a name stands for.
pub(super) fn entity(name: &str) -> Option<Entity> {
    let (scope, name) = name.split_once(':')?;
    Some(Entity::new(row::scope(scope.parse().ok()?)?, name))
}
