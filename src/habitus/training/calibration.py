"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that a day is
active, or that an hour or a size of count is one that the user never had, is a lot after a month. Users who do not
meet the conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits
its zero threshold to the training users' daily activity for like reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from habitus.models.base import ConditionedModel
from habitus.parts.examples import Days
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles

Drawn = Callable[[int, int], None]
"""Told how many users of how many are drawn."""

USERS, STEPS, AGAIN = 4096, 2, 3  # AGAIN: populations for a step, so that chance moves it little
PROBE, MOST = -0.3, 1.0  # MOST: a shift beyond hides a fault and mends none
LEAST = 0.01  # of which errors are shares


class Calibrated(NamedTuple):
    """What :func:`calibrate` found.

    Attributes:
        shifts: One for each habit.
        met: Share of drawn users who meet the conditions.
    """

    shifts: list[float]
    met: float


def calibrate(
    model: ConditionedModel,
    wanted: Tensor,
    conditions: Conditions,
    codes: Tensor,
    days: Days,
    seed: int,
    on_progress: Drawn = lambda done, total: None,
) -> Calibrated:
    """Find the shifts with which drawn users have the mean habits of training users.

    Newton's method with derivatives by differences. Each population has a seed of its own: a small shift changes
    what all later days are drawn from, so that one seed would not make two populations alike.

    Args:
        model: The model; its shifts are changed.
        wanted: Mean habits of the training users, [J].
        conditions: Who is taken in.
        codes: Attributes of some training users, [U, A].
        days: Theirs, [U, D]: populations are looked at on those that were observed.
        seed: Decides the populations.
        on_progress: Told how many users are drawn, and how many will be.
    """
    populations = _Populations(model, wanted, conditions, codes, days, seed, on_progress)
    at = torch.zeros(len(wanted), dtype=torch.float64)
    found, probes = populations.excess(at, AGAIN), PROBE * torch.eye(len(at)).double()
    slopes = torch.stack([(populations.excess(probe) - found) / PROBE for probe in probes], 1)
    newton = torch.linalg.pinv(slopes)
    for _ in range(STEPS):
        at = (at - newton @ found).clamp(-MOST, MOST)
        found = populations.excess(at, AGAIN)
    at = (at - newton @ found).clamp(-MOST, MOST)
    model.shifts.copy_(at)
    return Calibrated(at.tolist(), populations.met)


@dataclass
class _Populations:
    """Populations one after another, and how far their habits are from those wanted.

    Attributes:
        drawn: How many populations were.
        met: Share of the users of the last one who meet the conditions.
    """

    model: ConditionedModel
    wanted: Tensor
    conditions: Conditions
    codes: Tensor
    days: Days
    seed: int
    on_progress: Drawn
    drawn: int = 0
    met: float = 1.0

    def excess(self, shifts: Tensor, times: int = 1) -> Tensor:
        """By what shares of the habits wanted those of some populations exceed them, [J]."""
        self.model.shifts.copy_(shifts)
        found = torch.stack([self._habits() for _ in range(times)]).mean(0)
        return ((found - self.wanted) / self.wanted.abs().clamp_min(LEAST)).double()

    def _habits(self) -> Tensor:
        """Means over drawn users who meet the conditions, [J]; over all where nobody does."""
        users, model, observed = len(self.codes), self.model, self.days.observed
        generator = Generator().manual_seed(self.seed + self.drawn)
        with torch.no_grad():
            x = model.sample(users, generator, days=self.days, codes=self.codes)
        x = x.where(observed[..., None, None], 0.0)
        met = torch.from_numpy(
            self.conditions.met(Profiles.from_dense(model.axes.with_unit(model.unit), x.numpy()))
        )
        self.met, self.drawn = float(met.double().mean()), self.drawn + 1
        self.on_progress(users * self.drawn, users * (AGAIN * (STEPS + 1) + len(self.wanted)))
        met = met if met.any() else torch.ones_like(met)
        return habits_of(model, x[met], observed[met]).mean(0)


def habits_of(model: ConditionedModel, x: Tensor, observed: Tensor) -> Tensor:
    """The habits of those profiles [B, D, S, C] of which any day [B, D] was observed, [n, J]."""
    some = observed.any(1)
    return model.habits(x.where(observed[..., None, None], 0.0)[some], observed[some])
