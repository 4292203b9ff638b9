use super::Settings;
use super::aliases::Aliases;
use super::cache::{Cache, Entry, HashedMap};
use super::leaves::{Leaves, path_keys, text_keys};
use super::pattern::{Mined, Template};
use super::similar::Difference;
use super::tokens::{LEARNED, Token, VALUE, skeleton_of};

/// A path that was asked for more often than this is no chance name: it is not merged with its neighbours.
const RARE: u64 = 32;

/// The template of a text, and whether this text made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Never 0.
    pub id: u64,
    pub is_new: bool,
}

/// Puts texts under templates as they come; see the [module](super).
#[derive(Debug)]
pub struct Miner {
    pub(super) settings: Settings,
    pub(super) cache: Cache,
    pub(super) slots: Vec<Option<Template>>,
    /// Slots that are empty.
    pub(super) free: Vec<u32>,
    /// The slot of each template by its id.
    pub(super) places: HashedMap<u32>,
    pub(super) leaves: Leaves,
    pub(super) aliases: Aliases,
    /// Texts resolved so far.
    pub(super) now: u64,
    pub(super) evicted: u64,
    pub(super) merged: u64,
    scratch: Scratch,
}

/// What is known of the text at hand; kept to be used again.
#[derive(Debug, Default)]
struct Scratch {
    tokens: Vec<Token>,
    parts: Vec<u64>,
    shapes: Vec<u8>,
    siblings: Vec<Sibling>,
}

/// A template that differs from the text at hand at just `places`, and how many such make a value of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sibling {
    places: u64,
    needed: usize,
    slot: u32,
}

impl Miner {
    #[must_use]
    pub fn new(mut settings: Settings) -> Miner {
        settings.capacity = settings.capacity.max(64);
        settings.path_values = settings.path_values.clamp(2, 100);
        Miner {
            cache: Cache::new(settings.capacity * 2),
            slots: Vec::new(),
            free: Vec::new(),
            places: HashedMap::default(),
            leaves: Leaves::default(),
            aliases: Aliases::new(settings.capacity * 4),
            now: 0,
            evicted: 0,
            merged: 0,
            scratch: Scratch::default(),
            settings,
        }
    }

    /// The template of a text. `skeleton` must be the one of `mined`: it is what usually decides, without a look at the text.
    #[inline]
    pub fn resolve(&mut self, skeleton: u64, mined: Mined<'_>) -> Resolved {
        self.now += 1;
        if let Some(entry) = self.cache.get(skeleton)
            && let Some(Some(template)) = self.slots.get_mut(entry.slot as usize)
            && template.id == entry.id
        {
            template.count += 1;
            template.used = self.now;
            return Resolved { id: entry.id, is_new: false };
        }
        self.resolve_new(skeleton, mined)
    }

    /// The template of this id, or the one it was merged into.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Template> {
        self.template(*self.places.get(&self.current(id))?)
    }

    /// The id of the template that the one of this id was merged into; the same where it was not.
    #[must_use]
    pub fn current(&self, id: u64) -> u64 {
        self.aliases.current(id)
    }

    /// All templates, in no particular but always the same order.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.slots.iter().flatten()
    }

    /// What stands in `mined` where the template varies; empty where the template is not known.
    #[must_use]
    pub fn parameters<'t>(&self, id: u64, mined: Mined<'t>) -> Vec<&'t [u8]> {
        self.get(id).map(|template| template.parameters(mined)).unwrap_or_default()
    }

    /// How many templates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many templates were forgotten for want of room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many templates were merged into others.
    #[must_use]
    pub const fn merged(&self) -> u64 {
        self.merged
    }

    /// How many skeletons are remembered with the template they belong to.
    #[must_use]
    pub fn skeletons(&self) -> usize {
        self.cache.len()
    }

    fn template(&self, slot: u32) -> Option<&Template> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[cold]
    fn resolve_new(&mut self, skeleton: u64, mined: Mined<'_>) -> Resolved {
        let skeleton = skeleton.max(1);
        let mut scratch = std::mem::take(&mut self.scratch);
        mined.tokens(&mut scratch.tokens);
        mined.shapes(&scratch.tokens, &mut scratch.shapes);
        scratch.parts.clear();
        scratch.parts.extend(scratch.tokens.iter().map(|token| token.hash));
        // The cache may have forgotten what a template was made from, or not know yet what that was merged into.
        let last = self.cache.get(skeleton).map_or(skeleton, |entry| entry.id);
        let known = self.places.get(&self.current(last)).copied().or_else(|| match mined {
            Mined::Text(text) => self.closest_text(text, &mut scratch),
            Mined::Path { .. } => self.closest_path(&mut scratch),
        });
        let known = known.and_then(|slot| Some((slot, self.slots.get_mut(slot as usize)?.as_mut()?)));
        let (slot, id, is_new) = match known {
            Some((slot, template)) => {
                template.count += 1;
                template.used = self.now;
                (slot, template.id, false)
            }
            None => (self.insert(Template::new(skeleton, mined, &scratch.parts, &scratch.shapes, self.now)), skeleton, true),
        };
        self.cache.insert(skeleton, Entry { slot, id });
        self.scratch = scratch;
        Resolved { id, is_new }
    }

    /// The template that a text with a new skeleton belongs under, made wider or merged from several where that is due.
    fn closest_text(&mut self, text: &[u8], scratch: &mut Scratch) -> Option<u32> {
        let mut best: Option<(u32, u32)> = None;
        scratch.siblings.clear();
        for key in text_keys(&scratch.parts) {
            for slot in self.leaves.get(key) {
                let Some(template) = self.template(*slot) else { continue };
                let Some(found) = Difference::between(&template.parts, &template.shapes, &scratch.parts, &scratch.shapes) else {
                    continue;
                };
                if found.same == 0 && scratch.parts.len() > 1 {
                    continue;
                }
                if found.places() == 0 {
                    best = best.filter(|(same, _)| *same >= found.same).or(Some((found.same, *slot)));
                } else if let Some(needed) = found.needed() {
                    scratch.siblings.push(Sibling { places: found.words | found.mixed, needed, slot: *slot });
                }
            }
        }
        if let Some((_, slot)) = best {
            return Some(slot);
        }
        self.without_calls(text, scratch).or_else(|| self.merge_siblings(scratch))
    }

    /// The template that a request with a new skeleton belongs under.
    fn closest_path(&mut self, scratch: &mut Scratch) -> Option<u32> {
        scratch.siblings.clear();
        for key in path_keys(&scratch.parts) {
            for slot in self.leaves.get(key) {
                let Some(template) = self.template(*slot) else { continue };
                let Some(found) = Difference::between(&template.parts, &[], &scratch.parts, &[]) else { continue };
                if found.places() == 0 {
                    return Some(*slot);
                }
                if found.places() > 1 {
                    continue;
                }
                // What has a value there already comes along when its neighbours become one, but says nothing about them.
                if found.mixed != 0 {
                    scratch.siblings.push(Sibling { places: found.mixed, needed: usize::MAX, slot: *slot });
                } else if template.count <= RARE {
                    scratch.siblings.push(Sibling { places: found.words, needed: self.settings.path_values, slot: *slot });
                }
            }
        }
        self.merge_siblings(scratch)
    }

    /// The template of the text that has a plain value where this one has a call-like one: `LOCAL(0)` for `10.0.0.1`.
    fn without_calls(&self, text: &[u8], scratch: &Scratch) -> Option<u32> {
        let tokens = &scratch.tokens;
        let is_call = |at: usize| {
            let (token, next) = (tokens[at], tokens.get(at + 1));
            let opens = matches!(text.get(token.end as usize), Some(b'(' | b'[' | b'{'));
            opens && token.hash > LEARNED && next.is_some_and(|next| next.hash == VALUE && next.start == token.end + 1)
        };
        if !(0..tokens.len()).any(is_call) {
            return None;
        }
        let mut parts: Vec<u64> = (0..tokens.len()).filter(|at| !is_call(*at)).map(|at| tokens[at].hash).collect();
        parts.dedup_by(|a, b| *a == VALUE && *b == VALUE);
        let entry = self.cache.peek(skeleton_of(parts.into_iter()))?;
        self.template(entry.slot).filter(|template| template.id == entry.id).map(|_| entry.slot)
    }

    /// Merges the templates that differ from the text at the same places, where they are enough to make values of these.
    fn merge_siblings(&mut self, scratch: &mut Scratch) -> Option<u32> {
        let siblings = &mut scratch.siblings;
        siblings.sort_unstable_by_key(|sibling| (sibling.places, sibling.slot));
        siblings.dedup_by_key(|sibling| sibling.slot);
        let group = siblings
            .chunk_by(|a, b| a.places == b.places)
            .find(|group| group.iter().any(|sibling| group.len() + 1 >= sibling.needed))?;
        let age = |sibling: &Sibling| self.template(sibling.slot).map(|template| (template.count, u64::MAX - template.made));
        let survivor = group.iter().max_by_key(|sibling| age(sibling))?.slot;
        for sibling in group {
            self.absorb(survivor, sibling.slot);
        }
        self.widen(survivor, &scratch.parts);
        Some(survivor)
    }

    /// Moves the texts of one template to another.
    fn absorb(&mut self, survivor: u32, slot: u32) {
        let Some(keeper) = self.template(survivor).map(|template| template.id) else { return };
        if survivor == slot {
            return;
        }
        let Some(gone) = self.remove(slot) else { return };
        self.aliases.insert(gone.id, keeper);
        self.merged += 1;
        self.widen(survivor, &gone.parts);
        if let Some(Some(template)) = self.slots.get_mut(survivor as usize) {
            template.count += gone.count;
        }
    }

    /// Makes values of the places where the template and the text differ.
    fn widen(&mut self, slot: u32, parts: &[u64]) {
        let Some(Some(template)) = self.slots.get_mut(slot as usize) else { return };
        let before = template.keys();
        template.widen(parts);
        let after = template.keys();
        if before != after {
            self.leaves.remove(before, slot);
            self.leaves.insert(after, slot);
        }
    }

    fn insert(&mut self, template: Template) -> u32 {
        if self.places.len() >= self.settings.capacity {
            self.evict(self.settings.capacity / 64);
        }
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.aliases.remove(template.id);
        self.places.insert(template.id, slot);
        self.leaves.insert(template.keys(), slot);
        if slot as usize == self.slots.len() {
            self.slots.push(Some(template));
        } else if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(template);
        }
        slot
    }

    fn remove(&mut self, slot: u32) -> Option<Template> {
        let template = self.slots.get_mut(slot as usize)?.take()?;
        self.leaves.remove(template.keys(), slot);
        self.places.remove(&template.id);
        self.free.push(slot);
        Some(template)
    }

    /// Forgets the `count` templates that were not used for longest. Many at once, because finding them takes a pass over all.
    pub(super) fn evict(&mut self, count: usize) {
        let mut used: Vec<(u64, u32)> =
            self.slots.iter().zip(0..).filter_map(|(template, slot)| Some((template.as_ref()?.used, slot))).collect();
        let count = count.clamp(1, used.len().max(1));
        if count < used.len() {
            used.select_nth_unstable(count - 1);
            used.truncate(count);
        }
        used.sort_unstable();
        for (_, slot) in used {
            self.evicted += u64::from(self.remove(slot).is_some());
        }
    }
}
