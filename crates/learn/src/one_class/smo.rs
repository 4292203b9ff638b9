//! Sequential minimal optimisation for the one-class SVM, with the second-order choice of the working set (Fan, Chen, Lin:
//! Working set selection using second order information, JMLR 2005), as in libsvm (Chang, Lin, 2011).

use super::kernel::{Points, kernels_of};
use std::collections::VecDeque;

/// Values of the kernel that are kept between steps: 128 MiB.
const CACHED_VALUES: usize = 32 << 20;
const MAX_STEPS: usize = 100_000;
/// The least curvature along a direction: points may coincide.
const TAU: f64 = 1e-12;

/// What training found: `sum(alpha) = nu * points`, `0 <= alpha <= 1`.
pub(super) struct Solution {
    pub(super) alpha: Vec<f64>,
    pub(super) rho: f64,
    pub(super) converged: bool,
}

/// Rows of the kernel matrix, as many as fit; the oldest gives way.
struct Kernels<'a> {
    rows: &'a [f32],
    points: Points,
    gamma: f32,
    known: Vec<Option<Box<[f32]>>>,
    order: VecDeque<usize>,
}

impl Kernels<'_> {
    fn prepare(&mut self, at: usize, keep: usize) {
        if self.known[at].is_some() {
            return;
        }
        let most = (CACHED_VALUES / self.points.padded_count()).max(2);
        while self.order.len() >= most {
            match self.order.pop_front() {
                // What the current step needs goes to the end instead.
                Some(oldest) if oldest == keep => self.order.push_back(oldest),
                Some(oldest) => self.known[oldest] = None,
                None => break,
            }
        }
        let width = self.points.width;
        let mut row = vec![0f32; self.points.padded_count()].into_boxed_slice();
        kernels_of(&self.points.lanes, &self.rows[at * width..(at + 1) * width], self.gamma, &mut row);
        self.known[at] = Some(row);
        self.order.push_back(at);
    }

    /// A row that was prepared; empty if it was not.
    fn row(&self, at: usize) -> &[f32] {
        self.known[at].as_deref().unwrap_or_default()
    }
}

/// Solves `min 1/2 a'Ka` for `0 <= a <= 1`, `sum(a) = nu * points`, until no pair violates optimality by `tolerance`.
pub(super) fn solve(rows: &[f32], width: usize, gamma: f64, nu: f64, tolerance: f64) -> Solution {
    let points = Points::new(rows, width);
    let count = points.count;
    let mut kernels = Kernels { rows, points, gamma: gamma as f32, known: vec![None; count], order: VecDeque::new() };
    let mut alpha = first_alpha(count, nu);
    let mut gradient = vec![0f64; count];
    for at in (0..count).filter(|&at| alpha[at] > 0.0) {
        kernels.prepare(at, at);
        gradient.iter_mut().zip(kernels.row(at)).for_each(|(g, &k)| *g += alpha[at] * f64::from(k));
    }
    let mut converged = false;
    for _ in 0..MAX_STEPS {
        let Some(up) = steepest(&alpha, &gradient) else {
            converged = true;
            break;
        };
        kernels.prepare(up, up);
        let Some(down) = best_partner(&alpha, &gradient, kernels.row(up), up, tolerance) else {
            converged = true;
            break;
        };
        kernels.prepare(down, up);
        let (up_row, down_row) = (kernels.row(up), kernels.row(down));
        let curvature = (2.0 - 2.0 * f64::from(up_row[down])).max(TAU);
        let change = ((gradient[down] - gradient[up]) / curvature).min(1.0 - alpha[up]).min(alpha[down]);
        alpha[up] = snapped(alpha[up] + change);
        alpha[down] = snapped(alpha[down] - change);
        for ((g, &up), &down) in gradient.iter_mut().zip(up_row).zip(down_row) {
            *g += change * f64::from(up - down);
        }
    }
    Solution { rho: rho(&alpha, &gradient), alpha, converged }
}

/// libsvm's start: the first `nu` of the points at the bound.
fn first_alpha(count: usize, nu: f64) -> Vec<f64> {
    let total = nu * count as f64;
    (0..count).map(|at| (total - at as f64).clamp(0.0, 1.0)).collect()
}

/// What differs from a bound by rounding only is on it.
fn snapped(alpha: f64) -> f64 {
    if alpha < 1e-12 {
        0.0
    } else if alpha > 1.0 - 1e-12 {
        1.0
    } else {
        alpha
    }
}

/// The point whose weight most wants to grow.
fn steepest(alpha: &[f64], gradient: &[f64]) -> Option<usize> {
    let mut best = (f64::INFINITY, None);
    for (at, (&a, &g)) in alpha.iter().zip(gradient).enumerate() {
        if g <= best.0 && a < 1.0 {
            best = (g, Some(at));
        }
    }
    best.1
}

/// The point whose weight shrinks in exchange, for the greatest gain; `None` if no pair violates optimality any more.
fn best_partner(alpha: &[f64], gradient: &[f64], row: &[f32], up: usize, tolerance: f64) -> Option<usize> {
    let (mut worst, mut gain, mut partner) = (f64::NEG_INFINITY, 0.0, None);
    for at in (0..alpha.len()).filter(|&at| alpha[at] > 0.0) {
        let difference = gradient[at] - gradient[up];
        worst = difference.max(worst);
        if difference > 0.0 {
            let this = difference * difference / (2.0 - 2.0 * f64::from(row[at])).max(TAU);
            if this >= gain {
                (gain, partner) = (this, Some(at));
            }
        }
    }
    if worst < tolerance { None } else { partner }
}

/// The gradient where weights are free, on average; between the bounds' gradients if none is.
fn rho(alpha: &[f64], gradient: &[f64]) -> f64 {
    let (mut free, mut sum, mut upper, mut lower) = (0u32, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    for (&a, &g) in alpha.iter().zip(gradient) {
        if a >= 1.0 {
            lower = g.max(lower);
        } else if a <= 0.0 {
            upper = g.min(upper);
        } else {
            free += 1;
            sum += g;
        }
    }
    match (free, upper.is_finite(), lower.is_finite()) {
        (0, true, true) => f64::midpoint(upper, lower),
        (0, true, false) => upper,
        (0, ..) => lower,
        _ => sum / f64::from(free),
    }
}
