"""Boosted trees that learn to tell generated users from real ones, by their features.

Each fifth of the users is scored by trees that were grown on the other four; only these scores count. Profiles of
the same user are in the same fifth. Where the trees find a difference, so could anyone who looked closely.
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
_FEWEST = 20  # profiles in a leaf, and those that must have a feature for it to be looked at


@dataclass(frozen=True)
class Table:
    """Features of the profiles of one side.

    Attributes:
        features: [n, F].
        users: Whose each profile is, from 0, [n].
        fold: In which fifth it is scored, [n].
    """

    features: FloatArray
    users: IntArray
    fold: IntArray


def tell_apart(
    generated: Table,
    real: Table,
    seed: int = 0,
    *,
    importances: bool = False,
    on_progress: Progress = no_progress,
) -> tuple[Auc, NDArray[np.float64]]:
    """Grow trees on four fifths of the users and score the others, five times.

    Args:
        generated: Features of generated profiles.
        real: Features of as many real ones.
        seed: Of the trees and of what is shuffled.
        importances: Whether to measure how much each feature contributed.
        on_progress: Called with folds done, folds in all, and ``trees``.

    Returns:
        Area under the curve; and of each feature, by how much that falls when it is shuffled among held-out
        profiles, [F] (Breiman 2001), zeros where that was not asked for.
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
        areas.append(_area(trees.decision_function(seen[test]), made[test], users[test]))
        if importances:
            falls += _falls(trees, seen[test], made[test], rng) / FOLDS
        on_progress(number + 1, FOLDS, "trees")
    return mean_auc(areas), falls


def grow(x: FloatArray, made: BoolArray, seed: int) -> HistGradientBoostingClassifier:
    """Boosted trees, as many as a tenth of the profiles says are enough."""
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


def _area(scores: FloatArray, made: BoolArray, users: IntArray) -> Auc:
    return auc(scores[made], scores[~made], users[made], users[~made])


def _falls(
    trees: HistGradientBoostingClassifier, x: FloatArray, made: BoolArray, rng: np.random.Generator
) -> NDArray[np.float64]:
    """By how much the area falls when one feature after the other is shuffled."""
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
