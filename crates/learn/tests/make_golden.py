#!/usr/bin/env python3
"""Writes tests/fixtures/*.tsv: what scikit-learn and river say of small known data, for tests that need no Python.

    python -m pip install scikit-learn==1.9.1 river==0.26.1 && crates/learn/tests/make_golden.py

The rows are those of the UCI sets Wine and Breast Cancer Wisconsin as scikit-learn bundles them (fixtures/LICENSE.md); no column
is left out, as the peers saw them all. The first line of a file names what the peer concluded, each other line is a row: its
label (1 = unusual), the peer's value, its features. half-space-*.tsv has the order of the stream instead.
"""

import pathlib

import numpy
from river import anomaly, preprocessing
from sklearn import datasets, ensemble, metrics, svm

FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def write(name, conclusions, values, rows, labels):
    head = "\t".join(f"{key}={value}" for key, value in conclusions.items())
    lines = [f"{int(label)}\t{value:.9g}\t" + "\t".join(f"{x:.7g}" for x in row) for label, value, row in zip(labels, values, rows)]
    (FIXTURES / name).write_text("\n".join([head, *lines]) + "\n")


def forest(name, rows, labels):
    """The peer's AUC is the mean of ten seeds: ours is compared with that."""
    scores = [-ensemble.IsolationForest(random_state=seed).fit(rows).score_samples(rows) for seed in range(10)]
    aucs = [metrics.roc_auc_score(labels, score) for score in scores]
    write(f"iforest-{name}.tsv", {"auc": float(numpy.mean(aucs))}, numpy.mean(scores, axis=0), rows, labels)


def one_class(name, rows, nu, gamma):
    """Standardised, and in single precision as ours sees them; a tight tolerance, so that both are near the one optimum."""
    rows = ((rows - rows.mean(0)) / rows.std(0)).astype(numpy.float32).astype(float)
    rows = numpy.array([[float(f"{x:.7g}") for x in row] for row in rows])
    loose, tight = (svm.OneClassSVM(nu=nu, gamma=gamma, tol=tol).fit(rows) for tol in (1e-3, 1e-6))
    conclusions = {"nu": nu, "gamma": gamma, "rho": float(tight.offset_[0]), "rho_loose": float(loose.offset_[0]), "support": len(tight.support_)}
    write(f"one-class-{name}.tsv", conclusions, tight.decision_function(rows), rows, numpy.zeros(len(rows)))


def half_space(name, rows, labels):
    """A stream of the rows, shuffled ten times over; river scales by the least and greatest so far. AUC from the 501st on."""
    shuffle = numpy.random.default_rng(1)
    order = numpy.concatenate([shuffle.permutation(len(rows)) for _ in range(10)])
    aucs = []
    for seed in range(5):
        scaler, trees = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=seed)
        scores = []
        for at in order:
            row = dict(enumerate(rows[at].tolist()))
            scaler.learn_one(row)
            row = scaler.transform_one(row)
            scores.append(trees.score_one(row))
            trees.learn_one(row)
        aucs.append(metrics.roc_auc_score(labels[order][500:], scores[500:]))
    # The rows are those of the forest's file.
    text = f"auc={numpy.mean(aucs)}\n" + "\n".join(map(str, order)) + "\n"
    (FIXTURES / f"half-space-{name}.tsv").write_text(text)


def main():
    FIXTURES.mkdir(exist_ok=True)
    cancer, wine = datasets.load_breast_cancer(), datasets.load_wine()
    # The benign ones and the first 21 malignant ones; the classes 2 and 3 and the first 10 of class 1: as in studies of outliers.
    malignant = numpy.flatnonzero(cancer.target == 0)
    kept = numpy.sort(numpy.concatenate([numpy.flatnonzero(cancer.target == 1), malignant[:21]]))
    forest("cancer", cancer.data[kept], cancer.target[kept] == 0)
    half_space("cancer", cancer.data[kept], cancer.target[kept] == 0)
    kept = numpy.flatnonzero((wine.target != 0) | (numpy.arange(len(wine.target)) < 10))
    forest("wine", wine.data[kept], wine.target[kept] == 0)
    one_class("wine-scale", wine.data, 0.1, "scale")
    one_class("wine-auto", wine.data, 0.5, "auto")
    one_class("wine-01", wine.data, 0.05, 0.1)


if __name__ == "__main__":
    main()
