//! Lines that are said to be logfmt lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("logfmt"), data));
