//! The template miner under any texts: bounded, and the same after it was saved and loaded in the middle.
#![no_main]

use lapwing_parse::template::{Mined, Miner, Settings};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&cut, data)) = data.split_first() else { return };
    let settings = Settings { capacity: 64, path_values: 2 };
    let mut miner = Miner::new(settings.clone());
    let mut loaded: Option<Miner> = None;
    for (number, line) in data.split(|&byte| byte == b'\n').enumerate() {
        let mined = match line.first() {
            Some(b'/') => Mined::Path { method: b"GET", path: line },
            _ => Mined::Text(line),
        };
        let skeleton = mined.skeleton();
        if number == usize::from(cut) {
            let saved = state(&miner);
            let again = Miner::load(settings.clone(), &saved).expect("its own state");
            assert_eq!(saved, state(&again), "what is loaded is what was saved");
            loaded = Some(again);
        }
        let resolved = miner.resolve(skeleton, mined);
        if let Some(loaded) = &mut loaded {
            assert_eq!(resolved, loaded.resolve(skeleton, mined), "a loaded miner goes on like the one that was saved");
        }
        assert_ne!(resolved.id, 0);
        assert!(miner.len() <= 64, "{} templates", miner.len());
        let parameters = miner.parameters(resolved.id, mined);
        assert!(parameters.iter().map(|parameter| parameter.len()).sum::<usize>() <= line.len());
        assert!(miner.get(resolved.id).is_some(), "the template of the text at hand is known");
    }
    if let Some(loaded) = loaded {
        assert_eq!(state(&miner), state(&loaded));
    }
});

fn state(miner: &Miner) -> Vec<u8> {
    let mut saved = Vec::new();
    miner.save(&mut saved);
    saved
}
