"""The active slots of days: an empty slot takes no work.

Letters: N days (of all users), S slots, C channels, K active slots of all days.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

TOLD_OF_COUNT = 6
MOST_TOLD = 5000  # a larger count is told as this one


class ActiveSlots(NamedTuple):
    """The active slots of N days, in order.

    Attributes:
        day: The day of each, [K].
        slot: [K].
        counts: [K, C].
        place: How many active slots of its day come before it, [K].
        last: Whether it is the last of its day, bool [K].
    """

    day: Tensor
    slot: Tensor
    counts: Tensor
    place: Tensor
    last: Tensor

    @property
    def first(self) -> Tensor:
        """Whether it is the first of its day, bool [K]."""
        return self.place == 0

    @property
    def gap(self) -> Tensor:
        """Slots since the one before it on its day, 0 where it is the first, [K]."""
        return torch.where(self.first, 0, self.slot - self.slot.roll(1))

    def previous(self, of_slots: Tensor, of_days: Tensor) -> Tensor:
        """What belongs to the slot before each one [K, ...], or to its day [N, ...] where it is the first."""
        return torch.where(self.first[:, None], of_days[self.day], of_slots.roll(1, 0))

    def next_slots(self, days: int, end: int) -> tuple[Tensor, Tensor]:
        """The slot that is active next, from the beginning of N days and from each slot; ``end`` for none."""
        first = torch.full((days,), end, device=self.slot.device)
        first[self.day[self.first]] = self.slot[self.first]
        return first, torch.where(self.last, end, self.slot.roll(-1))


def active_slots(x: Tensor) -> ActiveSlots:
    """Of days [N, S, C] of counts."""
    day, slot = x.amax(-1).nonzero(as_tuple=True)
    first = torch.ones_like(day, dtype=torch.bool)
    first[1:] = day[1:] != day[:-1]
    last = torch.ones_like(first)
    last[:-1] = first[1:]
    number = torch.arange(len(day), device=day.device)
    begins = torch.where(first, number, 0).cummax(0).values if len(day) else number
    return ActiveSlots(day, slot, x[day, slot], number - begins, last)


def told_counts(counts: Tensor) -> Tensor:
    """Counts [..., C] as a network is told them, [..., 6 C]: whether any, how many, and which of the small ones."""
    return _told_of_counts(counts.device)[counts.clamp(max=MOST_TOLD).long()].flatten(-2)


@cache
def _told_of_counts(device: torch.device) -> Tensor:
    """What is told of each count from 0, [MOST_TOLD + 1, 6]: one look-up is quicker than six comparisons."""
    with torch.inference_mode(False):
        counts = torch.arange(MOST_TOLD + 1.0, device=device)
        ranges = [counts == 1, counts == 2, (counts > 2) & (counts < 5), (counts >= 5) & (counts < 10)]
        return torch.stack([(counts > 0).float(), 0.5 * counts.log1p(), *(each.float() for each in ranges)], 1)
