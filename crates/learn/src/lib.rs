//! Streaming statistics: numbers and hashes in, numbers out. Nothing here knows what a log is.
//!
//! Every state is bounded, deterministic and serialisable: after a round trip through a serde format it continues exactly
//! as if nothing had happened. There is no clock: times are `i64` nanoseconds given by the caller, and may be unsorted.
//! Keys and values are 64-bit hashes (any stable, well-mixed hash does); items are never stored as text.
//!
//! | question | type |
//! |---|---|
//! | what do I remember of each of very many things? | [`Lru`] |
//! | have I seen this before? | [`ScalableBloom`] |
//! | how many in the last minute, ten minutes, hour? | [`SlidingCounts`] |
//! | how many different ones? | [`Distinct`], [`RecentDistinct`] |
//! | is this count unusual for this series? | [`Baseline`] |
//! | is this silence unusual for this source? | [`Regularity`] |
//! | how unusual is it that something new appears? | [`NoveltyRate`], [`surprise`] |
//! | how unusual is this bag of things? | [`CountVectors`] |
//! | how long does it usually take? | [`Delays`] |
//! | which few values, which categories, how long? | [`ClosedSet`], [`Coverage`], [`Lengths`] |

mod baseline;
mod bloom;
mod closed_set;
mod count_vectors;
mod coverage;
mod delays;
mod distinct;
mod lengths;
mod lru;
mod mix;
mod moments;
mod rate;
mod regularity;
mod special;
mod unseen;
mod window;

pub use baseline::Baseline;
pub use bloom::{BloomSettings, ScalableBloom};
pub use closed_set::ClosedSet;
pub use count_vectors::{CountVectorSettings, CountVectors, Difference, rounded as rounded_count};
pub use coverage::{Coverage, MARK_WORDS, Marks};
pub use delays::Delays;
pub use distinct::{Distinct, RecentDistinct};
pub use lengths::Lengths;
pub use lru::Lru;
pub use rate::NoveltyRate;
pub use regularity::Regularity;
pub use unseen::surprise;
pub use window::{SlidingCounts, Window};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_take_the_bytes_they_state() {
        assert_eq!(size_of::<Distinct>(), 24);
        assert_eq!((size_of::<Baseline>(), size_of::<Regularity>(), size_of::<NoveltyRate>()), (40, 64, 32));
    }
}
