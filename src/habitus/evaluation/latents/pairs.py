"""Classification of the factor that pairs of users share: the metric of Higgins et al. 2017."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from habitus.evaluation.latents.factors import Factor
from habitus.evaluation.latents.information import bins_for, groups_of
from habitus.schema import BoolArray, FloatArray, IntArray

_PAIRS = 64  # averaged to a point, as Locatello et al. 2019
_TRAIN_POINTS = 5000
_TEST_POINTS = 2500


def beta_metric(
    codes: FloatArray, factors: Sequence[Factor], train: BoolArray, rng: np.random.Generator
) -> float:
    """Accuracy of a linear classifier of the factor that pairs share (Higgins et al. 2017).

    A point is the mean of |z - z'| over 64 pairs that share the class, or the bin of values, of one
    factor. Higgins et al. set the other factors at random; those of given users are correlated, so
    pairs that share one factor are close in others too. Means of many pairs reveal small effects: a
    rotation of the factors can score near 1. Pairs of held-out users are classified.

    Args:
        codes: Latents, [U, Z].
        factors: F factors of the same users; of the users on each side, some must share a group.
        train: Mask of the users whose pairs the classifier is fitted to, [U].
        rng: Source of the pairs.

    Returns:
        Accuracy, 1/F by chance, within 0.02 or so.
    """
    if len(factors) == 1:
        return 1.0
    bins = bins_for(len(codes))
    shared = [groups_of(factor, bins) for factor in factors]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(*_points(codes[train], [each[train] for each in shared], _TRAIN_POINTS, rng))
    points, labels = _points(codes[~train], [each[~train] for each in shared], _TEST_POINTS, rng)
    return float(classifier.score(points, labels))


def _points(
    codes: FloatArray, shared: Sequence[IntArray], points: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], IntArray]:
    """Points [n, Z], the same number for each factor, and the shared factor of each, [n]."""
    each = points // len(shared)
    distances = []
    for numbers in shared:
        first, second = pairs(numbers, each * _PAIRS, rng)
        distances.append(
            np.abs(codes[first] - codes[second]).reshape(each, _PAIRS, -1).mean(axis=1)
        )
    return np.concatenate(distances), np.repeat(np.arange(len(shared)), each)


def pairs(numbers: IntArray, count: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Draw pairs of different users of the same group, the second uniformly from the first's.

    Args:
        numbers: Group of each user, [U]; at least one group has two.
        count: Number of pairs.
        rng: Source of the draw.

    Returns:
        Indices of the first and of the second users, [count] each.
    """
    order = np.argsort(numbers, kind="stable")
    _, begin, size = np.unique(numbers[order], return_index=True, return_counts=True)
    begin = np.repeat(begin, size)
    size = np.repeat(size, size)
    first = rng.choice(np.flatnonzero(size > 1), count)
    step = 1 + rng.integers(size[first] - 1)
    second = begin[first] + (first - begin[first] + step) % size[first]
    return order[first], order[second]
