//! Lines that are said to be of a web server's access log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("combined"), data));
