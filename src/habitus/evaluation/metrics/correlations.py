"""Correlations of values some steps apart: of panels of series, and of users' daily totals.

Of a panel, mean and variance are those of all observed values, not of each series: in short windows
a mean of their own would pull every autocorrelation down. Pairs with a missing value are left out.
A variable that never changes has correlation 0 with everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from habitus.evaluation.panels import Float64, Panel, Stack
from habitus.schema import BoolArray, FloatArray

DEFAULT_LAGS = 24
MOST_LAGS = 14  # days
_USERS = 1 << 16  # at a time, which bounds the memory


def autocorrelation(panel: Panel, lags: int) -> Float64:
    """Autocorrelation of each variable, from pairs inside each series.

    r_l = mean over pairs of (x_t - m)(x_{t+l} - m) / variance, which for one complete series is the
    estimator with n - l in the denominator.

    Args:
        panel: Series.
        lags: Largest lag L.

    Returns:
        Lags 0 to L, [L + 1, V]; NaN where there is no pair of observed values.
    """
    stack = Stack.of(panel)
    standard, known = _standardised(stack)
    result = np.full((lags + 1, stack.variables), np.nan)
    for lag in range(min(lags + 1, len(standard))):
        joined = stack.joined(lag)
        pairs = np.count_nonzero(known[: len(joined)] & known[lag:] & joined[:, None], axis=0)
        products = np.einsum(
            "p,pv,pv->v", joined.astype(np.float64), standard[: len(joined)], standard[lag:]
        )
        result[lag] = np.where(pairs > 0, products / np.maximum(pairs, 1), np.nan)
    return result


def cross_correlation(panel: Panel, lag: int = 0) -> Float64:
    """Correlation of variable i with variable j ``lag`` steps later, [V, V].

    NaN where there is no pair of observed values.
    """
    stack = Stack.of(panel)
    standard, known = _standardised(stack)
    rows = stack.followed(lag)
    pairs = known[rows].T.astype(np.float64) @ known[rows + lag]
    products = standard[rows].T @ standard[rows + lag]
    return np.where(pairs > 0, products / np.maximum(pairs, 1), np.nan)


def autocorrelation_mse(generated: Panel, real: Panel, lags: int = DEFAULT_LAGS) -> float:
    """Mean squared difference of the autocorrelations over lags 1 to L and variables.

    Lags that one of the panels is too short for are left out; NaN if that leaves none.
    """
    Stack.pair(generated, real)
    return _mean_square(autocorrelation(generated, lags)[1:] - autocorrelation(real, lags)[1:])


def cross_correlation_mse(generated: Panel, real: Panel, lag: int = 0) -> float:
    """Mean squared difference of the correlations between different variables; NaN for one."""
    Stack.pair(generated, real)
    difference = cross_correlation(generated, lag) - cross_correlation(real, lag)
    return _mean_square(difference[~np.eye(len(difference), dtype=bool)])


def daily_autocorrelation(daily_totals: FloatArray, lags: int = MOST_LAGS) -> Float64:
    """Mean over users of the autocorrelation of their daily totals, each around the user's mean.

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
        sums += row_autocorrelation(x, range(1, lags + 1)).sum(axis=1)
        users += len(x)
    return sums / users if users else np.full(lags, np.nan)


def row_autocorrelation(x: FloatArray | BoolArray, lags: Sequence[int]) -> Float64:
    """Autocorrelation of each row around its own mean.

    Args:
        x: Rows, [B, T].
        lags: Steps apart, L of them, each at least 1.

    Returns:
        [L, B]; NaN where a row is constant or the lag T or more.
    """
    centred = x.astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    power = np.where(x.min(axis=1) < x.max(axis=1), (centred**2).sum(axis=1), np.nan)
    found = np.full((len(lags), len(x)), np.nan)
    for row, lag in enumerate(lags):
        if lag < x.shape[1]:
            found[row] = (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / power
    return found


def _standardised(stack: Stack) -> tuple[Float64, BoolArray]:
    """Values in standard deviations from the mean, and a mask of the known ones, [R, V] each.

    Values are 0 where missing or without spread.
    """
    known = stack.observed
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, stack.values, 0).astype(np.float64)
    centred = np.where(known, values - values.sum(axis=0) / count, 0)
    spread = np.sqrt(np.square(centred).sum(axis=0) / count)
    varies = spread > 1e-12 * np.abs(values).max(axis=0)
    return np.where(varies, centred / np.where(varies, spread, 1), 0), known


def _mean_square(difference: Float64) -> float:
    """Mean square of what is not NaN; NaN if nothing is."""
    known = difference[~np.isnan(difference)]
    return float(np.square(known).mean()) if known.size else np.nan
