"""Columns of a log from what is known of its events, in the log's own types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from habitus.events.format import DAY, MICROSECONDS, LogFormat
from habitus.schema import IntArray
from habitus.tables import is_number, is_text

TICKS = {"s": 1, "ms": 1000, "us": MICROSECONDS, "ns": 1000 * MICROSECONDS}  # in a second
ISO = re.compile(
    r"\s*[\d-]{10}(?P<between>[T ])\d\d:\d\d(?P<seconds>:[\d.]+)?\s*(?P<zone>Z|[+-][\d:]+)?\s*"
)
NARROW = 32  # bits: a narrower integer does not number every user


def event_schema(
    form: LogFormat,
    channels: tuple[str, ...],
    slots: int,
    user: pa.DataType,
    more: Iterable[pa.Field],
) -> pa.Schema:
    """Names and types of the columns of a log.

    The types are the log's where they can hold what is written: an integer narrower than 32 bits
    does not number every user, a date has no hour, and a column of numbers cannot hold the channel
    ``other``.

    Args:
        form: The log's format.
        channels: The channels' names.
        slots: In a day.
        user: Type of the users' names.
        more: Columns that the log did not have.
    """
    fields = []
    for field in form.schema:
        kind = field.type
        if field.name == form.user:
            kind = _user_type(kind, user)
        if field.name == form.time:
            kind = _time_type(kind, slots)
        if field.name == form.channel:
            kind = kind if _casts(pa.array(channels), kind) else pa.string()
        nullable = field.nullable or field.name in form.attributes
        fields.append(pa.field(field.name, kind, nullable))
    return pa.schema([*fields, *more])


def column_of(values: pa.Array, index: IntArray, kind: pa.DataType) -> pa.Array:
    """The values at some places, as a column of a type."""
    at = pa.array(index)
    if not pa.types.is_dictionary(kind):
        return values.cast(kind).take(at)
    coded = values.cast(kind.value_type).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        coded.indices.take(at).cast(kind.index_type), coded.dictionary
    )


def users_as(users: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Cast the users of profiles, [U], to the value type of a log's column.

    The cast comes before :func:`column_of` repeats the users once per event and, for a dictionary
    type, encodes them.
    """
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return users.combine_chunks().cast(inner)


def times_as(times: NDArray[np.int64], kind: pa.DataType, form: LogFormat) -> pa.Array:
    """Times, in microseconds since 1970, as a column of a type."""
    if pa.types.is_timestamp(kind):
        return pa.array(_scaled(times, TICKS[kind.unit])).view(kind)
    if pa.types.is_date(kind):
        return pa.array((times // DAY).astype(np.int32)).view(pa.date32()).cast(kind)
    if pa.types.is_floating(kind):
        return pa.array(times / MICROSECONDS).cast(kind)
    if is_text(kind):
        return _iso(times, form).cast(kind)
    return pa.array(times // MICROSECONDS).cast(kind)


def _scaled(times: NDArray[np.int64], ticks: int) -> NDArray[np.int64]:
    return (
        times // (MICROSECONDS // ticks)
        if ticks <= MICROSECONDS
        else times * (ticks // MICROSECONDS)
    )


def _iso(times: NDArray[np.int64], form: LogFormat) -> pa.Array:
    """Times as text like the log's, with T or a space, and a fraction where it has one."""
    found = ISO.fullmatch(form.example or "")
    between, seconds, zone = (
        (found["between"], found["seconds"], found["zone"]) if found else (" ", ":00", None)
    )
    fine = form.resolution < MICROSECONDS
    stamp: Any = pa.array(_scaled(times, TICKS["us" if fine else "s"])).view(
        pa.timestamp("us" if fine else "s")
    )
    pattern = f"%Y-%m-%d{between}%H:%M" + (
        ":%S" if seconds or form.resolution < 60 * MICROSECONDS else ""
    )
    options = pc.StrftimeOptions(pattern + {None: "", "Z": "Z"}.get(zone, "+00:00"))
    return pc.call_function("strftime", [stamp], options)


def _time_type(kind: pa.DataType, slots: int) -> pa.DataType:
    if pa.types.is_date(kind) and slots > 1:
        return pa.timestamp("us")
    return pa.float64() if pa.types.is_floating(kind) else kind


def _user_type(kind: pa.DataType, user: pa.DataType) -> pa.DataType:
    """The log's type of users where names or numbers of a type can be in it."""
    fits = is_text(kind) or (is_number(kind) and not is_text(user))
    return _wide(kind) if fits else user


def _wide(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_integer(kind) and kind.bit_width < NARROW else kind


def _casts(values: pa.Array, kind: pa.DataType) -> bool:
    """True if values can become a type."""
    try:
        values.cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True
