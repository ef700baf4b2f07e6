"""Logit offsets with which drawn users match the training users in their mean summary statistics.

Each day is drawn given the days drawn before it, so small errors accumulate: a slightly too large
probability of an active day, or of an hour or a count that is new to the user, has a large effect
after a month. Users who miss the conditions of a population are rejected and drawn again, which
favours active ones. "Time pictures" 5.3.2 fits its zero threshold to the training users' daily
activity for similar reasons.

The offsets are a maximum a posteriori estimate: their prior is N(0, 0.3^2), and the difference of
the mean statistics of drawn and training users has the variance of a difference of two means. The
maximum is sought by Gauss-Newton steps, each on newly drawn populations. The derivative of a mean
statistic by an offset is the covariance, over drawn users, of the statistic and the score
d log p / d offset (Williams 1992), so that no population has to be drawn with a changed offset. As
each step is noisy, the offsets of the last steps are averaged (Polyak and Juditsky 1992). Offsets
that too few users determine stay near 0, the mean of the prior.
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

USERS = 4096  # users of a population, at most
FIRST = 4  # populations of the first step
EACH = 5  # populations of each further step
STEPS = 8  # further steps
LAST = 6  # last steps whose offsets are averaged
MOST = 1.0  # largest absolute offset: a larger one would hide a fault of the model
PRIOR = 0.3  # standard deviation of an offset's prior
TINY = 1e-8  # least variance of a mean: statistics that all users share have none


class MatchedMoments(NamedTuple):
    """Result of :func:`match_moments`.

    Attributes:
        shifts: Logit offset of each summary statistic, J of them.
        met: Share of the users of the last populations who meet the conditions.
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

    Each population has its own seed: with changed offsets, a common seed would not draw similar
    users either, since a small change alters the inputs of all later days.

    Args:
        model: Model whose ``logit_offsets`` are set.
        wanted: Statistics of the training users, [U, J].
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
        excess: Its mean statistics minus those of the training users, [J].
        slopes: Derivatives of its mean statistics by the offsets, [J, J].
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
    """Populations drawn in parallel and compared with the training users' mean statistics.

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
