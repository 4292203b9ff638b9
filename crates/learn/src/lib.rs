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
//! | how often did this come, and what comes most often? | [`CountMin`], [`Frequent`] |
//! | is this count unusual for this series, at this hour of this weekday? | [`Baseline`], [`Season`], [`Forecast`] |
//! | what is the mean and spread, what are the quantiles? | [`Ewma`], [`TDigest`] |
//! | has the level shifted for good? | [`LevelShift`] |
//! | how improbable is this score, and is it worth an alert? | [`Tail`], [`AlertRate`] |
//! | is this silence unusual for this source? | [`Regularity`] |
//! | how unusual is it that something new appears? | [`NoveltyRate`], [`surprise`] |
//! | how unusual is this bag of things? | [`CountVectors`] |
//! | how long does it usually take? | [`Delays`] |
//! | which few values, which categories, how long? | [`ClosedSet`], [`Coverage`], [`Lengths`] |
//! | how unusual is this row of numbers? | [`IsolationForest`], [`StreamingForest`], [`HalfSpaceTrees`], [`OneClassSvm`], [`OnlineOneClass`] |
//! | what comes next in a session, and how surprising is what came? | [`sequence`] |

mod alert_rate;
mod baseline;
mod bloom;
mod closed_set;
mod count_min;
mod count_vectors;
mod coverage;
mod delays;
mod distinct;
mod ewma;
mod forecast;
mod frequent;
mod from_mode;
mod half_space;
mod imported;
mod isolation;
mod lengths;
mod lru;
mod mix;
mod moments;
mod one_class;
mod online_one_class;
mod pareto;
mod random;
mod rate;
mod regularity;
mod reservoir;
mod rows;
mod season;
pub mod sequence;
mod shift;
mod sound;
mod special;
mod streaming_forest;
mod tail;
mod tdigest;
mod unseen;
mod window;

pub use alert_rate::{AlertRate, AlertRateSettings, Judged};
pub use baseline::Baseline;
pub use bloom::{BloomSettings, ScalableBloom};
pub use closed_set::ClosedSet;
pub use count_min::CountMin;
pub use count_vectors::{CountVectorSettings, CountVectors, Difference, rounded as rounded_count};
pub use coverage::{Coverage, MARK_WORDS, Marks};
pub use delays::Delays;
pub use distinct::{Distinct, RecentDistinct};
pub use ewma::Ewma;
pub use forecast::Forecast;
pub use frequent::{Frequent, FrequentItem};
pub use from_mode::FromMode;
pub use half_space::{HalfSpaceSettings, HalfSpaceTrees};
pub use imported::ImportError;
pub use isolation::{ForestParts, ForestSettings, IsolationForest, TreeParts};
pub use lengths::Lengths;
pub use lru::Lru;
pub use one_class::{Gamma, OneClassParts, OneClassSettings, OneClassSvm};
pub use online_one_class::{OnlineOneClass, OnlineOneClassSettings};
pub use pareto::Pareto;
pub use rate::NoveltyRate;
pub use regularity::Regularity;
pub use reservoir::Reservoir;
pub use rows::{MAX_FEATURES, Rows, Unfit};
pub use season::{Basis, Season};
pub use shift::{LevelShift, Shift};
pub use streaming_forest::{StreamingForest, StreamingForestSettings};
pub use tail::Tail;
pub use tdigest::TDigest;
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
