//! Lines that are said to be syslog lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("syslog"), data));
