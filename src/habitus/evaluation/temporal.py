"""How activity goes on and breaks off: silences between active times, autocorrelation of daily totals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.schema import FloatArray, IntArray

MOST_LAGS = 14
_USERS = 1 << 16  # at a time, which bounds the memory


def silences(keys: IntArray, length: int) -> NDArray[np.int64]:
    """How many silences there are of each length, between active times of the same user.

    Silence before the first active time and after the last is none: nobody knows how long it lasted.

    Args:
        keys: User x length + time of whatever happened, ascending; equal ones count once, [n].
        length: Times of a user.

    Returns:
        Counts by length; none has length 0, [length].

    >>> silences(np.array([0, 3, 3, 4, 8, 10]), length=6)
    array([0, 1, 1, 0, 0, 0])
    """
    breaks = np.diff(keys) - 1
    inside = (breaks > 0) & (keys[1:] // length == keys[:-1] // length)
    return np.bincount(breaks[inside], minlength=length)


def step_distance(first: IntArray, second: IntArray) -> float:
    """Largest gap between the cumulative distributions of two histograms over the same values.

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


def autocorrelation(daily_totals: FloatArray, lags: int = MOST_LAGS) -> NDArray[np.float64]:
    """Mean over users of the autocorrelation of their daily totals.

    Args:
        daily_totals: Totals, [U, D].
        lags: The most lags; of D days at most D - 1.

    Returns:
        For lags from 1, over users whose totals vary, at most [lags]; NaN where there is none.
    """
    lags = min(lags, daily_totals.shape[1] - 1)
    sums = np.zeros(lags)
    users = 0
    for begin in range(0, len(daily_totals), _USERS):
        x = daily_totals[begin : begin + _USERS].astype(np.float64)
        x = x[x.min(axis=1) < x.max(axis=1)]
        x -= x.mean(axis=1, keepdims=True)
        power = (x**2).sum(axis=1)
        sums += [
            ((x[:, lag:] * x[:, :-lag]).sum(axis=1) / power).sum() for lag in range(1, lags + 1)
        ]
        users += len(x)
    return sums / users if users else np.full(lags, np.nan)
