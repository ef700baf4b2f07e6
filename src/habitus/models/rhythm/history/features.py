"""What is known before a day, as numbers that a network can be told, and as what the day is drawn from.

Letters: S slots, C channels, P pairs of channels, F features, R numbers that are recalled of a slot; leading axes
are those of users, or of users and days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.parts.indexing import Rows, rows_of
from habitus.models.rhythm.history.balance import PER_PAIR, Balance
from habitus.schema import DAYS_PER_WEEK

GRANTED = 0.1  # of a day: so much activity is taken for granted, that logarithms stay finite
RECALLED = 8  # of a slot, before its channels: see Before.recall
NEVER_BEFORE = 6  # which of these tells that a slot never was active
OF_CHANNEL = 4  # numbers of a channel that amounts are told: see Before.channels
HISTORY = 28  # days of which it is told one by one whether they were active
FADING = 0.7  # what a day weighs in recent activity, against the day after it
LASTING = 0.9  # what a day weighs in a slot's recent activity, against the day after it
OF_DAYS = HISTORY + DAYS_PER_WEEK  # the last features: see Before.features


def log_share(days: Tensor, out_of: Tensor) -> Tensor:
    """Log of a share of days, shifted and halved to be around 0."""
    return 0.5 * (torch.log((days + GRANTED) / (out_of + 1)) + 3)


class Past(NamedTuple):
    """What the slots of a day are drawn from, of what was before the day; leading axes are those of the days.

    Attributes:
        recall: Of each slot, [..., S, R].
        channels: Of channels, [..., 4 C].
        largest: The largest count of each channel, [..., C].
        most: Active slots of a day, [...].
        balance: Of the pairs, [..., P].
    """

    recall: Tensor
    channels: Tensor
    largest: Tensor
    most: Tensor
    balance: Balance

    def of(self, rows: Rows) -> Past:
        """That of some days."""
        recall, channels, largest, most = (rows_of(each, rows) for each in self[:4])
        return Past(recall, channels, largest, most, self.balance.of(rows))


def memory_features(slots: int, channels: int, pairs: int) -> int:
    """F, the features that a :class:`Memory` tells."""
    return 4 * slots + 5 * channels + PER_PAIR * pairs + 16 + OF_DAYS


@dataclass
class Before:
    """All of it; [...] are the leading axes.

    Attributes:
        seen: Days observed, [...].
        seen_of_weekday: The same by weekday, from that of the day to come on, [..., 7].
        weeks: Whole weeks gone by, [...] or [].
        days_of_slot: Days on which a slot was active, [..., S].
        on_weekday: The same on the weekday to come, [..., S].
        days_of_cell: Days on which a channel was active in a slot, [..., S, C].
        week_ago: Whether a slot was on the last day of that weekday, [..., S].
        yesterday: On the last day, [..., S].
        lately: How often, late days weighing most, [..., S].
        balance: Of the pairs.
        total: Of channels' counts, [..., C].
        largest: The largest count, [..., C].
        logs: Sum of the logs of counts, [..., C].
        ones: Cells with a count of one, [..., C].
        recent: Activity and active slots of days, late ones weighing most, [..., 2].
        active_days: How many, [...].
        history: Whether each of the last days was active, yesterday first, [..., 28].
        days_of_weekday: Active days by weekday, from that of the day to come on, [..., 7].
        silence: Days since the last active one, [...].
        run: Days since the last silent one, [...].
        longest: Silence, once active, and run, [..., 2].
        most: Active slots of a day, [...].
    """

    seen: Tensor
    seen_of_weekday: Tensor
    weeks: Tensor
    days_of_slot: Tensor
    on_weekday: Tensor
    days_of_cell: Tensor
    week_ago: Tensor
    yesterday: Tensor
    lately: Tensor
    balance: Balance
    total: Tensor
    largest: Tensor
    logs: Tensor
    ones: Tensor
    recent: Tensor
    active_days: Tensor
    history: Tensor
    days_of_weekday: Tensor
    silence: Tensor
    run: Tensor
    longest: Tensor
    most: Tensor

    @property
    def features(self) -> Tensor:
        """All of it, [..., F]; at the end the last days one by one, and the weekdays from the one to come."""
        often = log_share(self.days_of_slot, self.seen[..., None])
        on_weekday = log_share(self.on_weekday, self.seen_of_weekday[..., :1])
        of_slots = [often, on_weekday, self.yesterday, self.week_ago]
        told = [*of_slots, 0.3 * self.total.log1p(), self.channels, self.balance.told]
        # the week under way counts among active days only
        whole_weeks = torch.minimum(self.seen_of_weekday, self.weeks[..., None])
        weekdays = log_share(self.days_of_weekday, whole_weeks)
        return torch.cat([*told, torch.stack(self._numbers(), -1), self.history, weekdays], -1)

    def _numbers(self) -> list[Tensor]:
        """Of days, and of how much is new: how many slots there were in all, of how many kinds, and once only."""
        of_days = [self.active_days, self.silence, self.run, *self.longest.unbind(-1), self.most]
        kinds = [self.days_of_slot, self.days_of_slot > 0, self.days_of_slot == 1]
        weeks = self.seen_of_weekday[..., 0]
        return [
            *(each.log1p() for each in of_days),
            *(each.sum(-1).log1p() for each in kinds),
            self.recent.sum(-1),
            *self.recent.unbind(-1),
            log_share(self.active_days, self.seen),
            log_share(self.days_of_weekday[..., 0], weeks),
            self.week_ago.amax(-1),
            log_share(self.on_weekday.amax(-1), weeks),
        ]

    @property
    def channels(self) -> Tensor:
        """Of each channel: the largest count, the mean of their logs, the share of ones, the cells, [..., 4 C]."""
        cells = self.days_of_cell.sum(-2)
        some = cells.clamp_min(1)
        share = log_share(cells, self.seen[..., None])
        return torch.cat(
            [0.3 * self.largest.log1p(), self.logs / some, self.ones / some, share], -1
        )

    def past(self, rows: Rows = ...) -> Past:
        """What the days of some users are drawn from."""
        channels, largest, most = (
            rows_of(each, rows) for each in (self.channels, self.largest, self.most)
        )
        return Past(self.recall(rows), channels, largest, most, self.balance.of(rows))

    def recall(self, rows: Rows = ...) -> Tensor:
        """Of each slot of some users: what it was before, [..., S, R] with R = 8 + C.

        How often it was active; with its neighbours; lately; on this weekday; whether it was a week ago, and
        yesterday; never, or once only; how often each channel was when it was.
        """
        slots = rows_of(self.days_of_slot, rows)
        cells = rows_of(self.days_of_cell, rows)
        days = rows_of(self.seen, rows)[..., None]
        weeks = rows_of(self.seen_of_weekday[..., :1], rows)
        near = functional.avg_pool1d(slots.flatten(0, -2)[:, None], 3, 1, 1)[:, 0].view_as(slots)
        often = [
            log_share(slots, days),
            log_share(near, days),
            0.5 * (torch.log(rows_of(self.lately, rows) + 0.02) + 3),
            log_share(rows_of(self.on_weekday, rows), weeks),
            rows_of(self.week_ago, rows),
            rows_of(self.yesterday, rows),
            (slots == 0).to(slots.dtype),
            (slots == 1).to(slots.dtype),
        ]
        shares = (cells + GRANTED) / (slots[..., None] + 0.5)
        return torch.cat([torch.stack(often, -1), 0.5 * shares.log()], -1)
