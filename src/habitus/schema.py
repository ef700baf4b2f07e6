"""Axis letters, array types, and the labelled axes that every set of profiles carries.

Letters: U users (profiles), D days, S slots of a day, C channels, Z latent dimensions, B a batch,
N non-empty cells, M missing cells, K draws of them. Of series: N series, T steps, V variables, R
rows of all series together, H steps ahead, O origins of forecasts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from habitus.settings import FIRST_DAY, LAST_DAY, MOST_DAYS

MINUTES_PER_DAY = 1440
MOST_CELLS = 2**31  # of a profile: a cell's number is an int32
DAYS_PER_WEEK = 7
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNITS = ("count", "peak", "binary")
PEAK = "peak"  # column of completed profiles in shares of their peak: the count that 1 stands for

STRICT: Any = {"strict": True, "extra": "forbid", "allow_inf_nan": False}  # pydantic's, of records

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
Values = NDArray[np.uint32 | np.float32]  # counts, or shares where the unit is not a count

Progress = Callable[[int, int, str], None]
"""Progress callback of long work: units done, units in all (0 if unknown), and the stage."""

Vocabulary = dict[str, list[str]]
"""Attribute that a model is conditioned on -> its known values; code 0 stands for any other."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Ignore progress: the default of every ``on_progress``."""


@dataclass(frozen=True)
class Axes:
    """Axes of a profile: days, slots and channels, and the unit of its values.

    Attributes:
        start: First day of the (first) window.
        days: Days in a window (D).
        slot_minutes: Length of a slot; a divisor of a day, so S = 1440 / slot_minutes.
        channels: Channel names, in order (C of them).
        timezone: Zone in which days and hours are counted.
        unit: What a value is: ``count`` of events, ``peak`` (share of the profile's largest cell,
            "Time pictures" 5.1.1), or ``binary``.
        every: Days from one window's start to the next where a log was tiled, else None.

    Raises:
        ValueError: for an impossible combination.

    >>> axes = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "phone"))
    >>> axes.shape, axes.weekday(0), axes.slot_label(9)
    ((32, 24, 2), 3, '09:00')
    """

    start: dt.date
    days: int
    slot_minutes: int
    channels: tuple[str, ...]
    timezone: str = "UTC"
    unit: str = "count"
    every: int | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"days must be at least 1, got {self.days}")
        if self.start < FIRST_DAY or self.days > min(MOST_DAYS, (LAST_DAY - self.start).days + 1):
            raise ValueError(
                f"days must be at most {MOST_DAYS:,}, from {FIRST_DAY} to {LAST_DAY}, got "
                f"{self.days:,} from {self.start}"
            )
        if self.slot_minutes < 1 or MINUTES_PER_DAY % self.slot_minutes:
            raise ValueError(
                f"a slot must divide a day of 1440 minutes, got {self.slot_minutes} minutes"
            )
        if not self.channels or len(set(self.channels)) < len(self.channels):
            raise ValueError(f"channels must be present and distinct, got {list(self.channels)}")
        if self.cells >= MOST_CELLS:
            raise ValueError(
                f"a profile of {self.cells:,} cells is too large; use longer slots or fewer days"
            )
        if self.every is not None and self.every < 1:
            raise ValueError(f"windows must start at least 1 day apart, got {self.every}")
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {self.unit!r}")

    @property
    def slots(self) -> int:
        """Slots in a day (S)."""
        return MINUTES_PER_DAY // self.slot_minutes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a profile, (D, S, C)."""
        return self.days, self.slots, len(self.channels)

    @property
    def cells(self) -> int:
        """Cells in a profile, D x S x C."""
        return self.days * self.slots * len(self.channels)

    def weekday(self, day: int) -> int | None:
        """Weekday (0 is Monday) of a day of the window; None where windows differ in it."""
        if self.every is not None and self.every % DAYS_PER_WEEK:
            return None
        return (self.start.weekday() + day) % DAYS_PER_WEEK

    def slot_label(self, slot: int) -> str:
        """Clock time at which a slot begins."""
        minutes = slot * self.slot_minutes
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    def with_unit(self, unit: str) -> Axes:
        """Replace the unit of the values."""
        return replace(self, unit=unit)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return {**asdict(self), "start": self.start.isoformat(), "channels": list(self.channels)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        start = dt.date.fromisoformat(fields["start"])
        return cls(**{**fields, "start": start, "channels": tuple(fields["channels"])})

    def mismatch(self, other: Axes) -> str | None:
        """Reason why profiles on these and other axes cannot be compared, or None."""
        for name in ("days", "slot_minutes", "channels"):
            mine = getattr(self, name)
            theirs = getattr(other, name)
            if mine != theirs:
                return f"{name} differ: {mine} against {theirs}"
        return None


@dataclass(frozen=True)
class SeriesAxes:
    """Columns of series, and their origin in a file.

    Attributes:
        variables: Column names, in order (V of them).
        scale: What values of the file are multiplied by when they are read, and divided by when
            written.
        time: The file's column of times, or None for the order of its rows.
        series_id: The file's column that says which series a row belongs to, or None for a single
            series.

    Raises:
        ValueError: for variables that are absent or not distinct, or an impossible scale.
    """

    variables: tuple[str, ...]
    scale: float = 1.0
    time: str | None = None
    series_id: str | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if not self.variables or len(set(self.variables)) < len(self.variables):
            raise ValueError(f"columns must be present and distinct, got {list(self.variables)}")
        if not 0 < abs(self.scale) < float("inf"):
            raise ValueError(f"scale must be a number other than 0, got {self.scale}")

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return {**asdict(self), "variables": list(self.variables)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(**{**fields, "variables": tuple(fields["variables"])})


class Forecast(NamedTuple):
    """Draws of the steps after each of some origins."""

    origin: NDArray[np.int64]  # row of the first step ahead, [O]
    draws: NDArray[np.float32]  # [O, K, H, V]
    mean: NDArray[np.float32]  # [O, H, V]


class SparseProfiles(Protocol):
    """Profiles in memory as compressed rows: profile u has cells[indptr[u]:indptr[u + 1]].

    A cell is (day * S + slot) * C + channel, ascending within a profile; its value is never zero.
    """

    @property
    def axes(self) -> Axes: ...
    @property
    def indptr(self) -> NDArray[np.int64]: ...
    @property
    def cells(self) -> NDArray[np.int32]: ...
    @property
    def values(self) -> Values: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Filled:
    """Values of the missing cells of consecutive profiles: M cells in all, K draws of each.

    Attributes:
        profiles: How many profiles.
        row: The profile (0 to profiles - 1) that each cell belongs to, ascending, [M].
        cell: Its number, (day * S + slot) * C + channel, ascending within a profile, [M].
        mean: Its point forecast, for squared errors in shares of the profile's peak, [M].
        draws: Its values in each draw, [K, M].
    """

    profiles: int
    row: NDArray[np.int64]
    cell: NDArray[np.int64]
    mean: NDArray[np.float32]
    draws: NDArray[np.float32]

    def select(self, cells: BoolArray) -> Filled:
        """Select some of the missing cells, marked in [M]."""
        if cells.all():
            return self
        return Filled(
            self.profiles, self.row[cells], self.cell[cells], self.mean[cells], self.draws[:, cells]
        )


def starts_of_runs(keys: IntArray) -> NDArray[np.int64]:
    """Index of the first of each run of equal keys; keys are not negative.

    >>> starts_of_runs(np.array([0, 0, 2, 2, 2, 5])).tolist()
    [0, 2, 5]
    """
    return np.flatnonzero(np.diff(keys, prepend=-1))


def sums_of_runs(values: FloatArray, starts: IntArray) -> NDArray[np.float64]:
    """Sums along the last axis from each start to the next; whole numbers stay exact.

    >>> sums_of_runs(np.array([[1.0, 2.0, 4.0]]), np.array([0, 2])).tolist()
    [[3.0, 4.0]]
    """
    wide = values.astype(np.float64, copy=False)
    return np.add.reduceat(wide, starts, axis=-1) if len(starts) else wide[..., :0]


class ProfileSource(Protocol):
    """Profiles that are yielded chunk by chunk, from memory or from disk."""

    @property
    def axes(self) -> Axes: ...
    def __len__(self) -> int: ...
    def chunks(self) -> Iterator[SparseProfiles]: ...


class CompletedSource(ProfileSource, Protocol):
    """Completed profiles with every draw; ``pieces`` are in the profiles' order."""

    @property
    def samples(self) -> int: ...
    def pieces(self) -> Iterator[Filled]: ...
