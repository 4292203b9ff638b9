//! Files of any bytes, packed or not: read to their end or to a clear error, in bounded pieces.
#![no_main]

use lapwing_source::files::Reader;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    Zstd(&'a [u8], &'a [u8]),
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let bytes = match input {
        Input::Raw(bytes) => bytes.to_vec(),
        Input::Zstd(packed, behind) => [&zstd::encode_all(packed, 1).expect("into memory"), behind].concat(),
    };
    let dir = lapwing_fuzz::scratch();
    let path = dir.path().join("x.log");
    std::fs::write(&path, bytes).expect("written");
    let reader = Reader { max_line: 4096, ..Reader::new(|| lapwing_fuzz::RECEIVED) };
    let files = reader.open(&[path.to_string_lossy().into_owned()]).expect("a file");
    for block in files {
        match block {
            Ok(block) => assert!(block.records.len() <= lapwing_source::BLOCK),
            Err(error) => return lapwing_fuzz::assert_harmless(&error.to_string()),
        }
    }
});
