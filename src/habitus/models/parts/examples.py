"""Profiles as models are told them: counts, attributes of the users, and what the days are.

Letters: B profiles, D days, S slots, C channels, A attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from habitus.models.parts.indexing import Rows, rows_of
from habitus.schema import DAYS_PER_WEEK


class Days(NamedTuple):
    """Days on the calendar, of each of B profiles [B, D], or the same for all of them [1, D].

    Attributes:
        weekday: From 0 for Monday, long.
        holiday: Whether the day is one, bool.
        observed: Whether it was recorded, bool.
    """

    weekday: Tensor
    holiday: Tensor
    observed: Tensor

    @classmethod
    def after(cls, weekday: int, days: int, device: torch.device | None = None) -> Days:
        """So many days from one of a weekday on, [1, D]; no holidays, and all observed."""
        number = torch.arange(days, device=device)[None]
        none = torch.zeros_like(number, dtype=torch.bool)
        return cls((number + weekday) % DAYS_PER_WEEK, none, ~none)

    def of(self, rows: Rows) -> Days:
        """Those of some profiles, or some days of them."""
        return Days(*(rows_of(each, rows) for each in self))

    def emptied(self, x: Tensor) -> Tensor:
        """Profiles [B, D, S, C] without what stands on days that were not observed."""
        return x if self.observed.all() else x.where(self.observed[..., None, None], 0.0)

    def to(self, device: torch.device) -> Days:
        """The same on a device."""
        return Days(*(each.to(device) for each in self))

    def observed_before(self, day: Tensor) -> Tensor:
        """How many days were observed before one of each profile, by its number [B], [B]."""
        number = torch.arange(self.observed.shape[1], device=day.device)
        return (self.observed & (number < day[:, None])).sum(1)

    def for_each(self, profiles: int) -> Days:
        """For so many profiles, [B, D]."""
        return Days(*(each.expand(profiles, -1) for each in self))


@dataclass(frozen=True)
class Examples:
    """Profiles of a batch with what is known of their users and days; it splits and moves as a tensor does.

    Attributes:
        x: [B, D, S, C].
        codes: Of their attributes in the order of a vocabulary, 0 where a value is not known, long [B, A].
        days: On the calendar, [B, D].
    """

    x: Tensor
    codes: Tensor
    days: Days

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice) -> Examples:
        return Examples(self.x[rows], self.codes[rows], self.days.of(rows))

    def to(self, device: torch.device) -> Examples:
        """The same on a device."""
        return Examples(self.x.to(device), self.codes.to(device), self.days.to(device))

    def split(self, size: int) -> list[Examples]:
        """In chunks of a size."""
        return [self[start : start + size] for start in range(0, len(self), size)]
