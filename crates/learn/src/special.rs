//! The special functions behind tail probabilities, as natural logarithms so that nothing underflows.
//! Formula numbers are those of the NIST Digital Library of Mathematical Functions (dlmf.nist.gov).

use std::f64::consts::PI;

/// Continued fractions stop here; the callers keep to arguments that need far fewer.
const MOST_TERMS: u32 = 2_000;

/// ln of the gamma function for x > 0: Stirling's series (5.11.1) above 10, reached by the recurrence (5.5.1).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 1.0);
    while x < 10.0 {
        shift *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - f64::ln(shift)
}

/// ln of the regularised incomplete beta function I_x(a, b) (8.17.2) for a, b > 0. `y` is 1 - x, given apart because
/// the difference would lose the digits of the smaller one.
pub(crate) fn ln_incomplete_beta(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if y <= 0.0 {
        return 0.0;
    }
    let ln_power = a * x.ln() + b * y.ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    if x <= (a + 1.0) / (a + b + 2.0) {
        (ln_power - a.ln() + beta_fraction(x, a, b).ln()).min(0.0)
    } else {
        let other = (ln_power - b.ln() + beta_fraction(y, b, a).ln()).exp();
        (-other.min(1.0)).ln_1p()
    }
}

/// The continued fraction 8.17.22 by the modified Lentz method (3.10(ii)).
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for m in 1..MOST_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-12 {
            break;
        }
    }
    value
}

/// ln of the upper tail of the standard normal distribution: the series 7.6.2 near the middle, the continued fraction 7.9.2 beyond.
pub(crate) fn ln_normal_tail(z: f64) -> f64 {
    let ln_density = -0.5 * z * z - 0.5 * (2.0 * PI).ln();
    if z > 2.0 {
        let fraction = (1..=60).rev().fold(z, |below, k| z + f64::from(k) / below);
        return ln_density - fraction.ln();
    }
    if z < -8.0 {
        return 0.0;
    }
    let (mut term, mut sum) = (z, z);
    for k in 1..120 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    (0.5 - ln_density.exp() * sum).max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} instead of {expected}");
    }

    #[test]
    fn ln_gamma_is_the_factorial() {
        near(ln_gamma(1.0), 0.0);
        near(ln_gamma(0.5), PI.sqrt().ln());
        near(ln_gamma(21.0), (1..=20).map(|n| f64::from(n).ln()).sum());
        near(ln_gamma(1e-8), 1e8f64.ln() - 1e-8 * 0.577_215_664_9);
    }

    #[test]
    fn incomplete_beta_is_the_binomial_tail() {
        // P(X >= k) of a binomial distribution is I_p(k, n - k + 1) (8.17.5).
        for (n, k, p) in [(10, 3, 0.1f64), (50, 49, 0.5), (200, 20, 0.1), (200, 5, 0.3)] {
            let (n, k) = (f64::from(n), f64::from(k));
            let term =
                |j: f64| ln_gamma(n + 1.0) - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0) + j * p.ln() + (n - j) * (1.0 - p).ln();
            let sum: f64 = (k as u32..=n as u32).map(|j| term(f64::from(j)).exp()).sum();
            near(ln_incomplete_beta(p, 1.0 - p, k, n - k + 1.0), sum.ln());
        }
        near(ln_incomplete_beta(0.25, 0.75, 1.0, 1.0), 0.25f64.ln());
    }

    #[test]
    fn incomplete_beta_holds_for_extreme_arguments() {
        // Against the Poisson limit: I_q(k, r) with q = m / (r + m), r large.
        let (r, m, k) = (1e9, 3.0, 12);
        let poisson: f64 = (k..60).map(|j| (f64::from(j) * f64::ln(m) - m - ln_gamma(f64::from(j) + 1.0)).exp()).sum();
        let found = ln_incomplete_beta(m / (r + m), r / (r + m), f64::from(k), r);
        assert!((found - poisson.ln()).abs() < 1e-5, "{found} instead of {}", poisson.ln());
        assert!(ln_incomplete_beta(1e-6, 1.0 - 1e-6, 1e4, 2.0).is_finite());
    }

    #[test]
    fn normal_tail_has_its_known_values() {
        near(ln_normal_tail(0.0), 0.5f64.ln());
        near(ln_normal_tail(1.959_963_984_540_054), 0.025f64.ln());
        near(ln_normal_tail(-1.959_963_984_540_054), 0.975f64.ln());
        near(ln_normal_tail(6.0), 9.865_876_450_376_946e-10f64.ln());
        assert!((ln_normal_tail(2.0) - ln_normal_tail(2.000_000_001)).abs() < 1e-7);
    }
}
