//! What comes from others about addresses: answers of DNS, and lines of lists.
#![no_main]

use lapwing_enrich::{Indicator, reverse};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let address = std::net::IpAddr::from([203, 0, 113, 9]);
    let _ = reverse::answer(data, 7, address);
    // The question itself in front, so that the fuzzer gets to the answers.
    let mut answered = reverse::question(7, address);
    (answered[2], answered[7]) = (0x81, 4);
    answered.extend(data);
    if let Ok(Some(name)) = reverse::answer(&answered, 7, address) {
        assert!(!name.is_empty() && name.len() <= 253);
    }
    for line in data.split(|byte| *byte == b'\n') {
        for column in [None, Some(2)] {
            if let Ok(Some(Indicator::Network(network))) = Indicator::of_line(line, column) {
                assert!(network.contains(network.first()));
            }
        }
    }
});
