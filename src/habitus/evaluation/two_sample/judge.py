"""The two-sample test: generated against real users, beside real against real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.comparable import check_sets, shared_unit
from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.sample import Side, halves, whole
from habitus.evaluation.two_sample.classify import FOLDS, Table, tell_apart
from habitus.evaluation.two_sample.features import busiest_channels, features
from habitus.evaluation.two_sample.pictures import tell_pictures_apart
from habitus.schema import FloatArray, ProfileSource, Progress, no_progress

MOST = 10_000  # profiles of a side
FEWEST = 50
FEWEST_USERS = 10
Sides = tuple[Side, Side]


@dataclass(frozen=True)
class Telling:
    """A feature and how much it gave away.

    Attributes:
        name: What it measures.
        importance: By how much the area under the curve falls when it is shuffled; 0 where others say the same.
        auc_alone: Area under the curve of this feature by itself, 1/2 to 1.
        generated: Its mean over generated profiles that have it, None where none has.
        real: Its mean over real ones.
    """

    name: str
    importance: float
    auc_alone: float
    generated: float | None
    real: float | None


@dataclass(frozen=True)
class Told:
    """How well one classifier told them apart.

    Attributes:
        auc: Area under the curve for generated against real users.
        floor: The same for real against other real users.
    """

    auc: Auc
    floor: Auc

    def to_json(self) -> dict[str, float]:
        """Both, with intervals."""
        return {**self.auc.to_json(), **self.floor.to_json("floor_auc")}


@dataclass(frozen=True)
class TwoSample:
    """How well generated users are told from real ones.

    Attributes:
        trees: Boosted trees on features.
        convolutional: A network on pictures; None where it was not trained.
        features: All features, the most important first.
        profiles: Profiles on either side.
        note: In words: who was compared.
    """

    trees: Told
    convolutional: Told | None
    features: tuple[Telling, ...]
    profiles: int
    note: str

    @property
    def auc(self) -> Auc:
        """Area under the curve of the trees."""
        return self.trees.auc

    @property
    def floor(self) -> Auc:
        """The same of real users against other real ones."""
        return self.trees.floor

    def to_json(self) -> dict[str, Any]:
        """The part ``two_sample`` of ``metrics.json``."""
        return {
            **self.trees.to_json(),
            "convolutional": self.convolutional and self.convolutional.to_json(),
            "features": [vars(each) for each in self.features],
            "profiles": self.profiles,
            "note": self.note,
        }


def two_sample(
    generated: ProfileSource,
    reference: ProfileSource,
    train: ProfileSource | None = None,
    *,
    most: int = MOST,
    convolutional: bool = True,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> TwoSample:
    """Train classifiers to tell generated users from real ones (Lopez-Paz and Oquab 2017).

    An area of 1/2 is chance: nothing that these classifiers can see tells the two apart. Counts are compared as
    shares of a profile's peak where one of the sets holds such.

    Args:
        generated: The set that is judged.
        reference: Real profiles that no model has seen.
        train: Real profiles for the floor, against the reference; without them the reference is split by user.
        most: The most profiles of a side; more are cut at random.
        convolutional: Whether to train the network too, which takes longest.
        seed: Of the draws and of the classifiers.
        on_progress: Called with steps done, steps in all, and what is being done.

    Returns:
        Areas with intervals, and the features that gave the generated users away.

    Raises:
        ValueError: if sets are too small or cannot be compared.
    """
    check_sets(generated, reference, train)
    rng = np.random.default_rng(seed)
    unit = shared_unit(generated, reference, train)
    real = halves(reference, rng) if train is None else (whole(train), whole(reference))
    ours, floor = (
        _alike(*sides, most, rng) for sides in ((whole(generated), whole(reference)), real)
    )
    names, tables = _tables((*ours, *floor), unit, busiest_channels(reference), seed, on_progress)
    trees, falls = _trees(tables, seed, on_progress)
    return TwoSample(
        trees=trees,
        convolutional=_networks(ours, floor, unit, seed, on_progress) if convolutional else None,
        features=tuple(_telling(names, falls, *tables[:2])),
        profiles=len(ours[0]),
        note=_note(ours[0], floor[0], train),
    )


def _alike(one: Side, other: Side, most: int, rng: np.random.Generator) -> Sides:
    """As many profiles on either side."""
    count = min(len(one), len(other), most)
    if count < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} profiles on either side to tell them apart, got {count}; give larger sets"
        )
    sides = one.cut(count, rng), other.cut(count, rng)
    users = min(len(np.unique(side.users)) for side in sides)
    if users < FEWEST_USERS:
        raise ValueError(
            f"expected profiles of at least {FEWEST_USERS} users on either side to tell them apart, got {users}"
        )
    return sides


def _tables(
    sides: Sequence[Side], unit: str, channels: Sequence[int], seed: int, on_progress: Progress
) -> tuple[list[str], list[Table]]:
    names = []
    tables = []
    for number, side in enumerate(sides, 1):
        names, found = features(side.source, unit=unit, channels=channels, rows=side.rows)
        tables.append(Table(found, side.users, side.folds(unit, FOLDS, seed)))
        on_progress(number, len(sides), "features")
    return names, tables


def _trees(tables: Sequence[Table], seed: int, on_progress: Progress) -> tuple[Told, FloatArray]:
    """Generated against real, then real against real; what each feature adds to the first."""
    ours, theirs, one, other = tables
    first, second = _two_passes(on_progress)
    area, falls = tell_apart(ours, theirs, seed, importances=True, on_progress=first)
    floor, _ = tell_apart(one, other, seed, on_progress=second)
    return Told(area, floor), falls


def _networks(ours: Sides, floor: Sides, unit: str, seed: int, on_progress: Progress) -> Told:
    first, second = _two_passes(on_progress)
    area = tell_pictures_apart(ours, unit, seed, on_progress=first)
    return Told(area, tell_pictures_apart(floor, unit, seed, on_progress=second))


def _two_passes(on_progress: Progress) -> tuple[Progress, Progress]:
    """Callbacks for the first and the second of two passes that take equally long."""
    return (
        lambda done, total, stage: on_progress(done, 2 * total, stage),
        lambda done, total, stage: on_progress(total + done, 2 * total, stage),
    )


def _telling(names: Sequence[str], falls: FloatArray, fake: Table, true: Table) -> list[Telling]:
    alone = [
        _alone(ours, theirs) for ours, theirs in zip(fake.features.T, true.features.T, strict=True)
    ]
    rows = zip(names, falls.tolist(), alone, _means(fake), _means(true), strict=True)
    return sorted(
        (Telling(*row) for row in rows), key=lambda each: (-each.importance, -each.auc_alone)
    )


def _alone(ours: FloatArray, theirs: FloatArray) -> float:
    """Area of a single feature, whichever is higher; what is missing counts as lower than all."""
    area = auc(*(np.where(np.isnan(each), -np.inf, each) for each in (ours, theirs))).value
    return max(area, 1 - area)


def _means(table: Table) -> list[float | None]:
    known = [column[~np.isnan(column)] for column in table.features.T]
    return [float(column.mean(dtype=np.float64)) if len(column) else None for column in known]


def _note(ours: Side, floor: Side, train: ProfileSource | None) -> str:
    real = (
        "two parts of the reference"
        if train is None
        else "the training profiles against the reference"
    )
    return (
        f"{len(ours):,} profiles on either side, drawn at random; floor: {len(floor):,} of {real}"
    )
