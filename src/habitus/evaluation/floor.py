"""The floor of every figure: what another real sample of the same size scores ("Time pictures" 5.1.2).

One small sample scores twice what another does, so the floor is the median of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from habitus.evaluation.metrics.compare import Figures, compare
from habitus.evaluation.metrics.summary import Summary, summarise
from habitus.schema import BoolArray, ProfileSource

MOST_SAMPLES = 10
PROFILES = 200_000  # in all samples: large ones differ little, and take long


@dataclass(frozen=True)
class Floor:
    """Real samples and what they are judged against.

    Attributes:
        sample: Summary of the first real sample, which stands in for the generated set in figures that are drawn.
        reference: Summary of what it is judged against.
        figures: Of real samples, each the median over them.
        note: In words: where the samples are from, and their size.
    """

    sample: Summary
    reference: Summary
    figures: Figures
    note: str


def draw(available: int, wanted: int, rng: np.random.Generator) -> BoolArray:
    """Mark profiles drawn at random without replacement, [available]; all of them if there are too few.

    >>> int(draw(10, 4, np.random.default_rng(0)).sum()), int(draw(3, 4, np.random.default_rng(0)).sum())
    (4, 3)
    """
    rows = np.zeros(available, bool)
    rows[rng.permutation(available)[:wanted]] = True
    return rows


def floor_from_train(
    train: ProfileSource, reference: Summary, users: int, rng: np.random.Generator
) -> Floor:
    """The floor of samples of the training profiles against the reference.

    Args:
        train: Profiles that the model was trained on; none of them in the reference.
        reference: Summary of the reference.
        users: Size of the generated set; all of ``train`` is taken where it has fewer.
        rng: Source of the draws.
    """
    times = _samples(users) if users < len(train) else 1
    samples = [summarise(train, draw(len(train), users, rng)) for _ in range(times)]
    sample = samples[0]
    fewer = f", which has fewer than the {users:,} generated" if sample.users < users else ""
    note = f"{sample.users:,} profiles drawn from train{fewer}, against all {reference.users:,} of the reference"
    return _floor([(each, reference) for each in samples], note)


def floor_from_halves(reference: ProfileSource, users: int, rng: np.random.Generator) -> Floor:
    """The floor of parts of the reference against the rest of it.

    The draw is by profile: where a user has several windows they can fall on both sides, and the floor
    is then a little too low. A training set that was split by user has no such fault.

    Args:
        reference: The reference profiles.
        users: Size of the generated set; at most half of the reference is taken.
        rng: Source of the draws.

    Raises:
        ValueError: if the reference cannot be split.
    """
    if len(reference) < 2:
        raise ValueError(
            f"expected at least 2 reference profiles to split for a floor, got {len(reference)}; "
            "give the training profiles (--train) or a larger reference"
        )
    size = min(users, len(reference) // 2)
    parts = [draw(len(reference), size, rng) for _ in range(_samples(len(reference)))]
    found = [(summarise(reference, rows), summarise(reference, ~rows)) for rows in parts]
    return _floor(
        found, f"{size:,} profiles of the reference, against its other {len(reference) - size:,}"
    )


def _samples(profiles: int) -> int:
    """How many are taken, of so many profiles each."""
    return max(1, min(MOST_SAMPLES, PROFILES // profiles))


def _floor(found: Sequence[tuple[Summary, Summary]], note: str) -> Floor:
    """Of samples and what each is judged against."""
    figures = medians([compare(sample, against) for sample, against in found])
    several = f"; each figure is the median of {len(found)} such samples" if len(found) > 1 else ""
    return Floor(*found[0], figures, note + several)


def medians(found: Sequence[Any]) -> Any:
    """Of each number in nested figures, where it is one, the median; of all else the first.

    >>> medians([{"kld": 1.0, "days": [1, 2]}, {"kld": 3.0, "days": [2, 3]}, {"kld": None, "days": [3, 4]}])
    {'kld': 2.0, 'days': [1, 2]}
    """
    if isinstance(found[0], dict):
        return {key: medians([each[key] for each in found]) for key in found[0]}
    numbers = [each for each in found if isinstance(each, float)]
    return median(numbers) if numbers else found[0]
