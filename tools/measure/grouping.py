"""How well groups that were found agree with the true ones: both are lists with a name per line."""

import collections


def quality(found, truth):
    """Grouping accuracy, F1 over pairs of lines, F1 over groups (FGA), and how many groups there are, found and true.

    Zhu et al., "Tools and Benchmarks for Automated Log Parsing" (ICSE-SEIP 2019), and Jiang et al., "A Large-Scale Evaluation
    for Log Parsing Techniques" (ISSTA 2024).
    """
    cells = collections.Counter(zip(found, truth))
    groups, classes = collections.Counter(found), collections.Counter(truth)
    exact = [count for (group, name), count in cells.items() if groups[group] == count == classes[name]]
    together, either = pairs(cells), pairs(groups) + pairs(classes)
    return [
        sum(exact) / len(truth),
        2 * together / either if either else 1.0,
        2 * len(exact) / (len(groups) + len(classes)),
        len(groups),
        len(classes),
    ]


def pairs(counts):
    return sum(count * (count - 1) / 2 for count in counts.values())
