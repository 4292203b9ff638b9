use std::time::Duration;

use jiff::tz::TimeZone;
use lapwing_model::{Clock, Event, Timestamp};

use super::Stamp;
use super::calendar::{DAY, days, is_date, year_of};

/// 1995-01-01T00:00:00Z: the web's first logs. What claims to be older has a clock that was never set.
const EARLIEST: Timestamp = Timestamp::from_seconds(788_918_400);
/// A clock may run in the wrong zone (at most 14 hours) and wrong by some hours more; beyond that it is absurd.
const AHEAD: Duration = Duration::from_secs(25 * 3600);
/// Zones change their offset at whole quarters of an hour only.
const QUARTER: i64 = 900;

/// Turns written times into points in time. What it remembers only saves work: the outcome depends on the stamp alone.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: Box<str>,
    zone: Option<TimeZone>,
    /// The quarter of an hour (local clock) that was last asked for, and its offset in seconds.
    last: (i64, i64),
}

/// More zones than sources could sensibly have; beyond it the oldest is forgotten.
const MOST: usize = 64;

impl Zones {
    /// Sets the time of an event. Absurd times are replaced by the time of receipt.
    pub(crate) fn set(&mut self, event: &mut Event, stamp: Stamp) {
        let (at, clock) = match stamp {
            Stamp::Utc { second, nano } => (join(second, nano), Clock::Stated),
            Stamp::Local { second, nano } => (join(second - self.offset(zone_of(event), second), nano), Clock::Stated),
            Stamp::Yearless { month, day, second, nano } => {
                match self.nearest(zone_of(event), event.received, (month, day, second)) {
                    Some(second) => (join(second, nano), Clock::Yearless),
                    None => (Timestamp::MIN, Clock::Clamped),
                }
            }
        };
        let absurd = at < EARLIEST || at > event.received + AHEAD;
        (event.at, event.clock) = if absurd { (event.received, Clock::Clamped) } else { (at, clock) };
    }

    /// The last year in which that date is not later than a day after receipt. 29 February may be eight years away.
    fn nearest(&mut self, zone: Option<&str>, received: Timestamp, (month, day, second): (u32, u32, u32)) -> Option<i64> {
        let latest = received.seconds() + DAY;
        let this = year_of(latest) + 1;
        (this - 9..=this).rev().filter(|&year| is_date(year, month, day)).find_map(|year| {
            let local = days(year, month, day) * DAY + i64::from(second);
            let utc = local - self.offset(zone, local);
            (utc <= latest).then_some(utc)
        })
    }

    /// Offset from UTC in seconds at a local time. Unknown zones are UTC: [`check_zone`] refuses them before.
    fn offset(&mut self, name: Option<&str>, local: i64) -> i64 {
        let Some(name) = name else { return 0 };
        let at = match self.known.iter().position(|known| &*known.name == name) {
            Some(at) => at,
            None => self.learn(name),
        };
        let known = &mut self.known[at];
        let quarter = local.div_euclid(QUARTER);
        if known.last.0 != quarter {
            known.last = (quarter, known.zone.as_ref().map_or(0, |zone| offset_at(zone, local)));
        }
        known.last.1
    }

    fn learn(&mut self, name: &str) -> usize {
        if self.known.len() == MOST {
            self.known.remove(0);
        }
        self.known.push(Known { name: name.into(), zone: zone_named(name), last: (i64::MIN, 0) });
        self.known.len() - 1
    }
}

fn join(second: i64, nano: u32) -> Timestamp {
    Timestamp::from_nanos(second.saturating_mul(1_000_000_000).saturating_add(i64::from(nano)))
}

fn zone_of(event: &Event) -> Option<&str> {
    event.origin.reading.zone.as_deref()
}

/// Local times that a change of clocks skips or repeats are read as RFC 5545 says: as if the change had not happened yet.
fn offset_at(zone: &TimeZone, local: i64) -> i64 {
    let Ok(as_utc) = jiff::Timestamp::from_second(local) else { return 0 };
    let civil = TimeZone::UTC.to_datetime(as_utc);
    match zone.to_ambiguous_timestamp(civil).compatible() {
        Ok(time) => local - time.as_second(),
        Err(_) => 0,
    }
}

/// `UTC`, `Z`, `+02:00`, `-0530`, or an IANA name such as `Europe/Berlin`.
fn zone_named(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "utc" | "Z" | "GMT") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        let (seconds, used) = super::layout::offset(name.as_bytes())?;
        let offset = jiff::tz::Offset::from_seconds(i32::try_from(seconds).ok()?).ok()?;
        return (used == name.len()).then(|| TimeZone::fixed(offset));
    }
    TimeZone::get(name).ok()
}

/// Whether `name` is a zone that times can be read in.
///
/// # Errors
/// Says what is wrong, with the nearest name that exists.
pub fn check_zone(name: &str) -> Result<(), String> {
    if zone_named(name).is_some() {
        return Ok(());
    }
    let names: Vec<String> = jiff::tz::db().available().map(|known| known.to_string()).collect();
    let hint = crate::nearest(name, names.iter().map(String::as_str)).map_or_else(
        || "give an IANA name such as Europe/Berlin, or an offset such as +02:00".to_owned(),
        |known| format!("did you mean {known}?"),
    );
    Err(format!("unknown time zone {name:?}; {hint}"))
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Detail, Log, Origin, Position, Reading, Record};

    use super::*;

    fn read(zone: Option<&str>, received: &str, stamp: Stamp) -> (String, Clock) {
        let received: jiff::Timestamp = received.parse().unwrap();
        let reading = Reading { zone: zone.map(Into::into), ..Reading::default() };
        let record = Record {
            body: bytes::Bytes::new(),
            origin: Origin::read_as("test", reading),
            position: Position::default(),
            received: Timestamp::from_seconds(received.as_second()),
        };
        let mut event = Event::new(&record, Detail::Log(Log::default()));
        Zones::default().set(&mut event, stamp);
        (event.at.to_string(), event.clock)
    }

    fn local(text: &str) -> Stamp {
        let second = text.parse::<jiff::Timestamp>().unwrap().as_second();
        Stamp::Local { second, nano: 0 }
    }

    #[test]
    fn a_time_without_zone_is_read_in_the_zone_of_its_origin() {
        let now = "2024-01-01T00:00:00Z";
        assert_eq!(read(None, now, local("2023-07-01T12:00:00Z")).0, "2023-07-01T12:00:00Z");
        assert_eq!(read(Some("Europe/Berlin"), now, local("2023-07-01T12:00:00Z")).0, "2023-07-01T10:00:00Z");
        assert_eq!(read(Some("Europe/Berlin"), now, local("2023-12-01T12:00:00Z")).0, "2023-12-01T11:00:00Z");
        assert_eq!(read(Some("-05:30"), now, local("2023-07-01T12:00:00Z")).0, "2023-07-01T17:30:00Z");
    }

    #[test]
    fn a_missing_year_is_the_last_that_is_not_in_the_future() {
        let stamp = |month, day| Stamp::Yearless { month, day, second: 0, nano: 0 };
        let day = |received, month, date| read(None, received, stamp(month, date));
        assert_eq!(day("2024-06-20T00:00:00Z", 6, 14), ("2024-06-14T00:00:00Z".into(), Clock::Yearless));
        assert_eq!(day("2024-01-01T00:10:00Z", 12, 31).0, "2023-12-31T00:00:00Z");
        assert_eq!(day("2023-12-31T23:50:00Z", 1, 1).0, "2024-01-01T00:00:00Z", "a clock that is a little ahead");
        assert_eq!(day("2023-03-01T00:00:00Z", 2, 29).0, "2020-02-29T00:00:00Z");
        assert_eq!(day("2023-03-01T00:00:00Z", 2, 30).1, Clock::Clamped);
    }

    #[test]
    fn absurd_times_give_way_to_the_time_of_receipt() {
        let now = "2024-01-01T00:00:00Z";
        for absurd in ["1970-01-01T00:00:07Z", "1994-12-31T23:59:59Z", "2024-01-02T01:00:01Z", "2100-01-01T00:00:00Z"] {
            assert_eq!(read(None, now, local(absurd)), (now.to_owned(), Clock::Clamped), "{absurd}");
        }
        assert_eq!(read(None, now, local("2024-01-02T01:00:00Z")).1, Clock::Stated);
        assert_eq!(read(None, now, Stamp::Utc { second: i64::MAX, nano: 0 }).1, Clock::Clamped);
    }

    #[test]
    fn an_unknown_zone_is_refused_with_the_nearest_name() {
        assert_eq!(check_zone("Europe/Berlin"), Ok(()));
        assert_eq!(check_zone("+02:00"), Ok(()));
        let error = check_zone("Europe/Berlim").unwrap_err();
        assert_eq!(error, "unknown time zone \"Europe/Berlim\"; did you mean Europe/Berlin?");
        assert!(check_zone("+2x").unwrap_err().contains("give an IANA name"));
    }
}
