"""Attacks on the membership of users, each with its floor and interval; unusual users apart.

An attack gives every user one score, higher where the user was rather among the training users.
Training users and held-out users of one population are exchangeable unless something leaks, so

    area      P(score of a training user > score of a held-out user), 1/2 by chance
    found     share of training users above the score that 1 % of held-out users exceed
              (Carlini and others 2022: an attack matters where it is sure, not on average)

Whether they are beyond chance is tested by the exact law of ``found`` under exchangeability, a beta
binomial, and by the variance of the area under it (Mann and Whitney 1947). The floor is the same
attack where half of the held-out users play the training users.

Letters: m training users, n held-out users.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import betabinom, norm

from habitus.evaluation.metrics.auc import Auc, auc
from habitus.schema import BoolArray, FloatArray

LEVEL = 0.01  # share of held-out users that may be suspected wrongly
CHANCE = 1 / 4000  # probability of a finding, at most, where nothing leaks
RESAMPLED = 200
UNUSUAL = 0.01  # share of the users that is looked at apart
FEWEST_UNUSUAL = 10
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Share:
    """A share of users with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, parts: FloatArray | BoolArray) -> Share:
        """Mean over users of a part from 0 to 1 each, [n]; the interval is Wilson's."""
        count = len(parts)
        value = float(np.mean(parts))
        middle = (value + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        half = _Z * math.sqrt(value * (1 - value) / count + _Z**2 / (4 * count**2))
        half /= 1 + _Z**2 / count
        return cls(value, max(0.0, middle - half), min(1.0, middle + half))

    def to_json(self, name: str) -> dict[str, float]:
        """Value and ends of the interval, by name."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Unusual:
    """An attack on the users who are least like others.

    Attributes:
        area: Area under the curve among them.
        found: Share of the unusual training users that is found.
        users: Number of unusual training users.
        p_value: Probability of such an area by chance.
    """

    area: Auc
    found: Share
    users: int
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Content of ``unusual`` of an attack in ``metrics.json``."""
        return {
            "users": self.users,
            **self.area.to_json("auc"),
            **self.found.to_json("found_at_1_percent"),
        }


@dataclass(frozen=True)
class Attack:
    """Result of an attack on membership.

    Attributes:
        name: What the attacker looks at, in words.
        area: Area under the curve of training against held-out users.
        found: Share of training users found at a false alarm for 1 % of held-out ones.
        floor_area: The area where held-out users play the training users.
        floor_found: The share where held-out users play the training users.
        unusual: The same among the most unusual users.
        p_value: Smaller probability of the area and of the share by chance.
        users: Numbers of training and held-out users.
    """

    name: str
    area: Auc
    found: Share
    floor_area: Auc
    floor_found: Share
    unusual: Unusual
    p_value: float
    users: tuple[int, int]

    @property
    def reasons(self) -> list[str]:
        """Findings beyond chance, as text."""
        found = []
        if self.p_value < CHANCE:
            found.append(
                f"{self.name} distinguishes training from held-out users with an AUC of "
                f"{self.area.value:.2f} and finds {self.found.value:.1%} of them at a false alarm "
                f"of {LEVEL:.0%}"
            )
        if self.unusual.p_value < CHANCE:
            found.append(
                f"{self.name} distinguishes the {self.unusual.users:,} most unusual training users "
                f"with an AUC of {self.unusual.area.value:.2f}"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Content of an attack in ``metrics.json``."""
        return {
            **self.area.to_json("auc"),
            **self.found.to_json("found_at_1_percent"),
            **self.floor_area.to_json("floor_auc"),
            **self.floor_found.to_json("floor_found_at_1_percent"),
            "unusual": self.unusual.to_json(),
            "p_value": self.p_value,
            "train_users": self.users[0],
            "held_out_users": self.users[1],
        }


def attack(
    name: str,
    members: FloatArray,
    others: FloatArray,
    unusual_members: FloatArray,
    unusual_others: FloatArray,
    rng: np.random.Generator,
) -> Attack:
    """Evaluate an attack from the users' scores.

    Args:
        name: What the attacker looks at, in words.
        members: Scores of training users, [m].
        others: Scores of held-out users, [n].
        unusual_members: How unusual each training user is, [m].
        unusual_others: How unusual each held-out user is, [n].
        rng: Source of the resamples, and of the halves of the floor.
    """
    limit = _limit(others)
    above = members > limit
    half = rng.permutation(len(others)) % 2 == 0
    area = auc(members, others)
    return Attack(
        name,
        area,
        _found(members, others, rng),
        auc(others[half], others[~half]),
        _found(others[half], others[~half], rng),
        _unusual(members, others, above, unusual_members, unusual_others),
        min(_area_by_chance(area, len(members), len(others)), _found_by_chance(members, others)),
        (len(members), len(others)),
    )


def _limit(others: FloatArray) -> float:
    """Score that at most 1 % of the held-out users exceed, but the largest of fewer than 100."""
    return float(np.sort(others)[::-1][_rank(len(others)) - 1])


def _rank(count: int) -> int:
    return max(1, int(LEVEL * count))


def _found(members: FloatArray, others: FloatArray, rng: np.random.Generator) -> Share:
    """Share of members above the limit; the interval is that of resampled users of both kinds."""
    value = float((members > _limit(others)).mean())
    shares = [
        float((rng.choice(members, len(members)) > _limit(rng.choice(others, len(others)))).mean())
        for _ in range(RESAMPLED)
    ]
    low, high = np.quantile(shares, (0.025, 0.975)).tolist()
    return Share(value, min(low, value), max(high, value))


def _found_by_chance(members: FloatArray, others: FloatArray) -> float:
    """Probability that so many members exceed the limit, where all users are exchangeable."""
    rank = _rank(len(others))
    count = int((members > _limit(others)).sum())
    return float(betabinom.sf(count - 1, len(members), rank, len(others) + 1 - rank))


def _area_by_chance(area: Auc, members: int, others: int) -> float:
    """Probability of such an area or a larger one, where all users are exchangeable."""
    error = math.sqrt((members + others + 1) / (12 * members * others))
    return float(norm.sf((area.value - 0.5) / max(error, area.error)))


def _unusual(
    members: FloatArray,
    others: FloatArray,
    above: BoolArray,
    unusual_members: FloatArray,
    unusual_others: FloatArray,
) -> Unusual:
    """Evaluate the attack on the most unusual hundredth of the users, at least 10 of each kind."""
    ours, theirs = (
        np.argsort(-each, kind="stable")[: max(FEWEST_UNUSUAL, round(UNUSUAL * len(each)))]
        for each in (unusual_members, unusual_others)
    )
    area = auc(members[ours], others[theirs])
    by_chance = _area_by_chance(area, len(ours), len(theirs))
    return Unusual(area, Share.of(above[ours]), len(ours), by_chance)
