"""Summary statistics of users that are matched after a fit, and a logit offset for each.

    statistic                                          its offset is added to the logit of
    7  share of active days on each weekday, from      an active day on that weekday
       the second week on
    D  activity of each day of the window              an active day on that day of the window
    K  share of active days near each knot             an active day near that knot
    K  the row above x log of the largest count        the same x log of the largest count so far
    K  mean number of active slots near each knot      the end of a day near that knot
    K  mean log count near each knot                   a count, x its log, near that knot
    1  share of slots with any activity                a slot that was never active before
    1  log of the largest count                        a count above the largest so far
    1  share of counts equal to one                    a count of one

The error of drawn users varies over the window, since more and more of their history is itself
drawn. Statistics and offsets "near a knot" are therefore interpolated linearly between K knots:
equally spaced days that include the first and the last of the window. The activity of a day is the
sum of its counts divided by the user's largest count ("Time pictures" 5.1.1). Weekday shares leave
out the first week, in which no weekday has occurred before. Days beyond the window have no offset
by day and take those of the last knot.

Letters: B users, D days of a window, S slots, C channels, J statistics, K days between which an
offset is linear.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from habitus.schema import DAYS_PER_WEEK

KNOTS = 4  # K
KINDS = 4  # kinds of statistics around each of the K days
OTHERS = 3
TINY = 1e-6


def statistic_count(days: int) -> int:
    """Number of statistics for windows of D days, J."""
    return DAYS_PER_WEEK + days + KINDS * KNOTS + OTHERS


def _sizes(count: int) -> list[int]:
    """Number of statistics of weekdays, of days, around the K days, and others."""
    return [DAYS_PER_WEEK, count - statistic_count(0), KINDS * KNOTS, OTHERS]


def summary_statistics(x: Tensor, observed: Tensor, weekday: Tensor) -> Tensor:
    """Summary statistics of profiles [B, D, S, C], [B, J].

    Args:
        x: Counts, 0 on days that were not observed.
        observed: Days that were observed, bool [B, D].
        weekday: Weekday of each day, [B, D].
    """
    active = x.amax(3) > 0
    cells = (x > 0).sum((2, 3))
    logs = x.clamp_min(1).log().sum((2, 3))
    days = active.any(2).float()
    slots = active.sum(2).float()
    near = nearness(torch.linspace(0, 1, x.shape[1], device=x.device))
    knots = [observed * each for each in near.unbind(-1)]
    later = observed & (torch.arange(x.shape[1], device=x.device) >= DAYS_PER_WEEK)
    largest = x.flatten(1).amax(1).clamp_min(1)
    size = largest.log()
    statistics = [
        *(_mean(days, later & (weekday == day)) for day in range(DAYS_PER_WEEK)),
        *(x.sum((2, 3)) / largest[:, None]).unbind(1),
        *(_mean(days, weights) for weights in knots),
        *(size * _mean(days, weights) for weights in knots),
        *(_mean(slots, weights) for weights in knots),
        *(_mean(logs, weights, cells * weights) for weights in knots),
        active.any(1).float().mean(1),
        size,
        (x == 1).sum((1, 2, 3)) / cells.sum(1).clamp_min(1),
    ]
    return torch.stack(statistics, 1)


def nearness(progress: Tensor) -> Tensor:
    """Nearness of days to each of the K, from 1 for the same day to 0 for the next one, [..., K].

    Args:
        progress: Position of days in the window, from 0 to 1, [...].

    >>> nearness(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    knots = torch.arange(KNOTS, device=progress.device)
    return (1 - (progress[..., None] * (KNOTS - 1) - knots).abs()).clamp_min(0)


def _mean(of_days: Tensor, weights: Tensor, over: Tensor | None = None) -> Tensor:
    """Weighted sums of values [B, D] over the sums of the weights, or of ``over``, [B]."""
    return (of_days * weights).sum(1) / (weights if over is None else over).sum(1).clamp_min(TINY)


class DayOffsets(NamedTuple):
    """Offsets of the logits of one day.

    Attributes:
        active: Offset of the active-day logit, [B].
        end: Offset of the logit of the day's end, after any slot, [].
        counts: Offset of the logit of a count, to be multiplied by its logarithm, [].
        new_slots: Offset of the logits of slots that were never active, [].
        larger: Offset of the logits of counts above the channel's largest so far, [].
        ones: Offset of the logit of a count of one, [].
    """

    active: Tensor
    end: Tensor
    counts: Tensor
    new_slots: Tensor
    larger: Tensor
    ones: Tensor

    @classmethod
    def on(
        cls, offsets: Tensor, number: int, progress: float, weekday: Tensor, log_largest: Tensor
    ) -> DayOffsets:
        """Offsets of a day, from all offsets [J].

        Args:
            offsets: One offset for each statistic.
            number: Number of the day, from 0.
            progress: Position of the day in the window, from 0 to 1.
            weekday: Weekday of the day, [B].
            log_largest: Feature of users' largest counts so far, [B].
        """
        of_weekdays, of_days, of_knots, others = offsets.split(_sizes(len(offsets)))
        near = nearness(torch.tensor(progress, device=offsets.device))
        active, of_largest, end, counts = of_knots.view(KINDS, KNOTS) @ near
        active = active + of_days[number : number + 1].sum()
        return cls(of_weekdays[weekday] + active + of_largest * log_largest, end, counts, *others)


class OffsetScores:
    """Scores d log p / d offsets of drawn users, summed over their days.

    Args:
        users: B.
        statistics: J.
        device: Device of the scores.

    Attributes:
        of_users: Scores so far, [B, J].
    """

    def __init__(self, users: int, statistics: int, device: torch.device) -> None:
        self.of_users = torch.zeros(users, statistics, device=device)

    def add_day(
        self,
        number: int,
        progress: float,
        weekday: Tensor,
        log_largest: Tensor,
        active: Tensor,
        rows: Tensor,
        drawn: Tensor,
    ) -> None:
        """Add the scores of a day; the first four arguments are those of :meth:`DayOffsets.on`.

        Args:
            number: Number of the day.
            progress: Position of the day in the window.
            weekday: Weekday of the day, [B].
            log_largest: Feature of users' largest counts so far, [B].
            active: Scores of the day's being active, [B].
            rows: Users whose day is active, [n].
            drawn: Scores of what else was drawn of these, [n, 5].
        """
        near = nearness(torch.tensor(progress, device=log_largest.device))
        sizes = _sizes(self.of_users.shape[1])
        of_weekdays, of_days, of_knots, others = self.of_users.split(sizes, 1)
        of_weekdays.scatter_add_(1, weekday[:, None], active[:, None])
        of_days[:, number : number + 1] += active[:, None]
        of_active, of_largest, of_end, of_counts = of_knots.unflatten(1, (KINDS, KNOTS)).unbind(1)
        of_active += active[:, None] * near
        of_largest += (log_largest * active)[:, None] * near
        end, new, counts, larger, ones = drawn.split(1, 1)
        of_end.index_add_(0, rows, end * near)
        of_counts.index_add_(0, rows, counts * near)
        others.index_add_(0, rows, torch.cat([new, larger, ones], 1))
