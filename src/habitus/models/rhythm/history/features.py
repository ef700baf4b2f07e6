"""History of users before a day: features that networks read, and what the day's slots depend on.

Letters: S slots, C channels, P pairs of channels, F features, R = 8 + C features of a slot. The
leading axes are users, or users and days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.parts.indexing import Rows, rows_of
from habitus.models.rhythm.history.balance import PAIR_FEATURES, Balance
from habitus.schema import DAYS_PER_WEEK

PSEUDO_DAYS = 0.1  # added to a number of active days, so that its logarithm stays finite
SLOT_FEATURES = 8  # features of a slot without those of its channels, see History.slot_features
NEVER_ACTIVE = 6  # index of the one that says that the slot never was active
CHANNEL_FEATURES = 4  # features of a channel, see History.channel_features
RECENT_DAYS = 28  # latest days whose activity is a feature each
DAY_DECAY = 0.7  # weight of a day's activity relative to that of the next day
SLOT_DECAY = 0.9  # the same for the activity of a slot
RECENT_FEATURES = (
    RECENT_DAYS + DAYS_PER_WEEK
)  # last features, which the active-day probability reads


def log_share(days: Tensor, out_of: Tensor) -> Tensor:
    """Logarithm of a share of days, shifted and scaled to be around 0."""
    return 0.5 * (torch.log((days + PSEUDO_DAYS) / (out_of + 1)) + 3)


def feature_count(slots: int, channels: int, pairs: int) -> int:
    """Number of features of a history, F."""
    return 4 * slots + 5 * channels + PAIR_FEATURES * pairs + 16 + RECENT_FEATURES


class DayHistory(NamedTuple):
    """History that the slots and counts of a day depend on; leading axes are those of the days.

    Attributes:
        slots: Features of each slot, [..., S, R].
        channels: Features of channels, [..., 4 C].
        largest: Largest count of each channel, [..., C].
        most_slots: Largest number of active slots on a day, [...].
        balance: Balance of the pairs, [..., P].
    """

    slots: Tensor
    channels: Tensor
    largest: Tensor
    most_slots: Tensor
    balance: Balance

    def of(self, rows: Rows) -> DayHistory:
        """History of some days."""
        slots, channels, largest, most_slots = (rows_of(each, rows) for each in self[:4])
        return DayHistory(slots, channels, largest, most_slots, self.balance.of(rows))


@dataclass
class History:
    """Statistics of the days before one, the "day to come"; [...] are the leading axes.

    Attributes:
        observed: Observed days, [...].
        observed_by_weekday: Observed days of each weekday from that of the day to come on, [...,
            7].
        weeks: Whole weeks gone by, [...] or [].
        slot_days: Days on which each slot was active, [..., S].
        slot_days_on_weekday: The same among days of the weekday of the day to come, [..., S].
        cell_days: Days on which each channel was active in each slot, [..., S, C].
        week_ago: Activity of each slot on the last day of that weekday, 0 or 1, [..., S].
        yesterday: Activity of each slot on the last day, 0 or 1, [..., S].
        recent_slots: Mean activity of each slot, late days weighing most, [..., S].
        balance: Balance of the pairs.
        total: Sum of the counts of each channel, [..., C].
        largest: Largest count of each channel, [..., C].
        logs: Sum of the logarithms of the counts of each channel, [..., C].
        ones: Cells of each channel with a count of one, [..., C].
        recent_activity: Mean activity and log active slots of days, late days weighing most, [...,
            2].
        active: Active days, [...].
        recent_days: Activity of each of the last days, yesterday first, 0 or 1, [..., 28].
        active_by_weekday: Active days of each weekday from that of the day to come on, [..., 7].
        silence: Days since the last active one, [...].
        run: Days since the last silent one, [...].
        longest: Longest silence after an active day, and longest run, [..., 2].
        most_slots: Largest number of active slots on a day, [...].
    """

    observed: Tensor
    observed_by_weekday: Tensor
    weeks: Tensor
    slot_days: Tensor
    slot_days_on_weekday: Tensor
    cell_days: Tensor
    week_ago: Tensor
    yesterday: Tensor
    recent_slots: Tensor
    balance: Balance
    total: Tensor
    largest: Tensor
    logs: Tensor
    ones: Tensor
    recent_activity: Tensor
    active: Tensor
    recent_days: Tensor
    active_by_weekday: Tensor
    silence: Tensor
    run: Tensor
    longest: Tensor
    most_slots: Tensor

    @property
    def features(self) -> Tensor:
        """Features for a network; the activity of recent days and of weekdays is last, [..., F]."""
        on_weekday = self.observed_by_weekday[..., 0]
        lengths = [self.active, self.silence, self.run, *self.longest.unbind(-1), self.most_slots]
        # numbers of active slots in all, of different ones, and of these that were once only
        novelty = [self.slot_days, self.slot_days > 0, self.slot_days == 1]
        numbers = [
            *(each.log1p() for each in lengths),
            *(each.sum(-1).log1p() for each in novelty),
            self.recent_activity.sum(-1),
            *self.recent_activity.unbind(-1),
            log_share(self.active, self.observed),
            log_share(self.active_by_weekday[..., 0], on_weekday),
            self.week_ago.amax(-1),
            log_share(self.slot_days_on_weekday.amax(-1), on_weekday),
        ]
        # an incomplete week counts in the active days, but not in the number of weeks
        whole_weeks = torch.minimum(self.observed_by_weekday, self.weeks[..., None])
        parts = [
            log_share(self.slot_days, self.observed[..., None]),
            log_share(self.slot_days_on_weekday, on_weekday[..., None]),
            self.yesterday,
            self.week_ago,
            0.3 * self.total.log1p(),
            self.channel_features,
            self.balance.features,
            torch.stack(numbers, -1),
            self.recent_days,
            log_share(self.active_by_weekday, whole_weeks),
        ]
        return torch.cat(parts, -1)

    @property
    def channel_features(self) -> Tensor:
        """Largest count, mean log count, share of ones, share of cells by channel, [..., 4 C]."""
        cells = self.cell_days.sum(-2)
        some = cells.clamp_min(1)
        share = log_share(cells, self.observed[..., None])
        largest = 0.3 * self.largest.log1p()
        return torch.cat([largest, self.logs / some, self.ones / some, share], -1)

    def slot_features(self, rows: Rows = ...) -> Tensor:
        """Features of each slot of some rows, [..., S, R].

        The first 8 features are: log share of days on which the slot was active, the same
        averaged with its two neighbours, over recent days, and over days of this weekday; activity
        on the last day of this weekday and yesterday; indicators of no and of one active day. The
        others are each channel's log share of the slot's active days.
        """
        slots = rows_of(self.slot_days, rows)
        cells = rows_of(self.cell_days, rows)
        days = rows_of(self.observed, rows)[..., None]
        weeks = rows_of(self.observed_by_weekday[..., :1], rows)
        near = functional.avg_pool1d(slots.flatten(0, -2)[:, None], 3, 1, 1)[:, 0].view_as(slots)
        features = [
            log_share(slots, days),
            log_share(near, days),
            0.5 * (torch.log(rows_of(self.recent_slots, rows) + 0.02) + 3),
            log_share(rows_of(self.slot_days_on_weekday, rows), weeks),
            rows_of(self.week_ago, rows),
            rows_of(self.yesterday, rows),
            (slots == 0).to(slots.dtype),
            (slots == 1).to(slots.dtype),
        ]
        shares = (cells + PSEUDO_DAYS) / (slots[..., None] + 0.5)
        return torch.cat([torch.stack(features, -1), 0.5 * shares.log()], -1)

    def of_days(self, rows: Rows = ...) -> DayHistory:
        """History that the slots and counts of some rows depend on."""
        return DayHistory(
            self.slot_features(rows),
            rows_of(self.channel_features, rows),
            rows_of(self.largest, rows),
            rows_of(self.most_slots, rows),
            self.balance.of(rows),
        )
