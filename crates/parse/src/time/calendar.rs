//! Days and seconds of the proleptic Gregorian calendar.

pub(crate) const DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date. The month counts from 1.
pub(crate) const fn days(year: i64, month: u32, day: u32) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month as i64 - 3) } else { (year - 1, month as i64 + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + before_month + day as i64 - 1 - 719_468
}

/// Whether the calendar has that date.
pub(crate) const fn is_date(year: i64, month: u32, day: u32) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    day >= 1 && day <= length
}

/// The year that a second since 1970 falls into.
pub(crate) const fn year_of(second: i64) -> i64 {
    let day = second.div_euclid(DAY);
    // 146,097 days are 400 years; the estimate is off by at most one.
    let year = 1970 + (day * 400).div_euclid(146_097);
    if day < days(year, 1, 1) {
        year - 1
    } else if day >= days(year + 1, 1, 1) {
        year + 1
    } else {
        year
    }
}

/// The month that three letters stand for, in any case: `Jan` is 1.
pub(crate) fn month(name: &[u8]) -> Option<u32> {
    let &[a, b, c] = name else { return None };
    Some(match &[a | 0x20, b | 0x20, c | 0x20] {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_jiff(year in 1600_i16..2400, month in 1_i8..=12, day in 1_i8..=31) {
            let date = Date::new(year, month, day);
            prop_assert_eq!(is_date(year.into(), month as u32, day as u32), date.is_ok());
            if let Ok(date) = date {
                let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
                prop_assert_eq!(days(year.into(), month as u32, day as u32) * DAY, seconds);
                prop_assert_eq!(year_of(seconds), i64::from(year));
                prop_assert_eq!(year_of(seconds + DAY - 1), i64::from(year));
            }
        }
    }

    #[test]
    fn months_are_known_by_three_letters_in_any_case() {
        assert_eq!(month(b"MAY"), Some(5));
        assert_eq!(month(b"dec"), Some(12));
        assert_eq!(month(b"Foo"), None);
        assert_eq!(month(b"June"), None);
    }
}
