"""Floor of every figure: what another real sample of the same size scores ("Time pictures" 5.1.2).

One small sample scores twice what another does, so the floor is the median of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from habitus.evaluation.draws import random_rows, random_users, users_of
from habitus.evaluation.metrics.compare import Figures, compare
from habitus.evaluation.metrics.summary import Summary, summarise
from habitus.schema import ProfileSource

MOST_SAMPLES = 10
PROFILES = 200_000  # in all samples: large ones differ little, and take long


@dataclass(frozen=True)
class Floor:
    """Real samples and what they are compared with.

    Attributes:
        sample: Summary of the first real sample, which stands in for the generated set in figures
            that are drawn.
        reference: Summary of what it is compared with.
        figures: Figures of real samples, each the median over them.
        note: In words: where the samples are from, and their size.
    """

    sample: Summary
    reference: Summary
    figures: Figures
    note: str

    @classmethod
    def of(cls, pairs: Sequence[tuple[Summary, Summary]], note: str) -> Floor:
        """Floor from samples and what each is compared with."""
        figures = medians([compare(sample, against) for sample, against in pairs])
        if len(pairs) > 1:
            note += f"; each figure is the median of {len(pairs)} such samples"
        return cls(*pairs[0], figures, note)


def floor_from_train(
    train: ProfileSource, reference: Summary, users: int, rng: np.random.Generator
) -> Floor:
    """Floor of samples of the training profiles, of whole users, against the reference.

    Args:
        train: Profiles that the model was trained on; none of them in the reference.
        reference: Summary of the reference.
        users: Size of the generated set; all of ``train`` is taken where it has fewer.
        rng: Source of the draws.
    """
    times = _samples(users) if users < len(train) else 1
    whose = users_of(train)
    samples = [summarise(train, random_users(whose, users, rng)) for _ in range(times)]
    size = samples[0].users
    fewer = f", which has fewer than the {users:,} generated" if size < users else ""
    against = f"against all {reference.users:,} of the reference"
    note = f"{size:,} profiles drawn from train{fewer}, {against}"
    return Floor.of([(each, reference) for each in samples], note)


def floor_from_halves(reference: ProfileSource, users: int, rng: np.random.Generator) -> Floor:
    """Floor of parts of the reference against the rest of it.

    The draw is by user: all windows of a user are on one side, unless there is one user only.

    Args:
        reference: The reference profiles.
        users: Size of the generated set; at most half of the reference is taken.
        rng: Source of the draws.

    Raises:
        ValueError: if the reference cannot be split.
    """
    count = len(reference)
    if count < 2:
        raise ValueError(
            f"expected at least 2 reference profiles to split for a floor, got {count}; "
            "give the training profiles (--train) or a larger reference"
        )
    size = min(users, count // 2)
    whose = users_of(reference)
    parts = [
        random_users(whose, size, rng) if whose.any() else random_rows(count, size, rng)
        for _ in range(_samples(count))
    ]
    pairs = [(summarise(reference, rows), summarise(reference, ~rows)) for rows in parts]
    size = pairs[0][0].users
    return Floor.of(
        pairs, f"{size:,} profiles of the reference, against its other {count - size:,}"
    )


def _samples(profiles: int) -> int:
    """Choose the number of samples to average over, given the profiles in each."""
    return max(1, min(MOST_SAMPLES, PROFILES // profiles))


def medians(found: Sequence[Any]) -> Any:
    """Median of each number in nested figures, where it is one; the first of all else.

    >>> medians([{"kld": 1.0, "days": [1]}, {"kld": 3.0, "days": [2]}, {"kld": None, "days": [3]}])
    {'kld': 2.0, 'days': [1]}
    """
    if isinstance(found[0], dict):
        return {key: medians([each[key] for each in found]) for key in found[0]}
    numbers = [each for each in found if isinstance(each, float)]
    return median(numbers) if numbers else found[0]
