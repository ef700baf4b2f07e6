"""Profiles back to a log: each count becomes that many events at random times within its slot.

The times of a user depend on the seed and the user's place in the population, and on nothing else:
each event has a number of its own, and its randomness is a hash of it (counter-based random
numbers: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; the hash is SplitMix64:
Steele et al., 2014). However the population is cut into pieces, the events are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.events.columns import column_of, event_schema, times_as, users_as
from habitus.events.format import DAY, MICROSECONDS, MINUTE, LogFormat
from habitus.profiles.factors import NO_FACTORS
from habitus.profiles.sparse import USER, WINDOW, Profiles
from habitus.profiles.wall_clock import (
    Clock,
    Times,
    clock_of,
    existing,
    first_slots,
    onto_slots_that_exist,
)
from habitus.schema import Axes

MOST_EVENTS = 1 << 20  # events of a table, at most, unless one user has more: 100 MB of memory
MARGIN = 2  # days added before and after a window, more than any clock's offset from UTC
TABLE = 18  # log2 of the length of the table of minutes, see _minutes
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

Bits = NDArray[np.uint64]


def to_events(
    profiles: Profiles, seed: int, form: LogFormat | None = None, first: int = 0
) -> pa.Table:
    """Events that give these profiles, user by user, each one's in order of time.

    Slots are those of the wall clock of ``axes.timezone`` (of UTC where each event had its own
    offset). An hour that clocks show twice has events in both; what lies in one that they skip
    comes out in the slot after.

    Args:
        profiles: Counts, in windows that do not overlap.
        seed: Decides the times.
        form: The log's columns and their types, how fine its times are, and when within a slot
            events come; by default what is remembered of the profiles' own log, or ``user``,
            ``timestamp`` (UTC, microseconds), ``channel`` and the users' attributes, with any
            moment of a slot as likely.
        first: Place of the first profile in the population.

    Raises:
        ValueError: for values that are not counts, or windows that overlap.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 1, 720, ("web", "phone"))
    >>> events = to_events(Profiles.from_dense(axes, np.array([[[[0, 2], [1, 0]]]])), seed=0)
    >>> events["channel"].to_pylist(), [time.hour // 12 for time in events["timestamp"].to_pylist()]
    (['phone', 'phone', 'web'], [0, 0, 1])
    """
    check_events(profiles.axes, profiles.users.schema)
    form = form or format_of(profiles.about, profiles.users.schema)
    schema = log_schema(form, profiles.axes, profiles.users.schema)
    return pa.concat_tables(
        [schema.empty_table(), *event_tables([(first, profiles)], seed, form, schema)]
    )


def event_tables(
    pieces: Iterable[tuple[int, Profiles]], seed: int, form: LogFormat, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Events of a population in pieces, each with the place of its first profile; bounded memory.

    Args:
        pieces: Consecutive profiles and where they begin.
        seed: Decides the times.
        form: The log's format.
        schema: The columns, as of :func:`log_schema`.
    """
    for first, profiles in pieces:
        whole = onto_slots_that_exist(profiles)
        for start, stop in _cuts(whole):
            yield _events(whole.slice(start, stop), seed, form, schema, first + start)


def check_events(axes: Axes, users: pa.Schema) -> None:
    """Refuse profiles that do not say how many events there were.

    Raises:
        ValueError: for values that are not counts, or windows that overlap.
    """
    if axes.unit != "count":
        raise ValueError(
            f"expected profiles of unit count, got {axes.unit}, which does not hold numbers of "
            "events; use profiles of a log, or a model that generates counts"
        )
    if WINDOW in users.names and axes.every is not None and axes.every < axes.days:
        raise ValueError(
            "windows that overlap hold an event more than once; profile with windows that do not"
        )


def format_of(about: dict[str, Any], users: pa.Schema) -> LogFormat:
    """The format that is remembered of a log; where none is, a plain one.

    Args:
        about: What profiles or a run say of where they came from.
        users: Columns of the users.

    Raises:
        ValueError: if what is remembered is damaged.
    """
    if about.get("log"):
        return log_format(about)
    attributes = tuple(name for name in users.names if name not in NO_FACTORS)
    columns = {
        "user": users.field(USER).type,
        "timestamp": pa.timestamp("us", "UTC"),
        "channel": pa.string(),
    }
    return LogFormat(pa.schema(list(columns.items())), attributes=attributes)


def log_format(about: dict[str, Any]) -> LogFormat:
    """The format that is remembered of a log.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        return LogFormat.from_json(about["log"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"what is remembered of the log is damaged: {type(error).__name__} {error}"
        ) from None


def log_schema(form: LogFormat, axes: Axes, users: pa.Schema) -> pa.Schema:
    """Columns of a log in a format: the format's, then attributes that it does not have."""
    more = [field for field in users if field.name not in (*NO_FACTORS, *form.schema.names)]
    return event_schema(form, axes.channels, axes.slots, users.field(USER).type, more)


def _cuts(profiles: Profiles) -> Iterator[tuple[int, int]]:
    """Runs of profiles with at most MOST_EVENTS, or of one, within :class:`_Packing`."""
    ends = _ends(profiles)
    most = _Packing.of(profiles.axes).rows
    start = 0
    while start < len(profiles):
        stop = int(np.searchsorted(ends, ends[start] + MOST_EVENTS, side="right")) - 1
        stop = min(max(stop, start + 1), start + most, len(profiles))
        yield start, stop
        start = stop


def _ends(profiles: Profiles) -> Times:
    """Number of events before each profile, and in all, [U + 1]."""
    return np.concatenate([[0], np.cumsum(profiles.values, dtype=np.int64)])[profiles.indptr]


@dataclass(frozen=True)
class _Packing:
    """Layout of an integer key of an event: profile, time, channel; sorting keys sorts events.

    Attributes:
        time: Bits of the time, in microseconds since two days before the profile's window.
        channel: Bits of the channel.
    """

    time: int
    channel: int

    @classmethod
    def of(cls, axes: Axes) -> _Packing:
        """The packing for some axes."""
        return cls(((axes.days + 2 * MARGIN) * DAY).bit_length(), len(axes.channels).bit_length())

    @property
    def rows(self) -> int:
        """Number of profiles that keys can hold."""
        return 2 ** (63 - self.time - self.channel)


def _events(
    profiles: Profiles, seed: int, form: LogFormat, schema: pa.Schema, first: int
) -> pa.Table:
    ends = _ends(profiles)
    row = np.repeat(np.arange(len(profiles)), np.diff(ends))
    time, channel = _times_and_channels(profiles, ends, _bits(seed, first, ends), form)
    made = {form.user: (users_as(profiles.users[USER], schema.field(form.user).type), row)}
    if form.channel is not None:
        made[form.channel] = (pa.array(profiles.axes.channels), channel)
    for name in (each for each in profiles.users.column_names if each not in NO_FACTORS):
        made[name] = (profiles.users[name].combine_chunks(), row)
    columns = {name: column_of(*made[name], schema.field(name).type) for name in made}
    columns[form.time] = times_as(time, schema.field(form.time).type, form)
    return pa.table([_filled(columns, field, len(row), form) for field in schema], schema=schema)


def _filled(columns: dict[str, pa.Array], field: pa.Field, size: int, form: LogFormat) -> pa.Array:
    """Return a column if it was made; else zeros for the clock's offset, and nulls for others."""
    if field.name in columns:
        return columns[field.name]
    if field.name == form.offset:
        return pa.array(np.zeros(size, np.int64)).cast(field.type)
    return pa.nulls(size, field.type)


def _times_and_channels(
    profiles: Profiles, ends: Times, bits: Bits, form: LogFormat
) -> tuple[Times, Times]:
    """When each event is and what it is, in order of profile, time and channel."""
    counts = profiles.values.astype(np.int64)
    packing = _Packing.of(profiles.axes)
    channels = len(profiles.axes.channels)
    row = profiles.row_of_cell()
    (slot, channel) = np.divmod(profiles.cells.astype(np.int64), channels)
    begin = first_slots(profiles) * (profiles.axes.slot_minutes * MINUTE)
    origin = begin - MARGIN * DAY
    wall = np.repeat(begin[row] + slot * (profiles.axes.slot_minutes * MINUTE), counts)
    time = _times_in_utc(wall, bits, clock_of(profiles), profiles.axes.slot_minutes, form)
    keys = np.repeat(
        (row << (packing.time + packing.channel)) - (origin[row] << packing.channel) + channel,
        counts,
    )
    keys += time << packing.channel
    keys.sort(kind="stable")  # profiles and slots are in order already: a tenth of the time
    time = (keys >> packing.channel) & (2**packing.time - 1)
    time += np.repeat(origin, np.diff(ends))
    return time, keys & (2**packing.channel - 1)


def _times_in_utc(
    begin: Times, bits: Bits, clock: Clock, slot_minutes: int, form: LogFormat
) -> Times:
    """Times within slots that begin then on the wall: whole multiples of the log's resolution."""
    step = form.resolution if MINUTE % form.resolution == 0 else 1
    minutes = _minutes(form.minutes, slot_minutes)[bits >> np.uint64(64 - TABLE)]
    within = ((bits >> np.uint64(1)) & np.uint64(2**32 - 1)) * np.uint64(
        MINUTE // step
    ) >> np.uint64(32)
    wall = begin + (minutes + (within * np.uint64(step)).astype(np.int64))
    if not len(clock.until) and clock.offset[0] % form.resolution == 0 and step == form.resolution:
        return clock.to_utc(wall, np.zeros(1, bool))
    length = slot_minutes * MINUTE
    exact = clock.to_utc(existing(clock, wall, length), (bits & np.uint64(1)).astype(bool))
    return _rounded(exact, clock, length, form.resolution)


@lru_cache(maxsize=4)
def _minutes(counts: tuple[int, ...], slot_minutes: int) -> Times:
    """Tabulate the minutes of a slot in proportion to their counts, microseconds, [2 ** TABLE]."""
    weights = np.asarray(counts, np.float64)
    if len(weights) != slot_minutes or not weights.any():
        weights = np.ones(slot_minutes)
    ends = np.cumsum(weights) / weights.sum()
    places = (np.arange(2**TABLE) + 0.5) / 2**TABLE
    return np.minimum(np.searchsorted(ends, places, side="right"), slot_minutes - 1) * MINUTE


def _rounded(exact: Times, clock: Clock, length: int, resolution: int) -> Times:
    """Round times to a resolution: down, else up, else down to a second, to stay in their slot."""
    down = exact - exact % resolution
    if MINUTE % resolution == 0 and not (clock.offset % resolution).any():
        return down  # a slot begins at a whole minute
    slot = clock.shown(exact) // length
    finer = exact - exact % min(resolution, MICROSECONDS)
    for near in (down + resolution, down):
        finer = np.where(clock.shown(near) // length == slot, near, finer)
    return finer


def _bits(seed: int, first: int, ends: Times) -> Bits:
    """Draw 64 bits for each event of the profiles from place ``first`` in the population on."""
    start = _mixed(np.array([seed % 2**64], np.uint64) + GOLDEN)
    place = np.arange(first + 1, first + len(ends), dtype=np.uint64)
    user = _mixed(start + place * GOLDEN) - ends[:-1].astype(np.uint64) * GOLDEN
    return _mixed(
        np.repeat(user, np.diff(ends)) + np.arange(1, ends[-1] + 1, dtype=np.uint64) * GOLDEN
    )


def _mixed(x: Bits) -> Bits:
    """The finaliser of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * MIXERS[0]
    x = (x ^ (x >> np.uint64(27))) * MIXERS[1]
    return x ^ (x >> np.uint64(31))
