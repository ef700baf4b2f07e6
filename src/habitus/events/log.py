"""A table of events with columns named by role, and its slots, channels and days."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field, replace
from typing import Any, Self

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from habitus.databases import note_typed
from habitus.events.clock import (
    EPOCH,
    SECONDS_PER_DAY,
    Column,
    clock_changes,
    offset_at,
    since_epoch,
    zone,
)
from habitus.events.filters import filtered
from habitus.events.sources import (
    MEMORY_LIMIT,
    engine_errors,
    local_table,
    read_source,
    source_schema,
)

# Range of readable times, in seconds since 1970: those that have a date in every time zone.
READABLE = (
    since_epoch(dt.date(1, 1, 2)),
    since_epoch(dt.date(9999, 12, 30)),
)
FAR = 2**60  # microseconds, beyond the distance of any readable time from 1970; far from overflow
# Range in which clock changes are followed, in seconds since 1970.
ZONED = (
    since_epoch(dt.date(1900, 1, 1)),
    since_epoch(dt.date(2100, 1, 1)),
)


@dataclass(frozen=True)
class EventLog:
    """A table of events, on DuckDB or any engine that Ibis speaks, with its columns named by role.

    Attributes:
        table: The rows, an Ibis expression; nothing is read until it is needed.
        user: Column that says who.
        time: Column that says when.
        channel: Column that says what or where; None counts all events as one channel.
        attributes: Columns that describe a user, such as a country.
        timezone: Zone whose wall clock days and hours are counted on.
        offset: Column of minutes east of UTC, each event's own clock; then ``timezone`` is not
            used.
        schema: Arrow types of the source's columns where they are known more exactly than the
            engine says them.
        source: Path, glob or URL that the rows are read from, and that no output may replace; None
            where they come from a table.

    Raises:
        ValueError: for a column that is not there or cannot play its role, or an unknown zone.
    """

    table: ir.Table
    user: str
    time: str
    channel: str | None = None
    attributes: tuple[str, ...] = ()
    timezone: str = "UTC"
    offset: str | None = None
    schema: pa.Schema | None = None
    source: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for column in (self.user, self.time, self.channel, self.offset, *self.attributes):
            if column is not None and column not in self.table.columns:
                raise ValueError(
                    f"no column {column!r} in the log; it has {', '.join(self.table.columns)}"
                )
            if self.schema is not None and self.schema.names.count(column) > 1:
                raise ValueError(f"expected one column {column!r} in the log, got several")
        if self.offset is not None and not self.table[self.offset].type().is_numeric():
            raise ValueError(f"the offset column {self.offset!r} must hold minutes, a number")
        kind = self.table[self.time].type()
        if not (kind.is_timestamp() or kind.is_date() or kind.is_string() or _is_number(kind)):
            raise ValueError(
                f"the time column {self.time!r} has type {kind}; expected times, text or numbers"
            )
        zone(self.timezone)

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | ir.Table | pa.Table,
        *,
        user: str,
        time: str,
        channel: str | None = None,
        attributes: tuple[str, ...] = (),
        timezone: str = "UTC",
        offset: str | None = None,
        filter: str | None = None,
        memory_limit: str = MEMORY_LIMIT,
    ) -> Self:
        """Open a log of any kind.

        Args:
            source: A CSV or Parquet file, a folder of them, a glob, a table (Ibis, Arrow, pandas),
                or a connection URL with the table behind a hash, as in
                ``postgres://host/shop#clicks``. ``${NAME}`` in it is the environment's value.
            user: Column that says who.
            time: Column that says when.
            channel: Column that says what or where.
            attributes: Columns that describe a user.
            timezone: Zone whose wall clock counts.
            offset: Column of minutes east of UTC.
            filter: A condition in SQL on the log's columns; rows where it does not hold are not
                part of the log.
            memory_limit: How much memory DuckDB may use before it goes to disk.

        Raises:
            ValueError: if the source cannot be opened or a column cannot play its role.
        """
        if isinstance(source, str | os.PathLike):
            path = os.fspath(source)
            note_typed(path)
            with engine_errors(f"cannot read {source}"):
                table = read_source(path, memory_limit)
                schema = source_schema(path)
        else:
            path = None
            table = source if isinstance(source, ir.Table) else local_table(source, memory_limit)
            schema = source.schema if isinstance(source, pa.Table) else None
        if filter is not None:
            table = filtered(table, filter)
        return cls(table, user, time, channel, tuple(attributes), timezone, offset, schema, path)

    @property
    def is_local(self) -> bool:
        """True if the rows are on DuckDB, in this process."""
        return ibis.get_backend(self.table).name == "duckdb"

    def slots(self, start: dt.date, days: int, minutes: int) -> Column:
        """Slot of ``minutes`` of each event, from 0 at midnight of ``start`` on the wall clock.

        Null where the time is missing or unreadable; negative before ``start``. Clock changes are
        followed from ``start`` for ``days`` days, so events far outside may be an hour off.
        """
        first = since_epoch(start)
        margin = 2 * SECONDS_PER_DAY
        ticks, per_second = self._on_the_wall(
            first - margin, first + days * SECONDS_PER_DAY + margin
        )
        length = 60 * minutes * per_second
        if not self.is_local or ticks.type().is_floating():
            return ((ticks - first * per_second) / length).floor().cast("int64")
        # DuckDB's integer division is the fastest, but rounds towards zero: make times positive.
        before = FAR // length
        slot: Column = divide(ticks + (before * length - first * per_second), length)
        return slot - before

    def minutes(self, start: dt.date, days: int, slot_minutes: int) -> Column:
        """Minutes from midnight of ``start`` to each event on the wall clock, int64.

        Where all clock changes in the ``days`` days from ``start`` are multiples of a slot, they
        are ignored, which takes half the time: the hour may then be wrong, but not the minute
        within the slot.
        """
        first, last = (
            min(max(since_epoch(start) + day * SECONDS_PER_DAY, ZONED[0]), ZONED[1])
            for day in (0, days)
        )
        offsets = [offset for _, offset in clock_changes(zone(self.timezone), first, last)]
        if (
            self.offset is not None
            or offsets[0] % 60
            or len({offset % (60 * slot_minutes) for offset in offsets}) > 1
        ):
            return self.slots(start, days, 1)
        return replace(self, timezone="UTC").slots(start, days, 1) + offsets[0] // 60

    def days(self) -> tuple[dt.date, dt.date]:
        """First and last day with an event.

        Raises:
            ValueError: if the log is empty or has no readable time.
        """
        first, last = self._span(*self.ticks())
        first, last = self._span(*self._on_the_wall(first - 1, last + 1))
        return _date(first), _date(last)

    def channel_names(self) -> list[str]:
        """The distinct values of the channel column as text, sorted; spaces around them are kept.

        Raises:
            ValueError: if two names differ only by the spaces around them.
        """
        if self.channel is None:
            return []
        with engine_errors("cannot read the channels"):
            names = self.table.select(name=self.channel_text()).distinct().to_pyarrow()["name"]
        return _checked_channels(sorted(names.drop_null().to_pylist()), self.channel)

    def channel_text(self) -> Column:
        """The channel column as text; null where the channel is missing."""
        return self.table[self.channel].cast("string") if self.channel else ibis.null("string")

    def user_key(self) -> Column:
        """The user column, as text unless it is numbers; null where it is missing."""
        column: Column = self.table[self.user]
        kind = column.type()
        if kind.is_floating():
            return ibis.cases((column.isnan(), ibis.null(kind)), else_=column)
        return column if kind.is_integer() or kind.is_string() else column.cast("string")

    def ticks(self) -> tuple[Column, int]:
        """Ticks since 1970 and ticks per second; null outside of the years 1 to 9999."""
        column: Column = self.table[self.time]
        kind = column.type()
        if _is_number(kind):
            return _within(column, *READABLE), 1
        if kind.is_string():
            column = column.strip().try_cast("timestamp('UTC')")
        elif kind.is_date():
            column = column.cast("timestamp")
        if self.is_local:  # in whole microseconds: five times as fast as DuckDB's epoch, and exact
            return _within(epoch_us(column), *(bound * 1_000_000 for bound in READABLE)), 1_000_000
        return _within(column.truncate("s").epoch_seconds(), *READABLE), 1

    def _on_the_wall(self, first: int, last: int) -> tuple[Column, int]:
        """Times of the wall clock in ticks since 1970, and ticks per second.

        Changes of the zone between the two given times, in seconds, are looked up.
        """
        ticks, per_second = self.ticks()
        if self.offset is not None:
            minutes: Column = self.table[self.offset]
            return ticks + (minutes.cast("float64") * (60 * per_second)).floor().cast(
                "int64"
            ), per_second
        if self.timezone == "UTC":
            return ticks, per_second
        first, last = (min(max(instant, ZONED[0]), ZONED[1]) for instant in (first, last))
        return ticks + offset_at(ticks, per_second, zone(self.timezone), first, last), per_second

    def _span(self, ticks: Column, per_second: int) -> tuple[int, int]:
        """First and last time, in seconds."""
        with engine_errors("cannot read the times"):
            row = self.table.aggregate(rows=self.table.count(), first=ticks.min(), last=ticks.max())
            row = row.to_pyarrow().to_pylist()[0]
        if not row["rows"]:
            raise ValueError("the log has no rows; expected events (check the path and --filter)")
        if row["first"] is None:
            raise ValueError(
                f"no time in column {self.time!r} could be read; expected ISO 8601, as 2018-02-01 "
                "09:30:00, or seconds since 1970"
            )
        return int(row["first"] // per_second), int(row["last"] // per_second)


@ibis.udf.scalar.builtin(signature=((None, None), "int64"))
def divide(ticks: Column, length: int) -> Column:
    """DuckDB's division of integers; the body is the engine's."""


@ibis.udf.scalar.builtin(signature=((None,), "int64"))
def epoch_us(moment: Column) -> Column:
    """DuckDB's microseconds since 1970; the body is the engine's."""


def _is_number(kind: Any) -> bool:
    return kind.is_numeric() and not kind.is_boolean()


def _within(column: Column, low: int, high: int) -> Column:
    return ibis.cases((column.between(low, high), column))


def _checked_channels(names: list[str], column: str) -> list[str]:
    seen: dict[str, str] = {}
    for name in names:
        if name.strip() in seen:
            raise ValueError(
                f"channels {seen[name.strip()]!r} and {name!r} in column {column!r} are the same "
                "but for spaces; clean the column first"
            )
        seen[name.strip()] = name
    return names


def _date(seconds: int) -> dt.date:
    return EPOCH + dt.timedelta(days=seconds // SECONDS_PER_DAY)
