"""Distances between the distributions of single values of panels, one number for each variable."""

from __future__ import annotations

import numpy as np
from scipy import stats

from habitus.evaluation.metrics.distances import kolmogorov_distance
from habitus.evaluation.panels import Float64, Panel, Stack


def kolmogorov_smirnov(generated: Panel, real: Panel) -> Float64:
    """Kolmogorov distance of each variable's values, 0 to 1, [V]; NaN where there are none.

    Values closer than a millionth of the real range count as equal: a value that is repeated in
    both would otherwise be two values after rounding to single precision in one of them.
    """
    ours, theirs = Stack.pair(generated, real)
    distances = np.full(ours.variables, np.nan)
    for variable, (one, other) in enumerate(zip(ours.columns(), theirs.columns(), strict=True)):
        if one.size and other.size:
            grid = np.ptp(other.astype(np.float64)) * 1e-6
            if grid:
                one = np.round(one / grid)
                other = np.round(other / grid)
            distances[variable] = kolmogorov_distance(one, other)
    return distances


def wasserstein(generated: Panel, real: Panel) -> Float64:
    """Wasserstein-1 distance of each variable's values, in the variable's unit, [V]."""
    ours, theirs = Stack.pair(generated, real)
    return np.array([
        stats.wasserstein_distance(one, other) if one.size and other.size else np.nan
        for one, other in zip(ours.columns(), theirs.columns(), strict=True)
    ])  # fmt: skip


def spreads(panel: Panel) -> Float64:
    """Standard deviation of each variable's observed values, [V]; NaN where there are none."""
    columns = Stack.of(panel).columns()
    return np.array([column.std(dtype=np.float64) if column.size else np.nan for column in columns])
