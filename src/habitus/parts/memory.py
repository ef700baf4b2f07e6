"""What a user has done so far, as numbers that a network can be told: exact, and updated day by day.

A recurrent state has to learn to count; this need not. Letters: B users, S slots, C channels, P pairs of channels,
F features, R numbers that are recalled of a slot.
"""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor
from torch.nn import functional

from habitus.parts.shapes import DAYS_PER_WEEK

GRANTED = 0.1  # of a day: so much activity is taken for granted, that logarithms stay finite
FADING = 0.7  # what a day weighs in recent activity, against the day after it
TOLD_EXACTLY = 3  # a difference of totals up to which it is told exactly
PER_PAIR = 2 * TOLD_EXACTLY + 2
RECALLED = 3  # of a slot, before its channels: how often, how often on this weekday, whether yesterday


def log_share(days: Tensor, out_of: int) -> Tensor:
    """Log of a share of days, shifted and halved to be around 0."""
    return 0.5 * (torch.log((days + GRANTED) / (out_of + 1)) + 3)


def told_balance(balance: Tensor) -> Tensor:
    """Differences of totals [..., P] as indicators of the small ones and a bounded number of any, [..., 8 P]."""
    near = balance.clamp(-TOLD_EXACTLY, TOLD_EXACTLY).long() + TOLD_EXACTLY
    which = functional.one_hot(near, PER_PAIR - 1).to(balance.dtype)
    return torch.cat([which, torch.tanh(balance / 10)[..., None]], -1).flatten(-2)


def memory_features(slots: int, channels: int, pairs: int) -> int:
    """F, the features that a :class:`Memory` tells."""
    return 3 * slots + 4 * channels + PER_PAIR * pairs + 7


class Memory:
    """What B users did before a day; at first nothing.

    Args:
        users: B.
        slots: S.
        channels: C.
        pairs: Pairs of channels whose totals are compared, [P, 2].

    Attributes:
        days: Days taken in.
        balance: Differences of the totals of the pairs, [B, P].
    """

    def __init__(self, users: int, slots: int, channels: int, pairs: Tensor) -> None:
        def nothing(*shape: int) -> Tensor:
            return torch.zeros(shape, device=pairs.device)

        self.pairs, self.days = pairs, 0
        self.days_of_slot = nothing(users, slots)  # days on which a slot was active
        self.weekly = nothing(DAYS_PER_WEEK, users, slots)  # the same by weekday
        self.days_of_cell = nothing(users, slots, channels)
        self.yesterday = nothing(users, slots)
        self.total = nothing(users, channels)
        self.largest = nothing(users, channels)
        self.logs = nothing(users, channels)  # sum of the logs of counts
        self.recent = nothing(users, 2)
        self.active_days = nothing(users)
        self.silence = nothing(users)  # days since the last active one

    def take_in(self, x: Tensor) -> None:
        """A day of counts [B, S, C]."""
        cells = (x > 0).to(x.dtype)
        slots = cells.amax(2)
        active = slots.amax(1)
        self.days_of_slot = self.days_of_slot + slots
        self.weekly[self.days % DAYS_PER_WEEK] += slots
        self.days_of_cell = self.days_of_cell + cells
        self.yesterday = slots
        self.total = self.total + x.sum(1)
        self.largest = torch.maximum(self.largest, x.amax(1))
        self.logs = self.logs + x.clamp_min(1).log().sum(1)
        self.recent = FADING * self.recent + (1 - FADING) * torch.stack([active, slots.sum(1).log1p()], 1)
        self.active_days = self.active_days + active
        self.silence = torch.where(active > 0, 0.0, self.silence + 1)
        self.days += 1

    def repeated(self, times: int) -> Memory:
        """The same of every user again and again, [times B]."""
        again = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name != "pairs":
                axis = 1 if name == "weekly" else 0
                setattr(again, name, torch.cat([value] * times, axis))
        return again

    @property
    def balance(self) -> Tensor:
        """Differences of the totals of the pairs, [B, P]."""
        return self.total[:, self.pairs[:, 0]] - self.total[:, self.pairs[:, 1]]

    @property
    def _of_weekday(self) -> Tensor:
        """Days of the weekday to come on which a slot was active, [B, S]."""
        return self.weekly[self.days % DAYS_PER_WEEK]

    @property
    def features(self) -> Tensor:
        """All of it, [B, F]."""
        cells, weeks = self.days_of_cell.sum(1), self.days // DAYS_PER_WEEK
        numbers = [
            self.active_days.log1p(),
            self.silence.log1p(),
            self.recent.sum(1),
            *self.recent.unbind(1),
            log_share(self.active_days, self.days),
            log_share(self._of_weekday.amax(1), weeks),
        ]
        of_slots = [log_share(self.days_of_slot, self.days), log_share(self._of_weekday, weeks), self.yesterday]
        of_channels = [0.3 * self.total.log1p(), 0.3 * self.largest.log1p(), self.logs / cells.clamp_min(1)]
        told = [*of_slots, *of_channels, log_share(cells, self.days), told_balance(self.balance)]
        return torch.cat([*told, torch.stack(numbers, 1)], 1)

    @property
    def recall(self) -> Tensor:
        """Of each slot how often it was active, and how often each channel then, [B, S, R] with R = 3 + C."""
        often = log_share(self.days_of_slot, self.days)
        weekly = log_share(self._of_weekday, self.days // DAYS_PER_WEEK)
        shares = (self.days_of_cell + GRANTED) / (self.days_of_slot[..., None] + 0.5)
        return torch.cat([torch.stack([often, weekly, self.yesterday], -1), 0.5 * shares.log()], -1)


def memories(x: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is known before every day of profiles [B, D, S, C].

    Returns:
        Features [B, D, F], recall [B, D, S, R] and balance [B, D, P].
    """
    users, days, slots, channels = x.shape
    memory, found = Memory(users, slots, channels, pairs), list[tuple[Tensor, Tensor, Tensor]]()
    for day in range(days):
        found.append((memory.features, memory.recall, memory.balance))
        memory.take_in(x[:, day])
    features, recall, balance = (torch.stack(each, 1) for each in zip(*found, strict=True))
    return features, recall, balance


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
