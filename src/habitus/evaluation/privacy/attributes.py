"""Inference of a user's attribute from the generated users who are most alike.

The attacker knows all of a user but one attribute, and takes that of the nearest generated profile
(Giomi, Boenisch, Wehmeyer and Tasnádi 2023, "Anonymeter"). Other real users give such a guess as
well, since alike users have alike attributes: that is the floor, and no leak. The test of a leak
is whether training users are guessed more often than held-out users are, from the same profiles.

Letters: U profiles, n users, D days, S slots, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from habitus.evaluation.draws import USER
from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.privacy.attacks import CHANCE, FEWEST_UNUSUAL, UNUSUAL, Share
from habitus.evaluation.privacy.people import People, without_cells
from habitus.evaluation.sample import Side
from habitus.schema import Axes, BoolArray, FloatArray

MOST_VALUES = 100  # distinct values of an attribute, at most: one with more identifies users
NOT_SECRET = (USER, "window_start", "peak", "cohort", "observed_from", "observed_until")
HALF = 0.5


class Secret(NamedTuple):
    """What the attacker guesses of three sets of profiles.

    Attributes:
        name: What it is, in words.
        train: Value of each training profile, [U].
        held_out: Value of each held-out profile, [U].
        generated: Value of each generated profile, [U].
        hidden: Cells that the attacker does not see, [D S C].
    """

    name: str
    train: NDArray[Any]
    held_out: NDArray[Any]
    generated: NDArray[Any]
    hidden: BoolArray


@dataclass(frozen=True)
class Inference:
    """Result of an inference of an attribute.

    Attributes:
        name: The attribute, in words.
        guessed: Share of training users guessed from generated profiles.
        floor: Share of training users guessed from other real users.
        held_out: Share of held-out users guessed from generated profiles.
        unusual: Share of the most unusual training users guessed from generated profiles.
        unusual_floor: Share of them guessed from other real users.
        p_value: Probability by chance that training users are guessed so much better than held-out
            ones.
    """

    name: str
    guessed: Share
    floor: Share
    held_out: Share
    unusual: Share
    unusual_floor: Share
    p_value: float

    @property
    def reasons(self) -> list[str]:
        """Findings beyond chance, as text."""
        if self.p_value >= CHANCE:
            return []
        return [
            f"{self.name} is guessed of {self.guessed.value:.1%} of training users from generated "
            f"ones, but of {self.held_out.value:.1%} of held-out users"
        ]

    def to_json(self) -> dict[str, Any]:
        """Content of an inference in ``metrics.json``."""
        return {
            "attribute": self.name,
            **self.guessed.to_json("guessed"),
            **self.floor.to_json("floor_guessed"),
            **self.held_out.to_json("held_out_guessed"),
            "unusual": {
                **self.unusual.to_json("guessed"),
                **self.unusual_floor.to_json("floor_guessed"),
            },
            "p_value": self.p_value,
        }


def secrets(
    sides: tuple[Side, Side, Side], clouds: tuple[Cloud, Cloud, Cloud], axes: Axes
) -> Iterator[Secret]:
    """Yield what can be guessed: attributes that all sets have, else a habit of the users.

    Args:
        sides: Training, held-out and generated profiles.
        clouds: The same as points.
        axes: Their axes.
    """
    tables = [_attributes(side) for side in sides]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    nothing = np.zeros(axes.cells, bool)
    for name in names:
        train, held_out, generated = (table[name] for table in tables)
        if 2 <= len(np.unique(train)) <= MOST_VALUES:
            yield Secret(f"attribute {name!r}", train, held_out, generated, nothing)
    if names:
        return
    channels = len(axes.channels)
    if channels > 1:
        used = [_used(cloud, channels) for cloud in clouds]
        channel = int(np.argmin(np.abs(used[0].mean(0) - HALF)))
        hidden = np.arange(axes.cells) % channels == channel
        train, held_out, generated = (part[:, channel] for part in used)
        name = f"use of channel {axes.channels[channel]!r}"
        yield Secret(name, train, held_out, generated, hidden)
        return
    # Of the second half of the window from the first; the hour is one of a day's sixths.
    hidden = np.arange(axes.cells) >= axes.cells // 2
    train, held_out, generated = (
        _preferred(without_cells(cloud, ~hidden), axes) for cloud in clouds
    )
    name = "preferred hours of the second half of the window"
    yield Secret(name, train, held_out, generated, hidden)


def infer(
    secret: Secret, train: Cloud, held_out: Cloud, generated: Cloud, unusual: FloatArray
) -> Inference:
    """Guess a secret of training and held-out users.

    Args:
        secret: What is guessed.
        train: Training profiles.
        held_out: Held-out profiles.
        generated: Generated profiles.
        unusual: How unusual each training user is, [n].
    """
    ours, theirs, made = (
        without_cells(each, secret.hidden) for each in (train, held_out, generated)
    )
    people = People(train.users)
    guessed = people.mean(secret.generated[nearest(ours, made)[1]] == secret.train)
    floor = people.mean(secret.held_out[nearest(ours, theirs)[1]] == secret.train)
    control = People(held_out.users).mean(
        secret.generated[nearest(theirs, made)[1]] == secret.held_out
    )
    apart = np.argsort(-unusual, kind="stable")
    apart = apart[: max(FEWEST_UNUSUAL, round(UNUSUAL * len(unusual)))]
    both = np.concatenate([guessed, control])
    error = math.sqrt(both.var() * (1 / len(guessed) + 1 / len(control)))
    excess = float(guessed.mean() - control.mean())
    return Inference(
        secret.name,
        Share.of(guessed),
        Share.of(floor),
        Share.of(control),
        Share.of(guessed[apart]),
        Share.of(floor[apart]),
        float(norm.sf(excess / error)) if error > 0 else 1.0,
    )


def _attributes(side: Side) -> dict[str, NDArray[Any]]:
    """Attributes of the chosen profiles as texts, by name, [U] each."""
    tables: list[Any] = [getattr(chunk, "users", None) for chunk in side.source.chunks()]
    if any(table is None for table in tables):
        return {}
    found = {}
    for name in tables[0].column_names:
        if name not in NOT_SECRET and all(name in table.column_names for table in tables):
            texts = [str(value) for table in tables for value in table[name].to_pylist()]
            found[name] = np.array(texts, object)[side.rows].astype(str)
    return found


def _used(cloud: Cloud, channels: int) -> BoolArray:
    """Channels that each profile uses, [U, C]."""
    used = np.zeros((len(cloud), channels), bool)
    used[np.repeat(np.arange(len(cloud)), cloud.sizes), cloud.points.indices % channels] = True
    return used


def _preferred(cloud: Cloud, axes: Axes) -> NDArray[np.int64]:
    """Part of the day, a sixth of its slots, in which each profile has most, [U]."""
    _, slots, channels = axes.shape
    parts = min(6, slots)
    part = cloud.points.indices // channels % slots * parts // slots
    row = np.repeat(np.arange(len(cloud)), cloud.sizes)
    sums = np.bincount(row * parts + part, cloud.points.data, len(cloud) * parts)
    return sums.reshape(len(cloud), parts).argmax(1)
