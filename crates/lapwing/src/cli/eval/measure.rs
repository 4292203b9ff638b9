//! Figures of detection.

use serde::Serialize;

/// A line or session as it was judged, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub score: f64,
    pub told: bool,
    pub anomalous: bool,
}

/// What a decision comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub true_positives: usize,
    pub false_positives: usize,
    pub false_negatives: usize,
    pub true_negatives: usize,
    /// Of what is ordinary, the share that was told.
    pub false_alarm_rate: f64,
}

/// The best that a threshold can reach.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Best {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub threshold: f64,
}

/// A point of the curve: what telling everything from a score on comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub precision: f64,
    pub recall: f64,
    threshold: f64,
    false_alarms: f64,
}

/// The figures of what was told.
pub fn told(judged: &[Judged]) -> Measured {
    let count = |told: bool, anomalous: bool| judged.iter().filter(|one| one.told == told && one.anomalous == anomalous).count();
    let (hits, alarms, missed, ordinary) = (count(true, true), count(true, false), count(false, true), count(false, false));
    Measured {
        precision: ratio(hits, hits + alarms),
        recall: ratio(hits, hits + missed),
        f1: ratio(2 * hits, 2 * hits + alarms + missed),
        true_positives: hits,
        false_positives: alarms,
        false_negatives: missed,
        true_negatives: ordinary,
        false_alarm_rate: ratio(alarms, alarms + ordinary),
    }
}

/// Every threshold that makes a difference, the highest first. Equal scores are told together.
pub fn curve(judged: &[Judged]) -> Vec<Point> {
    let mut sorted: Vec<_> = judged.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let positives = sorted.iter().filter(|one| one.anomalous).count();
    let mut points = Vec::new();
    let (mut hits, mut alarms) = (0, 0);
    for equal in sorted.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        let more = equal.iter().filter(|one| one.anomalous).count();
        (hits, alarms) = (hits + more, alarms + equal.len() - more);
        let precision = ratio(hits, hits + alarms);
        let false_alarms = ratio(alarms, sorted.len() - positives);
        points.push(Point { precision, recall: ratio(hits, positives), threshold: equal[0].score, false_alarms });
    }
    points
}

/// The threshold with the highest F1.
pub fn best(judged: &[Judged]) -> Best {
    let f1 = |point: &Point| 2.0 * point.precision * point.recall / (point.precision + point.recall).max(f64::MIN_POSITIVE);
    let best = curve(judged).into_iter().max_by(|a, b| f1(a).total_cmp(&f1(b)));
    best.map_or(Best::default(), |point| {
        let Point { precision, recall, threshold, .. } = point;
        Best { precision, recall, f1: f1(&point), threshold }
    })
}

/// The area under the curve of recall over false alarms: the chance that what is anomalous has the higher score, ties counting
/// half. None where all is of one kind.
pub fn auc(judged: &[Judged]) -> Option<f64> {
    both_kinds(judged)?;
    let (mut area, mut recall, mut alarms) = (0.0, 0.0, 0.0);
    for point in curve(judged) {
        area += (point.false_alarms - alarms) * (point.recall + recall) / 2.0;
        (recall, alarms) = (point.recall, point.false_alarms);
    }
    Some(area)
}

/// The mean of precision over recall, each step by the precision at its end. None where all is of one kind.
pub fn average_precision(judged: &[Judged]) -> Option<f64> {
    both_kinds(judged)?;
    let mut recall = 0.0;
    let steps = curve(judged).into_iter().map(|point| {
        let step = (point.recall - recall) * point.precision;
        recall = point.recall;
        step
    });
    Some(steps.sum())
}

fn both_kinds(judged: &[Judged]) -> Option<()> {
    let anomalous = judged.iter().filter(|one| one.anomalous).count();
    (anomalous > 0 && anomalous < judged.len()).then_some(())
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rows: &[(f64, bool)]) -> Vec<Judged> {
        rows.iter().map(|&(score, anomalous)| Judged { score, told: score >= 0.5, anomalous }).collect()
    }

    /// Figures of scikit-learn 1.5 for the same rows.
    #[test]
    fn figures_are_those_of_others() {
        let rows = judged(&[(0.9, true), (0.8, false), (0.7, true), (0.7, false), (0.4, true), (0.2, false), (0.1, false)]);
        assert!((auc(&rows).expect("both kinds") - 8.5 / 12.0).abs() < 1e-12);
        assert!((average_precision(&rows).expect("both kinds") - (1.0 + 0.5 + 0.6) / 3.0).abs() < 1e-12);
        let told = told(&rows);
        assert_eq!((told.true_positives, told.false_positives, told.false_negatives, told.true_negatives), (2, 2, 1, 2));
        assert!((told.f1 - 4.0 / 7.0).abs() < 1e-12);
        let best = best(&rows);
        assert!((best.f1 - 0.75).abs() < 1e-12 && (best.threshold - 0.4).abs() < 1e-12, "{best:?}");
    }

    #[test]
    fn one_kind_alone_has_no_area_and_nothing_divides_by_nothing() {
        for rows in [judged(&[]), judged(&[(0.3, false)]), judged(&[(0.3, true)])] {
            assert_eq!((auc(&rows), average_precision(&rows)), (None, None));
            assert!(told(&rows).f1 == 0.0 && !best(&rows).f1.is_nan());
        }
    }
}
