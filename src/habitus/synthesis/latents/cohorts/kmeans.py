"""K-means clusters of latents, their number, and their stability under resampled users.

A clustering is stable where two random halves of the users lead to the same one: the adjusted Rand
index of the labels that both halves' centres give to all users is near 1 (Ben-Hur, Elisseeff and
Guyon 2002). A single cluster is stable where each half has one with nearly the same members: its
mean best Jaccard similarity is near 1 (Hennig 2007, "Cluster-wise assessment of cluster stability",
whose limit is used). For a choice of k the least similar cluster of two halves counts, too: the
Rand index hardly falls when one of many groups is cut in two, to 0.8 or 0.9 where four become five.

Letters: U users, Z dimensions, K clusters.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, pairwise_distances_argmin_min, silhouette_score
from threadpoolctl import threadpool_limits

from habitus.schema import FloatArray, IntArray
from habitus.synthesis.latents.cohorts.cohort import STABLE, SURE, Candidate

AUTO = "auto"
FEWEST = 2
MOST = 10  # largest number of clusters that is tried
FEWEST_USERS = 2 * MOST  # least users to choose k from: half of them can form MOST clusters
FITTED = 10_000  # users that centres are fitted to, at most, unless k is large
FITTED_EACH = 50  # users per cluster that centres are fitted to, at most, where k is large
PAIRS = 6  # pairs of random halves
STARTS = 4  # initialisations of k-means, the best of which is kept
SILHOUETTE_USERS = 2000  # users that the silhouette is computed on, at most

RULE = (
    f"For each k from {FEWEST} to {MOST}, k-means is fitted to {PAIRS} pairs of random halves of "
    f"the users (of {FITTED:,} of them, where there are more). Stability is the mean adjusted Rand "
    "index of the labels that the two halves of a pair give to all of them. Chosen is the largest "
    f"k whose stability is at least {STABLE} and whose weakest cohort, the one of either half with "
    f"the least similar counterpart in the other, is at least {SURE} similar (Jaccard, mean over "
    "pairs); where there is none, the k with the highest stability."
)

GIVEN = (
    f"Stability is the mean adjusted Rand index of labels over {PAIRS} pairs of random halves of "
    "the users."
)


@dataclass(frozen=True)
class Clustering:
    """Clusters of latents, the largest first.

    Attributes:
        centres: [K, Z].
        labels: The cluster of each user, [U].
        distance: Each user's distance to the centre, [U].
        stability: Mean best Jaccard similarity of each cluster, [K].
        tried: Measurements of each k, in order.
        rule: Rule by which k was chosen, in words.
        reason: Why this k, in words.
    """

    centres: NDArray[np.float64]
    labels: NDArray[np.int64]
    distance: NDArray[np.float64]
    stability: NDArray[np.float64]
    tried: tuple[Candidate, ...]
    rule: str
    reason: str


def cluster_latents(z: FloatArray, k: int | str, seed: int) -> Clustering:
    """Cluster latents [U, Z].

    Centres are fitted to a random part of many users, and every user belongs to the nearest one.

    Args:
        z: The latents.
        k: Number of clusters, or auto for :data:`RULE`.
        seed: Decides parts, halves and starts.

    Raises:
        ValueError: for a k that there cannot be.
    """
    checked_k(k, len(z))
    rng = np.random.default_rng(seed)
    size = max(FITTED, FITTED_EACH * (FEWEST if isinstance(k, str) else k))
    part = z if len(z) <= size else z[np.sort(rng.choice(len(z), size, replace=False))]
    ks, rule = _numbers(part, k)
    with threadpool_limits(
        1
    ):  # sums of several threads differ in their last digits from run to run
        trials = [_Trial(part, each, seed) for each in ks]
        tried = tuple(trial.candidate() for trial in trials)
        best, reason = choose_k(tried) if isinstance(k, str) else (0, f"k = {k} was asked for.")
        labels, distance = pairwise_distances_argmin_min(z, trials[best].centres)
    order = np.argsort(-np.bincount(labels, minlength=ks[best]), kind="stable")  # largest first
    place = np.argsort(order)
    return Clustering(
        trials[best].centres[order],
        place[labels],
        distance,
        trials[best].stability[order],
        tried,
        rule,
        reason,
    )


def checked_k(k: int | str, users: int) -> None:
    """Refuse a number of clusters that there cannot be.

    Raises:
        ValueError: saying what there can be.
    """
    if isinstance(k, str):
        if k != AUTO:
            raise ValueError(f"k must be {AUTO} or a number from 1, got {k!r}")
        if users < FEWEST_USERS:
            raise ValueError(
                f"expected at least {FEWEST_USERS} profiles to choose k, got {users}; give a number"
            )
    elif not 1 <= k <= users:
        raise ValueError(
            f"k must be {AUTO} or from 1 to the number of profiles, {users:,}; got {k}"
        )


def choose_k(tried: Sequence[Candidate]) -> tuple[int, str]:
    """Choose a candidate by :data:`RULE`, with the reason.

    >>> measured = [(2, 0.9, 0.9), (3, 0.85, 0.8), (4, 0.82, 0.4)]
    >>> choose_k([Candidate(k, stable, weakest, None, 0.0) for k, stable, weakest in measured])
    (1, 'k = 3 is the largest that is stable (0.85).')
    """
    stable = [at for at, each in enumerate(tried) if each.is_stable]
    if stable:
        best = tried[stable[-1]]
        more = (
            " It is the largest that was tried: there may be more cohorts."
            if best.k == MOST
            else ""
        )
        return stable[
            -1
        ], f"k = {best.k} is the largest that is stable ({best.stability:.2f}).{more}"
    at = max(range(len(tried)), key=lambda each: tried[each].stability)
    return at, (
        f"No k is stable; k = {tried[at].k} comes nearest ({tried[at].stability:.2f}). The users "
        "form no clear groups, and other users would be cut in other places."
    )


def jaccards(reference: IntArray, labels: IntArray, k: int) -> NDArray[np.float64]:
    """Best Jaccard similarity of k reference clusters with any cluster of other labels, [K].

    >>> jaccards(np.array([0, 0, 1, 1]), np.array([5, 5, 5, 2]), 2).round(3).tolist()
    [0.667, 0.5]
    """
    columns = int(labels.max()) + 1
    both = np.bincount(reference * columns + labels, minlength=k * columns).reshape(k, columns)
    either = both.sum(1, keepdims=True) + both.sum(0) - both
    return (both / np.maximum(either, 1)).max(1)


def least_similar(first: IntArray, second: IntArray, k: int) -> float:
    """Lowest of the clusters' best Jaccard similarities between two labellings, both ways."""
    return float(min(jaccards(first, second, k).min(), jaccards(second, first, k).min()))


def _numbers(part: FloatArray, k: int | str) -> tuple[list[int], str]:
    """Choose numbers of clusters to try, and the rule; identical users cannot be clustered."""
    distinct = len(np.unique(part, axis=0))
    if isinstance(k, str):
        return list(range(FEWEST, min(MOST, distinct) + 1)) or [1], RULE
    if k > distinct:
        raise ValueError(
            f"k must be at most {distinct:,}, as many users as have latents of their own; got {k}"
        )
    return [k], GIVEN


class _Trial:
    """Clusters of one number, fitted to all users and to pairs of random halves of them."""

    def __init__(self, z: FloatArray, k: int, seed: int) -> None:
        self.z = z
        self.k = k
        self.seed = seed
        whole = _k_means(z, k, seed)
        self.centres = np.asarray(whole.cluster_centers_, np.float64)
        self.labels = np.asarray(whole.labels_, np.int64)
        self.inertia = float(np.asarray(whole.inertia_))
        rng = np.random.default_rng([seed, k])
        self.pairs = [self._halves(rng.permutation(len(z))) for _ in range(PAIRS)]
        similar = [jaccards(self.labels, labels, k) for pair in self.pairs for labels in pair]
        self.stability = np.mean(similar, axis=0)

    def candidate(self) -> Candidate:
        """Measurements of one number of clusters."""
        stability = float(np.mean([adjusted_rand_score(*pair) for pair in self.pairs]))
        weakest = float(np.mean([least_similar(*pair, self.k) for pair in self.pairs]))
        return Candidate(self.k, stability, weakest, self._silhouette(), self.inertia)

    def _halves(self, order: IntArray) -> tuple[IntArray, IntArray]:
        """Labels that either half's centres give to all users."""
        cut = max(len(order) // 2, 1)
        first = order[:cut]
        second = order[-cut:]
        return self._labels_by(first), self._labels_by(second)

    def _labels_by(self, rows: IntArray) -> IntArray:
        return np.asarray(
            _k_means(self.z[rows], min(self.k, len(rows)), self.seed).predict(self.z), np.int64
        )

    def _silhouette(self) -> float | None:
        rows = np.random.default_rng(self.seed).permutation(len(self.z))[:SILHOUETTE_USERS]
        labels = self.labels[rows]
        if not 1 < len(np.unique(labels)) < len(labels):
            return None
        return float(silhouette_score(self.z[rows], labels))


def _k_means(z: FloatArray, k: int, seed: int) -> KMeans:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # of halves with fewer distinct users than clusters
        model = KMeans(k, n_init=STARTS, random_state=seed)  # pyright: ignore[reportArgumentType]
        return model.fit(np.asarray(z, np.float64))
