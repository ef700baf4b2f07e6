"""Windows moved along, and cut."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from habitus.profiles.batches import Population
from habitus.profiles.sparse import WINDOW, Profiles, ProfileSet
from habitus.schema import DAYS_PER_WEEK, WEEKDAYS, Axes, BoolArray, IntArray


@dataclass(frozen=True)
class Later(ProfileSet):
    """A population on windows that start some days later; their last days are empty.

    Attributes:
        source: The population.
        days: How many days later; fewer than the window has.
    """

    source: Population
    days: int

    @property
    def axes(self) -> Axes:
        """Axes of the source, starting later."""
        return later_axes(self.source.axes, self.days)

    @property
    def about(self) -> dict[str, Any]:
        """Provenance of the source."""
        return self.source.about

    @property
    def users(self) -> pa.Table:
        """Users of the source, with windows that start later."""
        return later_users(self.source.users, self.days)

    def __len__(self) -> int:
        return len(self.source)

    def read_group(self, group: int) -> Profiles:
        """One group of the source, in later windows."""
        return later(self.source.read_group(group), self.days)

    def load(self) -> Profiles:
        """The whole population, in later windows."""
        return later(self.source.load(), self.days)

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Profiles:
        """The given profiles of the source, in later windows."""
        return later(self.source.take(rows), self.days)


def later(profiles: Profiles, days: int) -> Profiles:
    """Profiles on windows that start ``days`` later; the last ``days`` days are empty."""
    _, slots, channels = profiles.axes.shape
    first = days * slots * channels
    kept = profiles.with_cells(profiles.cells >= first)
    axes = later_axes(profiles.axes, days)
    users = later_users(profiles.users, days)
    return replace(kept, axes=axes, cells=kept.cells - first, users=users)


def cut(profiles: Profiles, days: int) -> Profiles:
    """The first ``days`` days of each profile."""
    _, slots, channels = profiles.axes.shape
    kept = profiles.with_cells(profiles.cells < days * slots * channels)
    return replace(kept, axes=replace(profiles.axes, days=days))


def starting(axes: Axes, start: dt.date) -> Axes:
    """Move axes to another first day, of the same weekday where they have one.

    Raises:
        ValueError: for another weekday, or as :func:`starting_anywhere`.

    >>> str(starting(Axes(dt.date(2018, 2, 1), 7, 60, ("web",)), dt.date(2027, 1, 7)).start)
    '2027-01-07'
    """
    weekday = axes.weekday(0)
    wanted = start.weekday()
    if weekday is not None and weekday != wanted:
        near = start - dt.timedelta((wanted - weekday) % DAYS_PER_WEEK)
        raise ValueError(
            f"these windows begin on a {WEEKDAYS[weekday]}, and {start} is a {WEEKDAYS[wanted]}; "
            f"start on {near} or {near + dt.timedelta(DAYS_PER_WEEK)}"
        )
    return starting_anywhere(axes, start)


def starting_anywhere(axes: Axes, start: dt.date) -> Axes:
    """Move axes to another first day of any weekday, for users of the actual weekdays.

    Raises:
        ValueError: for a window beyond the last date that there is.
    """
    if (dt.date.max - start).days < axes.days + DAYS_PER_WEEK:
        raise ValueError(
            f"a window of {axes.days} days cannot start on {start}; choose an earlier day"
        )
    return replace(axes, start=start)


def moved(profiles: Profiles, start: dt.date) -> Profiles:
    """Move profiles, so that the first window starts on another day.

    Raises:
        ValueError: as :func:`starting`.
    """
    axes = starting(profiles.axes, start)
    return replace(
        profiles, axes=axes, users=later_users(profiles.users, (start - profiles.axes.start).days)
    )


def later_axes(axes: Axes, days: int) -> Axes:
    """Axes whose window starts later."""
    return replace(axes, start=axes.start + dt.timedelta(days))


def later_users(users: pa.Table, days: int) -> pa.Table:
    """Users whose windows start later."""
    if WINDOW not in users.column_names:
        return users
    starts = pc.call_function("add", [users[WINDOW].cast(pa.int32()), pa.scalar(days, pa.int32())])
    return users.set_column(users.column_names.index(WINDOW), WINDOW, starts.cast(pa.date32()))
