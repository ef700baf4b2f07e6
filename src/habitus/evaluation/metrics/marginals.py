"""Distances between the distributions of single values, one number for each variable."""

from __future__ import annotations

import numpy as np
from scipy import stats

from habitus.evaluation.panels import Float64, Panel, Stack, same_variables
from habitus.schema import FloatArray


def kolmogorov_smirnov(generated: Panel, real: Panel) -> Float64:
    """Largest difference of the two empirical distribution functions of each variable, 0 to 1, [V].

    Values closer than a millionth of the real range count as equal: a value that is repeated in both would
    otherwise be two values after rounding to single precision in one of them.
    """
    return np.array([_largest_difference(*_on_a_grid(*pair)) for pair in _columns(generated, real)])


def wasserstein(generated: Panel, real: Panel) -> Float64:
    """Wasserstein-1 distance of each variable's values, in the variable's unit, [V]."""
    return np.array(
        [
            stats.wasserstein_distance(one, other) if one.size and other.size else np.nan
            for one, other in _columns(generated, real)
        ]
    )


def spreads(panel: Panel) -> Float64:
    """Standard deviation of each variable's observed values, [V]; NaN where there are none."""
    stack = Stack.of(panel)
    columns = [stack.column(each) for each in range(stack.variables)]
    return np.array([column.std(dtype=np.float64) if column.size else np.nan for column in columns])


def _columns(generated: Panel, real: Panel) -> list[tuple[FloatArray, FloatArray]]:
    ours = Stack.of(generated)
    theirs = Stack.of(real)
    same_variables(ours, theirs)
    return [(ours.column(each), theirs.column(each)) for each in range(ours.variables)]


def _on_a_grid(generated: FloatArray, real: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values as multiples of a millionth of the real range, or as they are where that has no extent."""
    grid = np.ptp(real.astype(np.float64)) * 1e-6 if real.size else 0.0
    if not grid:
        return generated, real
    return np.round(generated / grid), np.round(real / grid)


def _largest_difference(one: FloatArray, other: FloatArray) -> float:
    if not one.size or not other.size:
        return np.nan
    one = np.sort(one)
    other = np.sort(other)
    places = np.concatenate([one, other])
    below = [np.searchsorted(each, places, side="right") / each.size for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())
