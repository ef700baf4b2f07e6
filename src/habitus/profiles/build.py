"""Events to profiles: one aggregation on the log's own engine, one pass over its sorted result.

Each event becomes one integer, key = (user code x windows + window) x cells + cell, or a small
negative number that says why it cannot be used. The engine counts the events per key and sorts;
what comes back in batches is the profiles, cell after cell, so memory is bounded by a batch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from habitus.events import EPOCH, Column, EventLog
from habitus.events.clock import OWN_CLOCK
from habitus.events.format import LogFormat
from habitus.files import Mark, check_outputs, replacing
from habitus.profiles.calendar import Calendar
from habitus.profiles.conditions import Conditions
from habitus.profiles.rare import FEWEST_USERS, OTHER, PROTECTION, RareValues
from habitus.profiles.sort_and_count import MOST_HERE, Counts, count_keys
from habitus.profiles.sparse import USER, WINDOW, Profiles, concat
from habitus.profiles.spool import Spool
from habitus.profiles.store import (
    KIND,
    StoredProfiles,
    empty,
    profile_writer,
    write_profiles,
)
from habitus.profiles.user_codes import CODE, KEY, UserCodes
from habitus.schema import DAYS_PER_WEEK, Axes, IntArray, Progress, no_progress
from habitus.settings import Date, Days, Positive, Whole, configuration

REASONS = {
    -1: "the user is missing",
    -2: "the time is missing or unreadable",
    -3: "the channel is missing",
    -4: "the event is outside the window",
}
MAX_CHANNELS = 256
# Largest number of channels whose index DuckDB finds in a list; for more a join is faster.
FEW = 16
SLOT = "_habitus_slot"
CHANNEL = "_habitus_channel"
RESERVED = (USER, WINDOW, "cells", "values")


@configuration
class ProfileConfig:
    """Settings that cut a log into profiles.

    Attributes:
        start: First day; None takes the log's first day.
        end: Last day that a tiled window may reach; None tiles to the end of the log, so that the
            last window may reach past it.
        days: Days in a window ("Time pictures" 5.1.2 uses 32).
        every: Days from a window's start to the next, to tile a long log; None makes one window.
        align: Weekday (0 is Monday) on or after ``start`` that the first window begins on, or None.
        slot_minutes: Length of a slot, a divisor of a day.
        channels: Channels to keep, the rest become ``other``; None keeps all.
        min_events: Fewest events of a profile.
        min_days: Fewest days with an event of a profile.
        min_users: Fewest users of a channel, an attribute value and the largest counts; rarer ones
            are protected (:mod:`habitus.profiles.rare`). 1 protects nothing.
        strict: Refuse a log with rows that cannot be used, instead of counting them.
        calendar: Holidays, and days on which the log was not recorded, which profiles remember.
    """

    start: Date | None = None
    end: Date | None = None
    days: Days = 32
    every: Days | None = None
    align: int | None = None
    slot_minutes: int = 60
    channels: tuple[str, ...] | None = None
    min_events: Whole = 1
    min_days: Whole = 1
    min_users: Positive = FEWEST_USERS
    strict: bool = False
    calendar: Calendar = field(default_factory=Calendar)


@dataclass
class Tally:
    """Counts of the log's rows by their use.

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
        ValueError: if the log is empty, no event lies in a window, or (strict) a row cannot be
            used.
    """
    build = Build(log, config or ProfileConfig())
    whole = concat(list(build.chunks()) or [empty(build.axes)])
    if build.rare is not None:
        build.rare.count(whole)
        whole = build.rare.protect(whole)
    return replace(whole, about=build.about | build.protection)


def profile_to(
    path: Path | str,
    log: EventLog,
    config: ProfileConfig,
    on_progress: Progress = no_progress,
    *,
    overwrite: bool = False,
) -> StoredProfiles:
    """Count a log's events into a folder of profiles, in bounded memory.

    Args:
        path: The folder; it appears when it is complete.
        log: The events.
        config: How to cut them.
        on_progress: Called with the number of events counted so far; how many there are is not
            known.
        overwrite: Replace whatever folder stands there, not only earlier profiles of a log.

    Raises:
        ValueError: as :func:`profile`, if the log is at ``path``, or if something else is and
            ``overwrite`` is not given.
    """
    check_outputs("profile", {"profiles": path}, [log.source], overwrite=overwrite)
    build = Build(log, config)
    with replacing(path, Mark("profile", KIND), overwrite=overwrite) as part:
        part.mkdir()
        with Spool(part, build.axes) as spool:
            chunks = build.chunks(on_progress)
            if build.rare is not None:
                for chunk in chunks:
                    build.rare.count(chunk)
                    spool.append(chunk)
                chunks = map(build.rare.protect, spool.read())
            axes = build.axes if build.rare is None else build.rare.protected_axes
            with profile_writer(part, axes) as append:
                count = sum(map(append, chunks))
        write_profiles(part, axes, count, build.about | build.protection)
    return StoredProfiles.open(path)


class Build:
    """The steps from a log to profiles: windows, channels, keys and their assembly.

    Attributes:
        rare: Rare values, to be counted among the profiles and protected; None for no protection.
    """

    def __init__(self, log: EventLog, config: ProfileConfig) -> None:
        self.log = log
        self.config = config
        self.tally = Tally()
        self.about: dict[str, Any] = {}
        self.axes = Axes(
            self._start(),
            config.days,
            config.slot_minutes,
            self._channels(),
            OWN_CLOCK if self.log.offset else self.log.timezone,
            every=config.every,
        )
        self._check_room()
        self.rare = (
            RareValues(self.axes, config.min_users, config.channels or (), log.channel is not None)
            if config.min_users > 1
            else None
        )

    @property
    def protection(self) -> dict[str, Any]:
        """The entry of ``about`` on rare values, once all profiles are protected."""
        return {PROTECTION: {"min_users": 1}} if self.rare is None else self.rare.to_json()

    def chunks(self, on_progress: Progress = no_progress) -> Iterator[Profiles]:
        """The profiles as they stand in the log, a batch of keys at a time.

        Then ``tally`` and ``about`` are complete.
        """
        for whole in self._whole_profiles():
            first = int(np.searchsorted(whole.keys, 0))
            unusable = whole.at(slice(None, first))
            for key, count in zip(unusable.keys.tolist(), unusable.counts.tolist(), strict=True):
                reason = REASONS[key]
                self.tally.unusable[reason] = self.tally.unusable.get(reason, 0) + count
            usable = whole.at(slice(first, None))
            chunk = self._assemble(usable.keys, usable.counts)
            self.tally.events += int(usable.counts.sum())
            self.tally.profiles += len(chunk)
            on_progress(self.tally.events, 0, "counting")
            if len(chunk):
                yield chunk
        self._check_used()
        self.about.update(
            self.tally.to_json() | {"log": self._remembered()} | self.config.calendar.to_json()
        )

    @cached_property
    def windows(self) -> int:
        """Number of windows that begin within the log or end by a given end; at least one."""
        if self.config.every is None:
            return 1
        end = self.config.end
        latest = self.log.days()[1] if end is None else end - dt.timedelta(days=self.axes.days - 1)
        return max(1, (latest - self.axes.start).days // self.config.every + 1)

    @cached_property
    def user_codes(self) -> UserCodes:
        """The users and their codes."""
        return UserCodes.of(self.log, most=2**62 // (self.windows * self.axes.cells))

    @cached_property
    def form(self) -> LogFormat:
        """The log's format, from its times in the windows."""
        return LogFormat.of(self.log, self.axes.start, self._span, self.axes.slot_minutes)

    def _remembered(self) -> dict[str, Any]:
        """The log's format and the conditions of its profiles, for making events again."""
        return self.form.to_json() | {
            "min_events": self.config.min_events,
            "min_days": self.config.min_days,
        }

    @property
    def _span(self) -> int:
        """Days from the first window's start to the last one's end."""
        return self.axes.days + (self.windows - 1) * (self.config.every or 0)

    def keys(self) -> ir.Table:
        """A table of one column, ``key``, with a row per event and window that it is in."""
        table = self.user_codes.coded(self._rows())
        parts = [self._keys_of(table, lag) for lag in range(self._overlap())]
        return ibis.union(*parts) if len(parts) > 1 else parts[0]

    def _rows(self) -> ir.Table:
        """User, slot since the first window's start, and channel index of each event."""
        slot = self.log.slots(self.axes.start, self._span, self.axes.slot_minutes)
        rows = self.log.table.select(
            **{KEY: self.log.user_key(), SLOT: slot, CHANNEL: self.log.channel_text()}
        )
        if self.log.channel is None:
            return rows.mutate(**{CHANNEL: ibis.literal(0)})
        return self._with_channel_index(rows)

    def _keys_of(self, table: ir.Table, lag: int) -> ir.Table:
        """Keys in the window that began ``lag`` windows before the latest one."""
        code, slot, channel = (_column(table, name) for name in (CODE, SLOT, CHANNEL))
        period = (self.config.every or 0) * self.axes.slots
        window = slot // period - lag if period else 0
        within = slot - window * period if period else slot
        inside = (within >= 0) & (within < self.axes.days * self.axes.slots)
        if period:
            inside = inside & (window >= 0) & (window < self.windows)
        key = (
            (code * self.windows + window) * self.axes.cells
            + within * len(self.axes.channels)
            + channel
        )
        if lag:
            return table.filter(inside & code.notnull() & channel.notnull()).select(key=key)
        elsewhere = (
            ibis.literal(-4)
            if self._overlap() == 1
            else self._unless_in_an_earlier_window(slot, period)
        )
        reasons = [(code.isnull(), -1), (slot.isnull(), -2), (channel.isnull(), -3)]
        keys = table.select(key=ibis.cases(*reasons, (inside, key), else_=elsewhere).cast("int64"))
        return keys if self._overlap() == 1 else keys.drop_null()

    def _unless_in_an_earlier_window(self, slot: Column, period: int) -> Column:
        """Reason key of an event outside of all windows; null where an earlier window has it."""
        end = (self.windows - 1) * period + self.axes.days * self.axes.slots
        return ibis.cases(((slot < 0) | (slot >= end), -4), else_=ibis.null("int64"))

    def _overlap(self) -> int:
        """In how many windows an event can lie."""
        return -(-self.axes.days // self.config.every) if self.config.every else 1

    def _with_channel_index(self, rows: ir.Table) -> ir.Table:
        """Replace the name of the channel by its index; null where the channel is missing."""
        raw = {name.strip(): name for name in self._raw_channels}
        names = [
            raw[name] for name in self.axes.channels if name in raw
        ]  # all but an added ``other``, the last
        if self.log.is_local and 0 < len(names) <= FEW:
            text = _column(rows, CHANNEL)
            index: Column = list_position(names, text).nullif(
                ibis.literal(0)
            )  # not by cases: that would look it up twice
            index = index - 1
        else:
            codes = pa.array(range(len(names)), pa.int64())
            lookup = ibis.memtable(
                pa.table({"_habitus_raw": pa.array(names, pa.string()), "_habitus_index": codes})
            )
            rows = rows.left_join(lookup, [(CHANNEL, "_habitus_raw")])
            index = _column(rows, "_habitus_index")
            text = _column(rows, CHANNEL)
        if self._rest is not None:
            index = ibis.cases((index.notnull(), index), (text.notnull(), self._rest))
        return rows.select(KEY, SLOT, **{CHANNEL: index})

    @property
    def _rest(self) -> int | None:
        """Index of the channel that those not named fall into, or None where all are named."""
        named = self.config.channels is not None and self.log.channel is not None
        return self.axes.channels.index(OTHER) if named and OTHER in self.axes.channels else None

    def _whole_profiles(self) -> Iterator[Counts]:
        """Sorted keys and their counts, cut where a profile ends."""
        held = Counts.none()
        largest = self.user_codes.count * self.windows * self.axes.cells
        fits = self.log.is_local and self.form.rows * self._overlap() <= MOST_HERE
        for counts in count_keys(self.keys(), largest, here=fits):
            whole, held = held.and_then(counts).cut(self.axes.cells)
            yield whole
        yield held

    def _assemble(self, keys: IntArray, counts: IntArray) -> Profiles:
        """Profiles from whole runs of sorted keys."""
        row, cell = np.divmod(keys, self.axes.cells)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        indptr = np.append(starts, len(row)).astype(np.int64)
        chunk = Profiles(
            self.axes,
            indptr,
            cell.astype(np.int32),
            counts.astype(np.uint32),
            self._who(row[starts]),
        )
        if max(self.config.min_events, self.config.min_days) <= 1:
            return chunk
        large = Conditions(self.config.min_events, self.config.min_days).met(chunk)
        self.tally.too_small += int((~large).sum())
        return chunk if large.all() else chunk.take(large)

    def _who(self, rows: IntArray) -> pa.Table:
        code, window = np.divmod(rows, self.windows)
        users = self.user_codes.table(code)
        if self.config.every is None:
            return users
        first = (self.axes.start - EPOCH).days
        starts = pa.array((first + window * self.config.every).astype(np.int32)).cast(pa.date32())
        return users.add_column(1, WINDOW, starts)

    def _check_used(self) -> None:
        unusable = ", ".join(
            f"{count:,} rows: {reason}" for reason, count in self.tally.unusable.items()
        )
        if self.config.strict and unusable:
            raise ValueError(
                f"rows that cannot be used ({unusable}); mend the log or leave --strict out"
            )
        if not self.tally.events:
            first, last = self.log.days() if self.tally.unusable else (None, None)
            span = f"; the log runs from {first} to {last}" if first else ""
            raise ValueError(f"no event to count ({unusable or 'the log has no rows'}){span}")
        if not self.tally.profiles:
            raise ValueError(
                f"none of {self.tally.too_small:,} profiles has at least {self.config.min_events} "
                f"events on {self.config.min_days} days; lower --min-events or --min-days"
            )

    def _check_room(self) -> None:
        taken = [name for name in self.log.attributes if name in RESERVED]
        if taken:
            raise ValueError(
                f"an attribute cannot be called {taken[0]!r}, which profiles use; rename the column"
            )
        last = self.axes.start + dt.timedelta(days=self.axes.days - 1)
        if self.config.every and self.config.end is not None and self.config.end < last:
            raise ValueError(
                f"no window of {self.axes.days} days fits between {self.axes.start} and "
                f"{self.config.end}; choose a later end or fewer days"
            )

    def _start(self) -> dt.date:
        start = self.config.start or self.log.days()[0]
        if self.config.align is None:
            return start
        return start + dt.timedelta(days=(self.config.align - start.weekday()) % DAYS_PER_WEEK)

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
        rest = set(found) - set(wanted)
        return (*wanted, OTHER) if rest and OTHER not in wanted else wanted


def _check_few(channels: list[str], column: str) -> None:
    if len(channels) > MAX_CHANNELS:
        raise ValueError(
            f"column {column!r} has {len(channels)} distinct channels, more than {MAX_CHANNELS}; "
            "name the ones to keep with --channels a,b,c (the rest become 'other')"
        )


@ibis.udf.scalar.builtin(signature=((None, None), "int64"))
def list_position(names: list[str], text: Column) -> Column:
    """DuckDB's place of a text in a list, from 1, or 0 where it is absent."""


def _column(table: ir.Table, name: str) -> Column:
    return table[name]
