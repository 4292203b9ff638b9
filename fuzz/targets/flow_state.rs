//! The saved state of a decoder.
#![no_main]

use lapwing_flow::{Decoder, Settings};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(decoder) = Decoder::load(Settings::default(), data) {
        Decoder::load(Settings::default(), &decoder.save()).expect("a state of ours");
    }
});
