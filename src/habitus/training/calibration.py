"""Whole users whose habits are drawn one after another, brought to those of the training users.

Each day is drawn from what was drawn before, and small errors add up: a little too much chance that a day is
active, or that an hour or a size of count is one that the user never had, is a lot after a month. Users who do not
meet the conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits
its zero threshold to the training users' daily activity for like reasons.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from habitus.models.base import ConditionedModel
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles

USERS, STEPS = 4096, 3
PROBE, MOST = -0.2, 1.0  # MOST: a shift beyond hides a fault and mends none


def calibrate(
    model: ConditionedModel, wanted: Tensor, conditions: Conditions, codes: Tensor, seed: int
) -> list[float]:
    """Find the shifts with which drawn users have the mean habits of training users, on populations of one seed.

    Broyden's method, from derivatives by differences; of the shifts that were tried the best are kept.

    Args:
        model: The model; its shifts are changed.
        wanted: Mean habits of the training users, [J].
        conditions: Who is taken in.
        codes: Attributes of some training users, [USERS, A].
        seed: Decides the populations.

    Returns:
        The shifts.
    """

    def excess(shifts: Tensor) -> Tensor:
        model.shifts.copy_(shifts)
        return (_habits(model, conditions, codes, seed) - wanted).double() / wanted.double().abs().clamp_min(1e-6)

    at = torch.zeros(len(wanted), dtype=torch.float64)
    tried = [(found := excess(at), at)]
    slopes = torch.stack([(excess(probe) - found) / PROBE for probe in PROBE * torch.eye(len(at)).double()], 1)
    for _ in range(STEPS):
        step = (at - torch.linalg.pinv(slopes) @ found).clamp(-MOST, MOST) - at
        before, found = found, excess(at + step)
        slopes = slopes + torch.outer(found - before - slopes @ step, step) / (step @ step).clamp_min(1e-12)
        at = at + step
        tried.append((found, at))
    best = min(tried, key=lambda each: float(each[0].norm()))[1]
    model.shifts.copy_(best)
    return best.tolist()


def _habits(model: ConditionedModel, conditions: Conditions, codes: Tensor, seed: int) -> Tensor:
    """Means over drawn users who meet the conditions, [J]; over all where nobody does."""
    with torch.no_grad():
        x = model.sample(len(codes), Generator().manual_seed(seed), codes=codes)
    met = conditions.met(Profiles.from_dense(model.axes.with_unit(model.unit), x.numpy()))
    return model.habits(x[torch.from_numpy(met)] if met.any() else x).mean(0)
