//! The whole state of a miner as bytes: whoever loads it goes on exactly as the one that saved it would have.

use serde::{Deserialize, Serialize};

use super::aliases::Aliases;
use super::cache::{Cache, Entry};
use super::leaves::Leaves;
use super::tokens::MAX_TOKENS;
use super::{Miner, Settings, Template};

/// Changes whenever the meaning of the bytes does, or what texts are equal by their skeleton.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct State {
    slots: Vec<Option<Template>>,
    free: Vec<u32>,
    skeletons: [Vec<(u64, Entry)>; 2],
    leaves: Vec<(u64, Vec<u32>)>,
    aliases: Vec<(u64, Option<u64>)>,
    now: u64,
    evicted: u64,
    merged: u64,
}

impl Miner {
    /// Appends the state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let state = State {
            slots: self.slots.clone(),
            free: self.free.clone(),
            skeletons: self.cache.dump(),
            leaves: self.leaves.dump(),
            aliases: self.aliases.dump(),
            now: self.now,
            evicted: self.evicted,
            merged: self.merged,
        };
        out.extend_from_slice(&VERSION.to_le_bytes());
        if let Ok(bytes) = postcard::to_stdvec(&state) {
            out.extend_from_slice(&bytes);
        }
    }

    /// A miner that goes on from what [`Miner::save`] wrote. With a smaller capacity than then, the templates not used for
    /// longest are forgotten.
    ///
    /// # Errors
    /// If the bytes are damaged or of another version; says what to do.
    pub fn load(settings: Settings, bytes: &[u8]) -> Result<Miner, String> {
        let damaged = || "cannot load the templates: the saved state is damaged; delete it to begin anew".to_owned();
        let (version, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        if u32::from_le_bytes(*version) != VERSION {
            return Err("cannot load the templates: the saved state is of another version; delete it to begin anew".to_owned());
        }
        let state: State = postcard::from_bytes(rest).map_err(|_| damaged())?;
        if !state.is_sound() {
            return Err(damaged());
        }
        let mut miner = Miner::new(settings);
        let Settings { capacity, .. } = miner.settings;
        miner.places = state.slots.iter().zip(0..).filter_map(|(template, slot)| Some((template.as_ref()?.id, slot))).collect();
        miner.slots = state.slots;
        miner.free = state.free;
        miner.cache = Cache::restore(capacity * 2, state.skeletons);
        miner.leaves = Leaves::restore(state.leaves);
        miner.aliases = Aliases::restore(capacity * 4, &state.aliases);
        (miner.now, miner.evicted, miner.merged) = (state.now, state.evicted, state.merged);
        if miner.len() > capacity {
            miner.evict(miner.len() - capacity);
        }
        Ok(miner)
    }
}

impl State {
    /// Whether what refers to something refers to something that is there.
    fn is_sound(&self) -> bool {
        let is_empty = |slot: &u32| self.slots.get(*slot as usize).is_some_and(Option::is_none);
        let empty = self.slots.iter().filter(|template| template.is_none()).count();
        let mut free = self.free.clone();
        free.sort_unstable();
        free.dedup();
        free.len() == self.free.len()
            && free.len() == empty
            && free.iter().all(is_empty)
            && self.slots.iter().flatten().all(Template::is_sound)
    }
}

impl Template {
    fn is_sound(&self) -> bool {
        self.id != 0 && self.parts.len() == self.shapes.len() && self.parts.len() <= MAX_TOKENS
    }
}
