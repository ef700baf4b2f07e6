"""Habits of users that those drawn by Rhythm are brought to, and the shifts of logits that do so, one for each.

    habit                                              shift of the logit of
    7  share of active days on each weekday, from      a day's being active, by weekday
       the second week on
    D  activity of each day of the window              a day's being active, by day of the window
    K  share of active days around each of K days      a day's being active, around each of these
    K  the same times the log of the largest count     a day's being active, by the log of the largest so far
    K  active slots a day, around each of K days       a day's end, likewise
    K  mean log of counts, around each of K days       counts, by their logs, likewise
    1  share of slots that ever were active            slots which never were
    1  log of the largest count                        counts above all before
    1  share of counts that are one                    counts of one

Errors of what is drawn change with the days, as more and more of the past is itself drawn. Shifts are linear
between days of the window that lie equally far apart, its first and its last among them. Activity of days is in
shares of users' largest counts, that of "Time pictures" 5.1.1; in the first week nothing is known yet of how users
spend which weekday. Days after those of the window have no shift of their own.

Letters: B users, D days of a window, S slots, C channels, J habits, K days between which a shift is linear.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from habitus.schema import DAYS_PER_WEEK

PLACES = 4  # K
OTHERS = 3
TINY = 1e-6
KINDS = 4  # of shifts that are linear between days


def number_of_habits(days: int) -> int:
    """J, for windows of D days."""
    return DAYS_PER_WEEK + days + KINDS * PLACES + OTHERS


def _parts(habits: int) -> list[int]:
    """How many there are of weekdays, of days, of days linear between K, and others."""
    return [DAYS_PER_WEEK, habits - number_of_habits(0), KINDS * PLACES, OTHERS]


def habits_of_users(x: Tensor, observed: Tensor, in_week: Tensor) -> Tensor:
    """The habits [B, J] of profiles [B, D, S, C].

    Args:
        x: Counts, 0 on days that were not observed.
        observed: Which days were, bool [B, D].
        in_week: The place of each day in the week, [B, D].
    """
    active = x.amax(3) > 0
    cells = (x > 0).sum((2, 3))
    logs = x.clamp_min(1).log().sum((2, 3))
    days = active.any(2).float()
    slots = active.sum(2).float()
    near = nearness(torch.linspace(0, 1, x.shape[1], device=x.device))
    places = [observed * each for each in near.unbind(-1)]
    later = observed & (torch.arange(x.shape[1], device=x.device) >= DAYS_PER_WEEK)
    weekdays = [later & (in_week == day) for day in range(DAYS_PER_WEEK)]
    largest = x.flatten(1).amax(1).clamp_min(1)
    size = largest.log()
    means = [
        *(_mean(days, weights) for weights in weekdays),
        *(x.sum((2, 3)) / largest[:, None]).unbind(1),
        *(_mean(days, weights) for weights in places),
        *(size * _mean(days, weights) for weights in places),
        *(_mean(slots, weights) for weights in places),
        *(_mean(logs, weights, cells * weights) for weights in places),
        active.any(1).float().mean(1),
        size,
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
    def on(cls, shifts: Tensor, number: int, late: float, in_week: Tensor, size: Tensor) -> Shifts:
        """Those of a day, from all shifts [J].

        Args:
            shifts: One for each habit.
            number: Of the day, from 0.
            late: Where it is in the window, from 0 to 1.
            in_week: Its place in the week, [B].
            size: What is told of users' largest counts so far, [B].
        """
        weekdays, of_days, of_places, others = shifts.split(_parts(len(shifts)))
        near = nearness(torch.tensor(late, device=shifts.device))
        active, of_size, end, counts = of_places.view(KINDS, PLACES) @ near
        active = active + of_days[number : number + 1].sum()
        return cls(weekdays[in_week] + active + of_size * size, end, counts, *others)


class Scores:
    """d log p / d shifts of drawn users, [B, J]: what was drawn less what was to be expected, as each shift acts.

    Args:
        users: B.
        habits: J.
        device: Theirs.
    """

    def __init__(self, users: int, habits: int, device: torch.device) -> None:
        self.of_users = torch.zeros(users, habits, device=device)

    def take_in(
        self,
        number: int,
        late: float,
        in_week: Tensor,
        size: Tensor,
        active: Tensor,
        rows: Tensor,
        drawn: Tensor,
    ) -> None:
        """Those of a day.

        Args:
            number: Of the day, from 0.
            late: Where it is in the window, from 0 to 1.
            in_week: Its place in the week, [B].
            size: What was told of users' largest counts, [B].
            active: Of its being active, [B].
            rows: Whose day is active, [n].
            drawn: Of what else was drawn of these, [n, 5].
        """
        near = nearness(torch.tensor(late, device=size.device))
        weekdays, of_days, of_places, others = self.of_users.split(
            _parts(self.of_users.shape[1]), 1
        )
        weekdays.scatter_add_(1, in_week[:, None], active[:, None])
        of_days[:, number : number + 1] += active[:, None]
        of_active, of_size, of_end, of_counts = of_places.unflatten(1, (KINDS, PLACES)).unbind(1)
        of_active += active[:, None] * near
        of_size += (size * active)[:, None] * near
        end, new, counts, larger, ones = drawn.split(1, 1)
        of_end.index_add_(0, rows, end * near)
        of_counts.index_add_(0, rows, counts * near)
        others.index_add_(0, rows, torch.cat([new, larger, ones], 1))
