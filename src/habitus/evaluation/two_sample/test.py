"""Two-sample test of generated against real users, beside real against real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.comparable import check_sets, shared_unit
from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.sample import Side, halves, whole
from habitus.evaluation.two_sample.classify import FOLDS, FeatureTable, classify_features
from habitus.evaluation.two_sample.features import busiest_channels, features
from habitus.evaluation.two_sample.pictures import classify_pictures
from habitus.schema import FloatArray, ProfileSource, Progress, no_progress

MOST = 10_000  # profiles of a side
FEWEST = 50
FEWEST_USERS = 10
Sides = tuple[Side, Side]


@dataclass(frozen=True)
class FeatureDifference:
    """Difference of one feature between generated and real profiles.

    Attributes:
        name: Name of the feature.
        importance: Fall of the area under the curve when the feature is shuffled; near 0 where
            other features carry the same information.
        auc_alone: Area under the curve of this feature by itself, 1/2 to 1.
        generated: Mean over generated profiles that have the feature, None where none has.
        real: Mean over real profiles that have it, None where none has.
    """

    name: str
    importance: float
    auc_alone: float
    generated: float | None
    real: float | None


@dataclass(frozen=True)
class ClassifierScore:
    """Performance of one classifier of generated and real users.

    Attributes:
        auc: Area under the curve for generated against real users.
        floor: The same for real against other real users.
    """

    auc: Auc
    floor: Auc

    def to_json(self) -> dict[str, float]:
        """Areas ``auc`` and ``floor_auc`` with their intervals."""
        return {**self.auc.to_json(), **self.floor.to_json("floor_auc")}


@dataclass(frozen=True)
class TwoSample:
    """Result of the two-sample test of generated against real users.

    Attributes:
        trees: Boosted trees on features.
        convolutional: Convolutional network on pictures; None where it was not trained.
        features: All features, the most important first.
        profiles: Number of profiles on either side.
        note: Description of the compared profiles, as text.
    """

    trees: ClassifierScore
    convolutional: ClassifierScore | None
    features: tuple[FeatureDifference, ...]
    profiles: int
    note: str

    @property
    def auc(self) -> Auc:
        """Area under the curve of the trees."""
        return self.trees.auc

    @property
    def floor(self) -> Auc:
        """Area under the curve of the trees for real users against other real ones."""
        return self.trees.floor

    def to_json(self) -> dict[str, Any]:
        """Content of ``two_sample`` in ``metrics.json``."""
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
    """Train classifiers of generated and real users (Lopez-Paz and Oquab 2017).

    An area of 1/2 is chance: these classifiers find no difference. Counts are compared as shares of
    a profile's peak where one of the sets holds such.

    Args:
        generated: Generated profiles to evaluate.
        reference: Real profiles that no model has seen.
        train: Real profiles for the floor, against the reference; without them the reference is
            split by user.
        most: Largest number of profiles of a side; a larger set is subsampled at random.
        convolutional: Whether to train the network too, which takes longest.
        seed: Seed of the draws and of the classifiers.
        on_progress: Called with steps done, steps in all, and the stage.

    Returns:
        Areas with intervals, and the features by importance.

    Raises:
        ValueError: if sets are too small or cannot be compared.
    """
    check_sets(generated, reference, train)
    rng = np.random.default_rng(seed)
    unit = shared_unit(generated, reference, train)
    real = halves(reference, rng) if train is None else (whole(train), whole(reference))
    ours, floor = (
        _same_size(*sides, most, rng) for sides in ((whole(generated), whole(reference)), real)
    )
    names, tables = _tables((*ours, *floor), unit, busiest_channels(reference), seed, on_progress)
    trees, falls = _trees(tables, seed, on_progress)
    return TwoSample(
        trees=trees,
        convolutional=_networks(ours, floor, unit, seed, on_progress) if convolutional else None,
        features=tuple(_feature_differences(names, falls, *tables[:2])),
        profiles=len(ours[0]),
        note=_note(ours[0], floor[0], train),
    )


def _same_size(one: Side, other: Side, most: int, rng: np.random.Generator) -> Sides:
    """Subsample both sides to the same number of profiles, at most ``most``."""
    count = min(len(one), len(other), most)
    if count < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} profiles on either side to classify them, got {count}; "
            "give larger sets"
        )
    sides = one.cut(count, rng), other.cut(count, rng)
    users = min(len(np.unique(side.users)) for side in sides)
    if users < FEWEST_USERS:
        raise ValueError(
            f"expected profiles of at least {FEWEST_USERS} users on either side to classify them, "
            f"got {users}"
        )
    return sides


def _tables(
    sides: Sequence[Side], unit: str, channels: Sequence[int], seed: int, on_progress: Progress
) -> tuple[list[str], list[FeatureTable]]:
    names = []
    tables = []
    for number, side in enumerate(sides, 1):
        names, found = features(side.source, unit=unit, channels=channels, rows=side.rows)
        tables.append(FeatureTable(found, side.users, side.folds(unit, FOLDS, seed)))
        on_progress(number, len(sides), "features")
    return names, tables


def _trees(
    tables: Sequence[FeatureTable], seed: int, on_progress: Progress
) -> tuple[ClassifierScore, FloatArray]:
    """Scores of the trees, and the importance of each feature for generated against real, [F]."""
    ours, theirs, one, other = tables
    first, second = _two_passes(on_progress)
    area, falls = classify_features(ours, theirs, seed, importances=True, on_progress=first)
    floor, _ = classify_features(one, other, seed, on_progress=second)
    return ClassifierScore(area, floor), falls


def _networks(
    ours: Sides, floor: Sides, unit: str, seed: int, on_progress: Progress
) -> ClassifierScore:
    """Scores of the convolutional networks."""
    first, second = _two_passes(on_progress)
    area = classify_pictures(ours, unit, seed, on_progress=first)
    return ClassifierScore(area, classify_pictures(floor, unit, seed, on_progress=second))


def _two_passes(on_progress: Progress) -> tuple[Progress, Progress]:
    """Callbacks for the first and the second of two passes that take equally long."""
    return (
        lambda done, total, stage: on_progress(done, 2 * total, stage),
        lambda done, total, stage: on_progress(total + done, 2 * total, stage),
    )


def _feature_differences(
    names: Sequence[str], falls: FloatArray, fake: FeatureTable, true: FeatureTable
) -> list[FeatureDifference]:
    alone = [
        _auc_alone(ours, theirs)
        for ours, theirs in zip(fake.features.T, true.features.T, strict=True)
    ]
    rows = zip(names, falls.tolist(), alone, _means(fake), _means(true), strict=True)
    return sorted(
        (FeatureDifference(*row) for row in rows),
        key=lambda each: (-each.importance, -each.auc_alone),
    )


def _auc_alone(ours: FloatArray, theirs: FloatArray) -> float:
    """Area under the curve of a single feature, at least 1/2; missing values count as lowest."""
    area = auc(*(np.where(np.isnan(each), -np.inf, each) for each in (ours, theirs))).value
    return max(area, 1 - area)


def _means(table: FeatureTable) -> list[float | None]:
    """Mean of each feature over the profiles that have it, F values."""
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
