//! Lines that are said to be JSON, and what is wrapped in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("json"), data));
