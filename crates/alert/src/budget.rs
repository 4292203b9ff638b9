//! How much people want to be told.

use std::fmt;
use std::str::FromStr;

use lapwing_model::{Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// So many alerts in such a time, as people say it: `20 per day`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Allowance {
    alerts: u32,
    seconds: u32,
}

const PERIODS: [(&str, u32); 4] = [("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800)];

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no alert budget; write it like '20 per day' (minute, hour, day or week)");
        let (alerts, period) = text.split_once("per").ok_or_else(wrong)?;
        let alerts = alerts.trim().parse().ok().filter(|&alerts| alerts > 0).ok_or_else(wrong)?;
        let seconds = PERIODS.iter().find(|(name, _)| *name == period.trim()).ok_or_else(wrong)?.1;
        Ok(Allowance { alerts, seconds })
    }
}

impl TryFrom<String> for Allowance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = PERIODS.iter().find(|(_, seconds)| *seconds == self.seconds).map_or("day", |(name, _)| *name);
        write!(f, "{} per {period}", self.alerts)
    }
}

impl From<Allowance> for String {
    fn from(allowance: Allowance) -> String {
        allowance.to_string()
    }
}

/// Holds alerts at an allowance, the strongest first: the emptier the purse, the higher a score must be to be told. So the
/// threshold follows what comes, and over time as many are told as were asked for.
///
/// What is `high` or worse is always told, and paid for: the milder ones are told less then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    allowance: Allowance,
    /// Alerts that may still be told; at most the whole allowance, at least none.
    purse: f64,
    filled: Timestamp,
}

impl Budget {
    #[must_use]
    pub fn new(allowance: Allowance) -> Budget {
        Budget { allowance, purse: f64::from(allowance.alerts), filled: Timestamp::default() }
    }

    #[must_use]
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// Whether this may be told at `now` (event time). What may is paid for.
    pub fn pay(&mut self, severity: Severity, score: Score, now: Timestamp) -> bool {
        let most = f64::from(self.allowance.alerts);
        if now > self.filled {
            let earned = now.since(self.filled).as_secs_f64() / f64::from(self.allowance.seconds) * most;
            self.purse = (self.purse + earned).min(most);
            self.filled = now;
        }
        let needed = 1.0 - f64::from(score.value());
        let told = severity >= Severity::High || (self.purse >= 1.0 && self.purse / most >= needed.min(1.0 - 1.0 / most));
        if told {
            self.purse = (self.purse - 1.0).max(0.0);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(text: &str) -> Allowance {
        text.parse().expect("an allowance")
    }

    /// So many alerts a day for thirty days, with scores spread over 0.25 to 0.75: how many are told after the first day, and
    /// their mean score.
    fn told(budget: &str, a_day: i64) -> (usize, f32) {
        let mut budget = Budget::new(allowance(budget));
        let mut scores = Vec::new();
        for number in 0..30 * a_day {
            let at = Timestamp::from_seconds(1_000_000_000 + number * 86_400 / a_day);
            let score = 0.25 + (number * 7919 % 1000) as f32 / 2000.0;
            if budget.pay(Severity::Low, Score::new(score), at) && number >= a_day {
                scores.push(score);
            }
        }
        (scores.len(), scores.iter().sum::<f32>() / scores.len() as f32)
    }

    #[test]
    fn over_time_as_many_are_told_as_were_asked_for_and_the_strongest_of_them() {
        for a_day in [100, 1000, 10_000] {
            let (count, mean) = told("20 per day", a_day);
            assert!((count as f64 / (29.0 * 20.0) - 1.0).abs() < 0.05, "{count} of {a_day} a day");
            assert!(mean > 0.65, "{mean} where the mean of all is 0.5");
        }
    }

    #[test]
    fn fewer_than_the_budget_are_all_told() {
        assert_eq!(told("20 per day", 5).0, 29 * 5);
    }

    #[test]
    fn what_is_grave_is_always_told() {
        let mut budget = Budget::new(allowance("1 per week"));
        let now = Timestamp::from_seconds(1_000_000_000);
        assert!((0..50).all(|_| budget.pay(Severity::High, Score::new(0.8), now)));
        assert!(!budget.pay(Severity::Medium, Score::new(0.7), now));
    }

    #[test]
    fn an_allowance_reads_back_as_it_is_written() {
        assert_eq!(allowance("20 per day").to_string(), "20 per day");
        assert_eq!(allowance(" 5  per hour ").to_string(), "5 per hour");
        for wrong in ["", "20", "0 per day", "20 per month", "-1 per day", "per day"] {
            assert!(wrong.parse::<Allowance>().expect_err(wrong).contains("20 per day"));
        }
    }
}
