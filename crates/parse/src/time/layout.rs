//! The layouts people write times in, read by hand: a table of patterns would cost a microsecond a line.

use super::Stamp;
use super::calendar::{DAY, days, is_date, month};

/// Reads a time at the beginning of `bytes`. Returns it with the number of bytes it takes.
///
/// Known are ISO 8601 / RFC 3339 with its relatives, the Common Log Format, RFC 2822 and asctime, syslog's yearless times,
/// `081109 203615`, `17/06/09 20:10:40`, `05/17/2015 10:05:03`, logcat's `03-17 16:13:38.811` and seconds, milliseconds,
/// microseconds and nanoseconds since 1970.
pub(crate) fn leading(bytes: &[u8]) -> Option<(Stamp, usize)> {
    match bytes.first()? {
        b'0'..=b'9' => digits_first(bytes),
        b'A'..=b'Z' | b'a'..=b'z' => letters_first(bytes),
        _ => None,
    }
}

/// Reads a time that is all of `bytes`.
pub(crate) fn whole(bytes: &[u8]) -> Option<Stamp> {
    let bytes = bytes.trim_ascii();
    leading(bytes).filter(|&(_, used)| used == bytes.len()).map(|(stamp, _)| stamp).or_else(|| date_only(bytes))
}

/// The day that a line of an access log was last of, so that only the time of day needs to be read.
#[derive(Debug, Default)]
pub(crate) struct LastDay {
    text: [u8; 12],
    midnight: i64,
}

/// Reads `17/May/2015:10:05:03 +0000` at the beginning of `bytes`: 26 bytes.
pub(crate) fn clf(bytes: &[u8], last: &mut LastDay) -> Option<Stamp> {
    let bytes: &[u8; 26] = bytes.first_chunk()?;
    let day: &[u8; 12] = bytes.first_chunk()?;
    if *day != last.text {
        let date = (day[2] == b'/' && day[6] == b'/' && day[11] == b':')
            .then(|| date(i64::from(fixed(day, 7, 4)?), month(&day[3..6])?, fixed(day, 0, 2)?))??;
        *last = LastDay { text: *day, midnight: date };
    }
    let &[h, hh, b':', m, mm, b':', s, ss, b' ', sign @ (b'+' | b'-'), a, b, c, d] = &bytes[12..] else { return None };
    if ![h, hh, m, mm, s, ss, a, b, c, d].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (hour, minute, second) = (pair(h, hh), pair(m, mm), pair(s, ss));
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let east = (pair(a, b) * 60 + pair(c, d)) * 60;
    let east = if sign == b'-' { -east } else { east };
    Some(Stamp::Utc { second: last.midnight + hour * 3600 + minute * 60 + second - east, nano: 0 })
}

/// An offset such as `+02:00`, `-0530` or `+02`, in seconds, with the number of bytes it takes.
pub(crate) fn offset(bytes: &[u8]) -> Option<(i64, usize)> {
    let sign = match bytes.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = i64::from(fixed(bytes, 1, 2)?);
    let (minutes, used) = match bytes.get(3) {
        Some(b':') => (fixed(bytes, 4, 2)?, 6),
        Some(b'0'..=b'9') => (fixed(bytes, 3, 2)?, 5),
        _ => (0, 3),
    };
    let boundary = !bytes.get(used).is_some_and(u8::is_ascii_digit);
    (hours <= 14 && minutes < 60 && boundary).then(|| (sign * (hours * 3600 + i64::from(minutes) * 60), used))
}

fn digits_first(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let run = bytes.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    match (run, bytes.get(run)) {
        (4, Some(&by @ (b'-' | b'/' | b'.'))) => year_first(bytes, by),
        (8, Some(b'T' | b' ' | b'-' | b'_')) => compact(bytes, 9),
        (14, _) => compact(bytes, 8),
        (6, Some(b' ')) => short_compact(bytes),
        (1 | 2, Some(b'/' | b'-' | b'.' | b' ')) => day_or_month_first(bytes, run),
        (10 | 13 | 16 | 19, _) => since_1970(bytes, run),
        _ => None,
    }
}

/// `2015-10-18 18:01:47,978`, `2015-05-17T10:05:03.25+02:00`, `2005-06-03-15.42.50.675872`, `2015/05/17 10:05:03`.
fn year_first(bytes: &[u8], by: u8) -> Option<(Stamp, usize)> {
    if *bytes.get(7)? != by {
        return None;
    }
    let midnight = date(i64::from(fixed(bytes, 0, 4)?), fixed(bytes, 5, 2)?, fixed(bytes, 8, 2)?)?;
    matches!(bytes.get(10)?, b'T' | b't' | b' ' | b'-' | b'_' | b':').then_some(())?;
    full(bytes, midnight, 11 + usize::from(bytes.get(11) == Some(&b' ')))
}

/// `20171223-22:15:29:606`, `20150517T100503Z`, `20150517100503`.
fn compact(bytes: &[u8], at: usize) -> Option<(Stamp, usize)> {
    let midnight = date(i64::from(fixed(bytes, 0, 4)?), fixed(bytes, 4, 2)?, fixed(bytes, 6, 2)?)?;
    full(bytes, midnight, at)
}

/// `081109 203615`, `081109 20:36:15`.
fn short_compact(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let midnight = date(century(fixed(bytes, 0, 2)?), fixed(bytes, 2, 2)?, fixed(bytes, 4, 2)?)?;
    full(bytes, midnight, 7)
}

/// What begins with one or two digits: a day, a month, or a year of two digits.
fn day_or_month_first(bytes: &[u8], run: usize) -> Option<(Stamp, usize)> {
    let first = fixed(bytes, 0, run)?;
    let by = bytes[run];
    let rest = &bytes[run + 1..];
    if rest.first()?.is_ascii_alphabetic() {
        return day_and_month_name(bytes, first, run + 1, by);
    }
    let second = fixed(rest, 0, 2)?;
    let third_at = run + 4;
    if *rest.get(2)? != by {
        // logcat's `03-17 16:13:38.811`, Proxifier's `10.30 16:49:06`
        let months = by != b'/' && by != b' ' && rest[2] == b' ' && is_date(2000, first, second);
        let (of_day, nano, used) = time_of_day(bytes, third_at)?;
        return months.then_some((Stamp::Yearless { month: first, day: second, second: of_day, nano }, used));
    }
    let year_digits = bytes[third_at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let third = fixed(bytes, third_at, year_digits.min(4))?;
    let midnight = match (year_digits, by) {
        (4, b'/' | b'-') if first <= 12 => date(i64::from(third), first, second)?,
        (4, _) => date(i64::from(third), second, first)?,
        (2, b'/' | b'-') => date(century(first), second, third)?,
        (2, b'.') => date(century(third), second, first)?,
        _ => return None,
    };
    let at = third_at + year_digits;
    let gap = bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b',' | b'T' | b':')).count();
    if gap == 0 || gap > 2 {
        return None;
    }
    full(bytes, midnight, at + gap)
}

/// `17/May/2015:10:05:03 +0000`, `17-May-2015 10:05:03.123`, `17 May 2015 10:05:03`.
fn day_and_month_name(bytes: &[u8], day: u32, at: usize, by: u8) -> Option<(Stamp, usize)> {
    let month = month(bytes.get(at..at + 3)?)?;
    (*bytes.get(at + 3)? == by).then_some(())?;
    let (year, at) = match fixed(bytes, at + 4, 4) {
        Some(year) => (i64::from(year), at + 8),
        None => (century(fixed(bytes, at + 4, 2)?), at + 6),
    };
    matches!(bytes.get(at)?, b':' | b' ' | b'T').then_some(())?;
    full(bytes, date(year, month, day)?, at + 1)
}

/// `Jun 14 15:16:01`, `Jul  7 2005 08:09:10`, `Jul 29, 2015 5:41:44 PM`, and the same after `Sun`, `Sunday` or `Sun,`.
fn letters_first(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let Some(month) = month(bytes.get(..3)?) else {
        let used = weekday(bytes)?;
        let rest = &bytes[used..];
        let (stamp, more) = match rest.first()? {
            b'0'..=b'9' => day_or_month_first(rest, rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count()),
            _ => month_first(rest, month(rest.get(..3)?)?),
        }?;
        return Some((stamp, used + more));
    };
    month_first(bytes, month)
}

fn month_first(bytes: &[u8], month: u32) -> Option<(Stamp, usize)> {
    (*bytes.get(3)? == b' ').then_some(())?;
    let at = 4 + usize::from(bytes.get(4) == Some(&b' '));
    let run = bytes.get(at..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let day = fixed(bytes, at, run)?;
    let at = at + run + usize::from(bytes.get(at + run) == Some(&b','));
    (*bytes.get(at)? == b' ').then_some(())?;
    let at = at + 1;
    if let Some(year) = fixed(bytes, at, 4) {
        matches!(bytes.get(at + 4)?, b' ' | b',').then_some(())?;
        let gap = bytes[at + 4..].iter().take(2).take_while(|byte| matches!(byte, b' ' | b',')).count();
        return full(bytes, date(i64::from(year), month, day)?, at + 4 + gap);
    }
    if !is_date(2000, month, day) {
        return None;
    }
    let (second, nano, used) = time_of_day(bytes, at)?;
    match trailing_year(&bytes[used..]) {
        Some((year, east, more)) => {
            let local = date(year, month, day)? + i64::from(second);
            let stamp = match east {
                Some(east) => Stamp::Utc { second: local - east, nano },
                None => Stamp::Local { second: local, nano },
            };
            Some((stamp, used + more))
        }
        None => Some((Stamp::Yearless { month, day, second, nano }, used)),
    }
}

/// The year of `Sun Dec 04 04:47:44 2005`, and before it the zone of `Mon Jan  2 15:04:05 UTC 2006`.
fn trailing_year(bytes: &[u8]) -> Option<(i64, Option<i64>, usize)> {
    let (east, at) = match zone(bytes) {
        Some((east, used)) => (Some(east), used),
        None => (None, 0),
    };
    (*bytes.get(at)? == b' ').then_some(())?;
    let year = fixed(bytes, at + 1, 4)?;
    let boundary = !bytes.get(at + 5).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/'));
    ((1970..2200).contains(&year) && boundary).then_some((i64::from(year), east, at + 5))
}

/// Bytes that a weekday and what parts it from the date take.
fn weekday(bytes: &[u8]) -> Option<usize> {
    const DAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    let name = [bytes[0] | 0x20, bytes[1] | 0x20, bytes[2] | 0x20];
    DAYS.contains(&&name).then_some(())?;
    let letters = bytes.iter().take(10).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let gap = bytes[letters..].iter().take(3).take_while(|byte| matches!(byte, b' ' | b',')).count();
    (gap > 0).then_some(letters + gap)
}

/// Seconds, with a fraction, or milli-, micro- or nanoseconds, told apart by their number of digits.
fn since_1970(bytes: &[u8], digits: usize) -> Option<(Stamp, usize)> {
    let number = bytes[..digits].iter().try_fold(0_i64, |sum, byte| sum.checked_mul(10)?.checked_add(i64::from(byte - b'0')))?;
    let unit = 10_i64.pow(digits as u32 - 10);
    let (second, part) = (number / unit, number % unit * (1_000_000_000 / unit));
    let (nano, used) = match (digits, bytes.get(digits)) {
        (10, Some(b'.')) => fraction(bytes, digits + 1).unwrap_or((0, digits)),
        (_, Some(b'.')) => (part as u32, fraction(bytes, digits + 1).map_or(digits, |(_, used)| used)),
        _ => (part as u32, digits),
    };
    let boundary = !bytes.get(used).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'));
    // Before 1995 and after 2100 a number is a number, not a time: that of a credit card, say.
    ((788_918_400..4_110_000_000).contains(&second) && boundary).then_some((Stamp::Utc { second, nano }, used))
}

/// `2015-05-17` or `20150517`: midnight.
fn date_only(bytes: &[u8]) -> Option<Stamp> {
    let (month, day) = match bytes.len() {
        10 if bytes[4] == b'-' && bytes[7] == b'-' => (fixed(bytes, 5, 2)?, fixed(bytes, 8, 2)?),
        _ => return None,
    };
    date(i64::from(fixed(bytes, 0, 4)?), month, day).map(|second| Stamp::Local { second, nano: 0 })
}

/// Time of day and zone, given the midnight of the date before it.
fn full(bytes: &[u8], midnight: i64, at: usize) -> Option<(Stamp, usize)> {
    let (second, nano, used) = time_of_day(bytes, at)?;
    let second = midnight + i64::from(second);
    Some(match zone(&bytes[used..]) {
        Some((east, more)) => (Stamp::Utc { second: second - east, nano }, used + more),
        None => (Stamp::Local { second, nano }, used),
    })
}

/// `10:05:03`, `10.05.03`, `100503`, with a fraction after `.`, `,` or `:`, and AM or PM. Returns second of the day,
/// nanosecond, and where it ends.
fn time_of_day(bytes: &[u8], at: usize) -> Option<(u32, u32, usize)> {
    let run = bytes.get(at..)?.iter().take(7).take_while(|byte| byte.is_ascii_digit()).count();
    let (hour, minute, second, end) = match (run, bytes.get(at + run)) {
        (6, _) => (fixed(bytes, at, 2)?, fixed(bytes, at + 2, 2)?, fixed(bytes, at + 4, 2)?, at + 6),
        (1 | 2, Some(&by @ (b':' | b'.'))) => {
            let minute_at = at + run + 1;
            let minute = fixed(bytes, minute_at, 2)?;
            (bytes.get(minute_at + 2) == Some(&by)).then_some(())?;
            (fixed(bytes, at, run)?, minute, fixed(bytes, minute_at + 3, 2)?, minute_at + 5)
        }
        _ => return None,
    };
    if minute > 59 || second > 60 {
        return None;
    }
    let (nano, end) = match bytes.get(end) {
        Some(b'.' | b',' | b':') => fraction(bytes, end + 1).unwrap_or((0, end)),
        _ => (0, end),
    };
    let (hour, end) = match bytes.get(end..end + 3) {
        Some(b" PM" | b" pm") if hour <= 12 => (hour % 12 + 12, end + 3),
        Some(b" AM" | b" am") if hour <= 12 => (hour % 12, end + 3),
        _ => (hour, end),
    };
    let boundary = !bytes.get(end).is_some_and(u8::is_ascii_digit);
    (hour < 24 && boundary).then_some((hour * 3600 + minute * 60 + second, nano, end))
}

/// Digits of a fraction of a second as nanoseconds; what is finer than that is dropped.
fn fraction(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let digits = bytes.get(at..)?.iter().take(18).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let kept = digits.min(9);
    Some((fixed(bytes, at, kept)? * 10_u32.pow(9 - kept as u32), at + digits))
}

/// `Z`, `UTC`, `GMT` or an offset, perhaps after a space. After a space an offset needs its minutes: `10:05:03 -5` is none.
fn zone(bytes: &[u8]) -> Option<(i64, usize)> {
    let space = usize::from(bytes.first() == Some(&b' '));
    let rest = &bytes[space..];
    let named = match rest {
        [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => Some(3),
        [b'Z', ..] => Some(1),
        _ => None,
    };
    if let Some(length) = named {
        let boundary = !rest.get(length).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-'));
        return boundary.then_some((0, space + length));
    }
    let (seconds, used) = offset(rest)?;
    (space == 0 || used > 3).then_some((seconds, space + used))
}

/// The number that exactly `count` digits at `at` make.
fn fixed(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    if count == 0 || count > 9 {
        return None;
    }
    bytes.get(at..at + count)?.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// Seconds since 1970 at a date's midnight.
fn date(year: i64, month: u32, day: u32) -> Option<i64> {
    is_date(year, month, day).then(|| days(year, month, day) * DAY)
}

/// POSIX: 69 to 99 are of the twentieth century.
fn century(year: u32) -> i64 {
    i64::from(year) + if year < 69 { 2000 } else { 1900 }
}
