"""The floor of every figure: what another real sample of the same size scores ("Time pictures" 5.1.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from habitus.evaluation.summary import Summary, summarise
from habitus.parts.shapes import BoolArray, ProfileSource


@dataclass(frozen=True)
class Floor:
    """A real sample and what it is judged against.

    Attributes:
        sample: Summary of the real sample that stands in for the generated set.
        reference: Summary of the set that it is judged against.
        note: In words: where the sample is from, and its size.
    """

    sample: Summary
    reference: Summary
    note: str


def draw(available: int, wanted: int, rng: np.random.Generator) -> BoolArray:
    """Mark profiles drawn at random without replacement, [available]; all of them if there are too few.

    >>> int(draw(10, 4, np.random.default_rng(0)).sum()), int(draw(3, 4, np.random.default_rng(0)).sum())
    (4, 3)
    """
    rows = np.zeros(available, bool)
    rows[rng.permutation(available)[:wanted]] = True
    return rows


def floor_from_train(train: ProfileSource, reference: Summary, users: int, rng: np.random.Generator) -> Floor:
    """The floor of a sample of the training profiles against the reference.

    Args:
        train: Profiles that the model was trained on; none of them in the reference.
        reference: Summary of the reference.
        users: Size of the generated set; all of ``train`` is taken where it has fewer.
        rng: Source of the draw.
    """
    sample = summarise(train, draw(len(train), users, rng))
    fewer = f", which has fewer than the {users:,} generated" if sample.users < users else ""
    note = f"{sample.users:,} profiles drawn from train{fewer}, against all {reference.users:,} of the reference"
    return Floor(sample, reference, note)


def floor_from_halves(reference: ProfileSource, users: int, rng: np.random.Generator) -> Floor:
    """The floor of a part of the reference against the rest of it.

    The draw is by profile: where a user has several windows they can fall on both sides, and the floor
    is then a little too low. A training set that was split by user has no such fault.

    Args:
        reference: The reference profiles.
        users: Size of the generated set; at most half of the reference is taken.
        rng: Source of the draw.

    Raises:
        ValueError: if the reference cannot be split.
    """
    if len(reference) < 2:
        raise ValueError(
            f"expected at least 2 reference profiles to split for a floor, got {len(reference)}; "
            "give the training profiles (--train) or a larger reference"
        )
    rows = draw(len(reference), min(users, len(reference) // 2), rng)
    sample, rest = summarise(reference, rows), summarise(reference, ~rows)
    return Floor(sample, rest, f"{sample.users:,} profiles of the reference, against its other {rest.users:,}")
