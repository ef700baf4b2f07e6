"""Habits of users that those drawn by Rhythm are brought to, and the shifts of logits that do so, one for each.

    habit                                              shift of the logit of
    7  share of active days on each weekday            a day's being active, by weekday
    K  the same, around each of K days                 a day's being active, around each of these
    K  active slots a day, around each of K days       a day's end, likewise
    K  mean log of counts, around each of K days       counts, by their logs, likewise
    1  share of slots that ever were active            slots which never were
    1  log of the largest count                        counts above all before
    1  share of counts that are one                    counts of one

Errors of what is drawn change with the days, as more and more of the past is itself drawn. Shifts are linear
between days of the window that lie equally far apart, its first and its last among them.

Letters: B users, D days, S slots, C channels, J habits, K days between which a shift is linear.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from habitus.parts.shapes import DAYS_PER_WEEK

PLACES = 4  # K
OTHERS = 3
TINY = 1e-6
HABITS = DAYS_PER_WEEK + 3 * PLACES + OTHERS  # J


def habits_of_users(x: Tensor, observed: Tensor, in_week: Tensor) -> Tensor:
    """The habits [B, J] of profiles [B, D, S, C].

    Args:
        x: Counts, 0 on days that were not observed.
        observed: Which days were, bool [B, D].
        in_week: The place of each day in the week, [B, D].
    """
    active, cells, logs = x.amax(3) > 0, (x > 0).sum((2, 3)), x.clamp_min(1).log().sum((2, 3))
    days, slots = active.any(2).float(), active.sum(2).float()
    near = nearness(torch.linspace(0, 1, x.shape[1], device=x.device))
    places = [observed * each for each in near.unbind(-1)]
    weekdays = [observed & (in_week == day) for day in range(DAYS_PER_WEEK)]
    means = [
        *(_mean(days, weights) for weights in (*weekdays, *places)),
        *(_mean(slots, weights) for weights in places),
        *(_mean(logs, weights, cells * weights) for weights in places),
        active.any(1).float().mean(1),
        x.flatten(1).amax(1).clamp_min(1).log(),
        (x == 1).sum((1, 2, 3)) / cells.sum(1).clamp_min(1),
    ]
    return torch.stack(means, 1)


def nearness(late: Tensor) -> Tensor:
    """How near days [...] are to each of K, from 1 for the same to 0 for the next of these, [..., K].

    Args:
        late: Where days are in the window, from 0 to 1.

    >>> nearness(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    at = torch.arange(PLACES, device=late.device)
    return (1 - (late[..., None] * (PLACES - 1) - at).abs()).clamp_min(0)


def _mean(of_days: Tensor, weights: Tensor, over: Tensor | None = None) -> Tensor:
    """Weighted sums of numbers [B, D] over those of the weights, or of others, 0 where these are 0, [B]."""
    return (of_days * weights).sum(1) / (weights if over is None else over).sum(1).clamp_min(TINY)


class Shifts(NamedTuple):
    """Of the logits of a day.

    Attributes:
        active: Of its being active, [B].
        end: Of its end, after any slot, [].
        counts: Of counts, by their logs, [].
        new_slots: Of slots that never were active, [].
        larger: Of counts above all before, [].
        ones: Of counts of one, [].
    """

    active: Tensor
    end: Tensor
    counts: Tensor
    new_slots: Tensor
    larger: Tensor
    ones: Tensor

    @classmethod
    def on(cls, shifts: Tensor, late: float, in_week: Tensor) -> Shifts:
        """Those of a day, from all shifts [J].

        Args:
            shifts: One for each habit.
            late: Where the day is in the window, from 0 to 1.
            in_week: Its place in the week, [B].
        """
        weekdays, of_places, others = shifts.split([DAYS_PER_WEEK, 3 * PLACES, OTHERS])
        near = nearness(torch.tensor(late, device=shifts.device))
        active, end, counts = of_places.view(3, PLACES) @ near
        return cls(weekdays[in_week] + active, end, counts, *others)
