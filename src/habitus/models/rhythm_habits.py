"""Habits of users that those drawn by Rhythm are brought to, and the shifts of logits that do so, one for each.

    habit                                                   shift of the logit of
    7  share of active days on each weekday                 a day's being active, by weekday
    1  the same, late days weighing most                    a day's being active, from -1/2 of it to +1/2
    2  active slots a day; early, late days weighing most   a day's end, early and late
    1  share of slots that ever were active                 slots which never were
    1  log of the largest count                             counts above all before
    1  share of counts that are one                         counts of one
    2  mean log of counts; early, late days weighing most   counts, by their logs, early and late

Errors of what is drawn grow with the days, so that what is late has shifts of its own.

Letters: B users, D days, S slots, C channels, J habits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from habitus.parts.shapes import DAYS_PER_WEEK

OTHERS = 8
TINY = 1e-6
HABITS = DAYS_PER_WEEK + OTHERS  # J


def habits_of_users(x: Tensor, observed: Tensor, in_week: Tensor) -> Tensor:
    """The habits [B, J] of profiles [B, D, S, C].

    Args:
        x: Counts, 0 on days that were not observed.
        observed: Which days were, bool [B, D].
        in_week: The place of each day in the week, [B, D].
    """
    active, cells, logs = x.amax(3) > 0, (x > 0).sum((2, 3)), x.clamp_min(1).log().sum((2, 3))
    days, slots = active.any(2).float(), active.sum(2).float()
    late = observed * torch.linspace(0, 1, x.shape[1], device=x.device)
    early = observed.float() - late
    weekdays = [observed & (in_week == day) for day in range(DAYS_PER_WEEK)]
    means = [
        *(_mean(days, weights) for weights in (*weekdays, late)),
        *(_mean(slots, weights) for weights in (early, late)),
        active.any(1).float().mean(1),
        x.flatten(1).amax(1).clamp_min(1).log(),
        (x == 1).sum((1, 2, 3)) / cells.sum(1).clamp_min(1),
        *(_mean(logs, weights, cells * weights) for weights in (early, late)),
    ]
    return torch.stack(means, 1)


def _mean(of_days: Tensor, weights: Tensor, over: Tensor | None = None) -> Tensor:
    """Weighted sums of numbers [B, D] over those of the weights, or of others, 0 where these are 0, [B]."""
    return (of_days * weights).sum(1) / (weights if over is None else over).sum(1).clamp_min(TINY)


class Shifts(NamedTuple):
    """Of the logits of a day.

    Attributes:
        active: Of its being active, [B].
        end: Of its end, after any slot, [].
        new_slots: Of slots that never were active, [].
        larger: Of counts above all before, [].
        ones: Of counts of one, [].
        counts: Of counts, by their logs, [].
    """

    active: Tensor
    end: Tensor
    new_slots: Tensor
    larger: Tensor
    ones: Tensor
    counts: Tensor

    @classmethod
    def on(cls, shifts: Tensor, late: float, in_week: Tensor) -> Shifts:
        """Those of a day, from all shifts [J].

        Args:
            shifts: One for each habit.
            late: Where the day is in the window, from 0 to 1.
            in_week: Its place in the week, [B].
        """
        drift, early_end, late_end, new_slots, larger, ones, early_counts, late_counts = shifts[DAYS_PER_WEEK:]
        end, counts = torch.lerp(early_end, late_end, late), torch.lerp(early_counts, late_counts, late)
        return cls(shifts[in_week] + (late - 0.5) * drift, end, new_slots, larger, ones, counts)
