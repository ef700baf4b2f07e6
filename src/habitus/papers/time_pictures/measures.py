"""The numbers that tables and findings are made of."""

from __future__ import annotations

import numpy as np

from habitus.evaluation import Figures, daily_mean, daily_std, kl_divergence, mean_squared_error
from habitus.papers.time_pictures.paper import DISTANCES
from habitus.schema import FloatArray

Distances = tuple[float, ...]
"""KLD(mean), KLD(std), MSE(mean), MSE(std), as Table 6.1 has them."""


def distances(figures: Figures) -> Distances:
    """Read the distances of Table 6.1 from the figures of an evaluation."""
    return tuple(figures[group][name] for group, name in DISTANCES.values())


def distances_of_totals(real: FloatArray, made: FloatArray) -> Distances:
    """Compute the distances of Table 6.1 between real and generated daily totals, [U, D] each."""
    curves = [(curve(real), curve(made)) for curve in (daily_mean, daily_std)]
    return tuple(
        distance(*pair) for distance in (kl_divergence, mean_squared_error) for pair in curves
    )


def change(pictures: FloatArray) -> float:
    """Compute the mean over points of the squared distance from a traversal's mean picture.

    Args:
        pictures: Pictures along a traversal, [P, ...].
    """
    x = np.asarray(pictures, np.float64)
    return float(((x - x.mean(0)) ** 2).sum() / len(x))


def intensity_share(pictures: FloatArray) -> float | None:
    """Compute the share of the change along a traversal that rescaling the mean picture explains.

    With m the mean picture and a_p m its multiple nearest to picture x_p, the share is
    1 - sum_p |x_p - a_p m|^2 / sum_p |x_p - m|^2.

    Args:
        pictures: Pictures along a traversal, [P, ...].

    Returns:
        Share from 0 to 1; None where the pictures do not change.

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
