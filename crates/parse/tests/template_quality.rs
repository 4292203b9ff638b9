//! The template miner with its default settings against loghub's true templates.

#[path = "../examples/template_quality/measure.rs"]
mod measure;

use std::path::Path;

const DATA: &str = "../../../shared/data/logs/templates";

#[test]
fn one_configuration_groups_the_lines_of_ten_systems_rightly() {
    let systems = measure::read_systems(Path::new(DATA), measure::Input::Content);
    if systems.is_empty() {
        println!("skipped: no template data in {DATA}");
        return;
    }
    println!("{}", measure::table(&systems));
    let mean = |of: fn(&measure::Quality) -> f64| {
        systems.iter().map(|system| of(&system.measure().last)).sum::<f64>() / systems.len() as f64
    };
    assert!(mean(|quality| quality.accuracy) >= 0.97, "mean grouping accuracy");
    assert!(mean(|quality| quality.pair_f1) >= 0.99, "mean F1 of pairs of lines");
    assert!(mean(|quality| quality.group_f1) >= 0.95, "mean F1 of groups");
}
