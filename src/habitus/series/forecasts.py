"""Forecasts on disk: Parquet, one row per origin, sample and step.

==============  ================================================================================
series          the series that was forecast
origin          how many of its rows were known
sample          number of the draw, from 0
step            steps ahead, from 1
(variables)     what was drawn, in the units of the file the series came from
==============  ================================================================================

Rows are sorted by origin (in the order of the forecast), sample and step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.records import Column, check_columns, check_values
from habitus.schema import Forecast, IntArray, SeriesAxes
from habitus.series.data import Series
from habitus.series.files import ForecastHeader, free_name, read_header, write_table
from habitus.series.scaling import unscaled
from habitus.series.writing import series_column
from habitus.tables import is_number, is_text, read_table

KIND = "forecast"
KEYS = ("series", "origin", "sample", "step")


class ForecastTable(NamedTuple):
    """A forecast as it was read: O origins, K samples, H steps, V variables."""

    series: tuple[str, ...]  # the series of each origin, [O]
    origin: NDArray[np.int64]  # rows of it that were known, [O]
    draws: NDArray[np.float32]  # [O, K, H, V], scaled as the values of the series are
    mean: NDArray[np.float32]  # of the draws, [O, H, V]

    def on(self, series: Series) -> Forecast:
        """The forecast with origins as rows of the given series.

        Raises:
            ValueError: if a series is not among them, or has fewer rows than were known.
        """
        number = {name: index for index, name in enumerate(series.ids)}
        if strange := [name for name in self.series if name not in number]:
            raise ValueError(
                f"the forecast is of series {strange[0]!r}, which is not among the {len(series)} "
                "given"
            )
        index = np.array([number[name] for name in self.series], np.int64)
        if short := np.flatnonzero(self.origin > series.lengths[index]).tolist():
            name = self.series[short[0]]
            known = self.origin[short[0]]
            raise ValueError(
                f"expected {known} rows of series {name!r} or more, which the forecast knew, "
                f"got {series.lengths[number[name]]}; give the series it was made from"
            )
        return Forecast(series.starts[index] + self.origin, self.draws, self.mean)


def known_rows(series: Series, origin: IntArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The series of each origin, and how many of its rows lie before the first step ahead.

    An origin where one series ends and the next begins is the end of the former.

    Raises:
        ValueError: for an origin before which there is no row.

    >>> series = Series.from_arrays([np.ones(4), np.ones(3)], ["load"])
    >>> [part.tolist() for part in known_rows(series, np.array([1, 4, 7]))]
    [[0, 0, 1], [1, 4, 3]]
    """
    origin = np.asarray(origin, np.int64)
    if ((origin < 1) | (origin > len(series.values))).any():
        raise ValueError(
            f"expected origins from 1 to {len(series.values)}, so that a row lies before each"
        )
    number = np.searchsorted(series.starts, origin, side="left") - 1
    return number, origin - series.starts[number]


def write_forecast(
    path: Path | str,
    forecast: Forecast,
    series: Series,
    about: dict[str, Any] | None = None,
    *,
    command: str = "write_forecast",
    overwrite: bool = False,
) -> None:
    """Write a forecast's draws to a Parquet file.

    Args:
        path: Where.
        forecast: O origins as rows of ``series``, draws [O, K, H, V].
        series: What was known.
        about: Where the forecast came from.
        command: What writes the file; only its own earlier one is replaced.
        overwrite: Replace whatever file stands there.

    Raises:
        ValueError: for an origin that has no row before it, draws of another number of variables or
            that are not finite, or a path that cannot be one of such a file, or at which something
            else stands where ``overwrite`` is not given.
    """
    axes = series.axes
    origins, samples, steps, variables = forecast.draws.shape
    if variables != len(axes.variables) or origins != len(forecast.origin):
        raise ValueError(
            f"expected draws of shape ({len(forecast.origin)}, samples, steps, "
            f"{len(axes.variables)}), got {forecast.draws.shape}"
        )
    number, known = known_rows(series, forecast.origin)
    keys = [free_name(name, axes.variables) for name in KEYS]
    columns = (
        series_column(series.ids, np.repeat(number, samples * steps)),
        np.repeat(known, samples * steps),
        np.tile(np.repeat(np.arange(samples, dtype=np.int32), steps), origins),
        np.tile(np.arange(1, steps + 1, dtype=np.int32), origins * samples),
    )
    table: dict[str, Any] = dict(zip(keys, columns, strict=True))
    flat = forecast.draws.reshape(-1, variables).astype(np.float32, copy=False)
    for index, name in enumerate(axes.variables):
        table[name] = unscaled(np.ascontiguousarray(flat[:, index]), axes.scale)
    shape = [origins, samples, steps]
    header = {"axes": axes.to_json(), "columns": keys, "shape": shape, "about": about or {}}
    write_table(path, pa.table(table), KIND, keys, command=command, overwrite=overwrite, **header)


def read_forecast(path: Path | str) -> tuple[SeriesAxes, ForecastTable]:
    """Read a forecast that :func:`write_forecast` wrote.

    Returns:
        The axes, and the forecast; its mean is that of the draws.

    Raises:
        ValueError: if there is no such file, it is not a forecast, or its rows are not as they were
            written.
    """
    path = Path(path)
    table = read_table(path, KIND)
    header = read_header(path, table.schema, ForecastHeader)
    if header is None:
        raise ValueError(
            f"expected a forecast that habitus wrote, got {path}, which does not say that it is one"
        )
    axes = header.axes
    origins, samples, steps = header.shape
    check_forecast(path, table, header)
    keys = [table[name] for name in header.columns]
    values = [table[name].to_numpy() for name in axes.variables]
    _check_rows(path, [column.to_numpy() for column in keys[2:]], (origins, samples, steps))
    draws = np.stack(values, axis=1).astype(np.float64) * axes.scale
    draws = draws.astype(np.float32).reshape(origins, samples, steps, len(values))
    first = pa.array(np.arange(origins) * samples * steps)
    names = keys[0].take(first).to_pylist()
    known = keys[1].take(first).to_numpy()
    mean = draws.mean(axis=1, dtype=np.float64).astype(np.float32)
    return axes, ForecastTable(tuple(names), known.astype(np.int64), draws, mean)


def check_forecast(path: Path, table: pa.Table, header: ForecastHeader) -> None:
    """Refuse a table whose columns are not those of a forecast.

    Raises:
        ValueError: for the first such column.
    """
    name, *places = header.columns
    columns = [
        Column(name, is_text, "names of series"),
        *(Column(place, pa.types.is_integer, "whole numbers") for place in places),
        *(Column(each, is_number, "numbers") for each in header.axes.variables),
    ]
    check_columns(path, table.schema, columns)
    check_values(path, table, columns)


def _check_rows(path: Path, keys: list[NDArray[Any]], shape: tuple[int, int, int]) -> None:
    """Refuse rows that are not all origins, samples and steps, in this order."""
    origins, samples, steps = shape
    if len(keys[0]) == origins * samples * steps:
        sample, step = (key.reshape(shape) for key in keys)
        if (sample == np.arange(samples)[:, None]).all() and (
            step == np.arange(1, steps + 1)
        ).all():
            return
    raise ValueError(
        f"{path} is damaged or was sorted anew: expected every origin's samples and steps in order"
    )
