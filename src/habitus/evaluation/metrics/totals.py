"""Totals of interactions: by day over the population ("Time pictures" 5.3.1), and by user.

A total interaction count is a user's sum over slots and channels **for one day** ("Time pictures"
5.1, footnote 1); so the daily curves are over users, and the CDF is over user-days (U x D values).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import FloatArray

LEVELS = (0.5, 0.9, 0.99, 0.999)
TAIL = 0.05  # share of users that is the tail
_FEWEST = 10  # users in it


def daily_mean(daily_totals: FloatArray) -> NDArray[np.float64]:
    """Mean over users of each day's totals ("Time pictures" 5.3.1), [U, D] -> [D]."""
    return daily_totals.mean(axis=0, dtype=np.float64)


def daily_std(daily_totals: FloatArray) -> NDArray[np.float64]:
    """Standard deviation over users of each day's totals ("Time pictures" 5.3.1), [U, D] -> [D].

    The users are the whole population compared, so the divisor is U (``ddof=0``).
    """
    return daily_totals.std(axis=0, dtype=np.float64)


def total_cdf(daily_totals: FloatArray, points: FloatArray) -> NDArray[np.float64]:
    """Share of user-days whose total is at most each point ("Time pictures" 5.3.1).

    Args:
        daily_totals: Totals, [U, D].
        points: Where to evaluate, [P], in the unit of the totals.

    Returns:
        Shares from 0 to 1, [P].

    >>> total_cdf(np.array([[0.0, 2.0], [0.0, 1.0]]), np.array([0.0, 1.5, 2.0]))
    array([0.5 , 0.75, 1.  ])
    """
    ordered = np.sort(daily_totals, axis=None)
    return np.searchsorted(ordered, points, side="right") / daily_totals.size


def user_quantiles(totals: FloatArray) -> NDArray[np.float64]:
    """Median, 90, 99 and 99.9 % quantile of the users' totals, [U] -> [4]."""
    return np.quantile(totals.astype(np.float64), LEVELS)


def log_error(generated: FloatArray, reference: FloatArray) -> NDArray[np.float64]:
    """Error |log(generated / reference)|: 0.1 is about 10 % off; 0 for two zeros, ``inf`` for one.

    >>> log_error(np.array([0.0, 2.0]), np.array([0.0, 1.0])).round(3)
    array([0.   , 0.693])
    """
    equal = generated == reference
    with np.errstate(divide="ignore"):
        error = np.abs(np.where(equal, 0, np.log(generated)) - np.log(reference))
    return np.where(equal, 0.0, error)


def tail_index(totals: FloatArray) -> float | None:
    """Hill's estimate of the tail index (Hill 1975).

    Above the 95 % quantile P(total > x) falls as x to minus this.

    Args:
        totals: Total of each user, [U].

    Returns:
        The index, smaller for a heavier tail; None for fewer than 200 users, or a tail of equal or
        zero totals.
    """
    ordered = np.sort(totals)
    size = int(TAIL * len(ordered))
    if size < _FEWEST or ordered[-size - 1] <= 0:
        return None
    mean = float(np.log(ordered[-size:] / ordered[-size - 1]).mean())
    return 1 / mean if mean > 0 else None


def channel_correlation(totals: FloatArray) -> NDArray[np.float64]:
    """Correlation over users of log(1 + total) between channels.

    Args:
        totals: Total of each user by channel, [U, C].

    Returns:
        Correlations, [C, C]; NaN where a channel's total is the same for everyone.
    """
    logs = np.log1p(totals.astype(np.float64))
    logs -= logs.mean(axis=0)
    covariance = logs.T @ logs
    scale = np.sqrt(np.diagonal(covariance))
    varies = scale > 1e-9 * np.sqrt(len(logs))
    scale = np.where(varies, scale, np.nan)
    return covariance / np.outer(scale, scale)
