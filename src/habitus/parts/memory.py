"""What a user has done so far, as numbers that a network can be told: exact, and updated day by day.

A recurrent state has to learn to count; this need not. Letters: B users, S slots, C channels, P pairs of channels,
F features, R numbers that are recalled of a slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from habitus.parts.shapes import DAYS_PER_WEEK

GRANTED = 0.1  # of a day: so much activity is taken for granted, that logarithms stay finite
FADING = 0.7  # what a day weighs in recent activity, against the day after it
TOLD_EXACTLY = 3  # a difference of totals up to which it is told exactly
MOST_TOLD = 100  # beyond, a difference is told as this one
PER_PAIR = 3 * (2 * TOLD_EXACTLY + 2)
RECALLED = 8  # of a slot, before its channels: see Memory.recall
NEVER_BEFORE = 6  # which of these tells that a slot never was active
OF_CHANNEL = 4  # numbers of a channel that amounts are told: see Memory.channels
HISTORY = 28  # days of which it is told one by one whether they were active
OF_DAYS = HISTORY + DAYS_PER_WEEK  # the last features: see Memory.features
BY_WEEKDAY = ("weekly", "last_week", "days_of_weekday", "seen_of_weekday")  # of a memory: [7, B, ...]
LASTING = 0.9  # what a day weighs in a slot's recent activity, against the day after it


def log_share(days: Tensor, out_of: Tensor) -> Tensor:
    """Log of a share of days, shifted and halved to be around 0."""
    return 0.5 * (torch.log((days + GRANTED) / (out_of + 1)) + 3)


class Balance(NamedTuple):
    """By how much the total of one channel of a pair exceeds that of the other, each [..., P].

    Where things are opened and closed, what is open now is how far it is from the most extreme that it was: what
    was open before the first day is not known.

    Attributes:
        now: The difference.
        lowest: The lowest that it was at the end of any slot, and at first 0.
        highest: The highest.
    """

    now: Tensor
    lowest: Tensor
    highest: Tensor

    def of(self, rows: Tensor | tuple[Tensor, Tensor]) -> Balance:
        """That of some rows."""
        return Balance(*(each[rows] for each in self))

    def after(self, step: Tensor) -> Balance:
        """Once the difference has changed by a step [..., P]."""
        now = self.now + step
        return Balance(now, torch.minimum(self.lowest, now), torch.maximum(self.highest, now))

    def during(self, steps: Tensor) -> Balance:
        """After each of steps [..., S, P] one after another, [..., S, P]."""
        now = self.now[..., None, :] + steps.cumsum(-2)
        lowest, highest = now.cummin(-2).values, now.cummax(-2).values
        return Balance(
            now,
            torch.minimum(self.lowest[..., None, :], lowest),
            torch.maximum(self.highest[..., None, :], highest),
        )

    @property
    def told(self) -> Tensor:
        """As a network is told it, [..., PER_PAIR P]."""
        return _told(torch.cat([self.now, self.now - self.lowest, self.highest - self.now], -1))


def _told(differences: Tensor) -> Tensor:
    """Whole numbers [..., n] as indicators of the small ones and a bounded number of any, [..., 8 n]."""
    return _told_of_differences(differences.device)[
        (differences.clamp(-MOST_TOLD, MOST_TOLD) + MOST_TOLD).long()
    ].flatten(-2)


@cache
def _told_of_differences(device: torch.device) -> Tensor:
    """What is told of differences from -MOST_TOLD to MOST_TOLD, [2 MOST_TOLD + 1, 8]: a look-up is quicker."""
    with torch.inference_mode(False):
        differences = torch.arange(-MOST_TOLD, MOST_TOLD + 1, device=device)
        near = differences.clamp(-TOLD_EXACTLY, TOLD_EXACTLY) + TOLD_EXACTLY
        which = functional.one_hot(near, 2 * TOLD_EXACTLY + 1).float()
        return torch.cat([which, torch.tanh(differences / 10)[:, None]], 1)


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

    def of(self, rows: Tensor | tuple[Tensor, Tensor]) -> Past:
        """That of some days."""
        return Past(
            self.recall[rows], self.channels[rows], self.largest[rows], self.most[rows], self.balance.of(rows)
        )

    def after(self, counts: Tensor, pairs: Tensor) -> Past:
        """Once some counts [..., C] have come."""
        largest = torch.maximum(self.largest, counts)
        return self._replace(largest=largest, balance=self.balance.after(pair_steps(counts, pairs)))


def pair_steps(counts: Tensor, pairs: Tensor) -> Tensor:
    """How counts [..., C] change the differences of pairs [P, 2], [..., P]."""
    return counts[..., pairs[:, 0]] - counts[..., pairs[:, 1]]


def memory_features(slots: int, channels: int, pairs: int) -> int:
    """F, the features that a :class:`Memory` tells."""
    return 4 * slots + 5 * channels + PER_PAIR * pairs + 16 + OF_DAYS


class Memory:
    """What B users did before a day; at first nothing. Weekdays are those from the first day on, whichever it is.

    Args:
        users: B.
        slots: S.
        channels: C.
        pairs: Pairs of channels whose totals are compared, [P, 2].

    Attributes:
        days: Days taken in.
        seen: Of these, observed, [B].
        balance: Of the pairs.
    """

    def __init__(self, users: int, slots: int, channels: int, pairs: Tensor) -> None:
        def nothing(*shape: int) -> Tensor:
            return torch.zeros(shape, device=pairs.device)

        self.pairs, self.days = pairs, 0
        self.seen = nothing(users)
        self.seen_of_weekday = nothing(DAYS_PER_WEEK, users)
        self.days_of_slot = nothing(users, slots)  # days on which a slot was active
        self.weekly = nothing(DAYS_PER_WEEK, users, slots)  # the same by weekday
        self.days_of_cell = nothing(users, slots, channels)
        self.last_week = nothing(DAYS_PER_WEEK, users, slots)  # the last day of each weekday
        self.yesterday = nothing(users, slots)
        self.lately = nothing(users, slots)
        self.balance = Balance(*(nothing(users, len(pairs)) for _ in range(3)))
        self.total = nothing(users, channels)
        self.largest = nothing(users, channels)
        self.logs = nothing(users, channels)  # sum of the logs of counts
        self.ones = nothing(users, channels)  # cells with a count of one
        self.recent = nothing(users, 2)
        self.active_days = nothing(users)
        self.history = nothing(users, HISTORY)  # whether each of the last days was active, yesterday first
        self.days_of_weekday = nothing(DAYS_PER_WEEK, users)  # active ones
        self.silence, self.run = nothing(users), nothing(users)  # days since the last active, or silent, one
        self.longest = nothing(users, 2)  # silence, once active, and run
        self.most = nothing(users)  # active slots of a day

    def take_in(self, x: Tensor, observed: Tensor | None = None) -> None:
        """A day of counts [B, S, C]; nothing is learnt of users of whom it was not observed, bool [B], else all."""
        known = None if observed is None or bool(observed.all()) else observed

        def latest(now: Tensor, before: Tensor) -> Tensor:
            return now if known is None else torch.where(known.view(-1, *[1] * (now.dim() - 1)), now, before)

        weekday, active = self.days % DAYS_PER_WEEK, x.flatten(1).amax(1) > 0
        rows = (active if known is None else active & known).nonzero()[:, 0]  # not many
        slots = torch.zeros_like(self.yesterday)
        slots[rows] = self._take_in_active(x[rows], rows, weekday)
        active = slots.amax(1)
        self.last_week[weekday] = latest(slots, self.last_week[weekday])
        self.yesterday = latest(slots, self.yesterday)
        self.lately = latest(LASTING * self.lately + (1 - LASTING) * slots, self.lately)
        recent = FADING * self.recent + (1 - FADING) * torch.stack([active, slots.sum(1).log1p()], 1)
        self.recent = latest(recent, self.recent)
        self.history = latest(torch.cat([active[:, None], self.history[:, :-1]], 1), self.history)
        self.silence = latest(torch.where(active > 0, 0.0, self.silence + 1), self.silence)
        self.run = latest(torch.where(active > 0, self.run + 1, 0.0), self.run)
        begun = self.active_days > 0
        self.longest = torch.maximum(self.longest, torch.stack([self.silence * begun, self.run], 1))
        one = latest(torch.ones_like(active), torch.zeros_like(active))
        self.seen += one
        self.seen_of_weekday[weekday] += one
        self.days += 1

    def _take_in_active(self, x: Tensor, rows: Tensor, weekday: int) -> Tensor:
        """A day of the users of some rows, who are active on it [n, S, C]; which slots are, [n, S]."""
        cells = (x > 0).to(x.dtype)
        slots = cells.amax(2)
        for sums, those in (
            (self.days_of_slot, slots),
            (self.weekly[weekday], slots),
            (self.days_of_cell, cells),
            (self.total, x.sum(1)),
            (self.logs, x.clamp_min(1).log().sum(1)),
            (self.ones, (x == 1).sum(1).to(x.dtype)),
            (self.active_days, slots.amax(1)),
            (self.days_of_weekday[weekday], slots.amax(1)),
        ):
            sums.index_add_(0, rows, those)
        self.largest[rows] = torch.maximum(self.largest[rows], x.amax(1))
        self.most[rows] = torch.maximum(self.most[rows], slots.sum(1))
        during = self.balance.of(rows).during(pair_steps(x, self.pairs))
        for each, after in zip(self.balance, during, strict=True):
            each[rows] = after[:, -1]
        return slots

    def repeated(self, times: int) -> Memory:
        """The same of every user again and again, [times B]."""
        again = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name != "pairs":
                axis = 1 if name in BY_WEEKDAY else 0
                setattr(again, name, torch.cat([value] * times, axis))
        again.balance = Balance(*(torch.cat([each] * times) for each in self.balance))
        return again

    @property
    def features(self) -> Tensor:
        """All of it, [B, F]; at the end the last days one by one, and the weekdays from the one to come."""
        weekday, weeks = self.days % DAYS_PER_WEEK, self.days // DAYS_PER_WEEK
        seen = self.seen_of_weekday
        often = log_share(self.days_of_slot, self.seen[:, None])
        on_weekday = log_share(self.weekly[weekday], seen[weekday, :, None])
        of_slots = [often, on_weekday, self.yesterday, self.last_week[weekday]]
        told = [*of_slots, 0.3 * self.total.log1p(), self.channels, self.balance.told]
        whole_weeks = seen.roll(-weekday, 0).clamp(max=weeks)  # the week under way counts among active days only
        weekdays = log_share(self.days_of_weekday.roll(-weekday, 0), whole_weeks).T
        numbers = torch.stack(self._numbers(weekday, seen[weekday]), 1)
        return torch.cat([*told, numbers, self.history, weekdays], 1)

    def _numbers(self, weekday: int, weeks: Tensor) -> list[Tensor]:
        """Of days, and of how much is new: how many slots there were in all, of how many kinds, and once only."""
        of_days = [self.active_days, self.silence, self.run, *self.longest.unbind(1), self.most]
        kinds = [self.days_of_slot, self.days_of_slot > 0, self.days_of_slot == 1]
        return [
            *(each.log1p() for each in of_days),
            *(each.sum(1).log1p() for each in kinds),
            self.recent.sum(1),
            *self.recent.unbind(1),
            log_share(self.active_days, self.seen),
            log_share(self.days_of_weekday[weekday], weeks),
            self.last_week[weekday].amax(1),
            log_share(self.weekly[weekday].amax(1), weeks),
        ]

    @property
    def gap(self) -> Tensor:
        """Days observed from the last active one to the one to come, 0 where there is none, [B]."""
        return torch.where(self.active_days > 0, self.silence + 1, 0.0)

    @property
    def channels(self) -> Tensor:
        """Of each channel: the largest count, the mean of their logs, the share of ones, the cells, [B, 4 C]."""
        cells = self.days_of_cell.sum(1)
        some = cells.clamp_min(1)
        share = log_share(cells, self.seen[:, None])
        return torch.cat([0.3 * self.largest.log1p(), self.logs / some, self.ones / some, share], 1)

    def past(self, rows: Tensor) -> Past:
        """What the days of some users are drawn from."""
        return Past(
            self.recall(rows), self.channels[rows], self.largest[rows], self.most[rows], self.balance.of(rows)
        )

    def recall(self, rows: Tensor) -> Tensor:
        """Of each slot of some users: what it was before, [n, S, R] with R = 8 + C.

        How often it was active; with its neighbours; lately; on this weekday; whether it was a week ago, and
        yesterday; never, or once only; how often each channel was when it was.
        """
        slots, cells, weekday = self.days_of_slot[rows], self.days_of_cell[rows], self.days % DAYS_PER_WEEK
        days, weeks = self.seen[rows, None], self.seen_of_weekday[weekday, rows, None]
        near = functional.avg_pool1d(slots[:, None], 3, 1, 1)[:, 0]
        often = [
            log_share(slots, days),
            log_share(near, days),
            0.5 * (torch.log(self.lately[rows] + 0.02) + 3),
            log_share(self.weekly[weekday, rows], weeks),
            self.last_week[weekday, rows],
            self.yesterday[rows],
            (slots == 0).to(slots.dtype),
            (slots == 1).to(slots.dtype),
        ]
        shares = (cells + GRANTED) / (slots[..., None] + 0.5)
        return torch.cat([torch.stack(often, -1), 0.5 * shares.log()], -1)


def memories(x: Tensor, pairs: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Past]:
    """What is known before every day of profiles [B, D, S, C].

    Args:
        x: The profiles.
        pairs: Of channels, [P, 2].
        observed: Which days are known, bool [B, D]; all of them by default.

    Returns:
        Features [B, D + 1, F], those after the last day too; what days are drawn from, each [B, D, ...].
    """
    users, days, slots, channels = x.shape
    memory, features, pasts = Memory(users, slots, channels, pairs), list[Tensor](), list[Past]()
    everybody = torch.arange(users, device=x.device)
    known = None if observed is None or observed.all() else observed.unbind(1)
    for day in range(days):
        features.append(memory.features)
        pasts.append(memory.past(everybody))
        memory.take_in(x[:, day], None if known is None else known[day])
    *rest, balances = zip(*pasts, strict=True)
    past = Past(*map(_by_day, rest), balance=Balance(*map(_by_day, zip(*balances, strict=True))))
    return torch.stack([*features, memory.features], 1), past


def _by_day(of_days: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(of_days), 1)


def balanced_pairs(totals: Tensor, most: int) -> Tensor:
    """Pairs of channels that come in equal numbers, such as joining and leaving.

    A pair is one where, of the users who have it, half or more differ by a tenth of its total or by one.

    Args:
        totals: Of users' channels, [U, C].
        most: Pairs.

    Returns:
        The later and the earlier channel of each pair, [P, 2] with P = most; the best first, and a channel with
        itself, whose difference is always 0, where there are fewer.
    """
    channels, found = totals.shape[1], list[tuple[float, int, int]]()
    for later in range(channels):
        for earlier in range(later):
            both = totals[:, later] + totals[:, earlier]
            difference = (totals[:, later] - totals[:, earlier]).abs()
            have = (totals[:, later] > 0) | (totals[:, earlier] > 0)
            near = (difference <= (0.1 * both).clamp_min(1)) & (both >= 2)
            often = (near[have].double().mean()).item() if int(have.sum()) else 0.0
            if often >= 0.5:
                found.append((-often, later, earlier))
    best = [list(pair[1:]) for pair in sorted(found)[:most]]
    return torch.tensor(best + [[0, 0]] * (most - len(best)), dtype=torch.long).reshape(most, 2)
