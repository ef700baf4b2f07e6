"""Conditions of profiles for a population: enough events on enough days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from habitus.profiles.sparse import Profiles
from habitus.schema import BoolArray, starts_of_runs


@dataclass(frozen=True)
class Conditions:
    """Fewest events and days of a profile; by default any activity ("Time pictures" 5.1.2).

    Attributes:
        min_events: Fewest events, where values are counts.
        min_days: Fewest days with an event.
    """

    min_events: int = 1
    min_days: int = 1

    @classmethod
    def of(cls, about: dict[str, Any]) -> Self:
        """Read the conditions of a log's profiles from the ``about`` of profiles or a run."""
        log = about.get("log") or {}
        return cls(int(log.get("min_events", 1)), int(log.get("min_days", 1)))

    def met(self, profiles: Profiles) -> BoolArray:
        """Profiles that meet the conditions, bool [U]."""
        row = profiles.row_of_cell()
        days, slots, channels = profiles.axes.shape
        first = starts_of_runs(row * days + profiles.cells // (slots * channels))
        enough = np.bincount(row[first], minlength=len(profiles)) >= max(self.min_days, 1)
        if profiles.axes.unit != "count":
            return enough
        return enough & (np.bincount(row, profiles.values, len(profiles)) >= self.min_events)

    def __str__(self) -> str:
        if self == Conditions():
            return "any activity"
        return f"{self.min_events} or more events on {self.min_days} or more days"
