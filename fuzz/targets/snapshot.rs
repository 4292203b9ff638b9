//! Any bytes in place of a snapshot: read as it was written, or refused.
#![no_main]

use lapwing_store::snapshot;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    /// The right header and checksums for a body of any bytes.
    Packed {
        sections: &'a [u8],
        behind: &'a [u8],
    },
    Body(&'a [u8]),
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let dir = lapwing_fuzz::scratch();
    let bytes = match input {
        Input::Raw(bytes) => bytes.to_vec(),
        Input::Packed { sections, behind } => {
            with_header(&[&zstd::encode_all(sections, 1).expect("into memory"), behind].concat())
        }
        Input::Body(body) => with_header(body),
    };
    std::fs::write(dir.path().join("snapshot"), bytes).expect("written");
    match snapshot::read_newest(dir.path()) {
        Ok(found) => {
            let read = found.expect("it is there").snapshot;
            snapshot::write(dir.path(), &read).expect("written");
            assert_eq!(snapshot::read_newest(dir.path()).expect("readable").expect("there").snapshot, read);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn with_header(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"lapwing\x01".to_vec();
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&42_u64.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
