//! The curve of precision over recall as a picture.

use std::fmt::Write;

use super::measure::{Measured, Point};

const SIDE: f64 = 400.0;
const MARGIN: f64 = 50.0;

/// The curve, and where what was told without labels lies on it.
pub fn svg(points: &[Point], told: &Measured) -> String {
    let place = |recall: f64, precision: f64| (MARGIN + SIDE * recall, MARGIN + SIDE * (1.0 - precision));
    let size = SIDE + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{size}\" height=\"{size}\" fill=\"white\"/>\n"
    );
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (x, y) = place(share, share);
        let (low, high) = (MARGIN, MARGIN + SIDE);
        // Writing into a string cannot fail.
        let _ = writeln!(svg, "<path d=\"M{x} {low}V{high}M{low} {y}H{high}\" stroke=\"#ddd\" fill=\"none\"/>");
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{share}</text>", high + 16.0);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{share}</text>", low - 6.0, y + 4.0);
    }
    let middle = MARGIN + SIDE / 2.0;
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">recall</text>", size - 10.0);
    let _ = writeln!(svg, "<text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\">precision</text>");
    let line: Vec<_> =
        points.iter().map(|point| place(point.recall, point.precision)).map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
    let _ = writeln!(svg, "<polyline points=\"{}\" stroke=\"#1f5fa8\" stroke-width=\"2\" fill=\"none\"/>", line.join(" "));
    let (x, y) = place(told.recall, told.precision);
    let title = format!("without labels: precision {:.3}, recall {:.3}", told.precision, told.recall);
    let _ = writeln!(svg, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"5\" fill=\"#c0392b\"><title>{title}</title></circle>");
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Judged, curve, told};
    use super::*;

    #[test]
    fn the_picture_has_the_curve_and_the_point_that_was_chosen() {
        let judged = [(0.9, true), (0.4, false)].map(|(score, anomalous)| Judged { score, told: score > 0.5, anomalous });
        let svg = svg(&curve(&judged), &told(&judged));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<polyline points=\"450.00,50.00 450.00,250.00\""), "{svg}");
        assert!(svg.contains("cx=\"450.00\" cy=\"50.00\""), "{svg}");
    }
}
