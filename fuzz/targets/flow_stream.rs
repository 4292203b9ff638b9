//! A stream of IPFIX messages: the same ones however it is cut.
#![no_main]

use lapwing_flow::Framer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let taken = Framer::new().push(data, |message| whole.push(message.to_vec()));
    let mut framer = Framer::new();
    let again = data.chunks(3).try_for_each(|piece| framer.push(piece, |message| cut.push(message.to_vec())));
    assert_eq!((taken, whole), (again, cut));
});
