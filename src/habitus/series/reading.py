"""Series from CSV or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.records import ADVICE
from habitus.schema import SeriesAxes
from habitus.series.columns import numbers, row_name, series_of_rows, times
from habitus.series.data import Series, marked, not_later
from habitus.series.files import SeriesHeader, read_header
from habitus.tables import is_number, read_table

LARGEST = float(np.finfo(np.float32).max)  # models compute in float32
KIND = "series"
PANDAS_INDEX = "__index_level_"


@dataclass(frozen=True)
class _Layout:
    """The axes that were asked for, and the columns of the file that hold times and series."""

    axes: SeriesAxes
    time: str | None
    series: str | None


def read_series(
    path: Path | str,
    columns: Sequence[str] | None = None,
    *,
    scale: float | None = None,
    time: str | None = None,
    series_id: str | None = None,
) -> Series:
    r"""Read series from a CSV or Parquet file.

    An empty cell, null or NaN is a missing value. Rows of several series may alternate; series come
    in the order of their first rows, rows of a series in the order of the file. A file that
    :func:`write_series` wrote knows its columns and scale, and gives the same series again; what is
    given here goes before.

    Args:
        path: The file.
        columns: Names of the variables; None for those that the file's own metadata names, or else
            every column of numbers other than those of times and series.
        scale: What values are multiplied by; None for that of the file's metadata, or else 1.
        time: A column of times (times, dates, ISO text, or seconds since 1970), ascending within
            each series.
        series_id: The column that says which series a row belongs to.

    Raises:
        ValueError: if there is no such file or column, or something in it cannot be part of a
            series.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "jobs.csv"
    ...     _ = path.write_text("job,milli\na,460\nb,1000\na,\n")
    ...     series = read_series(path, ["milli"], scale=0.001, series_id="job")
    >>> series.ids, series.values[:, 0].tolist(), series.observed[:, 0].tolist()
    (('a', 'b'), [0.46, 0.0, 1.0], [True, False, True])
    """
    path = Path(path)
    table = read_table(path, KIND, () if series_id is None else (series_id,))
    if not len(table):
        raise ValueError(f"{path} has no row; expected one for each step of a series")
    header = read_header(path, table.schema, SeriesHeader)
    chosen = [columns] if isinstance(columns, str) else columns
    if header is None:
        layout = _foreign(path, table, chosen, scale, time, series_id)
    else:
        layout = _own(header, chosen, scale, time, series_id)
    _check_columns(path, table, layout)
    series = _assemble(path, table, layout)
    if header is None:
        _check_seen(path, series)
        return series
    if layout.series != header.columns.series:
        return series
    return _with_empty(path, series, header.empty)


def _foreign(
    path: Path,
    table: pa.Table,
    columns: Sequence[str] | None,
    scale: float | None,
    time: str | None,
    series_id: str | None,
) -> _Layout:
    if columns is None:
        columns = [name for name in _numeric(table) if name not in (time, series_id)]
        if not columns:
            raise ValueError(
                f"{path}: expected a column of numbers, but there is none; it has "
                f"{', '.join(table.column_names)}"
            )
    axes = SeriesAxes(tuple(columns), 1.0 if scale is None else scale, time, series_id)
    return _Layout(axes, time, series_id)


def _own(
    header: SeriesHeader,
    columns: Sequence[str] | None,
    scale: float | None,
    time: str | None,
    series_id: str | None,
) -> _Layout:
    """Layout of a file that habitus wrote, where nothing else is asked for."""
    axes = header.axes
    asked = SeriesAxes(
        axes.variables if columns is None else tuple(columns),
        axes.scale if scale is None else scale,
        axes.time if time is None else time,
        axes.series_id if series_id is None else series_id,
    )
    stored = header.columns
    return _Layout(asked, stored.time if time is None else time, series_id or stored.series)


def _numeric(table: pa.Table) -> list[str]:
    """Columns of numbers, but for an index that pandas kept."""
    return [
        field.name
        for field in table.schema
        if is_number(field.type) and not field.name.startswith(PANDAS_INDEX)
    ]


def _check_columns(path: Path, table: pa.Table, layout: _Layout) -> None:
    """Refuse columns that are not there, or that are to be two things."""
    for name in layout.axes.variables:
        if name not in table.column_names:
            there = ", ".join(_numeric(table)) or "none"
            raise ValueError(f"{path}: no column {name!r}; columns of numbers are: {there}")
    named = [name for name in (layout.time, layout.series) if name is not None]
    for name in named:
        if name not in table.column_names:
            raise ValueError(
                f"{path}: no column {name!r}; its columns are: {', '.join(table.column_names)}"
            )
        if name in layout.axes.variables or named.count(name) > 1:
            raise ValueError(
                f"{path}: the column {name!r} is named twice; "
                "a variable, the time and the series id each need a column of their own"
            )


def _assemble(path: Path, table: pa.Table, layout: _Layout) -> Series:
    """The series of the chosen columns, rows of each series together."""
    raw = np.stack(
        [_scaled(path, table, name, layout.axes.scale) for name in layout.axes.variables], axis=1
    )
    stamps = None if layout.time is None else times(path, table, layout.time)
    number = np.zeros(len(table), np.int64)
    ids = ("0",)
    if layout.series is not None:
        number, ids = series_of_rows(path, table, layout.series)
    order = np.argsort(number, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(ids)))]).astype(
        np.int64
    )
    if stamps is not None:
        stamps = stamps[order]
        _check_order(path, layout, stamps, starts, order, ids)
    return Series(layout.axes, *marked(raw[order]), starts, ids, stamps)


def _scaled(path: Path, table: pa.Table, name: str, scale: float) -> NDArray[np.float64]:
    """A variable [R] in units of the series, NaN where missing."""
    values = numbers(path, table, name)
    with np.errstate(over="ignore"):
        out = values * scale
    beyond = np.abs(out) > LARGEST
    if beyond.any():
        row = int(beyond.argmax())
        kind = (
            "infinite"
            if np.isinf(values[row])
            else f"{out[row]:g} once scaled, beyond {LARGEST:.2g},"
        )
        raise ValueError(
            f"{path}: the column {name!r} is {kind} in {row_name(row)}; correct it, or leave it "
            "empty if missing"
        )
    return out


def _check_order(
    path: Path,
    layout: _Layout,
    stamps: NDArray[np.datetime64],
    starts: NDArray[np.int64],
    order: NDArray[np.int64],
    ids: tuple[str, ...],
) -> None:
    """Refuse times that do not ascend within each series, naming the file's first such row."""
    wrong = not_later(stamps, starts)
    if not len(wrong):
        return
    row = wrong[np.argmin(order[wrong])]
    where = row_name(int(order[row]))
    of = ""
    if layout.series is not None:
        of = f" of series {ids[np.searchsorted(starts, row, side='right') - 1]!r}"
    apart = "" if layout.series else ", or name the column of series (--series-id)"
    if stamps[row] == stamps[row - 1]:
        raise ValueError(
            f"{path}: {where}{of} has the same time as the row before it, {stamps[row]}; "
            f"keep one row per time{apart}"
        )
    raise ValueError(
        f"{path}: {where}{of} has the time {stamps[row]}, before {stamps[row - 1]} of the row "
        f"before it; sort the rows by {layout.time!r}{apart}"
    )


def _check_seen(path: Path, series: Series) -> None:
    """Refuse a variable without a single value."""
    for name, seen in zip(series.axes.variables, series.observed.T, strict=True):
        if not seen.any():
            raise ValueError(
                f"{path}: the column {name!r} has no value in any row; choose other columns "
                "(--column)"
            )


def _with_empty(path: Path, series: Series, empty: dict[str, str]) -> Series:
    """Put series without rows, which a table cannot show, back in their places."""
    ids = list(series.ids)
    starts = series.starts.tolist()
    for number, name in sorted((int(number), name) for number, name in empty.items()):
        if number > len(ids):
            raise ValueError(
                f"{path} is damaged: expected a series without rows in place {len(ids)} or before, "
                f"got {number}; {ADVICE}"
            )
        ids.insert(number, name)
        starts.insert(number, starts[number])
    return Series(
        series.axes,
        series.values,
        series.observed,
        np.array(starts, np.int64),
        tuple(ids),
        series.times,
    )
