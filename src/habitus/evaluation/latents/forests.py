"""Random forests from latents to factors: disentanglement, completeness and informativeness.

Eastwood and Williams 2018, "A framework for the quantitative evaluation of disentangled
representations".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.ensemble import RandomForestRegressor

from habitus.evaluation.latents.factors import Factor
from habitus.schema import BoolArray, FloatArray

_TREES = 50
_USERS_PER_LEAF = 5
_USERS_PER_TREE = 3000  # more make a fit slower and hardly better


def forests(
    codes: FloatArray, factors: Sequence[Factor], train: BoolArray, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a forest from all latents to each factor.

    Every split may use every latent: with a random choice of them a tree must use uninformative
    latents, and importance spreads. A categorical factor is predicted as indicators of its classes,
    whose squared error is the Gini impurity of a classification tree.

    Args:
        codes: Latents, [U, Z].
        factors: F factors of the same users, none of them constant.
        train: Mask of the users that forests are fitted to; the others are held out, [U].
        rng: Source of the forests' seeds.

    Returns:
        Share explained for held-out users, [F], see :func:`share_explained`; importance of each
        latent, [Z, F], by decrease of variance, with columns that sum to 1 (or 0, where a forest
        has no split).
    """
    explained = np.zeros(len(factors))
    importance = np.zeros((codes.shape[1], len(factors)))
    for column, factor in enumerate(factors):
        forest = RandomForestRegressor(
            _TREES,
            min_samples_leaf=_USERS_PER_LEAF,
            max_samples=min(_USERS_PER_TREE, int(train.sum())),
            random_state=int(rng.integers(2**31)),
        )
        targets = factor.targets
        fitted = targets[train] if targets.shape[1] > 1 else targets[train, 0]
        predicted = (
            forest.fit(codes[train], fitted).predict(codes[~train]).reshape(-1, targets.shape[1])
        )
        explained[column] = share_explained(targets[~train], predicted, targets[train].mean(axis=0))
        importance[:, column] = forest.feature_importances_
    return explained, importance


def share_explained(truth: FloatArray, predicted: FloatArray, mean: FloatArray) -> float:
    """Share 1 - squared error / squared error of the mean, summed over targets; at least 0.

    For a continuous factor this is R²; for a circular one the share of circular variance; for a
    categorical one the Brier skill score relative to the shares of the classes: a guess of the
    majority scores 0.

    Args:
        truth: Targets, [n, T].
        predicted: Predictions of the targets, [n, T].
        mean: Mean targets of the users that were fitted, [T].
    """
    return max(1 - float(((truth - predicted) ** 2).sum() / ((truth - mean) ** 2).sum()), 0.0)


def concentration(importance: FloatArray) -> float:
    """Mean over rows of 1 - entropy / log n, weighted by their sums (Eastwood and Williams 2018).

    Of importances [Z, F] it is disentanglement: 1 where each latent serves one factor. Of their
    transpose it is completeness: 1 where each factor is served by one latent. A factor on which no
    latent is informative spreads its importance over all of them, and lowers both.

    Args:
        importance: Values of at least 0, [m, n].

    Returns:
        Concentration from 0 to 1; 1 where n is 1, 0 where all importances are 0.

    >>> concentration(np.array([[1.0, 0.0], [0.0, 3.0]])), concentration(np.full((2, 4), 0.5))
    (1.0, 0.0)
    """
    weights = importance.sum(axis=1)
    used = weights > 0
    if not used.any():
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    spread = entropy(importance[used], axis=1) / np.log(importance.shape[1])
    return max(float(np.average(1 - spread, weights=weights[used])), 0.0)
