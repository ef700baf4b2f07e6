"""Readable account of each latent dimension: the habits that change along it.

Each dimension is traversed N times from its low to its high end, each time with the other
dimensions held at another draw from the prior, and the habits of the expected profiles are measured
at both ends. The weight of a habit is its change divided by its standard deviation over real users,
times the rank correlation of dimension and habit over real users. The one or two habits with the
largest weights name the dimension, provided that their changes have the same sign in nearly all
traversals.

Letters: Z latent dimensions, N walks, P points of a walk, U users.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.habits import (
    CHANNEL,
    HOURS,
    Habits,
    Margins,
    difference,
    habits,
    habits_of,
    is_circular,
    middle,
    spread,
)
from habitus.evaluation.latents.association import association
from habitus.evaluation.latents.factors import Factor
from habitus.evaluation.naming import channel_contrast, contrast, joined, strongest
from habitus.memory import check_memory
from habitus.profiles.batches import Batches, Population
from habitus.profiles.sparse import Profiles
from habitus.run import Run
from habitus.schema import Axes, FloatArray, Progress, no_progress
from habitus.synthesis.capabilities import latent_model
from habitus.synthesis.completion import check_axes
from habitus.synthesis.generation import GenerateConfig, zero_threshold
from habitus.synthesis.latents.traversal import drawn_latents, ordered, points_of, walk
from habitus.training.encoding import IN_USE, encode
from habitus.training.precision import quick_inference

WALKS = 64  # traversals of a dimension, over which the interval of a change is taken
MOST_USERS = 20_000  # users whose posterior and habits are compared, at most
INTERVAL = (0.05, 0.95)  # quantiles of a change over traversals
LEAST = 0.1  # least weight of a change in a name: a tenth of the spread, at an association of 1
SECOND = 0.5  # least weight of the second change in a name, against the strongest
COUNTED = 0.5  # expected events from which on a day counts as active, for models of counts


@dataclass(frozen=True)
class Change:
    """Change of one habit along one dimension.

    Attributes:
        low: Typical value at the low end.
        high: Typical value at the high end.
        change: Median change from the low end to the high end over traversals; for hours, the
            shorter way round the clock.
        q05: 5 % quantile of the change over traversals.
        q95: 95 % quantile of the change over traversals.
        spread: Standard deviation of the habit over real users.
        association: Association of the dimension and the habit over real users, from 0 to 1: the
            absolute rank correlation.
    """

    low: float
    high: float
    change: float
    q05: float
    q95: float
    spread: float
    association: float

    @property
    def relative(self) -> float:
        """Change over the users' own spread; 0 where they do not differ."""
        return self.change / self.spread if self.spread > 0 else 0.0

    @property
    def weight(self) -> float:
        """Weight of the change in the dimension's name: relative change times association."""
        return self.relative * self.association

    @property
    def clear(self) -> bool:
        """True where the change has the same direction whatever the other dimensions are."""
        return self.q05 > 0 or self.q95 < 0

    def to_json(self) -> dict[str, Any]:
        """Fields and derived values as JSON; None for what is not a number."""
        numbers = {**asdict(self), "relative": self.relative, "weight": self.weight}
        return {name: value if np.isfinite(value) else None for name, value in numbers.items()} | {
            "clear": self.clear
        }


@dataclass(frozen=True)
class Dimension:
    """Explanation of one dimension.

    Attributes:
        number: As in z, from 0.
        name: In words: what the high end has against the low end.
        variance: Learned variance.
        kl: KL from N(0, 1), in nats.
        changes: By habit.
        pictures: Expected profile at each point, summed over channels, mean over walks, [P, D, S].
    """

    number: int
    name: str
    variance: float
    kl: float
    changes: dict[str, Change]
    pictures: NDArray[np.float32]

    @property
    def in_use(self) -> bool:
        """True where the dimension carries information about users."""
        return self.kl >= IN_USE

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures."""
        kept = {
            "dimension": self.number,
            "name": self.name,
            "variance": self.variance,
            "kl": self.kl,
        }
        changes = {habit: each.to_json() for habit, each in self.changes.items()}
        return {**kept, "in_use": self.in_use, "habits": changes}


@dataclass(frozen=True)
class Explanation:
    """Result of :func:`explain`.

    Attributes:
        axes: The profiles'.
        dimensions: Those of the run, from the one with the largest KL.
        points: Values of z along a walk, [P].
        walks: N.
        users: Number of users that were looked at.
        threshold: Expected values above it count as activity of the day.
        latents: Means of the posterior of those users, [U, Z].
        rows: Rows of their profiles in the set, [U].
    """

    axes: Axes
    dimensions: tuple[Dimension, ...]
    points: NDArray[np.float64]
    walks: int
    users: int
    threshold: float
    latents: NDArray[np.float32]
    rows: NDArray[np.int64]

    @property
    def in_use(self) -> int:
        """Number of dimensions that carry information about users."""
        return sum(dimension.in_use for dimension in self.dimensions)

    def to_json(self) -> dict[str, Any]:
        """Content of ``explained.json``."""
        content = {
            "latents": len(self.dimensions),
            "in_use": self.in_use,
            "least_kl": IN_USE,
            "walks": self.walks,
        }
        content |= {
            "points": self.points.tolist(),
            "users": self.users,
            "activity_threshold": self.threshold,
        }
        return content | {"dimensions": [dimension.to_json() for dimension in self.dimensions]}


def explain(
    run: Run,
    profiles: Population,
    *,
    seed: int = 0,
    walks: int = WALKS,
    points: int = 10,
    prior: str = "normal",
    on_progress: Progress = no_progress,
) -> Explanation:
    """Say what each latent dimension does.

    Args:
        run: A run whose model has latents.
        profiles: Real profiles, whose spread says what a large change is; at most MOST_USERS are
            drawn of them.
        seed: Decides who, and the fixed values of the walks.
        walks: N.
        points: P.
        prior: Distribution of the fixed values: normal, N(0, I), or mixture.
        on_progress: Called with dimensions done, and dimensions in all.

    Raises:
        ValueError: for a run without latents, profiles that are not like those it was fitted on, or
            none.
    """
    model = latent_model(run.model)
    check_axes(model, profiles.axes)
    check_memory(
        12 * walks * points * model.axes.cells,
        f"{walks:,} walks of {points:,} points with {model.axes.cells:,} cells each",
        f"walks ({walks:,}) or points",
    )
    if not len(profiles):
        raise ValueError("expected profiles to explain the latents with, got none")
    rows, sample = _sample(profiles, seed, model.unit)
    with quick_inference():
        posterior = encode(model, sample)
    latents = posterior.mean.numpy()
    own = habits_of(sample, model.unit)
    tied = _associations(latents, own)
    fixed = drawn_latents(run, walks, seed, prior)
    # Expected values above the threshold count as activity of a day.
    exact = run.model.exact_zeros
    threshold = COUNTED if exact else zero_threshold(run, GenerateConfig(1, seed, "normal"))
    z = points_of(points)
    kl = posterior.kl.double().numpy()
    variance = posterior.variance.double().numpy()
    found = list[Dimension]()
    for number in ordered(range(model.latents), variance, kl, "kl"):
        pictures = walk(model, number, z, fixed)
        measured = habits(
            Margins.of_dense(pictures.reshape(-1, *model.axes.shape), model.axes, threshold)
        )
        ends = {
            habit: values.reshape(walks, points)[:, [0, -1]] for habit, values in measured.items()
        }
        changes = {
            habit: _change(
                habit, pair[:, 0], pair[:, 1], spread(habit, own[habit]), tied[habit][number]
            )
            for habit, pair in ends.items()
            if habit in own  # profiles of tiled windows may fix no weekday where the run's did
        }
        name = name_of(changes) if kl[number] >= IN_USE else "not in use"
        seen = pictures.sum(-1).mean(0)
        found.append(
            Dimension(number, name, float(variance[number]), float(kl[number]), changes, seen)
        )
        on_progress(len(found), model.latents, "explaining")
    axes = model.axes.with_unit(model.unit)
    return Explanation(axes, tuple(found), z, walks, len(sample), threshold, latents, rows)


def name_of(changes: dict[str, Change]) -> str:
    """Name of a dimension: the strongest one or two clear changes from its low to its high end."""
    scores = {habit: each.weight for habit, each in changes.items() if each.clear}
    chosen = strongest(scores, most=2, least=LEAST)
    if not chosen:
        return "no clear habit"
    words = [
        _words(habit, changes)
        for habit in chosen
        if abs(scores[habit]) >= SECOND * abs(scores[chosen[0]])
    ]
    return joined(words)


def _words(habit: str, changes: dict[str, Change]) -> str:
    """Contrast of one habit; a channel that grows at the cost of another is named with it."""
    each = changes[habit]
    if habit.startswith(CHANNEL):
        others = {
            name: other.weight for name, other in changes.items()
            if name.startswith(CHANNEL) and other.clear and other.relative * each.relative < 0
        }  # fmt: skip
        if cost := strongest(others, most=1, least=LEAST):
            pair = (habit, cost[0]) if each.relative > 0 else (cost[0], habit)
            return channel_contrast(*pair)
    return contrast(habit, each.low, each.low + each.change)


def _change(habit: str, low: FloatArray, high: FloatArray, usual: float, tied: float) -> Change:
    """Change from the values at the low ends to those at the high ends of the walks, [N] each."""
    gaps = difference(habit, high, low)
    known = gaps[np.isfinite(gaps)]
    if is_circular(habit) and len(
        known
    ):  # around their own middle, as 11 hours later and 12 earlier are near
        centre = difference(habit, np.asarray(middle(habit, known)), np.zeros(()))
        known = centre + difference(habit, known, centre)
    q05, change, q95 = (
        np.quantile(known, (INTERVAL[0], 0.5, INTERVAL[1])) if len(known) else (np.nan,) * 3
    )
    ends = middle(habit, low), middle(habit, high)
    return Change(*ends, float(change), float(q05), float(q95), float(usual), float(tied))


def _associations(latents: FloatArray, own: Habits) -> dict[str, NDArray[np.float64]]:
    """Correlation of each dimension with each habit, [Z] by habit; 0 where users do not differ."""
    known = np.all([np.isfinite(values) for values in own.values()], axis=0)
    factors = [
        Factor(habit, values[known], period=HOURS if is_circular(habit) else None)
        for habit, values in own.items() if known.any() and np.ptp(values[known]) > 0
    ]  # fmt: skip
    found = association(latents[known], factors).T if factors else np.zeros((0, latents.shape[1]))
    tied = {factor.name: row for factor, row in zip(factors, found, strict=True)}
    return {habit: tied.get(habit, np.zeros(latents.shape[1])) for habit in own}


def _sample(profiles: Population, seed: int, unit: str) -> tuple[NDArray[np.int64], Profiles]:
    """Rows of the profiles that are examined, and these profiles in the model's unit."""
    count = min(MOST_USERS, len(profiles))
    chosen = np.zeros(len(profiles), bool)
    chosen[np.random.default_rng(seed).choice(len(profiles), count, replace=False)] = True
    return np.flatnonzero(chosen), Batches(profiles, chosen, unit, 1, seed).sample(count)
