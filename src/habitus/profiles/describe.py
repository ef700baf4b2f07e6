"""Description of a set of profiles and of what looks odd, before anything is trained.

Letters: U profiles, D days, S slots, C channels, N non-empty cells.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.profiles.build import REASONS
from habitus.profiles.rare import ProtectionRecord
from habitus.schema import WEEKDAYS, Axes, FloatArray, IntArray, ProfileSource, SparseProfiles

SUDDEN_DROP = 0.1  # share of the weekday's median events, below which a day is reported
LARGE_SHARE = 0.05  # share of all events, above which a single profile is reported
AUTOMATIC_DAY = 20 / 24  # mean share of active slots on active days that marks a program
AUTOMATIC_DAYS = 3  # least active days of a profile for that finding
SILENT_SLOTS = 4 / 24  # least share of a day, empty in all profiles, that is reported
LARGEST = 65_535  # count of a cell above which it is reported
TAIL = 0.01  # share of the non-empty cells, the largest ones, that tail_share covers
OUTSIDE = REASONS[-4]  # expected, since the user chose the window, and not reported


@dataclass(frozen=True)
class Description:
    """Facts of one pass over a set of profiles.

    Attributes:
        axes: Days, slots, channels, unit, time zone.
        profiles: How many profiles (U).
        events: Sum of all values: events where the unit is a count.
        nonempty: Non-empty cells of a profile: their 5 %, 50 % and 95 % quantiles.
        empty_share: Share of all U x D x S x C cells that are empty.
        by_day: Sum of values on each day of the window, [D].
        by_slot: The same in each slot of the day, [S].
        by_channel: The same in each channel, [C].
        users_of_channel: Profiles with a non-empty cell in each channel, [C].
        largest_cell: Largest value of a cell.
        cell_quantiles: The 50 %, 90 % and 99 % quantiles of non-empty cells' values.
        tail_share: Share of all events in the largest hundredth of the non-empty cells.
        one_day: Profiles active on only one day.
        automatic: Profiles active in nearly every slot of their active days, at least three days.
        largest_share: Share of all events that the largest profile has.
        rows: What became of the log's rows when it was profiled; None where that is not known.
        protection: Protection of rare values in words; None where none is recorded.
    """

    axes: Axes
    profiles: int
    events: float
    nonempty: tuple[float, float, float]
    empty_share: float
    by_day: FloatArray
    by_slot: FloatArray
    by_channel: FloatArray
    users_of_channel: IntArray
    largest_cell: float
    cell_quantiles: tuple[float, float, float]
    tail_share: float
    one_day: int
    automatic: int
    largest_share: float
    rows: dict[str, Any] | None
    protection: str | None = None

    @cached_property
    def by_weekday(self) -> dict[str, float] | None:
        """Mean over days of each weekday, None where windows begin on different weekdays."""
        days: dict[str, list[float]] = {}
        for day, total in enumerate(self.by_day.tolist()):
            weekday = self.axes.weekday(day)
            if weekday is None:
                return None
            days.setdefault(WEEKDAYS[weekday], []).append(total)
        return {name: float(np.mean(days[name])) for name in WEEKDAYS if name in days}

    @property
    def findings(self) -> list[str]:
        """Sentences on what looks odd or missing; empty where nothing does."""
        parts = (_log_rows(self), _silence(self), _drops(self), _oddities(self))
        return [line for part in parts for line in part]

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        plain = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }
        kept = {name: plain[name] for name in self.__dataclass_fields__ if name != "axes"}
        return {
            "axes": self.axes.to_json(),
            **kept,
            "by_weekday": self.by_weekday,
            "findings": self.findings,
        }


def describe(
    source: ProfileSource,
    rows: dict[str, Any] | None = None,
    protection: ProtectionRecord | None = None,
) -> Description:
    """Read a set once, chunk by chunk; memory is bounded by U and one chunk.

    Args:
        source: The profiles.
        rows: What became of the log's rows (``about["rows"]`` of stored profiles).
        protection: Protection of rare values, as
            :func:`~habitus.profiles.rare.protection_of` reads it of stored profiles.

    Raises:
        ValueError: if there is no profile.
    """
    if not len(source):
        raise ValueError("expected at least one profile to describe, got none")
    tally = _Tally(source.axes)
    for chunk in source.chunks():
        tally.add(chunk)
    return tally.description(rows, None if protection is None else protection.sentence())


class _Tally:
    """Running sums over chunks of profiles."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.picture = np.zeros(axes.cells)
        self.users_of_channel = np.zeros(len(axes.channels), np.int64)
        self.profiles = self.one_day = self.automatic = 0
        self.lengths: list[IntArray] = []
        self.largest_profile = 0.0
        self.values: dict[float, int] = {}

    def add(self, chunk: SparseProfiles) -> None:
        """Count the profiles of a chunk."""
        days, slots, channels = self.axes.shape
        lengths = np.diff(chunk.indptr)
        user = np.repeat(np.arange(len(lengths)), lengths)
        values = chunk.values.astype(np.float64)
        self.profiles += len(lengths)
        self.lengths.append(lengths)
        self.picture += np.bincount(chunk.cells, values, self.axes.cells)
        self.largest_profile = max(self.largest_profile, np.bincount(user, values, 1).max())
        has_channel = np.zeros((len(lengths), channels), bool)
        has_channel[user, chunk.cells % channels] = True
        self.users_of_channel += has_channel.sum(0)
        self._add_days(len(lengths), user * days * slots + chunk.cells // channels)
        # Shares to three digits are few enough to count one by one.
        kinds = values if self.axes.unit == "count" else np.round(values, 3)
        for value, count in zip(*np.unique(kinds, return_counts=True), strict=True):
            self.values[float(value)] = self.values.get(float(value), 0) + int(count)

    def _add_days(self, users: int, hours: IntArray) -> None:
        """Count active days and slots; ``hours`` is (user x D + day) x S + slot, repeated."""
        days, slots, _ = self.axes.shape
        per_day = np.bincount(np.unique(hours) // slots, minlength=users * days).reshape(
            users, days
        )
        active = (per_day > 0).sum(1)
        self.one_day += int((active == 1).sum())
        full = per_day.sum(1) >= AUTOMATIC_DAY * slots * active
        self.automatic += int((full & (active >= AUTOMATIC_DAYS) & (slots > 1)).sum())

    def description(self, rows: dict[str, Any] | None, protection: str | None) -> Description:
        """Description from the finished sums."""
        lengths = np.concatenate(self.lengths)
        picture = self.picture.reshape(self.axes.shape)
        events = float(picture.sum())
        sizes = self.values or {0.0: 1}
        values = np.array(sorted(sizes))
        counts = np.array([sizes[value] for value in sorted(sizes)])
        below = np.cumsum(counts) / counts.sum()
        half, most, nearly_all = values[np.searchsorted(below, (0.5, 0.9, 0.99))].tolist()
        low, middle, high = np.quantile(lengths, (0.05, 0.5, 0.95)).tolist()
        return Description(
            axes=self.axes,
            profiles=self.profiles,
            events=events,
            nonempty=(low, middle, high),
            empty_share=1 - float(lengths.sum()) / (self.profiles * self.axes.cells),
            by_day=picture.sum((1, 2)),
            by_slot=picture.sum((0, 2)),
            by_channel=picture.sum((0, 1)),
            users_of_channel=self.users_of_channel,
            largest_cell=float(values[-1]),
            cell_quantiles=(half, most, nearly_all),
            tail_share=_tail(values, counts),
            one_day=self.one_day,
            automatic=self.automatic,
            largest_share=self.largest_profile / events if events else 0.0,
            rows=rows,
            protection=protection,
        )


def _tail(values: FloatArray, counts: IntArray) -> float:
    """Share of the sum that the largest hundredth of the cells holds."""
    wanted = max(1.0, TAIL * counts.sum())
    descending = values[::-1]
    many = counts[::-1]
    taken = np.clip(wanted - (np.cumsum(many) - many), 0, many)
    total = float(values @ counts)
    return float(descending @ taken) / total if total else 0.0


def _log_rows(found: Description) -> Iterator[str]:
    if found.rows is None:
        return
    total = found.rows["events"] + sum(found.rows["unusable"].values())
    unusable = {reason: n for reason, n in found.rows["unusable"].items() if reason != OUTSIDE}
    for reason, count in unusable.items():
        yield f"{count:,} of the log's {total:,} rows ({count / total:.1%}) were left out: {reason}"
    if found.rows["too_small"]:
        yield f"{found.rows['too_small']:,} profiles were left out for too few events or days"


def _silence(found: Description) -> Iterator[str]:
    """Days, weekdays, hours and channels without any activity."""
    axes = found.axes
    weekly = found.by_weekday or {}
    for name in (name for name, mean in weekly.items() if mean == 0):
        yield f"every {name} is empty: closed on that weekday, or data that is missing?"
    silent = [
        day
        for day in np.flatnonzero(found.by_day == 0).tolist()
        if (weekday := axes.weekday(day)) is None or weekly.get(WEEKDAYS[weekday]) != 0
    ]
    if silent:
        yield (
            f"{len(silent)} of {axes.days} days are empty for everybody "
            f"({_days(axes, silent)}): missing data?"
        )
    for first, last in _runs(found.by_slot == 0):
        if last - first >= SILENT_SLOTS * axes.slots:
            span = f"{axes.slot_label(first)} to {axes.slot_label(last % axes.slots)}"
            yield (
                f"{span} is always empty: missing data, or another time zone than {axes.timezone}?"
            )
    for name in (
        name for name, sum_ in zip(axes.channels, found.by_channel, strict=True) if sum_ == 0
    ):
        yield f"channel {name!r} is empty"


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of a circular mask as (first, end); the end is past the last slot where a run wraps.

    >>> _runs(np.array([True, False, True, True])), _runs(np.array([False, False]))
    ([(2, 5)], [])
    """
    if mask.all() or not mask.any():
        return [(0, len(mask))] if mask.all() else []
    starts = np.flatnonzero(mask & ~np.roll(mask, 1)).tolist()
    ends = (np.flatnonzero(mask & ~np.roll(mask, -1)) + 1).tolist()
    if ends[0] <= starts[0]:
        ends = [*ends[1:], ends[0] + len(mask)]
    return list(zip(starts, ends, strict=True))


def _drops(found: Description) -> Iterator[str]:
    """Days far below what their weekday usually has."""
    axes = found.axes
    weekdays = np.array(
        [axes.weekday(day) if axes.weekday(day) is not None else 0 for day in range(axes.days)]
    )
    usual = np.array([np.median(found.by_day[weekdays == weekday]) for weekday in weekdays])
    low = np.flatnonzero((found.by_day > 0) & (found.by_day < SUDDEN_DROP * usual)).tolist()
    if low:
        yield (
            f"{len(low)} days have less than a tenth of their weekday's usual events "
            f"({_days(axes, low)}): an outage, or a log that begins or ends there?"
        )


def _oddities(found: Description) -> Iterator[str]:
    if found.one_day > found.profiles / 2:
        yield f"{found.one_day / found.profiles:.0%} of the profiles are active on only one day"
    if found.automatic:
        yield (
            f"{found.automatic:,} profiles are active in nearly every hour of their days: "
            "programs, or several people behind one name?"
        )
    if found.profiles > 1 and found.largest_share > LARGE_SHARE:
        yield (
            f"one profile has {found.largest_share:.0%} of all events: "
            "a program, or a default name?"
        )

    if found.axes.unit == "count" and found.largest_cell > LARGEST:
        yield f"one cell holds {found.largest_cell:,.0f} events: a program, or a retry loop?"


def _days(axes: Axes, days: list[int], most: int = 5) -> str:
    """Dates, or numbers of days in the window where the log was tiled."""
    named = [
        f"day {d + 1}" if axes.every else str(axes.start + dt.timedelta(days=d))
        for d in days[:most]
    ]
    return ", ".join([*named, "..."] if len(days) > most else named)
