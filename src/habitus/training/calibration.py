"""How often a model that draws days one after another draws active ones, brought to how often training users are.

Each day is drawn from what was drawn before, and small errors of a day's chance add up; users who do not meet the
conditions of a population are drawn again, which leaves the more active ones. "Time pictures" 5.3.2 fits its zero
threshold to the training users' daily activity for like reasons.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor

from habitus.models.base import ConditionedModel
from habitus.parts.examples import Days
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import Profiles

USERS, STEPS, MOST = 4096, 3, 0.5  # MOST: a shift beyond hides a fault and mends none
LEAST = 1e-6  # share of active days, so that its log is finite


def calibrate(
    model: ConditionedModel, wanted: float, conditions: Conditions, codes: Tensor, days: Days, seed: int
) -> float:
    """Set the shift of the logit of a day's being active, by the secant method on populations of one seed.

    Args:
        model: The model; its shift is changed.
        wanted: Share of observed days on which training users are active.
        conditions: Who is taken in.
        codes: Attributes of some training users, [USERS, A].
        days: Theirs, [USERS, D]: populations are looked at on those that were observed.
        seed: Decides the populations.

    Returns:
        The shift.
    """

    def excess(shift: float) -> float:
        model.shift.fill_(shift)
        return math.log(max(_share(model, conditions, codes, days, seed), LEAST) / max(wanted, LEAST))

    a, at_a = 0.0, excess(0.0)
    shift = _bounded(-at_a)
    for _ in range(STEPS - 1):
        b, at_b = shift, excess(shift)
        slope = (at_b - at_a) / (b - a) if b != a else 0.0
        shift = _bounded(b - at_b / slope) if slope > 0.2 else b
        a, at_a = b, at_b
    model.shift.fill_(shift)
    return shift


def _bounded(shift: float) -> float:
    return min(MOST, max(-MOST, shift))


def _share(model: ConditionedModel, conditions: Conditions, codes: Tensor, days: Days, seed: int) -> float:
    """Share of active days of users who meet the conditions; of all days where nobody does."""
    observed = days.observed.numpy()
    with torch.no_grad():
        x = model.sample(len(codes), Generator().manual_seed(seed), days=days, codes=codes).numpy()
    x = np.where(observed[:, :, None, None], x, 0)
    met = conditions.met(Profiles.from_dense(model.axes.with_unit(model.unit), x))
    active = x.any((2, 3)).sum(1) / np.maximum(observed.sum(1), 1)
    met &= observed.any(1)
    return float(active[met].mean() if met.any() else np.mean(active))
