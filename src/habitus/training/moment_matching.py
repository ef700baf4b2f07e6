"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that
a day is active, or that an hour or a size of count is one that the user never had, is a lot after a
month. Users who do not meet the conditions of a population are drawn again, which leaves the more
active ones. "Time pictures" 5.3.2 fits its zero threshold to the training users' daily activity for
like reasons.

The shifts have a prior N(0, 0.3^2), and differences between the mean habits of drawn and training
users an error that is that of two means; the likeliest shifts are sought by steps of the method of
Gauss and Newton, each from populations of its own. The slope of a mean by a shift is the covariance
of the habit with the score of the users drawn, d log p / d shift (Williams 1992): no population has
to be drawn with another shift to see what it does. Each step is moved by chance, which does not
change where the steps lead to: their mean is taken (Polyak and Juditsky 1992). What few users
cannot tell stays near 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import NamedTuple

import torch
from scipy.optimize import lsq_linear
from torch import Generator, Tensor

from habitus.models.base import CalibratedModel
from habitus.models.parts.examples import Days
from habitus.parallel import by_number
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles
from habitus.schema import Progress, no_progress

USERS = 4096
FIRST = 4
EACH = 5  # users of a population; populations to begin with, and for each step
STEPS = 8
LAST = 6  # and how many of the last ones are averaged
MOST = 1.0  # a shift beyond hides a fault and mends none
PRIOR = 0.3  # standard deviation
TINY = 1e-8  # a variance: habits that all users share are not known to any precision


class MatchedMoments(NamedTuple):
    """Result of :func:`match_moments`.

    Attributes:
        shifts: One for each habit.
        met: Share of drawn users who meet the conditions.
    """

    shifts: list[float]
    met: float


def match_moments(
    model: CalibratedModel,
    wanted: Tensor,
    conditions: Conditions,
    codes: Tensor,
    days: Days,
    seed: int,
    on_progress: Progress = no_progress,
) -> MatchedMoments:
    """Find the logit offsets with which drawn users have the mean statistics of training users.

    Each population has a seed of its own: a small shift changes what all later days are drawn from,
    so that one seed would not make two populations alike.

    Args:
        model: The model; its shifts are changed.
        wanted: Habits of the training users, [U, J].
        conditions: Conditions that users must meet.
        codes: Attributes of some training users, [U, A].
        days: Days of these users, [U, D]; statistics are of the observed ones.
        seed: Decides the populations.
        on_progress: Called with users drawn and users in all.
    """
    populations = _Populations(
        model, wanted.double().mean(0), conditions, codes, days, seed, on_progress
    )
    at = torch.zeros(wanted.shape[1]).double()
    spread = wanted.double()
    # A single user does not show how users differ.
    variance = spread.var(0) if len(spread) > 1 else torch.full_like(spread[0], torch.inf)
    weights = 1 / (variance / len(wanted) + variance / (LAST * EACH * len(codes))).clamp_min(TINY)
    slopes = list[Tensor]()
    path = list[Tensor]()
    populations.prepare()
    for number in (FIRST, *[EACH] * STEPS):
        found = populations.drawn_with(at, number)
        slopes += [each.slopes for each in found]
        excess = torch.stack([each.excess for each in found]).mean(0)
        at = likeliest(at, excess, torch.stack(slopes).mean(0), weights)
        path.append(at)
    at = torch.stack(path[-LAST:]).mean(0)
    model.logit_offsets.copy_(at)
    return MatchedMoments(at.tolist(), populations.met)


def slopes_of(habits: Tensor, scores: Tensor) -> Tensor:
    """Slope of each mean statistic by each offset, [J, J], from statistics, scores [B, J]."""
    return (habits - habits.mean(0)).T @ (scores - scores.mean(0)) / len(habits)


class _Population(NamedTuple):
    """Statistics of one drawn population.

    Attributes:
        excess: By how much its mean habits exceed those wanted, [J].
        slopes: Slopes of these by the offsets, [J, J].
        met: Share of its users who meet the conditions.
    """

    excess: Tensor
    slopes: Tensor
    met: float


def likeliest(at: Tensor, found: Tensor, slopes: Tensor, weights: Tensor) -> Tensor:
    """Likeliest offsets [J], up to MOST, given present ones, excesses [J] and slopes [J, J]."""
    scale = weights.sqrt()
    rows = torch.cat([scale[:, None] * slopes, torch.eye(len(at), dtype=at.dtype) / PRIOR])
    right = torch.cat([scale * (slopes @ at - found), torch.zeros_like(at)])
    return torch.from_numpy(lsq_linear(rows.numpy(), right.numpy(), bounds=(-MOST, MOST)).x)


@dataclass
class _Populations:
    """Populations, several side by side, and how far their habits are from those wanted.

    Attributes:
        drawn: Number of drawn populations.
        met: Share of the users of the last ones who meet the conditions.
    """

    model: CalibratedModel
    wanted: Tensor
    conditions: Conditions
    codes: Tensor
    days: Days
    seed: int
    on_progress: Progress
    drawn: int = 0
    met: float = 1.0

    def prepare(self) -> None:
        """Draw one user to load compiled code here, and not in the processes of every step."""
        self.model.sample_with_scores(
            1, Generator().manual_seed(0), days=self.days.of(slice(1)), codes=self.codes[:1]
        )

    def drawn_with(self, shifts: Tensor, number: int) -> list[_Population]:
        """Draw and measure a number of populations with the offsets [J]."""
        found = list[_Population]()
        begun = self.drawn
        self.model.logit_offsets.copy_(shifts)
        for each in by_number(lambda at: self._population(begun + at), range(number)):
            found.append(each)
            self.drawn += 1
            users = len(self.codes)
            self.on_progress(users * self.drawn, users * (FIRST + STEPS * EACH), "drawing users")
        self.met = mean(each.met for each in found)
        return found

    def _population(self, number: int) -> _Population:
        """Draw a population and measure its users who meet the conditions; all if none does."""
        model = self.model
        days = self.days
        users = len(self.codes)
        generator = Generator().manual_seed(self.seed + number)
        with torch.no_grad():
            x, scores = model.sample_with_scores(users, generator, days=days, codes=self.codes)
        x = days.emptied(x)
        axes = model.axes.with_unit(model.unit)
        met = torch.from_numpy(self.conditions.met(Profiles.from_dense(axes, x.numpy())))
        some = (met if met.any() else torch.ones_like(met)) & days.observed.any(1)
        habits = model.statistics(x[some], days.of(some)).double()
        return _Population(
            habits.mean(0) - self.wanted,
            slopes_of(habits, scores[some].double()),
            float(met.double().mean()),
        )


def statistics_of(model: CalibratedModel, x: Tensor, days: Days) -> Tensor:
    """Statistics of the profiles [B, D, S, C] with any observed day [B, D], [n, J]."""
    some = days.observed.any(1)
    return model.statistics(days.emptied(x)[some], days.of(some))
