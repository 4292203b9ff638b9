//! Times of any form, wherever formats carry them, in any zone and received at any moment.
#![no_main]

use lapwing_fuzz::{parse_record, record};
use lapwing_model::{Clock, Reading, Timestamp};
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    received: i64,
    zone: Option<&'a str>,
    time: &'a [u8],
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let time = input.time;
    let lines = [
        [b"".as_slice(), time, b" INFO started"].concat(),
        [b"1.2.3.4 - - [".as_slice(), time, b"] \"GET / HTTP/1.1\" 200 12"].concat(),
        [b"{\"time\":\"".as_slice(), time, b"\",\"msg\":\"x\"}"].concat(),
        [b"{\"ts\":".as_slice(), time, b",\"msg\":\"x\"}"].concat(),
        [b"<13>1 ".as_slice(), time, b" host app 1 - - x"].concat(),
        [b"<13>".as_slice(), time, b" host app[1]: x"].concat(),
        [b"level=info ts=".as_slice(), time, b" msg=x"].concat(),
        [time, b" stdout F x"].concat(),
    ];
    for received in [lapwing_fuzz::RECEIVED, Timestamp::from_nanos(input.received)] {
        for line in &lines {
            let reading = Reading { zone: input.zone.map(Into::into), ..Reading::default() };
            let (_, event) = parse_record(&record(line, reading, received));
            if matches!(event.clock, Clock::Received | Clock::Clamped) {
                assert_eq!(event.at, received, "a time that is not believed is replaced");
            }
        }
    }
});
