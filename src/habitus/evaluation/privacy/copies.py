"""Nearness of generated profiles to training profiles: copies and near copies.

A generated profile is a near copy when it is nearer to a training profile than 99 in 100 held-out
profiles of about the same size are. Typical profiles can be that near without any copying, so the
finding requires significantly more of them near training than near held-out users.

Few near copies prove nothing: whoever was moved by an hour, or thinned, is no near copy and yet
recognised. That is what the attacks are for; these distances are a sanity check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.privacy.attacks import LEVEL
from habitus.evaluation.privacy.people import People
from habitus.schema import BoolArray, FloatArray, IntArray

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95)
_STRATUM = 400  # held-out users in a class of profile size
_MOST_STRATA = 5
_SURE = 3.5  # standard errors from chance: 1 in 4,000


@dataclass(frozen=True)
class Copies:
    """Copies among generated profiles; every user counts once in each share.

    Attributes:
        near: Share of generated profiles that are near copies.
        near_floor: Share of held-out profiles that are, by limits from other held-out users.
        exact: Share of generated profiles that equal a training profile.
        exact_floor: Share of held-out profiles that do.
        excess: Near copies of training beyond those of held-out users, in standard errors.
        generated: Distance of each generated profile to the nearest training profile.
        held_out: Distance of each held-out profile to the nearest training profile.
    """

    near: float
    near_floor: float
    exact: float
    exact_floor: float
    excess: float
    generated: FloatArray = field(repr=False)
    held_out: FloatArray = field(repr=False)

    @property
    def reasons(self) -> list[str]:
        """Finding beyond chance, as text."""
        if self.excess <= _SURE:
            return []
        return [f"{self.near:.1%} of generated profiles are near copies of training profiles"]

    def to_json(self) -> dict[str, Any]:
        """Keys of copies in ``privacy`` of ``metrics.json``."""
        quantiles = {
            name: np.quantile(each, LEVELS).tolist()
            for name, each in (("generated", self.generated), ("held_out", self.held_out))
        }
        return {
            "near_copies": self.near,
            "near_copies_floor": self.near_floor,
            "exact_copies": self.exact,
            "exact_copies_floor": self.exact_floor,
            "distance": {"levels": list(LEVELS), **quantiles},
        }


def find_copies(
    generated: Cloud, held_out: Cloud, train: Cloud, matched: Cloud, rng: np.random.Generator
) -> Copies:
    """Look for copies of training profiles.

    Args:
        generated: Generated profiles.
        held_out: Profiles of held-out users.
        train: Training profiles.
        matched: Training profiles, about as many as are held out.
        rng: Source of the halves of the floor.
    """
    ours = nearest(generated, train)[0]
    theirs = nearest(held_out, train)[0]
    near = _Near.of(held_out.sizes, theirs, held_out.users)
    taken = frozenset(train.keys)
    exact, exact_floor = (
        float(People(each.users).mean(np.array([key in taken for key in each.keys])).mean())
        for each in (generated, held_out)
    )
    return Copies(
        near=float(People(generated.users).mean(near.below(generated.sizes, ours)).mean()),
        near_floor=_near_floor(held_out, theirs, rng),
        exact=exact,
        exact_floor=exact_floor,
        excess=_excess(generated, held_out, matched, near),
        generated=ours,
        held_out=theirs,
    )


class _Near(NamedTuple):
    """Distances below which a profile is near, by size: tiny profiles coincide by chance.

    Attributes:
        edges: Numbers of active cells between classes of size, [K - 1].
        limits: 1 % quantile of the held-out users' distances, [K].
    """

    edges: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def of(cls, sizes: IntArray, distances: FloatArray, users: IntArray) -> _Near:
        """Limits from held-out profiles, with as many classes of size as their users permit."""
        people = People(users)
        weights = people.weights
        count = min(max(len(people) // _STRATUM, 1), _MOST_STRATA)
        edges = np.zeros(0)
        if count > 1:
            shares = np.arange(1, count) / count
            edges = np.unique(np.quantile(sizes, shares, weights=weights, method="inverted_cdf"))
        stratum = np.searchsorted(edges, sizes, side="right")
        limits = np.zeros(len(edges) + 1)
        for number in range(len(limits)):
            part = stratum == number
            if part.any():
                limits[number] = np.quantile(
                    distances[part], LEVEL, weights=weights[part], method="inverted_cdf"
                )
        return cls(edges, limits)

    def below(self, sizes: IntArray, distances: FloatArray) -> BoolArray:
        """Recognise profiles that are near, by size and distance, [n]."""
        return distances < self.limits[np.searchsorted(self.edges, sizes, side="right")]


def _near_floor(held_out: Cloud, distances: FloatArray, rng: np.random.Generator) -> float:
    """Share of held-out profiles that are near, each half of the users by the other's limits."""
    people = People(held_out.users)
    half = rng.permutation(len(people))[people.code] % 2
    near = np.zeros(len(half), bool)
    for number in (0, 1):
        one = half == number
        other = half != number
        if one.any() and other.any():
            limits = _Near.of(held_out.sizes[other], distances[other], held_out.users[other])
            near[one] = limits.below(held_out.sizes[one], distances[one])
    return float(people.mean(near).mean())


def _excess(generated: Cloud, held_out: Cloud, matched: Cloud, near: _Near) -> float:
    """Compare the numbers of generated profiles near training and near held-out users.

    The difference is returned in standard errors. Profiles whose nearest neighbours belong to the
    same user, or that are of one generated user, are clustered, since they are not independent.
    """
    ours, theirs = nearest(generated, matched), nearest(generated, held_out)
    trained, held = (near.below(generated.sizes, each[0]) for each in (ours, theirs))
    weights = People(generated.users).weights * len(generated)
    more = (trained.astype(float) - held) * weights
    user = np.where(
        trained,
        matched.users[ours[1]],
        matched.users.max() + 1 + held_out.users[theirs[1]],
    )
    variance = max(
        float((np.bincount(clusters, more) ** 2).sum()) for clusters in (user, generated.users)
    )
    return float(more.sum()) / math.sqrt(variance) if variance > 0 else 0.0
