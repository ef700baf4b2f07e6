"""Inputs of models that condition on users and days: counts, attributes and the calendar.

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
    """Days on the calendar, for each of B profiles [B, D] or the same for all of them [1, D].

    Attributes:
        weekday: Weekday from 0 for Monday, long.
        holiday: Whether the day is a holiday, bool.
        observed: Whether the day was recorded, bool.
    """

    weekday: Tensor
    holiday: Tensor
    observed: Tensor

    @classmethod
    def after(cls, weekday: int, days: int, device: torch.device | None = None) -> Days:
        """Consecutive days from a weekday on, [1, D]; no holidays, all observed."""
        number = torch.arange(days, device=device)[None]
        none = torch.zeros_like(number, dtype=torch.bool)
        return cls((number + weekday) % DAYS_PER_WEEK, none, ~none)

    def of(self, rows: Rows) -> Days:
        """Select the days of some profiles, or some days of these."""
        return Days(*(rows_of(each, rows) for each in self))

    def emptied(self, x: Tensor) -> Tensor:
        """Set profiles [B, D, S, C] to zero on days that were not observed."""
        return x if self.observed.all() else x.where(self.observed[..., None, None], 0.0)

    def to(self, device: torch.device) -> Days:
        """Move to a device."""
        return Days(*(each.to(device) for each in self))

    def observed_before(self, day: Tensor) -> Tensor:
        """Count the observed days before a day of each profile, both [B]."""
        number = torch.arange(self.observed.shape[1], device=day.device)
        return (self.observed & (number < day[:, None])).sum(1)

    def for_each(self, profiles: int) -> Days:
        """Expand to a number of profiles, [B, D]."""
        return Days(*(each.expand(profiles, -1) for each in self))


@dataclass(frozen=True)
class Examples:
    """A batch of profiles with attributes of their users and their days, to be used as a tensor.

    Attributes:
        x: [B, D, S, C].
        codes: Attributes in the order of a vocabulary, 0 for an unknown value, long [B, A].
        days: Days on the calendar, [B, D].
    """

    x: Tensor
    codes: Tensor
    days: Days

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice) -> Examples:
        return Examples(self.x[rows], self.codes[rows], self.days.of(rows))

    def to(self, device: torch.device) -> Examples:
        """Move to a device."""
        return Examples(self.x.to(device), self.codes.to(device), self.days.to(device))

    def split(self, size: int) -> list[Examples]:
        """Split into chunks of a size."""
        return [self[start : start + size] for start in range(0, len(self), size)]
