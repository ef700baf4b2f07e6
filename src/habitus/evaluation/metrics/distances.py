"""Distances between two curves or two samples: KL, Jensen-Shannon, squared error, Kolmogorov."""

from __future__ import annotations

import numpy as np

from habitus.schema import FloatArray, IntArray

_STEP = 1 << 20  # keys looked up at a time: bounds the memory for tens of millions of values


def kolmogorov_distance(first: FloatArray, second: FloatArray) -> float:
    """Largest gap between two empirical CDFs: the two-sample Kolmogorov-Smirnov statistic.

    Two sorts, and one look-up for each distinct value: seconds for tens of millions of values,
    without the p-value for which ``scipy.stats.ks_2samp`` takes several times the memory.

    Args:
        first: Values in any shape; no NaN.
        second: Values in any shape; no NaN.

    Returns:
        Distance from 0 to 1.

    Raises:
        ValueError: if either is empty.

    >>> kolmogorov_distance(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]))
    0.3333333333333333
    """
    if not first.size or not second.size:
        raise ValueError(f"expected values on both sides, got {first.size} and {second.size}; "
                         "compare non-empty sets")  # fmt: skip
    first = np.sort(first, axis=None)
    second = np.sort(second, axis=None)
    return max(_largest_lead(first, second), _largest_lead(second, first))


def _largest_lead(leader: FloatArray, other: FloatArray) -> float:
    """Most that the CDF of sorted ``leader`` rises above the other's, where it steps up."""
    last = np.flatnonzero(np.append(leader[1:] != leader[:-1], True))
    lead = 0.0
    for begin in range(0, len(last), _STEP):
        steps = last[begin : begin + _STEP]
        behind = np.searchsorted(other, leader[steps], side="right") / len(other)
        lead = max(lead, float(((steps + 1) / len(leader) - behind).max()))
    return lead


def step_distance(first: IntArray, second: IntArray) -> float:
    """Kolmogorov distance between two histograms over the same values.

    Args:
        first: Counts, [K].
        second: Counts, [K].

    Returns:
        From 0 to 1; 1 where exactly one of them is empty.

    >>> step_distance(np.array([1, 1]), np.array([0, 4]))
    0.5
    """
    sums = first.sum(), second.sum()
    if not all(sums):
        return float(sums[0] != sums[1])
    return float(np.abs(np.cumsum(first) / sums[0] - np.cumsum(second) / sums[1]).max())


def kl_divergence(reference: FloatArray, generated: FloatArray) -> float:
    """KL(reference || generated) in nats between two curves, each divided by its sum.

    It compares shapes alone ("Time pictures" 5.3.1). The paper does not name the direction: this
    one asks what the generated curve misses. 0 log 0 is 0. Two curves of zeros are equal; against
    one of zeros nothing is finite.

    Args:
        reference: Values of at least 0, any shape.
        generated: Values of at least 0, the same shape.

    Returns:
        At least 0; ``inf`` where the generated curve is zero and the reference is not.

    >>> round(kl_divergence(np.array([1.0, 3.0]), np.array([2.0, 2.0])), 6)
    0.130812
    """
    p_sum = float(np.sum(reference, dtype=np.float64))
    q_sum = float(np.sum(generated, dtype=np.float64))
    if not p_sum or not q_sum:
        return 0.0 if p_sum == q_sum else float("inf")
    p = reference / p_sum
    q = generated / q_sum
    q = q[p > 0]
    p = p[p > 0]
    if not q.all():
        return float("inf")
    return max(float(np.sum(p * np.log(p / q))), 0.0)  # rounding can leave a hair below zero


def jensen_shannon(first: FloatArray, second: FloatArray) -> float:
    """Jensen-Shannon divergence in nats between two curves, each divided by its sum.

    Symmetric and at most log 2, so it stays a number where a rare channel is never drawn at some
    hour.

    Args:
        first: Values of at least 0, any shape.
        second: Values of at least 0, the same shape.

    Returns:
        From 0 to log 2; log 2 where exactly one of the curves is all zeros.

    >>> round(jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 2.0])), 6)
    0.693147
    """
    sums = [float(np.sum(curve, dtype=np.float64)) for curve in (first, second)]
    if not all(sums):
        return 0.0 if sums[0] == sums[1] else float(np.log(2))
    p = first / sums[0]
    q = second / sums[1]
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


def mean_squared_error(reference: FloatArray, generated: FloatArray) -> float:
    """Mean squared difference of two curves: a shift that KL does not see ("Time pictures" 5.3.1).

    >>> mean_squared_error(np.array([1.0, 3.0]), np.array([2.0, 5.0]))
    2.5
    """
    return float(np.mean((generated - reference) ** 2))
