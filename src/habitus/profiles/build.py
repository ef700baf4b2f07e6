"""Events to profiles: one aggregation on the log's own engine, one pass over its sorted result.

Each event becomes one integer, key = (user code x windows + window) x cells + cell, or a small negative number that
says why it cannot be used. The engine counts the events per key and sorts; what comes back in batches is the
profiles, cell after cell, so memory is bounded by a batch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from habitus.events import SECONDS_PER_DAY, EventLog, engine_errors
from habitus.parts.shapes import DAYS_PER_WEEK, Axes, IntArray
from habitus.profiles.people import People
from habitus.profiles.sparse import Profiles, concat
from habitus.profiles.store import StoredProfiles, empty, save

REASONS = {
    -1: "the user is missing",
    -2: "the time is missing or unreadable",
    -3: "the channel is missing",
    -4: "the event is outside the window",
}
OTHER = "other"
MAX_CHANNELS = 256
BATCH = 1_000_000  # keys from the engine at a time: 12 MB
EPOCH = dt.date(1970, 1, 1)

Progress = Callable[[int], None]


@dataclass(frozen=True)
class ProfileConfig:
    """How a log is cut into profiles.

    Attributes:
        start: First day; None takes the log's first day.
        end: Last day that a tiled window may reach; None tiles to the end of the log, so that the last window
            may reach past it.
        days: Days in a window ("Time pictures" 5.1.2 uses 32).
        every: Days from a window's start to the next, to tile a long log; None makes one window.
        align: Weekday (0 is Monday) on or after ``start`` that the first window begins on, or None.
        slot_minutes: Length of a slot, a divisor of a day.
        channels: Channels to keep, the rest become ``other``; None keeps all.
        min_events: Fewest events of a profile.
        min_days: Fewest days with an event of a profile.
        strict: Refuse a log with rows that cannot be used, instead of counting them.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    days: int = 32
    every: int | None = None
    align: int | None = None
    slot_minutes: int = 60
    channels: tuple[str, ...] | None = None
    min_events: int = 1
    min_days: int = 1
    strict: bool = False

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ValueError(f"windows must start at least 1 day apart, got {self.every}")


@dataclass
class Tally:
    """What became of the log's rows.

    Attributes:
        events: Events counted in profiles.
        unusable: Rows left out, by reason.
        profiles: Profiles made.
        too_small: Profiles left out for having too few events or days.
    """

    events: int = 0
    unusable: dict[str, int] = field(default_factory=dict)
    profiles: int = 0
    too_small: int = 0

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return {"rows": vars(self) | {"unusable": dict(self.unusable)}}


def profile(log: EventLog, config: ProfileConfig | None = None) -> Profiles:
    """Count a log's events per (user, window, day, slot, channel), in memory ("Time pictures" 5.1).

    Raises:
        ValueError: if the log is empty, no event lies in a window, or (strict) a row cannot be used.
    """
    build = Build(log, config or ProfileConfig())
    return concat(list(build.chunks(lambda _: None)) or [empty(build.axes)])


def profile_to(
    path: Path | str, log: EventLog, config: ProfileConfig, on_progress: Progress = lambda _: None
) -> StoredProfiles:
    """As :func:`profile`, to a folder, in bounded memory.

    Args:
        path: The folder; it appears when it is complete.
        log: The events.
        config: How to cut them.
        on_progress: Called with the number of events counted so far.

    Raises:
        ValueError: as :func:`profile`.
    """
    build = Build(log, config)
    return save(path, build.chunks(on_progress), build.axes, build.about)


class Build:
    """One log on its way to profiles: the windows, the channels, the keys and their assembly."""

    def __init__(self, log: EventLog, config: ProfileConfig) -> None:
        self.log = log
        self.config = config
        self.tally = Tally()
        self.about: dict[str, Any] = {}
        self.axes = Axes(
            self._start(), config.days, config.slot_minutes, self._channels(), self._clock(), every=config.every
        )

    def chunks(self, on_progress: Progress) -> Iterator[Profiles]:
        """The profiles, a batch of keys at a time; ``tally`` and ``about`` are complete at the end."""
        for keys, counts in self._whole_profiles():
            usable = keys >= 0
            self._set_aside(keys[~usable], counts[~usable])
            chunk = self._assemble(keys[usable], counts[usable])
            self.tally.events += int(counts[usable].sum())
            self.tally.profiles += len(chunk)
            on_progress(self.tally.events)
            if len(chunk):
                yield chunk
        self._check_used()
        self.about.update(self.tally.to_json())

    @cached_property
    def windows(self) -> int:
        """How many windows begin within the log or, where an end is given, end by then; at least one."""
        if self.config.every is None:
            return 1
        end = self.config.end
        latest = self.log.days()[1] if end is None else end - dt.timedelta(days=self.axes.days - 1)
        return max(1, (latest - self.axes.start).days // self.config.every + 1)

    @cached_property
    def people(self) -> People:
        """The users and their codes."""
        return People.of(self.log, most=2**62 // (self.windows * self.axes.cells))

    def keys(self) -> ir.Table:
        """A table of one column, ``key``, with a row per event (and window, where windows overlap)."""
        table = self.people.join(self.log.table)
        slot_seconds = self.axes.slot_minutes * 60
        origin = (self.axes.start - EPOCH).days * SECONDS_PER_DAY
        slot = ((self.log.seconds() - origin) / slot_seconds).floor().cast("int64")
        table = table.mutate(_slot=slot, _channel=self._channel_code(table), _code=self.people.code(table))
        parts = [self._keys_of(table, lag) for lag in range(self._overlap())]
        return ibis.union(*parts) if len(parts) > 1 else parts[0]

    def _keys_of(self, table: ir.Table, lag: int) -> ir.Table:
        """Keys in the window that began ``lag`` windows before the latest one."""
        slots_per_window = self.axes.days * self.axes.slots
        period = (self.config.every or self.axes.days) * self.axes.slots
        window = (table._slot // period).cast("int64") - lag if self.config.every else ibis.literal(0)
        within = table._slot - window * period
        inside = (window >= 0) & (window < self.windows) & (within >= 0) & (within < slots_per_window)
        key = (table._code * self.windows + window) * self.axes.cells
        key = key + within * len(self.axes.channels) + table._channel
        if lag:
            usable = inside & table._code.notnull() & table._channel.notnull()
            return table.filter(usable).select(key=key)
        elsewhere = ibis.literal(-4) if self._overlap() == 1 else self._unless_in_an_earlier_window(table, period)
        reasons = [(table._code.isnull(), -1), (table._slot.isnull(), -2), (table._channel.isnull(), -3)]
        return table.select(key=ibis.cases(*reasons, (inside, key), else_=elsewhere)).filter(
            lambda t: t.key.notnull()
        )

    def _unless_in_an_earlier_window(self, table: ir.Table, period: int) -> ir.Value:
        """Where windows overlap, an event outside the latest window may still lie in an earlier one."""
        end = (self.windows - 1) * period + self.axes.days * self.axes.slots
        return ibis.cases(((table._slot < 0) | (table._slot >= end), -4), else_=ibis.null("int64"))

    def _overlap(self) -> int:
        """In how many windows an event can lie."""
        return -(-self.axes.days // self.config.every) if self.config.every else 1

    def _channel_code(self, table: ir.Table) -> ir.Value:
        """Index of the channel; null where the channel is missing."""
        if self.log.channel is None:
            return ibis.literal(0)
        text = self.log.channel_text()
        index = {name: position for position, name in enumerate(self.axes.channels)}
        branches = [(text == raw, index.get(raw.strip(), len(index) - 1)) for raw in self._raw_channels]
        return ibis.cases(*branches, else_=ibis.null("int64")) if branches else ibis.null("int64")

    def _whole_profiles(self) -> Iterator[tuple[IntArray, IntArray]]:
        """Sorted keys and their counts, cut where a profile ends."""
        counted = self.keys().group_by("key").aggregate(count=ibis._.count()).order_by("key")
        held = _Pairs.none()
        with engine_errors("cannot count the events"):
            for batch in counted.to_pyarrow_batches(chunk_size=BATCH):
                held = held.and_then(_Pairs.of(batch))
                whole, held = held.cut(self.axes.cells)
                yield whole.keys, whole.counts
        yield held.keys, held.counts

    def _set_aside(self, keys: IntArray, counts: IntArray) -> None:
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.tally.unusable[REASONS[key]] = count

    def _assemble(self, keys: IntArray, counts: IntArray) -> Profiles:
        """Profiles from whole runs of sorted keys."""
        row, cell = np.divmod(keys, self.axes.cells)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        indptr = np.append(starts, len(row)).astype(np.int64)
        chunk = Profiles(self.axes, indptr, cell.astype(np.int32), counts.astype(np.uint32), self._who(row[starts]))
        large = self._large_enough(chunk, starts)
        self.tally.too_small += int((~large).sum())
        return chunk if large.all() else chunk.take(large)

    def _large_enough(self, chunk: Profiles, starts: IntArray) -> np.ndarray:
        if not len(chunk):
            return np.zeros(0, bool)
        day = chunk.cells // (self.axes.slots * len(self.axes.channels))
        fresh = np.diff(day, prepend=-1) != 0
        fresh[starts] = True
        events = np.add.reduceat(chunk.values.astype(np.int64), starts)
        days = np.add.reduceat(fresh.astype(np.int64), starts)
        return (events >= self.config.min_events) & (days >= self.config.min_days)

    def _who(self, rows: IntArray) -> pa.Table:
        code, window = np.divmod(rows, self.windows)
        users = self.people.table(code)
        if self.config.every is None:
            return users
        first = (self.axes.start - EPOCH).days
        starts = pa.array((first + window * self.config.every).astype(np.int32)).cast(pa.date32())
        return users.add_column(1, "window_start", starts)

    def _check_used(self) -> None:
        unusable = ", ".join(f"{count:,} rows: {reason}" for reason, count in self.tally.unusable.items())
        if self.config.strict and unusable:
            raise ValueError(f"rows that cannot be used ({unusable}); mend the log or leave --strict out")
        if not self.tally.events:
            first, last = self.log.days() if self.tally.unusable else (None, None)
            span = f"; the log runs from {first} to {last}" if first else ""
            raise ValueError(f"no event to count ({unusable or 'the log has no rows'}){span}")
        if not self.tally.profiles:
            raise ValueError(
                f"none of {self.tally.too_small:,} profiles has at least {self.config.min_events} events on "
                f"{self.config.min_days} days; lower --min-events or --min-days"
            )

    def _start(self) -> dt.date:
        start = self.config.start or self.log.days()[0]
        if self.config.align is None:
            return start
        return start + dt.timedelta(days=(self.config.align - start.weekday()) % DAYS_PER_WEEK)

    def _clock(self) -> str:
        return "each event's own offset" if self.log.offset else self.log.timezone

    @cached_property
    def _raw_channels(self) -> list[str]:
        return self.log.channel_names()

    def _channels(self) -> tuple[str, ...]:
        """The channels of the profiles, in order: as asked, or sorted."""
        if self.log.channel is None:
            return ("events",)
        found = [name.strip() for name in self._raw_channels]
        if self.config.channels is None:
            _check_few(found, self.log.channel)
            return tuple(found) or ("events",)
        wanted = tuple(name.strip() for name in self.config.channels)
        absent = [name for name in wanted if name not in found]
        if absent:
            raise ValueError(f"no channel {absent[0]!r} in the log; it has {', '.join(found[:20])}")
        rest = set(found) - set(wanted) - {OTHER}
        return (*wanted, OTHER) if rest and OTHER not in wanted else wanted


def _check_few(channels: list[str], column: str) -> None:
    if len(channels) > MAX_CHANNELS:
        raise ValueError(
            f"column {column!r} has {len(channels)} distinct channels, more than {MAX_CHANNELS}; name the ones to "
            "keep with --channels a,b,c (the rest become 'other')"
        )


@dataclass(frozen=True)
class _Pairs:
    """Sorted keys and how often each occurs."""

    keys: IntArray
    counts: IntArray

    @classmethod
    def none(cls) -> _Pairs:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> _Pairs:
        return cls(*(batch.column(name).to_numpy(zero_copy_only=False) for name in ("key", "count")))

    def and_then(self, other: _Pairs) -> _Pairs:
        return _Pairs(np.concatenate([self.keys, other.keys]), np.concatenate([self.counts, other.counts]))

    def cut(self, cells: int) -> tuple[_Pairs, _Pairs]:
        """Everything before the last profile, and the last profile, which may go on in the next batch."""
        if not len(self.keys):
            return self, self
        at = int(np.searchsorted(self.keys, self.keys[-1] // cells * cells))
        return _Pairs(self.keys[:at], self.counts[:at]), _Pairs(self.keys[at:], self.counts[at:])
