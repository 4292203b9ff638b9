//! Lines whose format is found out.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(None, data));
