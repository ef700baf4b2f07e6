"""The numbers that tables and findings are made of."""

from __future__ import annotations

import numpy as np

from habitus.evaluation import Figures, daily_mean, daily_std, kl_divergence, mean_squared_error
from habitus.papers.time_pictures.paper import DISTANCES
from habitus.schema import FloatArray

Distances = tuple[float, ...]
"""KLD(mean), KLD(std), MSE(mean), MSE(std), as Table 6.1 has them."""


def distances(figures: Figures) -> Distances:
    """Those of an evaluation."""
    return tuple(figures[group][name] for group, name in DISTANCES.values())


def distances_of_totals(real: FloatArray, made: FloatArray) -> Distances:
    """Those of daily totals [U, D]."""
    curves = [(curve(real), curve(made)) for curve in (daily_mean, daily_std)]
    return tuple(
        distance(*pair) for distance in (kl_divergence, mean_squared_error) for pair in curves
    )


def change(pictures: FloatArray) -> float:
    """Change along a walk: squared distance from its mean picture, per point.

    Args:
        pictures: Along a walk, [P, ...].
    """
    x = np.asarray(pictures, np.float64)
    return float(((x - x.mean(0)) ** 2).sum() / len(x))


def intensity_share(pictures: FloatArray) -> float | None:
    """Share of a walk's change that is more or less of its mean picture; 1 if nothing else is.

    With m the mean picture and a_p the multiple of it that is nearest to picture p, it is
    1 - sum_p |x_p - a_p m|^2 / sum_p |x_p - m|^2.

    Args:
        pictures: Along a walk, [P, ...].

    Returns:
        From 0 to 1; None where nothing changes.

    >>> one, other = np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> intensity_share(one), intensity_share(other)
    (1.0, 0.0)
    """
    x = np.asarray(pictures, np.float64).reshape(len(pictures), -1)
    mean = x.mean(0)
    changed = len(x) * change(x)
    if changed <= 1e-12 * len(x) * max(float((mean**2).sum()), 1e-300):
        return None
    nearest = (x @ mean / (mean @ mean))[:, None] * mean
    return max(0.0, 1 - float(((x - nearest) ** 2).sum()) / changed)
