"""Nearness of generated users to training users: copies, near copies, membership.

Distances are those of :mod:`habitus.evaluation.neighbours`. Held-out real users cannot have been
copied, which gives every figure its floor:

- near copies: generated profiles that are nearer to a training profile than 99 in 100 held-out
  profiles of about the same size are. Typical profiles can be that near without any copying, so
  the warning requires significantly more of them near training than near held-out users;
- membership: classification of users as training or held-out by the distance to the nearest
  generated profile (Chen, Yu, Zhang and Fritz 2020, "GAN-Leaks"), and the share of training users
  found at a false alarm for one in 100 held-out ones (Carlini and others 2022).

Held-out users have to come from the same population as the training users, as with
``habitus split``: those of another time differ from them without any leak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.comparable import check_sets, shared_unit
from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.sample import whole
from habitus.schema import BoolArray, FloatArray, IntArray, ProfileSource, Progress, no_progress

MOST_GENERATED = 5_000
MOST_HELD_OUT = 8_000
MOST_TRAIN = 40_000
FEWEST = 50
LEVEL = 0.01  # share of held-out profiles that is near by definition
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95)
_STRATUM = 400  # held-out profiles in a class of profile size
_MOST_STRATA = 5
_SURE = 3.5  # standard errors from chance: 1 in 4,000
_STEPS = 6


@dataclass(frozen=True)
class Privacy:
    """Leaks of training users into a generated population.

    Attributes:
        near_copies: Share of generated profiles that are nearer to a training profile than 99 in
            100 held-out ones.
        near_copies_floor: Share of held-out profiles that are near copies, by limits from other
            held-out profiles.
        exact_copies: Share of generated profiles that equal a training profile.
        exact_copies_floor: Share of held-out profiles that equal a training profile.
        membership: Area under the curve for training against held-out users; 1/2 where nothing
            leaks.
        found: Share of training profiles recognised at a false positive rate of 1 % for held-out
            profiles.
        reasons: Findings by which training users count as memorised, as text; empty without.
        note: Description of the compared profiles, as text.
        generated: Distance of each generated profile to the nearest training profile.
        held_out: Distance of each held-out profile to the nearest training profile.
    """

    near_copies: float
    near_copies_floor: float
    exact_copies: float
    exact_copies_floor: float
    membership: Auc
    found: float
    reasons: tuple[str, ...]
    note: str
    generated: FloatArray = field(repr=False)
    held_out: FloatArray = field(repr=False)

    @property
    def warning(self) -> str | None:
        """Warning of one line where training users are memorised beyond chance."""
        return f"training users are memorised: {'; '.join(self.reasons)}" if self.reasons else None

    def to_json(self) -> dict[str, Any]:
        """Content of ``privacy`` in ``metrics.json``."""
        quantiles = {
            name: np.quantile(each, LEVELS).tolist()
            for name, each in (("generated", self.generated), ("held_out", self.held_out))
        }
        return {
            "near_copies": self.near_copies,
            "near_copies_floor": self.near_copies_floor,
            "exact_copies": self.exact_copies,
            "exact_copies_floor": self.exact_copies_floor,
            **self.membership.to_json("membership_auc"),
            "found_at_1_percent": self.found,
            "distance": {"levels": list(LEVELS), **quantiles},
            "warning": self.warning,
            "note": self.note,
        }


def privacy(
    generated: ProfileSource,
    reference: ProfileSource,
    train: ProfileSource,
    *,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Privacy:
    """Look for training users in a generated population.

    Args:
        generated: Generated profiles to evaluate; at most 5,000, drawn at random.
        reference: Held-out real profiles of users like the training ones; at most 8,000.
        train: Profiles that the model was trained on; at most 40,000.
        seed: Seed of the draws.
        on_progress: Called with steps done, steps in all, and the stage.

    Returns:
        Copies, near copies and membership, with their floors.

    Raises:
        ValueError: if sets are too small or cannot be compared.
    """
    check_sets(generated, reference, train)
    count = min(map(len, (generated, reference, train)))
    if count < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} profiles in each set to look for copies, got {count}"
        )
    rng = np.random.default_rng(seed)
    unit = shared_unit(generated, reference, train)
    sizes = {"generated": MOST_GENERATED, "held out": MOST_HELD_OUT, "train": MOST_TRAIN}
    sources = (generated, reference, train)
    parts = [
        whole(source).cut(most, rng) for source, most in zip(sources, sizes.values(), strict=True)
    ]
    made, held_out, trained = (Cloud.of(part, unit) for part in parts)
    matched = Cloud.of(parts[2].cut(len(held_out), rng), unit)
    counts = ", ".join(f"{len(part):,} {name}" for part, name in zip(parts, sizes, strict=True))
    clouds = _Clouds(made, held_out, trained, matched)
    return _leaks(clouds, rng, f"profiles compared: {counts}", on_progress)


class _Clouds(NamedTuple):
    """Compared profiles; ``matched`` are training ones, about as many as are held out."""

    generated: Cloud
    held_out: Cloud
    train: Cloud
    matched: Cloud


def _leaks(clouds: _Clouds, rng: np.random.Generator, note: str, on_progress: Progress) -> Privacy:
    """Measure copies, near copies and membership between clouds of profiles."""
    pairs = {
        "generated": (clouds.generated, clouds.train),
        "held_out": (clouds.held_out, clouds.train),
        "to_train": (clouds.generated, clouds.matched),
        "to_held_out": (clouds.generated, clouds.held_out),
        "member": (clouds.matched, clouds.generated),
        "other": (clouds.held_out, clouds.generated),
    }
    ways = {}
    for name, (queries, pool) in pairs.items():
        ways[name] = nearest(queries, pool)
        on_progress(len(ways), _STEPS, "neighbours")
    distances = {name: way[0] for name, way in ways.items()}
    near = _Near.of(clouds.held_out.sizes, distances["held_out"])
    sizes = clouds.generated.sizes
    member = distances["member"]
    other = distances["other"]
    membership = auc(-member, -other, clouds.matched.users, clouds.held_out.users)
    found = _Near.of(clouds.held_out.sizes, other).below(clouds.matched.sizes, member)
    taken = frozenset(clouds.train.keys)
    copied = float(near.below(sizes, distances["generated"]).mean())
    return Privacy(
        near_copies=copied,
        near_copies_floor=_near_floor(clouds.held_out, distances["held_out"], rng),
        exact_copies=float(np.mean([key in taken for key in clouds.generated.keys])),
        exact_copies_floor=float(np.mean([key in taken for key in clouds.held_out.keys])),
        membership=membership,
        found=float(found.mean()),
        reasons=tuple(_reasons(clouds, ways, near, copied, membership, found)),
        note=note,
        generated=distances["generated"],
        held_out=distances["held_out"],
    )


class _Near(NamedTuple):
    """Distances below which a profile is near, by size: tiny profiles coincide by chance.

    Attributes:
        edges: Numbers of active cells between classes of size, [K - 1].
        limits: 1 % quantile of the held-out profiles' distances, [K].
    """

    edges: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def of(cls, sizes: IntArray, distances: FloatArray) -> _Near:
        """Limits from held-out profiles, with as many classes of size as they permit."""
        count = min(max(len(sizes) // _STRATUM, 1), _MOST_STRATA)
        edges = np.unique(np.quantile(sizes, np.arange(1, count) / count))
        stratum = np.searchsorted(edges, sizes, side="right")
        parts = [distances[stratum == number] for number in range(len(edges) + 1)]
        return cls(
            edges, np.array([np.quantile(part, LEVEL) if len(part) else 0.0 for part in parts])
        )

    def below(self, sizes: IntArray, distances: FloatArray) -> BoolArray:
        """Recognise profiles that are near, by size and distance, [n]."""
        return distances < self.limits[np.searchsorted(self.edges, sizes, side="right")]


def _near_floor(held_out: Cloud, distances: FloatArray, rng: np.random.Generator) -> float:
    """Share of held-out profiles that are near, each half of the users by the other's limits."""
    half = rng.permutation(int(held_out.users.max()) + 1)[held_out.users] % 2
    near = np.zeros(len(half), bool)
    for number in (0, 1):
        one = half == number
        other = half != number
        if one.any() and other.any():
            limits = _Near.of(held_out.sizes[other], distances[other])
            near[one] = limits.below(held_out.sizes[one], distances[one])
    return float(near.mean())


def _reasons(
    clouds: _Clouds,
    ways: dict[str, tuple[FloatArray, IntArray]],
    near: _Near,
    copied: float,
    membership: Auc,
    found: BoolArray,
) -> list[str]:
    """Findings beyond chance, as text."""
    reasons = []
    if _copies_beyond_chance(clouds, ways, near) > _SURE:
        reasons.append(f"{copied:.1%} of generated profiles are near copies of training profiles")
    if membership.value - 0.5 > _SURE * membership.error:
        reasons.append(
            "training users are distinguished from held-out ones with an AUC of "
            f"{membership.value:.2f}"
        )
    if _found_beyond_chance(found, clouds) > _SURE:
        reasons.append(
            f"{found.mean():.1%} of training profiles are found at a false alarm of {LEVEL:.0%}"
        )
    return reasons


def _copies_beyond_chance(
    clouds: _Clouds, ways: dict[str, tuple[FloatArray, IntArray]], near: _Near
) -> float:
    """Compare the numbers of generated profiles near training and near held-out users.

    The difference is returned in standard errors. Profiles whose nearest neighbours belong to the
    same user are clustered, since they are not independent.
    """
    sizes = clouds.generated.sizes
    trained, held = (near.below(sizes, ways[name][0]) for name in ("to_train", "to_held_out"))
    more = trained.astype(float) - held
    user = np.where(
        trained,
        clouds.matched.users[ways["to_train"][1]],
        clouds.matched.users.max() + 1 + clouds.held_out.users[ways["to_held_out"][1]],
    )
    return _in_errors(float(more.sum()), float((np.bincount(user, more) ** 2).sum()))


def _found_beyond_chance(found: BoolArray, clouds: _Clouds) -> float:
    """Excess of training profiles found over held-out ones suspected, in standard errors.

    The limit is itself a quantile of the held-out profiles, which adds their error.
    """
    share = found.astype(float)
    by_user = np.bincount(clouds.matched.users, share - share.mean())
    variance = float((by_user**2).sum()) / len(share) ** 2
    variance += LEVEL * (1 - LEVEL) / len(np.unique(clouds.held_out.users))
    return _in_errors(float(found.mean()) - LEVEL, variance)


def _in_errors(excess: float, variance: float) -> float:
    """Excess in standard errors; 0 where nothing varies."""
    return excess / math.sqrt(variance) if variance > 0 else 0.0
