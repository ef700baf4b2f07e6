"""Proper scores and calibration of forecasts by K draws of each of n quantities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import FloatArray

# far above what sums of float32 shares differ by, far below a step between two of them
_ROUNDING = 1e-6


def crps(ordered: FloatArray, truth: FloatArray) -> NDArray[np.float64]:
    """Continuous ranked probability score by the fair estimator, unbiased for any number of draws.

    mean|X - y| - 1/(2 K (K - 1)) sum|X_i - X_j|, and |X - y| for a single draw (Gneiting and
    Raftery 2007, eq. 21; Ferro 2014 for the fair form). Lower is better; a fair score can be a
    little below zero.

    Args:
        ordered: Draws, ascending along the first axis, [K, n].
        truth: Observed values, [n].

    Returns:
        Scores in the unit of the truth, [n].

    >>> crps(np.array([[0.0], [2.0]]), np.array([1.0]))
    array([0.])
    """
    draws = len(ordered)
    error = np.abs(ordered - truth).mean(axis=0, dtype=np.float64)
    if draws == 1:
        return error
    # ascending, the k-th draw is the larger one of k pairs, and the smaller one of K - 1 - k
    weights = (2.0 * np.arange(draws) - (draws - 1)) / (draws * (draws - 1))
    return error - np.tensordot(weights, ordered, axes=1)


def pit(draws: FloatArray, truth: FloatArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Randomised probability integral transform: uniform where the truth is one more such draw.

    u = (draws below y + V (draws equal to y + 1)) / (K + 1) with V uniform, which is exact for any
    K and for distributions with atoms (Smith 1985; Czado, Gneiting and Held 2009). Values that
    differ by rounding alone count as equal.

    Args:
        draws: Draws in any order, [K, n].
        truth: Observed values, [n].
        rng: Source of V.

    Returns:
        u between 0 and 1, [n].
    """
    low, high = _pit_range(draws, truth)
    return low + rng.random(len(truth)) * (high - low)


def coverage(draws: FloatArray, truth: FloatArray, level: float) -> NDArray[np.float64]:
    """Compute the share of each truth that lies in the central interval of its draws, 0 to 1, [n].

    The share is the probability that the randomised transform (:func:`pit`) lies in the interval.
    So a truth equal to some draws counts in part, and the result is not random. Where truth and
    draws have the same distribution the mean share is ``level``, for any number of draws.

    Args:
        draws: Draws in any order, [K, n].
        truth: Observed values, [n].
        level: Probability of the central interval.
    """
    low, high = _pit_range(draws, truth)
    inside = np.minimum(high, (1 + level) / 2) - np.maximum(low, (1 - level) / 2)
    return np.maximum(inside, 0) / (high - low)


def _pit_range(
    draws: FloatArray, truth: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends between which the randomised transform is uniform, [n] each."""
    margin = _ROUNDING * (1 + np.abs(truth))
    below = np.count_nonzero(draws < truth - margin, axis=0)
    not_above = np.count_nonzero(draws <= truth + margin, axis=0)
    return below / (len(draws) + 1), (not_above + 1) / (len(draws) + 1)
