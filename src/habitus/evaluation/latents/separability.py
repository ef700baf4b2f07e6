"""Linear prediction of factors by single latents, for separated attribute predictability.

Kumar et al. 2018, "Variational inference of disentangled latent concepts from unlabeled
observations".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.latents.factors import Factor
from habitus.schema import BoolArray, FloatArray, IntArray


def linear_scores(
    codes: FloatArray, factors: Sequence[Factor], train: BoolArray
) -> NDArray[np.float64]:
    """Score from 0 to 1 of each latent alone, [Z, F] (Kumar et al. 2018, section 3).

    The gap between latents is not taken here. Continuous: the squared (Pearson) correlation.
    Circular: the share of the variance of (cos, sin) that is linear in the latent. Categorical:
    balanced accuracy on held-out users, rescaled so that chance is 0, of the linear classifier that
    takes the class whose mean is nearest (linear discriminant analysis with equal priors). A
    constant latent scores 0.

    Args:
        codes: Latents, [U, Z].
        factors: F factors of the same users, none of them constant.
        train: Mask of the users whose class means are taken; the others are classified, [U].
    """
    columns = [
        [nearest_mean_accuracy(latent, factor.classes, train) for latent in codes.T]
        if factor.categorical
        else _explained(codes, factor.targets)
        for factor in factors
    ]
    return np.column_stack(columns)


def _explained(codes: FloatArray, targets: FloatArray) -> NDArray[np.float64]:
    """Share of the variance of targets [U, T] that each latent explains linearly, [Z]."""
    codes = codes - codes.mean(axis=0)
    targets = targets - targets.mean(axis=0)
    both = ((targets.T @ codes) ** 2).sum(axis=0)
    most = (codes**2).sum(axis=0) * (targets**2).sum()
    return np.divide(both, most, out=np.zeros_like(both), where=most > 0)


def nearest_mean_accuracy(latent: FloatArray, classes: IntArray, train: BoolArray) -> float:
    """Balanced accuracy of the nearest class mean, less chance, over 1 less chance; at least 0.

    Classes count that are present on both sides; with one alone the score is 0.

    Args:
        latent: One latent, [U].
        classes: Class of each user, [U].
        train: Mask of the users whose class means are taken, [U].
    """
    present = np.intersect1d(classes[train], classes[~train])
    if len(present) < 2:
        return 0.0
    means = np.array([latent[train & (classes == each)].mean() for each in present])
    guess = present[np.abs(latent[:, None] - means).argmin(axis=1)]
    right = np.mean([(guess[~train & (classes == each)] == each).mean() for each in present])
    chance = 1 / len(present)
    return max(float(right - chance) / (1 - chance), 0.0)
