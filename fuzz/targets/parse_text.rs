//! Lines that are said to be plain text: addresses, levels, durations, users and times in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("text"), data));
