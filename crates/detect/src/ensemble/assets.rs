//! What matters more counts more: the assets that an event is about.

use lapwing_enrich::Enrichment;
use lapwing_model::{Asset, Criticality as Level, Event, Field, Known, Part, Scope, Value};
use serde::{Deserialize, Serialize};

/// How much the criticality of an asset changes a score: what is above 0 adds that share of what the score lacks, in proportion
/// to the score; what is below 0 takes that share away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Criticality {
    pub low: f32,
    pub medium: f32,
    pub high: f32,
    pub critical: f32,
}

impl Default for Criticality {
    fn default() -> Self {
        Criticality { low: -0.25, medium: 0.0, high: 0.35, critical: 0.7 }
    }
}

impl Criticality {
    fn of(&self, level: Level) -> f32 {
        let share = match level {
            Level::Low => self.low,
            Level::Medium => self.medium,
            Level::High => self.high,
            Level::Critical => self.critical,
        };
        if share.is_nan() { 0.0 } else { share.clamp(-1.0, 1.0) }
    }
}

/// The assets that an event speaks of.
#[derive(Debug, Default)]
pub(super) struct Assets<'a>(Vec<&'a Asset>);

impl<'a> Assets<'a> {
    pub(super) fn of(tables: &'a Enrichment, event: Option<&'a Event>) -> Assets<'a> {
        let Some(event) = event.filter(|_| tables.has_assets()) else { return Assets::default() };
        let at = |known: &'a Option<std::sync::Arc<Known>>| known.as_ref().and_then(|known| known.asset.as_ref());
        let domain = match event.get(&Field::Domain) {
            Value::Text(domain) => std::str::from_utf8(domain).ok().and_then(|domain| tables.host(domain)),
            _ => None,
        };
        let named = [Scope::Host, Scope::Service].into_iter().filter_map(|scope| tables.host(&event.entity_of(scope)?.name));
        Assets([at(&event.client_known), at(&event.destination_known), domain].into_iter().flatten().chain(named).collect())
    }

    /// What the most critical of the assets adds to a score, or takes from it; that of whom it is about counts as well.
    pub(super) fn part(&self, criticality: &Criticality, known: Option<&Known>, score: f32) -> Option<Part> {
        let own = known.and_then(|known| known.asset.as_ref());
        let asset = self.0.iter().copied().chain(own).max_by_key(|asset| asset.criticality)?;
        let share = criticality.of(asset.criticality);
        let value = if share > 0.0 { share * score * (1.0 - score) } else { share * score };
        let rule = format!("{} ({})", asset.name, asset.criticality.name()).into();
        (value != 0.0).then(|| Part { detector: "asset".into(), rule, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(level: Level, score: f32) -> Option<f32> {
        let asset = Asset { name: "db".into(), owner: "".into(), criticality: level };
        Assets(vec![&asset]).part(&Criticality::default(), None, score).map(|part| part.value)
    }

    #[test]
    fn a_critical_asset_raises_a_score_never_above_1_and_makes_nothing_of_nothing() {
        assert_eq!(value(Level::Critical, 0.6).map(|value| (value * 100.0).round()), Some(17.0));
        assert_eq!(value(Level::Critical, 0.0), None);
        assert_eq!(value(Level::Critical, 1.0), None);
        assert_eq!(value(Level::Medium, 0.6), None);
        assert_eq!(value(Level::Low, 0.6).map(|value| (value * 100.0).round()), Some(-15.0));
    }

    #[test]
    fn the_most_critical_one_counts_and_is_named() {
        let assets = [("a", Level::Low), ("b", Level::High), ("c", Level::Medium)];
        let assets = assets.map(|(name, criticality)| Asset { name: name.into(), owner: "".into(), criticality });
        let part = Assets(assets.iter().collect()).part(&Criticality::default(), None, 0.5);
        assert_eq!(part.map(|part| part.rule.into_owned()).as_deref(), Some("b (high)"));
    }
}
