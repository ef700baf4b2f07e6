"""EventLog: a table on any engine, and which of its columns is the user, the time, the channel.

Time. An instant with a zone is that instant; one without is taken as UTC; text is read as ISO 8601; a number is
seconds since 1970. Days and hours are then counted on the wall clock of ``timezone``, or of each event's own offset
where ``offset`` names a column of minutes east of UTC. On the day that clocks go forward the skipped hour is
therefore empty, and on the day that they go back the repeated hour holds the events of both: a profile shows what
clocks on the wall showed.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.common.exceptions import IbisError

MEMORY_LIMIT = "1500MB"
SECONDS_PER_DAY = 86_400


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
        offset: Column of minutes east of UTC, each event's own clock; then ``timezone`` is not used.

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

    def __post_init__(self) -> None:
        for column in (self.user, self.time, self.channel, self.offset, *self.attributes):
            if column is not None and column not in self.table.columns:
                raise ValueError(f"no column {column!r} in the log; it has {', '.join(self.table.columns)}")
        if self.offset is not None and not self.table[self.offset].type().is_numeric():
            raise ValueError(f"the offset column {self.offset!r} must hold minutes, a number")
        zone(self.timezone)

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | ir.Table,
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
        """Open a log.

        Args:
            source: A CSV or Parquet file, a folder of them, a glob, an Ibis table, or a connection URL with the
                table behind a hash, as in ``postgres://host/shop#clicks``.
            user: Column that says who.
            time: Column that says when.
            channel: Column that says what or where.
            attributes: Columns that describe a user.
            timezone: Zone whose wall clock counts.
            offset: Column of minutes east of UTC.
            filter: A condition in SQL; rows where it does not hold are not part of the log.
            memory_limit: How much memory DuckDB may use before it goes to disk.

        Raises:
            ValueError: if the source cannot be opened or a column cannot play its role.
        """
        with engine_errors(f"cannot read {source}" if not isinstance(source, ir.Table) else "cannot read the log"):
            table = source if isinstance(source, ir.Table) else read_source(os.fspath(source), memory_limit)
        if filter is not None:
            with engine_errors(f"the filter {filter!r} does not work on this log"):
                table = table.alias("log").sql(f"SELECT * FROM log WHERE {filter}")
        return cls(table, user, time, channel, tuple(attributes), timezone, offset)

    def seconds(self) -> ir.NumericValue:
        """Seconds since 1970 on the wall clock, possibly with a fraction; null where the time is unreadable."""
        epoch = self._epoch()
        if self.offset is not None:
            return epoch + self.table[self.offset] * 60
        if self.timezone == "UTC":
            return epoch
        first, last = self._span(epoch)
        return epoch + _offset_at(epoch, zone(self.timezone), first, last)

    def days(self) -> tuple[dt.date, dt.date]:
        """First and last day with an event.

        Raises:
            ValueError: if the log is empty or has no readable time.
        """
        first, last = self._span(self.seconds())
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

    def channel_text(self) -> ir.StringValue:
        """The channel column as text."""
        return self.table[self.channel].cast("string")

    def _epoch(self) -> ir.NumericValue:
        column = self.table[self.time]
        kind = column.type()
        if kind.is_string():
            column = column.try_cast("timestamp")
        elif kind.is_date():
            column = column.cast("timestamp")
        elif kind.is_numeric():
            return column.cast("float64")
        elif not kind.is_timestamp():
            raise ValueError(f"the time column {self.time!r} has type {kind}; expected times, text or numbers")
        return column.epoch_seconds()

    def _span(self, seconds: ir.NumericValue) -> tuple[float, float]:
        with engine_errors("cannot read the times"):
            row = self.table.aggregate(
                rows=self.table.count(), first=seconds.min(), last=seconds.max()
            ).to_pyarrow().to_pylist()[0]  # fmt: skip
        if not row["rows"]:
            raise ValueError("the log has no rows; expected events (check the path and --filter)")
        if row["first"] is None:
            raise ValueError(
                f"no time in column {self.time!r} could be read; expected ISO 8601, as 2018-02-01 09:30:00"
            )
        return row["first"], row["last"]


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: for a name that there is not.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; expected a name such as Europe/Stockholm") from None


def read_source(source: str, memory_limit: str) -> ir.Table:
    """Open a path, a glob or a connection URL as an Ibis table.

    Raises:
        ValueError: if there is nothing to read there.
    """
    if "://" in source:
        url, _, name = source.partition("#")
        if not name:
            raise ValueError(f"expected a table name behind a hash, as in {url}#events")
        return ibis.connect(url).table(name)
    con = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=tempfile.gettempdir())
    con.raw_sql("SET preserve_insertion_order = false")
    pattern, kind = _files(source)
    return con.read_parquet(pattern) if kind == "parquet" else con.read_csv(pattern)


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn an engine's exception into one clear line.

    Raises:
        ValueError: in place of whatever DuckDB or Ibis raised.
    """
    try:
        yield
    except (duckdb.Error, IbisError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{what}: {lines[0]}") from None


def _files(source: str) -> tuple[str, str]:
    """A pattern for the engine and the kind of file: parquet or csv."""
    path = Path(source)
    if path.is_dir():
        for kind in ("parquet", "csv"):
            if any(path.rglob(f"*.{kind}")):
                return f"{path}/**/*.{kind}", kind
        raise ValueError(f"no .parquet or .csv file in the folder {source}")
    if not any(character in source for character in "*?[") and not path.is_file():
        raise ValueError(f"no such file or folder: {source}")
    return source, "parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv"


def _checked_channels(names: list[str], column: str) -> list[str]:
    seen: dict[str, str] = {}
    for name in names:
        if name.strip() in seen:
            raise ValueError(
                f"channels {seen[name.strip()]!r} and {name!r} in column {column!r} are the same but for spaces; "
                "clean the column first"
            )
        seen[name.strip()] = name
    return names


def _offset_at(epoch: ir.NumericValue, tz: ZoneInfo, first: float, last: float) -> ir.NumericValue:
    """Seconds east of UTC at each instant: a step per clock change, so any engine can do it."""
    changes = _clock_changes(tz, int(first) - 1, int(last) + 1)
    *steps, (_, final) = changes
    if not steps:
        return ibis.literal(final)
    branches = [(epoch < until, offset) for until, offset in steps]
    return ibis.cases(*branches, else_=final)


def _clock_changes(tz: ZoneInfo, first: int, last: int) -> list[tuple[int, int]]:
    """(instant until which it holds, offset in seconds) in order, the last one open-ended; found by bisection."""
    out, at = [], first
    while True:
        offset = _offset(tz, at)
        probe = at
        while probe < last and _offset(tz, probe) == offset:
            probe = min(probe + 7 * SECONDS_PER_DAY, last)  # no zone keeps a change for less than a week
        if _offset(tz, probe) == offset:
            return [*out, (last, offset)]
        at = _first_with_other_offset(tz, at, probe, offset)
        out.append((at, offset))


def _first_with_other_offset(tz: ZoneInfo, low: int, high: int, offset: int) -> int:
    low = max(low, high - 7 * SECONDS_PER_DAY)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(tz, middle) == offset else (low, middle)
    return high


def _offset(tz: ZoneInfo, instant: int) -> int:
    delta = dt.datetime.fromtimestamp(instant, tz).utcoffset()
    return int(delta.total_seconds()) if delta else 0


def _date(seconds: float) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(seconds // SECONDS_PER_DAY))
