"""Mutual information of latents and factors, for the mutual information gap (Chen et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy as entropy_of_counts
from scipy.stats import rankdata

from habitus.evaluation.latents.factors import Factor
from habitus.schema import FloatArray, IntArray

MOST_BINS = 20  # as Locatello et al. 2019
_USERS_PER_CELL = 5  # mean count in a bins x bins table; with fewer, chance counts as information


def bins_for(users: int) -> int:
    """Number of bins of a continuous quantity: 5 users a cell of a table of two, at most 20.

    >>> bins_for(50), bins_for(500), bins_for(10_000)
    (3, 10, 20)
    """
    return max(2, min(MOST_BINS, math.isqrt(users // _USERS_PER_CELL)))


def equal_frequency(values: FloatArray | IntArray, bins: int) -> IntArray:
    """Bin of each user, [U], of equal frequency; ties share the bin of their mean rank.

    A factor that varies never ends in one bin, however rare its second value; with quantiles as
    edges it could.

    >>> equal_frequency(np.array([3.0, 1.0, 2.0, 4.0]), 2)
    array([1, 0, 0, 1])
    >>> equal_frequency(np.array([0, 0, 0, 1]), 2)
    array([0, 0, 0, 1])
    """
    return ((rankdata(values) - 0.5) * bins / len(values)).astype(np.int64)


def groups_of(factor: Factor, bins: int) -> IntArray:
    """Group of each user by the factor's class, or by its bin of values, [U]."""
    return factor.classes if factor.categorical else equal_frequency(factor.levels, bins)


def entropy(groups: IntArray) -> float:
    """Entropy of a grouping in nats, from shares of users.

    >>> round(entropy(np.array([0, 1, 2, 3])) / float(np.log(4)), 12)
    1.0
    """
    return float(entropy_of_counts(np.unique(groups, return_counts=True)[1]))


def mutual_information(first: IntArray, second: IntArray) -> float:
    """Mutual information of two groupings in nats, H(a) + H(b) - H(a, b), from shares of users.

    Such an estimate is too high by about (a - 1)(b - 1) / 2U for a and b groups (Miller 1955).
    """
    both = first * (int(second.max()) + 1) + second
    return max(entropy(first) + entropy(second) - entropy(both), 0.0)


def shared_information(codes: FloatArray, factors: Sequence[Factor]) -> NDArray[np.float64]:
    """Ratios I(latent; factor) / H(factor), from 0 to 1, [Z, F] (Chen et al. 2018, eq. 6).

    The gap between latents is not taken here. Latents and continuous factors are put into
    equal-frequency bins, so the ratios are invariant to increasing transforms.

    Args:
        codes: Latents, [U, Z].
        factors: F factors of the same users, none of them constant.
    """
    bins = bins_for(len(codes))
    latents = [equal_frequency(latent, bins) for latent in codes.T]
    truths = [groups_of(factor, bins) for factor in factors]
    return np.array([[mutual_information(z, v) / entropy(v) for v in truths] for z in latents])
