"""Wall clocks and UTC: hours that clocks skip, and hours that they show twice.

All times are microseconds since 1970, on the wall or of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from habitus.events import SECONDS_PER_DAY, zone
from habitus.events.clock import OWN_CLOCK, clock_changes
from habitus.events.format import DAY, MICROSECONDS
from habitus.profiles.sparse import Profiles, offsets, window_starts
from habitus.schema import BoolArray, starts_of_runs

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """A zone's clock over some span.

    Attributes:
        until: Times in UTC at which the offset changes, ascending, [K].
        offset: Offsets from UTC before the first change and after each change, [K + 1].
    """

    until: Times
    offset: Times

    @classmethod
    def of(cls, timezone: str, first: int, last: int) -> Self:
        """The clock of a zone from ``first`` to ``last``; UTC for offsets of events."""
        if timezone in ("UTC", OWN_CLOCK):
            return cls(np.zeros(0, np.int64), np.zeros(1, np.int64))
        margin = 2 * SECONDS_PER_DAY
        begin = first // MICROSECONDS - margin
        end = last // MICROSECONDS + margin
        changes = np.array(clock_changes(zone(timezone), begin, end), np.int64) * MICROSECONDS
        return cls(changes[:-1, 0], changes[:, 1])

    @property
    def before(self) -> Times:
        """Times that the clock showed when each offset ended, [K]."""
        return self.until + self.offset[:-1]

    @property
    def after(self) -> Times:
        """Times that the clock showed when the next offset began, [K]."""
        return self.until + self.offset[1:]

    def skipped(self) -> Iterator[tuple[int, int]]:
        """Iterate over the spans [from, to) of wall-clock time that the clock skips."""
        return (
            (low, high)
            for low, high in zip(self.before.tolist(), self.after.tolist(), strict=True)
            if low < high
        )

    def shown(self, utc: Times) -> Times:
        """Times that the clock shows at each time in UTC."""
        return utc + self.offset[np.searchsorted(self.until, utc, side="right")]

    def to_utc(self, wall: Times, second: BoolArray) -> Times:
        """Convert to UTC; ``second`` asks for the second time that the clock shows it."""
        if not len(self.until):
            return wall - self.offset[0]
        # The offset of a time is the first one that ends later, compared on the wall clock.
        at = np.searchsorted(self.before, wall, side="right")
        again = np.append(self.after, np.iinfo(np.int64).max)[at] <= wall
        return wall - self.offset[at + (again & second)]


def onto_slots_that_exist(profiles: Profiles) -> Profiles:
    """Move counts in slots that the clock skips to the next slot, at a window's end to the last.

    A user who would have been active at half past two is active an hour later. Profiles of a log
    have no such counts, but those that a model draws may.

    Raises:
        ValueError: if the clock skips all slots of a window.
    """
    days, slots, channels = profiles.axes.shape
    clock = clock_of(profiles)
    length = DAY // slots
    spans = [(-(-low // length), high // length) for low, high in clock.skipped()]
    spans = [(low, high) for low, high in spans if low < high]
    if not spans or not len(profiles.cells):
        return profiles
    row = profiles.row_of_cell()
    begin = first_slots(profiles)[row]
    at, channel = np.divmod(profiles.cells.astype(np.int64), channels)
    slot = moved = begin + at
    for low, high in spans:
        to = np.where(high < begin + days * slots, high, low - 1)
        moved = np.where((slot >= low) & (slot < high), to, moved)
    if (moved < begin).any():
        raise ValueError(
            f"clocks in {profiles.axes.timezone} skipped the whole window; choose another start"
        )
    if (moved == slot).all():
        return profiles
    return _added_up(profiles, row, (moved - begin) * channels + channel)


def existing(clock: Clock, wall: Times, length: int) -> Times:
    """Move times that the clock skips to times that it shows, within slots of a length."""
    for low, high in clock.skipped():
        inside = (wall >= low) & (wall < high)
        if inside.any():
            wall = wall.copy()
            wall[inside] = _spread(wall[inside], low, high, length)
    return wall


def _spread(wall: Times, low: int, high: int, length: int) -> Times:
    """Map skipped times in [low, high) in proportion onto the rest of their slots, microseconds."""
    begin = wall // length * length
    first = np.maximum(begin, low)
    last = np.minimum(begin + length, high)
    before = first - begin
    after = begin + length - last
    share = (wall - first) / (last - first)
    at = np.minimum((share * (before + after)).astype(np.int64), before + after - 1)
    return np.where(at < before, begin + at, last + at - before)


def clock_of(profiles: Profiles) -> Clock:
    """The clock of a population over its windows."""
    starts = window_starts(profiles.users, profiles.axes).astype(np.int64)
    if not len(starts):
        return Clock.of("UTC", 0, 0)
    return Clock.of(
        profiles.axes.timezone,
        int(starts.min()) * DAY,
        (int(starts.max()) + profiles.axes.days) * DAY,
    )


def first_slots(profiles: Profiles) -> Times:
    """The slot that each profile's window begins with, counted from 1970, [U]."""
    return window_starts(profiles.users, profiles.axes).astype(np.int64) * profiles.axes.slots


def _added_up(profiles: Profiles, row: Times, cells: Times) -> Profiles:
    """Replace the row and cell of each value, [N]; values that meet in a cell are added up."""
    keys = row * profiles.axes.cells + cells
    order = np.argsort(keys, kind="stable")
    first = starts_of_runs(keys[order])
    values = np.add.reduceat(profiles.values[order], first)
    rows, kept = np.divmod(keys[order][first], profiles.axes.cells)
    return replace(
        profiles, indptr=offsets(rows, len(profiles)), cells=kept.astype(np.int32), values=values
    )
