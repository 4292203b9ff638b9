//! What is said of a session.

use lapwing_learn::{Difference, Lru};
use lapwing_model::{Entity, Finding, Scope, Score, Severity, Timestamp, hash};

use super::KIND;

/// What is thought of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub session: Box<str>,
    pub key: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    pub events: u64,
    /// In nats; 0 for one like those that were learned on trust.
    pub surprise: f32,
    /// The surprise above which a session is unusual.
    pub limit: f32,
    pub unusual: bool,
    /// The first session that was unusual in the same way, where there was one.
    pub like: Option<Box<str>>,
    /// The same for sessions that are unusual in the same way; 0 for ordinary ones.
    pub pattern: u64,
    pub why: String,
    pub expected: String,
    pub observed: String,
}

/// At most so many differences are named.
const NAMED: usize = 3;

/// What varies that much anyway is not named: what one session in three shows.
const WORTH_NAMING: f32 = 1.1;

impl Judgement {
    /// 0.5 at the limit, towards 1 above it.
    #[must_use]
    pub fn score(&self) -> Score {
        let ratio = self.surprise / self.limit.max(f32::MIN_POSITIVE);
        Score::new(if ratio <= 1.0 { 0.5 * ratio } else { 1.0 - 0.5 * (-(ratio - 1.0)).exp() })
    }

    pub(super) fn finding(&self) -> Finding {
        let like = self.like.as_ref().map(|like| format!(", like session {like} before")).unwrap_or_default();
        Finding {
            detector: KIND.name,
            rule: "pattern".into(),
            class: "unusual-session".into(),
            entity: Entity::new(Scope::Session, self.session.clone()),
            score: self.score(),
            severity: Severity::Info,
            count: 1,
            since: Some(self.first),
            reason: format!("session {}{like}: {}", self.session, self.why),
            expected: self.expected.clone(),
            observed: self.observed.clone(),
        }
    }

    /// Says in what the session differs, with an example line for each template.
    pub(super) fn explain(&mut self, differences: &[Difference], texts: &Lru<Box<str>>) {
        let telling: Vec<_> = differences.iter().filter(|difference| difference.weight >= WORTH_NAMING).collect();
        let signs = telling.iter().map(|difference| hash(&[&difference.item.to_le_bytes()[..], &[sign(difference)]].concat()));
        self.pattern = signs.fold(0, u64::wrapping_add).max(1);
        let named = || telling.iter().take(NAMED);
        let text = |difference: &Difference| texts.peek(difference.item).map_or("further templates", |text| text);
        let more = telling.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more differences") } else { String::new() };
        let whys: Vec<_> = named().map(|difference| why(difference, text(difference))).collect();
        self.why = if whys.is_empty() { "a combination never seen".to_owned() } else { whys.join("; ") + &more };
        let counts = |count: fn(&Difference) -> u32| {
            let counts: Vec<_> = named().map(|difference| format!("{} of {}", count(difference), text(difference))).collect();
            counts.join("; ")
        };
        self.expected = counts(|difference| difference.expected);
        self.observed = counts(|difference| difference.observed);
    }
}

fn sign(difference: &Difference) -> u8 {
    match (difference.observed, difference.expected) {
        (_, 0) => 0,
        (0, _) => 1,
        (observed, expected) if observed > expected => 2,
        _ => 3,
    }
}

fn why(difference: &Difference, text: &str) -> String {
    match (difference.observed, difference.expected) {
        (observed, 0) => format!("\"{text}\" came {}, which is not usual", times(observed)),
        (0, expected) => format!("\"{text}\" is missing, which usually comes {}", times(expected)),
        (observed, expected) => format!("\"{text}\" came {} instead of {}", times(observed), times(expected)),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}
