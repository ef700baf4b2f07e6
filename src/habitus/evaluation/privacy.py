"""How near generated users are to those that the model was trained on: copies, near copies, membership.

Distances are those of :mod:`habitus.evaluation.neighbours`. Real users who were held out cannot have been copied,
which gives every figure its floor:

- near copies: generated profiles that are nearer to a training profile than 99 in 100 held-out profiles of about
  their size are; a generator of typical users has some without having copied anybody, so a warning asks whether
  fewer are as near to held-out profiles, of which there are as many;
- membership: how well a training user can be told from a held-out one by the distance to the nearest generated
  profile (Chen, Yu, Zhang and Fritz 2020, "GAN-Leaks"), and how many training users are found where one in 100
  held-out ones is suspected wrongly (Carlini and others 2022).

Held-out users have to be drawn from the same users as the training ones, as ``habitus split`` does: those of
another time differ from them without any leak.
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
_STRATUM = 400
_MOST_STRATA = 5  # held-out profiles in a class of size, and how many classes
_SURE = 3.5  # standard errors from what chance would give: 1 in 4,000
_STEPS = 6


@dataclass(frozen=True)
class Privacy:
    """What generated users give away of training users.

    Attributes:
        near_copies: Share of generated profiles that are nearer to a training profile than 99 in 100 held-out ones.
        near_copies_floor: The same share of held-out profiles that had no say in what is near.
        exact_copies: Share of generated profiles that equal a training profile.
        exact_copies_floor: Share of held-out profiles that do.
        membership: Area under the curve of telling training users from held-out ones; 1/2 where nothing leaks.
        found: Share of training profiles found where 1 in 100 held-out ones is suspected.
        reasons: Why training users count as memorised, in words; empty where they do not.
        note: In words: who was compared.
        generated: Distance of each generated profile to the nearest training profile.
        held_out: The same of held-out profiles.
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
        """One line where training users are memorised beyond chance."""
        return f"training users are memorised: {'; '.join(self.reasons)}" if self.reasons else None

    def to_json(self) -> dict[str, Any]:
        """The part ``privacy`` of ``metrics.json``."""
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
        generated: The set that is judged; at most 5,000 profiles, drawn at random.
        reference: Real profiles that were held out, of users like the training ones; at most 8,000.
        train: The profiles that the model was trained on; at most 40,000.
        seed: Of the draws.
        on_progress: Called with steps done, steps in all, and what is being done.

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
    told = ", ".join(f"{len(part):,} {name}" for part, name in zip(parts, sizes, strict=True))
    return _found(
        _Clouds(made, held_out, trained, matched), rng, f"profiles compared: {told}", on_progress
    )


class _Clouds(NamedTuple):
    """The profiles: ``matched`` are of the training ones, about as many as are held out."""

    generated: Cloud
    held_out: Cloud
    train: Cloud
    matched: Cloud


def _found(clouds: _Clouds, rng: np.random.Generator, note: str, on_progress: Progress) -> Privacy:
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
    """From which distance on a profile is near, by its size: tiny profiles coincide by chance, large ones do not.

    Attributes:
        edges: Active cells that part the classes, [K - 1].
        limits: Distance below which one held-out profile in 100 is, [K].
    """

    edges: NDArray[np.float64]
    limits: NDArray[np.float64]

    @classmethod
    def of(cls, sizes: IntArray, distances: FloatArray) -> _Near:
        """From held-out profiles."""
        count = min(max(len(sizes) // _STRATUM, 1), _MOST_STRATA)
        edges = np.unique(np.quantile(sizes, np.arange(1, count) / count))
        stratum = np.searchsorted(edges, sizes, side="right")
        parts = [distances[stratum == number] for number in range(len(edges) + 1)]
        return cls(
            edges, np.array([np.quantile(part, LEVEL) if len(part) else 0.0 for part in parts])
        )

    def below(self, sizes: IntArray, distances: FloatArray) -> BoolArray:
        """Which profiles are near."""
        return distances < self.limits[np.searchsorted(self.edges, sizes, side="right")]


def _near_floor(held_out: Cloud, distances: FloatArray, rng: np.random.Generator) -> float:
    """Share of near ones in each half of the held-out users, by what is near in the other half."""
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
    """What is beyond chance."""
    reasons = []
    if _copies_beyond_chance(clouds, ways, near) > _SURE:
        reasons.append(f"{copied:.1%} of generated profiles are near copies of training profiles")
    if membership.value - 0.5 > _SURE * membership.error:
        reasons.append(
            f"training users are told from held-out ones with an AUC of {membership.value:.2f}"
        )
    if _found_beyond_chance(found, clouds) > _SURE:
        reasons.append(
            f"{found.mean():.1%} of training profiles are found at a false alarm of {LEVEL:.0%}"
        )
    return reasons


def _copies_beyond_chance(
    clouds: _Clouds, ways: dict[str, tuple[FloatArray, IntArray]], near: _Near
) -> float:
    """Standard errors by which more generated profiles are near to training users than to as many held-out ones.

    Those with the same neighbour are taken together, since one user who is near to many says little.
    """
    sizes = clouds.generated.sizes
    trained, held = (near.below(sizes, ways[name][0]) for name in ("to_train", "to_held_out"))
    more = trained.astype(float) - held
    user = np.where(
        trained,
        clouds.matched.users[ways["to_train"][1]],
        clouds.matched.users.max() + 1 + clouds.held_out.users[ways["to_held_out"][1]],
    )
    return _ratio(float(more.sum()), float((np.bincount(user, more) ** 2).sum()))


def _found_beyond_chance(found: BoolArray, clouds: _Clouds) -> float:
    """Standard errors by which more training profiles are found than the held-out ones suspected by design.

    The limit is itself a quantile of the held-out profiles, which adds their error.
    """
    error = _variance(found.astype(float), clouds.matched.users) + LEVEL * (
        1 - LEVEL
    ) / _independent(clouds)
    return _ratio(float(found.mean()) - LEVEL, error)


def _variance(values: FloatArray, users: IntArray) -> float:
    """Variance of the mean, profiles of the same user taken together."""
    return float((np.bincount(users, values - values.mean()) ** 2).sum()) / len(values) ** 2


def _independent(clouds: _Clouds) -> int:
    return len(np.unique(clouds.held_out.users))


def _ratio(excess: float, variance: float) -> float:
    return excess / math.sqrt(variance) if variance > 0 else 0.0
