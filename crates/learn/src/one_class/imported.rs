//! One-class SVMs that were trained elsewhere.

use super::OneClassSvm;
use super::kernel::{LARGEST, Points};
use crate::imported::{ImportError, ensure, parts};
use crate::rows::MAX_FEATURES;
use serde::{Deserialize, Serialize};

/// Support vectors at most.
const MOST: usize = 100_000;

/// What a one-class SVM with the RBF kernel consists of: the decision value of x is the sum of `weight * exp(-gamma |s - x|^2)`
/// over the support vectors s, less `rho`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneClassParts {
    /// Rows of 1 to 256 features each.
    pub support: Vec<Vec<f32>>,
    /// A positive number for each support vector.
    pub weights: Vec<f32>,
    /// What a missing value of each feature counts as.
    pub means: Vec<f32>,
    /// Positive.
    pub gamma: f64,
    pub rho: f64,
    /// Whether training reached its tolerance.
    pub converged: bool,
}

impl OneClassSvm {
    /// An SVM that was exported from scikit-learn by `tools/export_sklearn.py`. Decision values are those of scikit-learn.
    ///
    /// # Errors
    /// Where it is not such JSON, or [`OneClassSvm::from_parts`] refuses it.
    pub fn import(json: &[u8]) -> Result<Self, ImportError> {
        Self::from_parts(&parts(json, "lapwing-one-class-svm")?)
    }

    /// An SVM of these parts.
    ///
    /// # Errors
    /// Where lengths do not fit each other, or a number is not one that can be worked with.
    pub fn from_parts(parts: &OneClassParts) -> Result<Self, ImportError> {
        let OneClassParts { support, weights, means, gamma, rho, converged } = parts;
        let width = means.len();
        ensure((1..=MAX_FEATURES).contains(&width), || {
            format!("the SVM has {width} features; 1 to {MAX_FEATURES} are supported")
        })?;
        ensure((1..=MOST).contains(&support.len()) && weights.len() == support.len(), || {
            format!("there are {} support vectors and {} weights; give as many, 1 to {MOST}", support.len(), weights.len())
        })?;
        if let Some((number, row)) = support.iter().enumerate().find(|(_, row)| row.len() != width) {
            return Err(ImportError(format!("support vector {number} has {} features instead of {width}", row.len())));
        }
        let usable = |x: &f32| x.abs() <= LARGEST;
        ensure(support.iter().flatten().chain(means).all(usable), || {
            format!("a support vector or a mean holds what is no number up to {LARGEST}")
        })?;
        if let Some(weight) = weights.iter().find(|weight| !(**weight > 0.0 && usable(weight))) {
            return Err(ImportError(format!("a weight is {weight}; give positive numbers")));
        }
        ensure((1e-30..=1e30).contains(gamma) && rho.is_finite(), || {
            format!("gamma is {gamma} and rho {rho}; give a positive and a finite number")
        })?;
        let support = Points::new(&support.concat(), width);
        let mut weights = weights.clone();
        weights.resize(support.padded_count(), 0.0);
        Ok(OneClassSvm { support, weights, means: means.clone(), gamma: *gamma, rho: *rho, converged: *converged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> OneClassParts {
        OneClassParts {
            support: vec![vec![0.0, 1.0], vec![2.0, 1.0]],
            weights: vec![0.5, 1.5],
            means: vec![1.0, 1.0],
            gamma: 0.5,
            rho: 0.7,
            converged: true,
        }
    }

    #[test]
    fn decisions_are_sums_of_kernels() {
        let svm = OneClassSvm::from_parts(&parts()).unwrap();
        let exact = 0.5 * f32::exp(-0.5 * 5.0) + 1.5 * f32::exp(-0.5 * 5.0) - 0.7;
        assert!((svm.decision(&[1.0, 3.0]) - exact).abs() < 1e-6);
        assert_eq!(svm.decision(&[f32::NAN, 3.0]), svm.decision(&[1.0, 3.0]));
        assert!(svm.is_sound() && svm.support_vectors() == 2);
    }

    #[test]
    fn what_is_no_svm_is_refused_with_the_reason() {
        let refused = |change: fn(&mut OneClassParts)| {
            let mut parts = parts();
            change(&mut parts);
            OneClassSvm::from_parts(&parts).unwrap_err().to_string()
        };
        assert!(refused(|parts| parts.means.clear()).contains("0 features"));
        assert!(refused(|parts| parts.weights.push(1.0)).contains("2 support vectors and 3 weights"));
        assert!(refused(|parts| parts.support[1].push(1.0)).contains("support vector 1 has 3 features instead of 2"));
        assert!(refused(|parts| parts.support[1][0] = f32::INFINITY).contains("no number"));
        assert!(refused(|parts| parts.weights[0] = -1.0).contains("a weight is -1"));
        assert!(refused(|parts| parts.gamma = f64::NAN).contains("gamma is NaN"));
        assert!(OneClassSvm::import(b"[]").unwrap_err().to_string().starts_with("this is no lapwing-one-class-svm in JSON: "));
    }
}
