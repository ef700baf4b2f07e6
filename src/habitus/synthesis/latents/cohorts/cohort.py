"""Cohorts: users with like habits, what sets them apart, and the distribution of users like them.

Letters: Z latent dimensions, D days, S slots, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.models.parts.priors import Mixture
from habitus.schema import Axes
from habitus.synthesis.latents.cohorts.names import Medians

STABLE = 0.8  # mean adjusted Rand index of a stable clustering
SURE = 0.75  # mean best Jaccard similarity of a stable cluster (Hennig)


@dataclass(frozen=True)
class Candidate:
    """Measurements of one number of clusters.

    Attributes:
        k: The number.
        stability: Mean adjusted Rand index over pairs of random halves.
        weakest: The lowest best Jaccard similarity of a cluster of one half with those of the
            other; mean over pairs.
        silhouette: Mean silhouette of a sample of users, from -1 to 1; None where it is not
            defined.
        inertia: Sum of squared distances to the centres, over the users that the centres were
            fitted to.
    """

    k: int
    stability: float
    weakest: float
    silhouette: float | None
    inertia: float

    @property
    def is_stable(self) -> bool:
        """True where the clustering and each of its clusters recur."""
        return self.stability >= STABLE and self.weakest >= SURE


@dataclass(frozen=True)
class Cohort:
    """Users with like habits.

    Attributes:
        number: From 0, in order of size.
        name: Description of what sets them apart.
        size: Number of users.
        share: Their share of all users.
        stability: Mean best Jaccard similarity with the clusters of random halves of the users
            (Hennig 2007).
        habits: Typical value of each habit.
        centre: The middle of their latents in the dimensions in use, [Z in use].
        picture: Their mean profile, [D, S, C].
        active_share: The share of them that is active on each day, [D].
        mixture: Distribution that latents of such users are drawn from.
    """

    number: int
    name: str
    size: int
    share: float
    stability: float
    habits: Medians
    centre: NDArray[np.float64]
    picture: NDArray[np.float64]
    active_share: NDArray[np.float64]
    mixture: Mixture


@dataclass(frozen=True)
class Cohorts:
    """Cohorts of a set of profiles.

    Attributes:
        groups: The cohorts, the largest first.
        axes: Axes of the pictures, in the model's unit, which habits are measured in, too.
        dims: The latent dimensions in use, in which users were clustered.
        usual: The typical value of each habit over all users.
        tried: Measurements of each number of cohorts.
        rule: Rule by which their number was chosen, in words.
        reason: Why it is this one, in words.
        seed: Seed of all that is random.
        fingerprint: Fingerprint of the weights of the run whose latents these are.
        members: One row per profile: user, window_start where known, cohort, and the distance to
            its centre; None for what a run remembers.
    """

    groups: tuple[Cohort, ...]
    axes: Axes
    dims: NDArray[np.int64]
    usual: Medians
    tried: tuple[Candidate, ...]
    rule: str
    reason: str
    seed: int
    fingerprint: str
    members: pa.Table | None = None

    @property
    def users(self) -> int:
        """Number of clustered users."""
        return sum(group.size for group in self.groups)
