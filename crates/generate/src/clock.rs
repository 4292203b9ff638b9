//! Times as logs write them, always UTC. The part that changes once a second is kept.

use crate::text::push_padded;

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// `05/Jan/2026:08:00:00 +0000`
    Combined,
    /// `2026-01-05T08:00:00.123Z`
    Iso,
    /// `Jan  5 08:00:00`
    Syslog,
}

#[derive(Debug)]
pub(crate) struct Clock {
    style: Style,
    second: i64,
    text: String,
}

impl Clock {
    pub(crate) fn new(style: Style) -> Self {
        Clock { style, second: i64::MIN, text: String::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, out: &mut String, at: i64) {
        let second = at.div_euclid(NANOS);
        if second != self.second {
            self.second = second;
            self.write();
        }
        out.push_str(&self.text);
        if let Style::Iso = self.style {
            out.push('.');
            push_padded(out, (at.rem_euclid(NANOS) / 1_000_000) as u64, 3);
            out.push('Z');
        }
    }

    fn write(&mut self) {
        let (year, month, day) = civil(self.second.div_euclid(DAY));
        let name = MONTHS[(month - 1) as usize];
        let out = &mut self.text;
        out.clear();
        match self.style {
            Style::Combined => {
                push_padded(out, day, 2);
                ["/", name, "/"].iter().for_each(|part| out.push_str(part));
                push_padded(out, year, 4);
                out.push(':');
            }
            Style::Iso => {
                push_joined(out, [(year, 4), (month, 2), (day, 2)], '-');
                out.push('T');
            }
            Style::Syslog => {
                out.push_str(name);
                out.push_str(if day < 10 { "  " } else { " " });
                push_padded(out, day, 1);
                out.push(' ');
            }
        }
        let of_day = self.second.rem_euclid(DAY) as u64;
        push_joined(out, [(of_day / 3_600, 2), (of_day / 60 % 60, 2), (of_day % 60, 2)], ':');
        if let Style::Combined = self.style {
            out.push_str(" +0000");
        }
    }
}

/// Three numbers of given widths with something between them.
fn push_joined(out: &mut String, numbers: [(u64, usize); 3], between: char) {
    for (i, (number, width)) in numbers.into_iter().enumerate() {
        if i > 0 {
            out.push(between);
        }
        push_padded(out, number, width);
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the proleptic Gregorian calendar: the year is taken to begin
/// in March, so that the leap day is its last (Richards: Mapping Time, 1998; Hinnant: chrono-compatible low-level date algorithms).
fn civil(days: i64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year.max(0) as u64, month as u64, day as u64)
}

/// How busy the time of day is, with mean 1: little at night, most from late morning to evening.
pub(crate) fn busyness(at: i64) -> f64 {
    const HOURS: [f64; 24] = [
        0.45, 0.35, 0.30, 0.30, 0.35, 0.45, 0.60, 0.80, 1.05, 1.20, 1.30, 1.35, 1.35, 1.35, 1.40, 1.40, 1.40, 1.35, 1.35, 1.40,
        1.40, 1.25, 0.95, 0.90,
    ];
    let hours = at.rem_euclid(DAY * NANOS) as f64 / (3_600.0 * NANOS as f64);
    let (hour, part) = (hours as usize % 24, hours - hours as usize as f64);
    HOURS[hour] * (1.0 - part) + HOURS[(hour + 1) % 24] * part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: Style, at: i64) -> String {
        let mut out = String::new();
        Clock::new(style).push(&mut out, at);
        out
    }

    #[test]
    fn writes_times_as_logs_do() {
        let at = 1_767_600_000_123_456_789;
        assert_eq!(written(Style::Combined, at), "05/Jan/2026:08:00:00 +0000");
        assert_eq!(written(Style::Iso, at), "2026-01-05T08:00:00.123Z");
        assert_eq!(written(Style::Syslog, at), "Jan  5 08:00:00");
        assert_eq!(written(Style::Syslog, 951_825_599 * NANOS), "Feb 29 11:59:59");
        assert_eq!(written(Style::Iso, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(Style::Iso, -1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut last = civil(-1);
        for days in 0..80_000 {
            let (year, month, day) = civil(days);
            let next_day = (year, month, day) == (last.0, last.1, last.2 + 1);
            let next_month = day == 1 && (year, month) == (last.0, last.1 + 1) && last.2 >= 28;
            assert!(
                next_day || next_month || (month, day) == (1, 1) && (last.1, last.2) == (12, 31),
                "{last:?} {year}-{month}-{day}"
            );
            last = (year, month, day);
        }
        assert_eq!(last, (2189, 1, 11));
    }

    #[test]
    fn the_day_is_as_busy_as_the_rate_says() {
        let mean = (0..8_640).map(|i| busyness(i * 10 * NANOS)).sum::<f64>() / 8_640.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!(busyness(3 * 3_600 * NANOS) < 0.4 && busyness(15 * 3_600 * NANOS) > 1.3);
    }
}
