"""Columns of a table as numbers, times and names; errors name the row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from habitus.tables import is_number, is_text

MICROSECONDS = 1_000_000
MOST_SECONDS = 9e12  # that microseconds in an int64 can count
MISSING_WORDS = pa.array(pyarrow.csv.ConvertOptions().null_values)
Convert = Callable[[pa.ChunkedArray], pa.ChunkedArray]


def numbers(path: Path, table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as float64 [R] with NaN where it has no value; numbers written as text are read.

    Raises:
        ValueError: for text, times and whatever else is no number.
    """
    column = _plain(table[name])
    kind = column.type
    if is_text(kind):
        advice = "correct it, or leave it empty if it is missing, or choose another --column"
        column = _converted(path, column, name, _parse_numbers, "numbers", advice)
    elif not (is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise ValueError(
            f"{path}: expected numbers in the column {name!r}, got {kind}; choose another --column"
        )
    wide = column.cast(pa.float64(), safe=False)
    return np.array(wide.to_numpy(), np.float64)


def times(path: Path, table: pa.Table, name: str) -> NDArray[np.datetime64]:
    """Convert times, dates, ISO text or seconds since 1970 to datetime64[us] [R]; zones become UTC.

    Raises:
        ValueError: for anything else, or a row without a time.
    """
    column = _plain(table[name])
    _refuse_nulls(path, column, name, "time")
    kind = column.type
    if is_text(kind):
        advice = "write them as 2024-01-31 12:00:00 or as seconds, or choose another --time"
        column = _converted(path, column, name, _parse_times, "times", advice)
    elif is_number(kind):
        return _from_seconds(path, column, name)
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise ValueError(
            f"{path}: expected times in the column {name!r}, got {kind}; choose another --time"
        )
    elif pa.types.is_timestamp(kind) and kind.tz:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))
    whole = column.cast(
        pa.timestamp("us", column.type.tz if pa.types.is_timestamp(column.type) else None),
        safe=False,
    )
    return whole.cast(pa.int64()).to_numpy().astype("datetime64[us]")


def series_of_rows(
    path: Path, table: pa.Table, name: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The number of each row's series [R], and the names of the series by their first rows.

    Raises:
        ValueError: for a row without a name, or a column that cannot be one of names.
    """
    column = _plain(table[name])
    _refuse_nulls(path, column, name, "series")
    try:
        text = column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(
            f"{path}: expected names of series in the column {name!r}, got {column.type}; "
            "choose another --series-id"
        ) from None
    nothing = pc.call_function("equal", [text, pa.scalar("")])
    _refuse(path, nothing.to_numpy(), name, "series")
    codes: Any = text.combine_chunks().dictionary_encode()
    return codes.indices.to_numpy().astype(np.int64), tuple(codes.dictionary.to_pylist())


def row_name(row: int) -> str:
    """Name of a row in messages: from 1, the header not counted.

    >>> row_name(0)
    'data row 1'
    """
    return f"data row {row + 1}"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _refuse_nulls(path: Path, column: pa.ChunkedArray, name: str, what: str) -> None:
    _refuse(path, column.is_null(nan_is_null=True).to_numpy(), name, what)


def _refuse(path: Path, empty: NDArray[np.bool_], name: str, what: str) -> None:
    if empty.any():
        row = row_name(int(empty.argmax()))
        raise ValueError(
            f"{path}: {row} has no {what} in the column {name!r}; give every row one, or leave it "
            "out"
        )


def _converted(
    path: Path, column: pa.ChunkedArray, name: str, convert: Convert, what: str, advice: str
) -> pa.ChunkedArray:
    """Text as something else, or the first that is not."""
    try:
        return convert(column)
    except pa.ArrowInvalid:
        row = _first_failure(column, convert)
        found = column[row].as_py()
        raise ValueError(
            f"{path}: expected {what} in the column {name!r}, got {found!r} in {row_name(row)}; "
            f"{advice}"
        ) from None


def _first_failure(column: pa.ChunkedArray, convert: Convert) -> int:
    """Find the first row that cannot be converted, by bisection."""
    good = 0  # the first ``good`` rows can be converted
    bad = len(column)  # the first ``bad`` rows cannot
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(column.slice(good, middle - good))
            good = middle
        except pa.ArrowInvalid:
            bad = middle
    return good


def _parse_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.call_function("utf8_trim_whitespace", [column.cast(pa.string())])
    missing = pc.call_function("is_in", [text], pc.SetLookupOptions(MISSING_WORDS))
    return pc.call_function("if_else", [missing, pa.scalar(None, pa.string()), text]).cast(
        pa.float64()
    )


def _parse_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.call_function("utf8_trim_whitespace", [column.cast(pa.string())])
    try:
        return text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # with zones
        return text.cast(pa.timestamp("us", "UTC"))


def _from_seconds(path: Path, column: pa.ChunkedArray, name: str) -> NDArray[np.datetime64]:
    seconds = column.cast(pa.float64(), safe=False).to_numpy()
    beyond = ~(np.abs(seconds) < MOST_SECONDS)
    if beyond.any():
        row = int(beyond.argmax())
        raise ValueError(
            f"{path}: expected seconds since 1970 in the column {name!r}, got {seconds[row]:g} in "
            f"{row_name(row)}; divide it by what a second counts there, or choose another --time"
        )
    return np.rint(seconds * MICROSECONDS).astype(np.int64).astype("datetime64[us]")
