"""Boosted trees that classify users as generated or real, by their features.

Each fifth of the users is scored by trees that were grown on the other four; only these scores
count. Profiles of the same user are in the same fifth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from habitus.evaluation.metrics.auc import Auc, auc, mean_auc
from habitus.schema import BoolArray, FloatArray, IntArray, Progress, no_progress

FOLDS = 5
MOST_PERMUTED = 1500  # held-out profiles of a fold on which a feature's importance is measured
_FEWEST = 20  # profiles in a leaf; also profiles with a value that a feature needs to be used


@dataclass(frozen=True)
class FeatureTable:
    """Features of the profiles of one side.

    Attributes:
        features: Values of the features, [n, F].
        users: User of each profile, from 0, [n].
        fold: Fifth in which each profile is scored, [n].
    """

    features: FloatArray
    users: IntArray
    fold: IntArray


def classify_features(
    generated: FeatureTable,
    real: FeatureTable,
    seed: int = 0,
    *,
    importances: bool = False,
    on_progress: Progress = no_progress,
) -> tuple[Auc, NDArray[np.float64]]:
    """Grow trees on four fifths of the users and score the others, five times.

    Args:
        generated: Features of generated profiles.
        real: Features of as many real ones.
        seed: Seed of the trees and of the shuffling.
        importances: Whether to measure how much each feature contributed.
        on_progress: Called with folds done, folds in all, and ``trees``.

    Returns:
        Area under the curve; and the fall of it when a feature is shuffled among held-out profiles,
        [F] (Breiman 2001), zeros without ``importances``.
    """
    rng = np.random.default_rng(seed)
    x = np.concatenate([generated.features, real.features])
    made = np.arange(len(x)) < len(generated.features)
    users = np.concatenate([generated.users, real.users])
    fold = np.concatenate([generated.fold, real.fold])
    areas = []
    falls = np.zeros(x.shape[1])
    for number in range(FOLDS):
        test = fold == number
        seen = np.where(np.sum(~np.isnan(x[~test]), axis=0) >= _FEWEST, x, 0)
        trees = grow(seen[~test], made[~test], seed)
        scores = trees.decision_function(seen[test])
        fake = test & made
        true = test & ~made
        areas.append(auc(scores[made[test]], scores[~made[test]], users[fake], users[true]))
        if importances:
            falls += _falls(trees, seen[test], made[test], rng) / FOLDS
        on_progress(number + 1, FOLDS, "trees")
    return mean_auc(areas), falls


def grow(x: FloatArray, made: BoolArray, seed: int) -> HistGradientBoostingClassifier:
    """Fit boosted trees, their number found by early stopping on a tenth of the profiles."""
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=200,
        max_leaf_nodes=15,
        min_samples_leaf=_FEWEST,
        l2_regularization=1.0,
        early_stopping=True,  # type: ignore[arg-type]
        n_iter_no_change=8,
        tol=3e-4,  # nats; less is not worth the time
        random_state=seed,
    )
    return trees.fit(x, made)


def _falls(
    trees: HistGradientBoostingClassifier, x: FloatArray, made: BoolArray, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Fall of the area under the curve when one feature after the other is shuffled, [F]."""
    few = rng.permutation(len(x))[:MOST_PERMUTED]
    x = x[few].copy()
    made = made[few]
    order = rng.permutation(len(x))
    whole = _plain_area(trees.decision_function(x), made)
    falls = np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        kept = x[:, column].copy()
        x[:, column] = kept[order]
        falls[column] = whole - _plain_area(trees.decision_function(x), made)
        x[:, column] = kept
    return falls


def _plain_area(scores: FloatArray, made: BoolArray) -> float:
    return auc(scores[made], scores[~made]).value
