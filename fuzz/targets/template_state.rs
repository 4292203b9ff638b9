//! Any bytes in place of a miner's saved state: refused, or a miner that works.
#![no_main]

use lapwing_parse::template::{Mined, Miner, Settings};
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    /// Bytes of no kind.
    Raw(&'a [u8]),
    /// A state that was written, with some bytes changed.
    Damaged { texts: &'a [u8], changes: Vec<(u16, u8)>, length: Option<u16> },
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let settings = Settings { capacity: 64, path_values: 2 };
    let state = match input {
        Input::Raw(bytes) => bytes.to_vec(),
        Input::Damaged { texts, changes, length } => {
            let mut miner = Miner::new(settings.clone());
            resolve(&mut miner, texts);
            let mut state = Vec::new();
            miner.save(&mut state);
            lapwing_fuzz::damage(&mut state, &changes, length);
            state
        }
    };
    let Ok(mut miner) = Miner::load(settings, &state) else { return };
    resolve(&mut miner, b"user bob logged in\nuser eve logged in\n/a/b\n/a/c\n/a/d\nx 1\n");
    miner.templates().for_each(|template| drop(template.text()));
    let mut again = Vec::new();
    miner.save(&mut again);
});

fn resolve(miner: &mut Miner, texts: &[u8]) {
    for line in texts.split(|&byte| byte == b'\n') {
        let mined = match line.first() {
            Some(b'/') => Mined::Path { method: b"GET", path: line },
            _ => Mined::Text(line),
        };
        let id = miner.resolve(mined.skeleton(), mined).id;
        let _ = miner.parameters(id, mined);
    }
}
