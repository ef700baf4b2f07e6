"""Area under the ROC curve with its interval.

The area is the probability that a score of the positive class exceeds one of the negative class,
ties counting half. Its variance is that of DeLong, DeLong and Clarke-Pearson 1988, clustered by
user (Obuchowski 1997), which ``sklearn.metrics.roc_auc_score`` does not offer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from habitus.schema import FloatArray, IntArray

_Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Auc:
    """Area under the curve.

    Attributes:
        value: The area; 1/2 is chance.
        error: Its standard error.
    """

    value: float
    error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return max(0.0, self.value - _Z * self.error)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return min(1.0, self.value + _Z * self.error)

    def to_json(self, name: str = "auc") -> dict[str, float]:
        """Value and ends of the interval, by name."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def auc(
    high: FloatArray,
    low: FloatArray,
    high_users: IntArray | None = None,
    low_users: IntArray | None = None,
) -> Auc:
    """Area under the curve of two sets of scores.

    Args:
        high: Scores that should be higher, [m].
        low: Scores that should be lower, [n].
        high_users: User of each of ``high``, from 0; all different where absent, [m].
        low_users: User of each of ``low``, [n].

    >>> auc(np.array([0.9, 0.6]), np.array([0.5, 0.7])).value
    0.75
    """
    together = rankdata(np.concatenate([high, low]))
    above = (together[: len(high)] - rankdata(high)) / len(low)  # share of low below each high one
    below = 1 - (together[len(high) :] - rankdata(low)) / len(high)
    value = float(above.mean())
    variance = _variance(above - value, high_users) + _variance(below - value, low_users)
    return Auc(value, math.sqrt(variance))


def _variance(parts: FloatArray, users: IntArray | None) -> float:
    """Variance of the mean of parts, those of one user taken together."""
    sums = parts if users is None else np.bincount(users, parts)[np.bincount(users) > 0]
    return float((sums**2).sum()) * len(sums) / (max(len(sums) - 1, 1) * len(parts) ** 2)


def mean_auc(parts: Sequence[Auc]) -> Auc:
    """Mean over folds, each tested on users of its own."""
    error = math.sqrt(sum(part.error**2 for part in parts)) / len(parts)
    return Auc(float(np.mean([part.value for part in parts])), error)
