#!/usr/bin/env python3
"""Times scikit-learn and river on rows like those of learn's models_speed: learners.py iforest|half-space|one-class-svm

Prints JSON: name -> microseconds of CPU a row; names that begin with "fit": milliseconds.
"""

import json
import sys
import time

import numpy


def events(rows, width):
    """Some clustered, some heavy-tailed, some of few values, one in a hundred elsewhere."""
    random = numpy.random.default_rng(7)
    odd = 4.0 * (random.random(rows) < 0.01)
    kinds = (
        lambda: random.random((rows, 4)).sum(1) + odd,
        lambda: random.exponential(size=rows) * (1 + odd),
        lambda: numpy.floor(5 * random.random(rows)),
    )
    return numpy.column_stack([kinds[at % 3]() for at in range(width)])


def cpu(call, times=3):
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        call()
        best = min(best, time.process_time() - begin)
    return best


def iforest():
    from sklearn.ensemble import IsolationForest

    rows = events(20_000, 16)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=1).fit(rows)
    single = cpu(lambda: [forest.score_samples(rows[at : at + 1]) for at in range(30)])
    return {"single": single / 30 * 1e6, "batched": cpu(lambda: forest.score_samples(rows)) / len(rows) * 1e6}


def half_space():
    from river.anomaly import HalfSpaceTrees

    rows = events(1_500, 16)
    least, most = rows.min(0), rows.max(0)
    rows = [dict(enumerate(row)) for row in ((rows - least) / (most - least)).tolist()]
    trees = HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1)
    return {"score and learn": cpu(lambda: [(trees.score_one(row), trees.learn_one(row)) for row in rows]) / len(rows) * 1e6}


def one_class_svm():
    from sklearn.svm import OneClassSVM

    rows = events(5_000, 2)
    svm = OneClassSVM(nu=0.05, gamma="scale")
    fit = cpu(lambda: svm.fit(rows)) * 1e3
    return {"fit": fit, "predict": cpu(lambda: svm.decision_function(rows)) / len(rows) * 1e6}


if __name__ == "__main__":
    json.dump({"iforest": iforest, "half-space": half_space, "one-class-svm": one_class_svm}[sys.argv[1]](), sys.stdout)
