use super::*;

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64
}

/// What a layout is read as: nanoseconds, with how the zone is known.
fn shown(text: &str) -> Option<(i64, &'static str, usize)> {
    let (stamp, used) = leading(text.as_bytes())?;
    Some(match stamp {
        Stamp::Utc { second, nano } => (second * 1_000_000_000 + i64::from(nano), "utc", used),
        Stamp::Local { second, nano } => (second * 1_000_000_000 + i64::from(nano), "local", used),
        Stamp::Yearless { month, day, second, nano } => {
            let of_2004 = calendar::days(2004, month, day) * calendar::DAY + i64::from(second);
            (of_2004 * 1_000_000_000 + i64::from(nano), "yearless", used)
        }
    })
}

#[test]
fn reads_the_layouts_people_write() {
    let table = [
        ("17/May/2015:10:05:03 +0000", "2015-05-17T10:05:03Z", "utc"),
        ("17/May/2015:10:05:03 -0730", "2015-05-17T17:35:03Z", "utc"),
        ("2015-05-17T10:05:03Z", "2015-05-17T10:05:03Z", "utc"),
        ("2015-05-17T10:05:03.250+02:00", "2015-05-17T08:05:03.25Z", "utc"),
        ("2015-05-17 10:05:03,978", "2015-05-17T10:05:03.978Z", "local"),
        ("2015-05-17 10:05:03.123456789 +0200", "2015-05-17T08:05:03.123456789Z", "utc"),
        ("2015-05-17 10:05:03 UTC", "2015-05-17T10:05:03Z", "utc"),
        ("2015/05/17 10:05:03", "2015-05-17T10:05:03Z", "local"),
        ("2005-06-03-15.42.50.675872", "2005-06-03T15:42:50.675872Z", "local"),
        ("20150517T100503Z", "2015-05-17T10:05:03Z", "utc"),
        ("20171223-22:15:29:606", "2017-12-23T22:15:29.606Z", "local"),
        ("20150517100503", "2015-05-17T10:05:03Z", "local"),
        ("081109 203615", "2008-11-09T20:36:15Z", "local"),
        ("081109 20:36:15", "2008-11-09T20:36:15Z", "local"),
        ("17/06/09 20:10:40", "2017-06-09T20:10:40Z", "local"),
        ("05/17/2015 10:05:03 PM", "2015-05-17T22:05:03Z", "local"),
        ("17/05/2015 10:05:03", "2015-05-17T10:05:03Z", "local"),
        ("17.05.2015 10:05:03", "2015-05-17T10:05:03Z", "local"),
        ("17-May-2015 10:05:03.123", "2015-05-17T10:05:03.123Z", "local"),
        ("17 May 2015 10:05:03.123", "2015-05-17T10:05:03.123Z", "local"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "utc"),
        ("Sun, 6 Nov 1994 08:49:37 -0500", "1994-11-06T13:49:37Z", "utc"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z", "utc"),
        ("Sun Dec 04 04:47:44 2005", "2005-12-04T04:47:44Z", "local"),
        ("Sun Dec  4 04:47:44.123456 2005", "2005-12-04T04:47:44.123456Z", "local"),
        ("Mon Jan  2 15:04:05 UTC 2006", "2006-01-02T15:04:05Z", "utc"),
        ("Jul 29, 2015 5:41:44 PM", "2015-07-29T17:41:44Z", "local"),
        ("Jun 14 2005 15:16:01", "2005-06-14T15:16:01Z", "local"),
        ("Jun 14 15:16:01", "2004-06-14T15:16:01Z", "yearless"),
        ("Jul  7 08:09:10.5", "2004-07-07T08:09:10.5Z", "yearless"),
        ("03-17 16:13:38.811", "2004-03-17T16:13:38.811Z", "yearless"),
        ("10.30 16:49:06", "2004-10-30T16:49:06Z", "yearless"),
        ("1431857103", "2015-05-17T10:05:03Z", "utc"),
        ("1431857103.25", "2015-05-17T10:05:03.25Z", "utc"),
        ("1431857103250", "2015-05-17T10:05:03.25Z", "utc"),
        ("1431857103250001", "2015-05-17T10:05:03.250001Z", "utc"),
        ("1431857103250001002", "2015-05-17T10:05:03.250001002Z", "utc"),
    ];
    for (text, time, zone) in table {
        assert_eq!(shown(text), Some((utc(time), zone, text.len())), "{text}");
        assert_eq!(shown(&format!("{text} and more")), Some((utc(time), zone, text.len())), "{text} and more");
    }
}

#[test]
fn leaves_alone_what_only_looks_like_a_time() {
    let table = [
        "",
        "2",
        "1.2.3.4",
        "192.168.1.1 - -",
        "2015",
        "2015-13-17 10:05:03",
        "2015-02-29T00:00:00Z",
        "1234567 rows",
        "10 connections open",
        "Junk 14 15:16:01",
        "Jun",
        "Jun 31 10:00:00",
        "Sun",
        "Mon key",
        "24:00:00",
        "2015-05-17 25:00:00",
        "4111111111111111",
        "3-4 of 5",
        "0000000000",
        "May the force",
        "99/99/99 99:99:99",
        "2015-05-17",
    ];
    for text in table {
        assert_eq!(shown(text), None, "{text}");
    }
}

#[test]
fn a_time_zone_is_not_taken_from_the_text_that_follows() {
    assert_eq!(shown("2015-07-29 17:41:44,747 - INFO"), Some((utc("2015-07-29T17:41:44.747Z"), "local", 23)));
    assert_eq!(shown("2015-07-29 17:41:44 -5 degrees"), Some((utc("2015-07-29T17:41:44Z"), "local", 19)));
    assert_eq!(shown("2015-07-29T17:41:44 Zone"), Some((utc("2015-07-29T17:41:44Z"), "local", 19)));
}

#[test]
fn the_remembered_day_does_not_change_what_is_read() {
    let mut last = LastDay::default();
    let lines =
        ["17/May/2015:10:05:03 +0000", "17/May/2015:23:59:60 +0000", "18/May/2015:00:00:00 -0100", "17/May/2015:10:05:03 +0000"];
    for text in lines {
        assert_eq!(clf(text.as_bytes(), &mut last), leading(text.as_bytes()).map(|(stamp, _)| stamp), "{text}");
    }
    for text in
        ["17/Foo/2015:10:05:03 +0000", "17/May/2015:24:05:03 +0000", "17/May/2015 10:05:03 +0000", "17/May/2015:10:05:0", ""]
    {
        assert_eq!(clf(text.as_bytes(), &mut last), None, "{text}");
    }
}

#[test]
fn a_value_must_be_a_time_as_a_whole() {
    assert!(whole(b" 1431857103250 ").is_some());
    assert!(whole(b"2015-05-17").is_some());
    assert_eq!(whole(b"2015-05-17T10:05:03Z and more"), None);
}
