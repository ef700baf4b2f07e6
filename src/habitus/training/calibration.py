"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that a day is
active, or that an hour or a size of count is one that the user never had, is a lot after a month. Users who do not
meet the conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits
its zero threshold to the training users' daily activity for like reasons.
"""

from __future__ import annotations

import itertools

import torch
from torch import Generator, Tensor

from habitus.models.base import ConditionedModel
from habitus.parts.examples import Days
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles

USERS, STEPS, AGAIN = 4096, 2, 3  # AGAIN: populations for a step, so that chance moves it little
PROBE, MOST = -0.3, 1.0  # MOST: a shift beyond hides a fault and mends none
LEAST = 0.01  # of which errors are shares


def calibrate(
    model: ConditionedModel, wanted: Tensor, conditions: Conditions, codes: Tensor, days: Days, seed: int
) -> list[float]:
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

    Returns:
        The shifts.
    """
    seeds = itertools.count(seed)

    def excess(shifts: Tensor, times: int = 1) -> Tensor:
        model.shifts.copy_(shifts)
        found = [_drawn(model, conditions, codes, days, next(seeds)) for _ in range(times)]
        return ((torch.stack(found).mean(0) - wanted) / wanted.abs().clamp_min(LEAST)).double()

    at = torch.zeros(len(wanted), dtype=torch.float64)
    found = excess(at, AGAIN)
    slopes = torch.stack([(excess(probe) - found) / PROBE for probe in PROBE * torch.eye(len(at)).double()], 1)
    for _ in range(STEPS):
        at = (at - torch.linalg.pinv(slopes) @ found).clamp(-MOST, MOST)
        found = excess(at, AGAIN)
    at = (at - torch.linalg.pinv(slopes) @ found).clamp(-MOST, MOST)
    model.shifts.copy_(at)
    return at.tolist()


def habits_of(model: ConditionedModel, x: Tensor, observed: Tensor) -> Tensor:
    """The habits of those profiles [B, D, S, C] of which any day [B, D] was observed, [n, J]."""
    some = observed.any(1)
    return model.habits(x.where(observed[..., None, None], 0.0)[some], observed[some])


def _drawn(model: ConditionedModel, conditions: Conditions, codes: Tensor, days: Days, seed: int) -> Tensor:
    """Mean habits of drawn users who meet the conditions, [J]; of all where nobody does."""
    with torch.no_grad():
        x = model.sample(len(codes), Generator().manual_seed(seed), days=days, codes=codes)
    x = x.where(days.observed[..., None, None], 0.0)
    met = torch.from_numpy(conditions.met(Profiles.from_dense(model.axes.with_unit(model.unit), x.numpy())))
    met = met if met.any() else torch.ones_like(met)
    return habits_of(model, x[met], days.observed[met]).mean(0)
