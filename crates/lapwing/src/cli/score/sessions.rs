//! Rows by session.

use std::collections::HashMap;

use lapwing_detect::sequence::Judgement;
use lapwing_model::Timestamp;
use lapwing_source::files;
use serde::Serialize;

use super::super::Failed;
use crate::pipeline::{Blueprint, BySession};

/// What is thought of a session.
#[derive(Debug, Serialize)]
pub struct SessionRow {
    pub session: Box<str>,
    /// 0.5 is where a session becomes unusual.
    pub score: f32,
    pub anomalous: bool,
    first: Timestamp,
    last: Timestamp,
    events: u64,
    why: String,
    /// Sessions that are unusual in the same way have the same; null for ordinary ones.
    pattern: Option<String>,
    /// The surprise as a multiple of the limit: it tells apart what a score near 1 does not.
    #[serde(skip)]
    pub ratio: f32,
}

/// Rows that are held back at most: a session that goes on is judged again, and then its row is another.
const HELD: usize = 400_000;

/// Calls `each` with the row of each session, in the order in which they were judged first.
///
/// # Errors
/// Where files cannot be read, and those of `each`.
pub fn by_session(
    blueprint: &Blueprint,
    files: &[String],
    mut each: impl FnMut(SessionRow) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut engine = BySession::new(blueprint).map_err(Failed::new)?;
    let mut held = Held::default();
    for block in files::Reader::new(crate::pipeline::clock).open(files)? {
        held.take(engine.judge(&block?.records, |_| true));
        if held.rows.len() >= 2 * HELD {
            held.release(HELD).try_for_each(&mut each)?;
        }
    }
    held.take(engine.finish());
    held.release(0).try_for_each(each)
}

/// Rows that may still change, by the key of their session.
#[derive(Debug, Default)]
struct Held {
    rows: Vec<(u64, SessionRow)>,
    places: HashMap<u64, usize>,
}

impl Held {
    fn take(&mut self, judged: Vec<Judgement>) {
        for judgement in judged {
            let (key, row) = (judgement.key, SessionRow::of(judgement));
            match self.places.get(&key) {
                // A session of the same name long after is another.
                Some(&at) if row.first <= self.rows[at].1.last => self.rows[at].1 = row,
                _ => {
                    self.places.insert(key, self.rows.len());
                    self.rows.push((key, row));
                }
            }
        }
    }

    /// Hands out the oldest rows until only so many are left.
    fn release(&mut self, left: usize) -> impl Iterator<Item = SessionRow> {
        let out: Vec<_> = self.rows.drain(..self.rows.len().saturating_sub(left)).collect();
        self.places = self.rows.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect();
        out.into_iter().map(|(_, row)| row)
    }
}

impl SessionRow {
    fn of(judgement: Judgement) -> SessionRow {
        SessionRow {
            score: judgement.score().value(),
            ratio: judgement.surprise / judgement.limit,
            session: judgement.session,
            anomalous: judgement.unusual,
            first: judgement.first,
            last: judgement.last,
            events: judgement.events,
            why: judgement.why,
            pattern: judgement.unusual.then(|| format!("{:016x}", judgement.pattern)),
        }
    }
}
