//! Lines that are said to come from a container runtime (CRI).
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lapwing_fuzz::parse(Some("cri"), data));
