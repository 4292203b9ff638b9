//! Parts of a date, for the time modifiers (`minute`, `hour`, `day`, `week`, `month`, `year`).

use crate::value::Value;

/// A part of a date and time. Zones are not converted: the specification asks for the date as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePart {
    Minute,
    Hour,
    Day,
    /// Of ISO 8601: the first week holds the first Thursday of the year.
    Week,
    Month,
    Year,
}

impl TimePart {
    pub(crate) const NAMES: [(&'static str, TimePart); 6] = [
        ("minute", TimePart::Minute),
        ("hour", TimePart::Hour),
        ("day", TimePart::Day),
        ("week", TimePart::Week),
        ("month", TimePart::Month),
        ("year", TimePart::Year),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        TimePart::NAMES[self as usize].0
    }

    /// The part of a value that is a date (`2025-03-01T10:00:00Z`, `2025/03/01 10:00`, `2025-03-01`) or a time since 1970 in
    /// seconds, milliseconds, microseconds or nanoseconds; nothing where it is neither.
    pub(crate) fn of(self, value: Value<'_>) -> Option<i64> {
        let date = match value {
            Value::Text(text) => Date::written(text).or_else(|| Date::since_1970(value.number()?)),
            Value::Number(number) => Date::since_1970(number),
            Value::Absent | Value::Address(_) => None,
        }?;
        Some(match self {
            TimePart::Minute => date.minute,
            TimePart::Hour => date.hour,
            TimePart::Day => date.day,
            TimePart::Week => date.week(),
            TimePart::Month => date.month,
            TimePart::Year => date.year,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
}

impl Date {
    fn written(text: &[u8]) -> Option<Date> {
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            let all = digits.iter().all(u8::is_ascii_digit);
            all.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
        };
        let separated = |at: usize, by: &[u8]| text.get(at).is_some_and(|byte| by.contains(byte));
        if !separated(4, b"-/") || !separated(7, b"-/") {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute) =
            if separated(10, b"T t") && separated(13, b":") { (number(11, 13)?, number(14, 16)?) } else { (0, 0) };
        let real = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
        real.then_some(Date { year, month, day, hour, minute })
    }

    fn since_1970(number: f64) -> Option<Date> {
        if !(0.0..1e19).contains(&number) {
            return None;
        }
        // By its size: seconds reach 1e11 in the year 5138 only.
        let unit = [(1e11, 1.0), (1e14, 1e3), (1e17, 1e6)].iter().find(|(end, _)| number < *end).map_or(1e9, |(_, unit)| *unit);
        let seconds = (number / unit) as i64;
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        Some(Date { year, month, day, hour: of_day / 3600, minute: of_day % 3600 / 60 })
    }

    fn week(self) -> i64 {
        let days = days(self.year, self.month, self.day);
        // 1970-01-01 was a Thursday; the week is that of its Thursday.
        let thursday = days - (days + 3).rem_euclid(7) + 3;
        let (year, ..) = civil(thursday);
        (thursday - self::days(year, 1, 1)) / 7 + 1
    }
}

/// Days since 1970 of a date of the Gregorian calendar, the year taken to begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of so many days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_date_as_written() {
        for (text, minute, hour, day, week, month, year) in [
            ("2025-03-01T10:59:07+02:00", 59, 10, 1, 9, 3, 2025),
            ("2021-01-03", 0, 0, 3, 53, 1, 2021),
            ("2018/12/31 23:05", 5, 23, 31, 1, 12, 2018),
            ("1740823200", 0, 10, 1, 9, 3, 2025),
            ("1740823200000", 0, 10, 1, 9, 3, 2025),
        ] {
            let parts = TimePart::NAMES.map(|(_, part)| part.of(Value::from(text)).unwrap());
            assert_eq!(parts, [minute, hour, day, week, month, year], "{text}");
        }
        for text in ["", "yesterday", "2025-13-01", "2025-03-01T25:00", "-5"] {
            assert_eq!(TimePart::Hour.of(Value::from(text)), None, "{text}");
        }
    }

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for day in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }
}
