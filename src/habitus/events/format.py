"""Format of a log: columns and types, resolution of its times, and minutes of a slot."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Self

import ibis
import numpy as np
import pyarrow as pa
from pydantic import Field

from habitus.events.clock import Column
from habitus.events.log import EventLog
from habitus.events.sources import engine_errors
from habitus.records import Record, check_content, first_line
from habitus.schema import MINUTES_PER_DAY

MICROSECONDS = 1_000_000  # in a second
MINUTE = 60 * MICROSECONDS
DAY = MINUTES_PER_DAY * MINUTE
RESOLUTIONS = (1000, MICROSECONDS, MINUTE)  # candidate resolutions of a log's times, microseconds


class LogRecord(Record):
    """Format of a log in the JSON of profiles and runs, with the conditions that left users out."""

    user: str
    time: str
    channel: str | None
    offset: str | None
    attributes: tuple[str, ...]
    schema_: Annotated[str, Field(alias="schema")]
    resolution: Annotated[int, Field(ge=1, le=DAY)]
    minutes: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=MINUTES_PER_DAY)]
    example: str | None
    rows: Annotated[int, Field(ge=0)] = 0
    min_events: int = 1
    min_days: int = 1


@dataclass(frozen=True)
class LogFormat:
    """A log's format, in which events are written.

    Attributes:
        schema: Names and Arrow types of the columns that play a role, in the log's order.
        user: Column that says who.
        time: Column that says when.
        channel: Column that says what or where, or None.
        offset: Column of minutes east of UTC, or None.
        attributes: Columns that describe a user.
        resolution: Microseconds of which every time is a multiple.
        minutes: Events in each minute of a slot, [slot_minutes]; empty where unknown, so that all
            minutes are equally likely.
        example: A time as it is written where the column holds text.
        rows: How many rows the log has, usable or not.
    """

    schema: pa.Schema
    user: str = "user"
    time: str = "timestamp"
    channel: str | None = "channel"
    offset: str | None = None
    attributes: tuple[str, ...] = ()
    resolution: int = 1
    minutes: tuple[int, ...] = ()
    example: str | None = None
    rows: int = 0

    @classmethod
    def of(cls, log: EventLog, start: dt.date, days: int, slot_minutes: int) -> Self:
        """Read the format off a log, by one aggregation over ``days`` days from ``start``.

        Raises:
            ValueError: if the engine cannot compute it.
        """
        named = [log.user, log.time, log.channel, log.offset, *log.attributes]
        names = dict.fromkeys(name for name in log.table.columns if name in named)
        fields = [_field(log, name) for name in names]
        with engine_errors("cannot read the times"):
            times = _Times.of(log, start, days, slot_minutes)
            example = _example(log)
        attributes = tuple(dict.fromkeys(log.attributes))
        roles = (log.user, log.time, log.channel, log.offset, attributes)
        resolution = DAY if log.table[log.time].type().is_date() else times.resolution
        return cls(pa.schema(fields), *roles, resolution, times.minutes, example, times.rows)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; ``types`` is for readers, ``schema`` exact."""
        return {
            "user": self.user,
            "time": self.time,
            "channel": self.channel,
            "offset": self.offset,
            "attributes": list(self.attributes),
            "types": {field.name: str(field.type) for field in self.schema},
            "schema": base64.b64encode(self.schema.serialize().to_pybytes()).decode(),
            "resolution": self.resolution,
            "example": self.example,
            "rows": self.rows,
            "minutes": list(self.minutes),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: for what :meth:`to_json` did not make.
        """
        known = check_content(fields, LogRecord, "what is remembered of the log")
        try:
            schema = pa.ipc.read_schema(
                pa.py_buffer(base64.b64decode(known.schema_, validate=True))
            )
        except (pa.ArrowException, binascii.Error, OSError) as error:
            raise ValueError(
                f"what is remembered of the log is damaged: {first_line(error)}"
            ) from None
        form = cls(schema, **known.model_dump(exclude={"schema_", "min_events", "min_days"}))
        roles = (form.user, form.time, form.channel, form.offset)
        for name in dict.fromkeys((*roles, *form.attributes)):
            if name is not None and schema.names.count(name) != 1:
                raise ValueError(
                    f"what is remembered of the log is damaged: expected one column {name!r}, got "
                    f"{', '.join(schema.names) or 'none'}"
                )
        return form


def _field(log: EventLog, name: str) -> pa.Field:
    """A column's name and Arrow type: the source's where it is known, else the engine's."""
    if log.schema is not None and name in log.schema.names:
        return log.schema.field(name).remove_metadata()
    return log.table.select(name).schema().to_pyarrow().field(name)


@dataclass(frozen=True)
class _Times:
    """Facts of a pass over a log's times; see :class:`LogFormat`."""

    rows: int
    minutes: tuple[int, ...]
    resolution: int

    @classmethod
    def of(cls, log: EventLog, start: dt.date, days: int, slot_minutes: int) -> _Times:
        """The times of ``days`` days from ``start``, and how many rows there are in all."""
        ticks, per_second = log.ticks()
        if ticks.type().is_floating():
            ticks = (ticks * MICROSECONDS).round().cast("int64")
            per_second = MICROSECONDS
        minute = log.minutes(start, days, slot_minutes)
        within = ibis.cases((minute.between(0, days * MINUTES_PER_DAY - 1), minute % slot_minutes))
        rows = log.table.select(minute=within, ticks=ticks)
        ticks_of = {each: each * per_second // MICROSECONDS for each in RESOLUTIONS}
        tick: Column = rows["ticks"]
        whole = {
            f"r{each}": (tick % size == 0).all() for each, size in ticks_of.items() if size > 1
        }
        found = rows.group_by("minute").aggregate(count=rows.count(), **whole).to_pyarrow()
        inside = found.drop_null()
        counts = np.zeros(slot_minutes, np.int64)
        counts[inside["minute"].to_numpy()] = inside["count"].to_numpy()
        kept = [
            each
            for each in RESOLUTIONS
            if f"r{each}" in whole and all(inside[f"r{each}"].to_pylist())
        ]
        finest = MICROSECONDS // per_second
        total = int(found["count"].to_numpy().sum())
        return cls(total, tuple(counts.tolist()), max([finest, *kept]) if len(inside) else finest)


def _example(log: EventLog) -> str | None:
    """The smallest time where times are text."""
    if not log.table[log.time].type().is_string():
        return None
    return log.table.aggregate(example=log.table[log.time].min()).to_pyarrow()["example"][0].as_py()
