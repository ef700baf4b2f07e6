"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that a day is
active, or that an hour or a size of count is one that the user never had, is a lot after a month. Users who do not
meet the conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits
its zero threshold to the training users' daily activity for like reasons.

The shifts have a prior N(0, 0.3^2), and differences between the mean habits of drawn and training users an error
that is that of two means; the likeliest shifts are sought by the method of Gauss and Newton, with derivatives by
differences that each step mends along its way (Broyden 1965). What few users cannot tell stays near 0.
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

USERS, STEPS, AGAIN = 4096, 3, 3  # AGAIN: populations for a step, so that chance moves it little
PROBE, MOST = -0.3, 1.0  # MOST: a shift beyond hides a fault and mends none
PRIOR = 0.3  # standard deviation
TINY = 1e-8  # a variance: habits that all users share are not known to any precision


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

    Each population has a seed of its own: a small shift changes what all later days are drawn from, so that one
    seed would not make two populations alike.

    Args:
        model: The model; its shifts are changed.
        wanted: Habits of the training users, [U, J].
        conditions: Who is taken in.
        codes: Attributes of some training users, [U, A].
        days: Theirs, [U, D]: populations are looked at on those that were observed.
        seed: Decides the populations.
        on_progress: Told how many users are drawn, and how many will be.
    """
    populations = _Populations(model, wanted.double().mean(0), conditions, codes, days, seed, on_progress)
    at, variance = torch.zeros(wanted.shape[1]).double(), _variance(wanted.double())
    found, probes = populations.excess(at, AGAIN), PROBE * torch.eye(len(at)).double()
    slopes = torch.stack([(populations.excess(probe) - found) / PROBE for probe in probes], 1)
    weights = 1 / (variance / len(wanted) + variance / (AGAIN * len(codes))).clamp_min(TINY)
    for _ in range(STEPS):
        step, before = likeliest(at, found, slopes, weights) - at, found
        at, found = at + step, populations.excess(at + step, AGAIN)
        slopes = slopes + torch.outer(found - before - slopes @ step, step) / (step @ step).clamp_min(TINY)
    at = likeliest(at, found, slopes, weights)
    model.shifts.copy_(at)
    return Calibrated(at.tolist(), populations.met)


def _variance(habits: Tensor) -> Tensor:
    """Of the habits [J] of users [U, J]; without bound for a single user, who does not tell how users differ."""
    return habits.var(0) if len(habits) > 1 else torch.full_like(habits[0], torch.inf)


def likeliest(at: Tensor, found: Tensor, slopes: Tensor, weights: Tensor) -> Tensor:
    """The likeliest shifts [J] where those at hand leave differences ``found`` [J], which have slopes [J, J]."""
    weighted, prior = slopes.T * weights, torch.eye(len(at), dtype=at.dtype) / PRIOR**2
    return (at - torch.linalg.solve(weighted @ slopes + prior, weighted @ found + prior @ at)).clamp(-MOST, MOST)


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
        """By how much the mean habits of so many populations exceed those wanted, [J]."""
        self.model.shifts.copy_(shifts)
        return torch.stack([self._habits() for _ in range(times)]).mean(0) - self.wanted

    def _habits(self) -> Tensor:
        """Means over drawn users who meet the conditions, [J]; over all where nobody does."""
        model, days, users = self.model, self.days, len(self.codes)
        generator = Generator().manual_seed(self.seed + self.drawn)
        with torch.no_grad():
            x = model.sample(users, generator, days=days, codes=self.codes)
        x, axes = x.where(days.observed[..., None, None], 0.0), model.axes.with_unit(model.unit)
        met = torch.from_numpy(self.conditions.met(Profiles.from_dense(axes, x.numpy())))
        self.met, self.drawn = float(met.double().mean()), self.drawn + 1
        self.on_progress(users * self.drawn, users * (AGAIN * (STEPS + 1) + len(self.wanted)))
        met = met if met.any() else torch.ones_like(met)
        return habits_of(model, x[met], days.of(met)).double().mean(0)


def habits_of(model: ConditionedModel, x: Tensor, days: Days) -> Tensor:
    """The habits of those profiles [B, D, S, C] of which any day [B, D] was observed, [n, J]."""
    some = days.observed.any(1)
    return model.habits(x.where(days.observed[..., None, None], 0.0)[some], days.of(some))
