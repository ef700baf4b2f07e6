"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that a day is
active, or that an hour or a size of count is one that the user never had, is a lot after a month. Users who do not
meet the conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits
its zero threshold to the training users' daily activity for like reasons.

The shifts have a prior N(0, 0.3^2), and differences between the mean habits of drawn and training users an error
that is that of two means; the likeliest shifts are sought by steps of the method of Gauss and Newton, each from
populations of its own. Slopes are those of the plane through all populations so far: habits are coupled, some
shifts move hardly anything that others do not, and slopes by a single difference each would lead away. Each step
is moved by chance, which does not change where the steps lead to: their mean is taken (Polyak and Juditsky 1992).
What few users cannot tell stays near 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import NamedTuple

import torch
from scipy.optimize import lsq_linear
from torch import Generator, Tensor

from habitus.models.base import ConditionedModel
from habitus.parts.examples import Days
from habitus.processes import by_number
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles

Drawn = Callable[[int, int], None]
"""Told how many users of how many are drawn."""

USERS, FIRST, EACH = 4096, 4, 2  # users of a population; populations to begin with, and for each step
STEPS, LAST = 8, 6  # and how many of the last ones are averaged
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
    weights = 1 / (variance / len(wanted) + variance / (LAST * EACH * len(codes))).clamp_min(TINY)
    shifts, path = torch.cat([at.expand(FIRST, -1), PROBE * torch.eye(len(at)).double()]), list[Tensor]()
    excesses = populations.excesses(shifts)
    at = likeliest(at, excesses[:FIRST].mean(0), slopes_of(shifts, excesses), weights)
    for _ in range(STEPS):
        again = at.expand(EACH, -1)
        latest = populations.excesses(again)
        shifts, excesses = torch.cat([shifts, again]), torch.cat([excesses, latest])
        at = likeliest(at, latest.mean(0), slopes_of(shifts, excesses), weights)
        path.append(at)
    at = torch.stack(path[-LAST:]).mean(0)
    model.shifts.copy_(at)
    return Calibrated(at.tolist(), populations.met)


def _variance(habits: Tensor) -> Tensor:
    """Of the habits [J] of users [U, J]; without bound for a single user, who does not tell how users differ."""
    return habits.var(0) if len(habits) > 1 else torch.full_like(habits[0], torch.inf)


def slopes_of(shifts: Tensor, excesses: Tensor) -> Tensor:
    """Of the plane through excesses [n, J] by shifts [n, J] with the least squares, [J, J]: habits by shifts."""
    ones = torch.ones_like(shifts[:, :1])
    return torch.linalg.lstsq(torch.cat([ones, shifts], 1), excesses).solution[1:].T


def likeliest(at: Tensor, found: Tensor, slopes: Tensor, weights: Tensor) -> Tensor:
    """The likeliest shifts [J], up to MOST, where those at hand leave excesses [J], which have slopes [J, J]."""
    scale = weights.sqrt()
    rows = torch.cat([scale[:, None] * slopes, torch.eye(len(at), dtype=at.dtype) / PRIOR])
    right = torch.cat([scale * (slopes @ at - found), torch.zeros_like(at)])
    return torch.from_numpy(lsq_linear(rows.numpy(), right.numpy(), bounds=(-MOST, MOST)).x)


@dataclass
class _Populations:
    """Populations, several side by side, and how far their habits are from those wanted.

    Attributes:
        drawn: How many populations were.
        met: Share of the users of the last ones who meet the conditions.
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

    def excesses(self, shifts: Tensor) -> Tensor:
        """By how much the mean habits of populations with shifts [n, J] exceed those wanted, [n, J]."""
        found, met, begun = list[Tensor](), list[float](), self.drawn
        for habits, share in by_number(
            lambda number: self._habits(shifts[number], begun + number), range(len(shifts))
        ):
            found.append(habits)
            met.append(share)
            self.drawn += 1
            populations = FIRST + len(self.wanted) + STEPS * EACH
            self.on_progress(len(self.codes) * self.drawn, len(self.codes) * populations)
        self.met = mean(met)
        return torch.stack(found) - self.wanted

    def _habits(self, shifts: Tensor, number: int) -> tuple[Tensor, float]:
        """Means over drawn users who meet the conditions, [J], and their share; over all where nobody does."""
        model, days, users = self.model, self.days, len(self.codes)
        model.shifts.copy_(shifts)
        generator = Generator().manual_seed(self.seed + number)
        with torch.no_grad():
            x = model.sample(users, generator, days=days, codes=self.codes)
        x, axes = days.emptied(x), model.axes.with_unit(model.unit)
        met = torch.from_numpy(self.conditions.met(Profiles.from_dense(axes, x.numpy())))
        some = met if met.any() else torch.ones_like(met)
        return habits_of(model, x[some], days.of(some)).double().mean(0), float(met.double().mean())


def habits_of(model: ConditionedModel, x: Tensor, days: Days) -> Tensor:
    """The habits of those profiles [B, D, S, C] of which any day [B, D] was observed, [n, J]."""
    some = days.observed.any(1)
    return model.habits(days.emptied(x)[some], days.of(some))
