#!/usr/bin/env python3
"""Brings a model trained in scikit-learn into Lapwing: tools/export_sklearn.py MODEL FILE.json

MODEL is an IsolationForest (max_samples up to 256) or a OneClassSVM (kernel rbf) that joblib.dump wrote; only read files of
your own, for such a file can run any program. FILE.json is what `IsolationForest::import` or `OneClassSvm::import` takes, which
check all of it. A missing value counts, in the SVM, as the weighted mean of the support vectors. Needs scikit-learn.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM


def exported(model):
    """The model as JSON."""
    if isinstance(model, IsolationForest):
        name, parts = "lapwing-isolation-forest", forest(model)
    elif isinstance(model, OneClassSVM) and model.kernel == "rbf":
        name, parts = "lapwing-one-class-svm", svm(model)
    else:
        sys.exit(f"error: {model} is neither an IsolationForest nor a OneClassSVM with the kernel rbf")
    return json.dumps({"format": name, "version": 1, "model": parts})


def forest(model):
    trees = [tree(each.tree_, columns) for each, columns in zip(model.estimators_, model.estimators_features_)]
    return {"features": int(model.n_features_in_), "sample": int(model._max_samples), "trees": trees}


def tree(grown, columns):
    inner = grown.children_left >= 0
    # Values are single precision: a threshold between two of them is the lower one.
    threshold = grown.threshold.astype(numpy.float32)
    threshold = numpy.where(threshold > grown.threshold, numpy.nextafter(threshold, numpy.float32(-numpy.inf)), threshold)
    parts = {
        "feature": columns[numpy.where(inner, grown.feature, 0)],
        "threshold": numpy.where(inner, threshold, 0),
        "left": numpy.where(inner, grown.children_left, 0),
        "right": numpy.where(inner, grown.children_right, 0),
        "rows": grown.n_node_samples,
    }
    return {name: column.tolist() for name, column in parts.items()}


def svm(model):
    weights, support = model.dual_coef_[0], model.support_vectors_
    return {
        "support": support.tolist(),
        "weights": weights.tolist(),
        "means": (weights @ support / weights.sum()).tolist(),
        "gamma": float(model._gamma),
        "rho": -float(model.intercept_[0]),
        "converged": model.fit_status_ == 0,
    }


def fixture(folder):
    """The fixture of the test in crates/learn: both models, and what scikit-learn says of some rows."""
    random = numpy.random.default_rng(5)
    rows = random.normal(size=(120, 4)).astype(numpy.float32)
    asked = (2 * random.normal(size=(40, 4))).astype(numpy.float32)
    # The fixture is short where trees are few and see three of the features each.
    grown = IsolationForest(n_estimators=10, max_samples=64, max_features=3, random_state=5).fit(rows)
    trained = OneClassSVM(nu=0.1).fit(rows)
    # On thresholds themselves, too.
    asked[:4, 0] = [each.tree_.threshold[0] for each in grown.estimators_[:4]]
    asked[4:8, 1] = [each.tree_.threshold[0] for each in grown.estimators_[4:8]]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "forest.json").write_text(exported(grown))
    (folder / "svm.json").write_text(exported(trained))
    said = {"forest": grown.score_samples(asked), "svm": trained.decision_function(asked), "rows": asked}
    (folder / "expected.json").write_text(json.dumps({name: array.tolist() for name, array in said.items()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fixture"] and len(sys.argv) == 3:
        fixture(sys.argv[2])
    elif len(sys.argv) == 3:
        Path(sys.argv[2]).write_text(exported(joblib.load(sys.argv[1])))
    else:
        sys.exit(__doc__)
