"""Series written to Parquet.

==============  ==================================================================================
series          the series of a row; under the name of ``axes.series_id``, and only where needed
time or step    the time, under the name of ``axes.time``; or the row's number in its series, from 1
(variables)     values divided by the scale, in the units of their file; null where missing
==============  ==================================================================================

The schema's metadata (:mod:`habitus.series.files`) holds the axes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.series.data import Series, ranges
from habitus.series.files import free_name, write_table
from habitus.series.scaling import unscaled


def write_series(
    path: Path | str,
    series: Series,
    about: dict[str, Any] | None = None,
    *,
    command: str = "write_series",
    overwrite: bool = False,
) -> None:
    """Write series to a Parquet file, from which ``read_series(path)`` reads the same again.

    Args:
        path: Where.
        series: The series; values are divided by ``axes.scale``.
        about: Where they came from.
        command: What writes the file; only its own earlier one is replaced.
        overwrite: Replace whatever file stands there.

    Raises:
        ValueError: if there is a folder at ``path``, or it has the name of a text file, or
            something else stands there and ``overwrite`` is not given.
    """
    axes = series.axes
    names: dict[str, str | None] = {"series": None, "time": None}
    columns: dict[str, pa.Array] = {}
    if axes.series_id is not None or series.ids != ("0",):
        names["series"] = free_name(axes.series_id or "series", axes.variables)
        columns[names["series"]] = series_column(
            series.ids, np.repeat(np.arange(len(series)), series.lengths)
        )
    taken = (*axes.variables, *columns)
    if series.times is None:
        columns[free_name("step", taken)] = pa.array(
            ranges(np.ones(len(series), np.int64), series.lengths)
        )
    else:
        names["time"] = free_name(axes.time or "time", taken)
        columns[names["time"]] = pa.array(series.times)
    for number, name in enumerate(axes.variables):
        values = unscaled(np.ascontiguousarray(series.values[:, number]), axes.scale)
        columns[name] = pa.array(values, mask=~series.observed[:, number])
    empty = {str(number): series.ids[number] for number in np.flatnonzero(series.lengths == 0)}
    runs = [names["series"]] if names["series"] else []
    header = {"axes": axes.to_json(), "columns": names, "empty": empty, "about": about or {}}
    write_table(
        path, pa.table(columns), "series", runs, command=command, overwrite=overwrite, **header
    )


def series_column(ids: tuple[str, ...], number: NDArray[np.int64]) -> pa.Array:
    """The name of each row's series, from its number, held once for all rows."""
    return pa.DictionaryArray.from_arrays(
        pa.array(number.astype(np.int32)), pa.array(ids, pa.string())
    )
