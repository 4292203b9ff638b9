//! What is remembered of one that tries to reach others.

use lapwing_learn::{Distinct, RecentDistinct};
use lapwing_model::{Entity, Finding, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::settings::{NAME, Plan};
use super::Attempt;
use crate::flows::{HOUR, MINUTE, service, span};

const WINDOW: i64 = 15 * MINUTE;

/// From so many different failures on a source does not merely knock by chance.
const STRAY: f64 = 4.0;

/// A scan is over after so long without a further failure.
const OVER: i64 = 24 * HOUR;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Source {
    /// The log of how much more likely a scanner is than an ordinary source.
    walk: f32,
    /// Hosts and ports tried before, whatever came of it.
    tried: Distinct,
    failed: Distinct,
    hosts: Distinct,
    services: Distinct,
    recent: RecentDistinct,
    began: i64,
    last: i64,
    /// Failures at the last telling; 0 where nothing was told yet.
    told: f64,
}

impl Source {
    pub(super) fn new(at: i64) -> Source {
        Source {
            walk: 0.0,
            tried: Distinct::new(),
            failed: Distinct::new(),
            hosts: Distinct::new(),
            services: Distinct::new(),
            recent: RecentDistinct::new(WINDOW),
            began: at,
            last: at,
            told: 0.0,
        }
    }

    /// Whether it may be one of many that scan together: more than a stray knock, less than a scan of its own.
    pub(super) fn is_part_of_more(&self, attempt: &Attempt, plan: &Plan) -> bool {
        (STRAY..plan.limit(attempt.inside)).contains(&self.failed.count())
    }

    pub(super) fn succeed(&mut self, attempt: &Attempt, plan: &Plan) {
        if self.tried.insert(attempt.door()) && attempt.walks {
            // Nobody earns more trust than it takes to be sure once.
            self.walk = (self.walk + plan.success).max(-plan.bound);
        }
    }

    pub(super) fn fail(&mut self, attempt: &Attempt, plan: &Plan) -> Option<Finding> {
        if attempt.at.saturating_sub(self.last) > OVER {
            *self = Source { walk: self.walk.min(0.0), tried: std::mem::take(&mut self.tried), ..Source::new(attempt.at) };
        }
        self.began = if self.failed.count() == 0.0 { attempt.at } else { self.began.min(attempt.at) };
        self.last = self.last.max(attempt.at);
        let door = attempt.door();
        if self.tried.insert(door) && attempt.walks {
            self.walk = (self.walk + plan.failure).min(2.0 * plan.bound);
        }
        self.recent.insert(attempt.at, door);
        if !self.failed.insert(door) {
            return None;
        }
        self.hosts.insert(attempt.victim);
        self.services.insert(attempt.service());
        self.due(attempt, plan)
    }

    /// What is to be told: a scan, or one that has become ten times as large.
    fn due(&mut self, attempt: &Attempt, plan: &Plan) -> Option<Finding> {
        let failed = self.failed.count();
        if failed < 10.0 * self.told {
            return None;
        }
        let settings = &plan.settings;
        let limit = plan.limit(attempt.inside);
        let fast = self.walk >= plan.bound && failed >= f64::from(settings.fast.at_least);
        let many = failed >= limit && self.recent.count(attempt.at) >= limit;
        // Over a day even one who mostly succeeds fails often.
        let slow = failed >= limit * f64::from(settings.slow_times.max(1)) && 2.0 * failed >= self.tried.count();
        if !fast && !many && !slow {
            return None;
        }
        let news = (failed - self.told).max(1.0) as u64;
        self.told = failed;
        Some(self.finding(attempt, limit, !fast && !many, news))
    }

    fn finding(&self, attempt: &Attempt, limit: f64, slow: bool, news: u64) -> Finding {
        let (failed, hosts, services) = (self.failed.count(), self.hosts.count(), self.services.count());
        let one = |count: f64| count < 1.5;
        let what = match (one(hosts), one(services)) {
            (true, _) => format!("{services:.0} ports of {}", attempt.host),
            (_, true) => format!("{hosts:.0} hosts on {}", service(attempt.protocol, attempt.port)),
            _ => format!("{hosts:.0} hosts and {services:.0} ports"),
        };
        let rule = match hosts / services.max(1.0) {
            _ if slow => "slow-scan",
            ratio if one(hosts) || ratio <= 0.25 => "vertical-scan",
            // Each host but once, whatever the port: it is hosts that are looked for.
            ratio if ratio >= 4.0 || failed < 1.5 * hosts => "horizontal-scan",
            _ => "block-scan",
        };
        let severity = match (failed / limit, attempt.inside) {
            (10.0.., _) | (1.0.., true) => Severity::High,
            (1.0.., false) | (_, true) => Severity::Medium,
            (_, false) => Severity::Low,
        };
        let technique = if attempt.inside || rule == "vertical-scan" { "T1046" } else { "T1595.001" };
        let within = span(self.last.saturating_sub(self.began));
        let score = match severity {
            Severity::High => 0.85,
            Severity::Medium => 0.65,
            _ => 0.4,
        };
        Finding {
            detector: NAME,
            rule: rule.into(),
            class: "port-scan".into(),
            entity: Entity::new(Scope::Client, attempt.source.to_string()),
            score: Score::new(score),
            severity,
            count: news,
            since: Some(Timestamp::from_nanos(self.began)),
            reason: format!("{} tried {what} within {within}, and {failed:.0} times nothing came of it (ATT&CK {technique})", attempt.source),
            expected: format!("fewer than {limit:.0} different failures within 15 min, and more successes than failures"),
            observed: format!("{failed:.0} different failures at {hosts:.0} hosts and {services:.0} ports within {within}"),
        }
    }
}
