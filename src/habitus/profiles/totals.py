"""Daily totals of completed profiles, with intervals: what one acts on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.profiles.sparse import USER, WINDOW, Profiles, window_starts
from habitus.schema import BoolArray, Filled, starts_of_runs, sums_of_runs

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def daily_totals(profiles: Profiles, filled: Filled) -> pa.Table:
    """Daily totals, a row per profile and day with something missing (``daily_totals.parquet``).

    Args:
        profiles: The completed profiles; known cells are read from them.
        filled: What was filled into them.
    """
    days, slots, channels = profiles.axes.shape
    key = filled.row * days + filled.cell // (slots * channels)
    first = starts_of_runs(key)
    row, day = np.divmod(key[first], days)
    known = known_totals(profiles, filled)[row, day]
    drawn = sums_of_runs(filled.draws, first)
    quantiles = known + np.quantile(drawn, list(QUANTILES.values()), axis=0)
    who = profiles.users.select(
        [name for name in (USER, WINDOW) if name in profiles.users.column_names]
    )
    table = who.take(pa.array(row)).append_column("day", pa.array(day.astype(np.int32)))
    columns = {
        "date": _dates(profiles, row, day),
        "known": pa.array(known),
        "mean": pa.array(known + _expected(profiles, filled, first, drawn)),
    }
    columns |= {name: pa.array(values) for name, values in zip(QUANTILES, quantiles, strict=True)}
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def _expected(
    profiles: Profiles, filled: Filled, first: NDArray[np.int64], drawn: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Expected totals: of counts the draws' mean, since point forecasts weigh large ones down.

    Of shares the sum of the point forecasts, since draws have lost what is up to a threshold.
    """
    return drawn.mean(0) if profiles.axes.unit == "count" else sums_of_runs(filled.mean, first)


def known_cells(profiles: Profiles, filled: Filled) -> BoolArray:
    """Mask of the non-empty cells that were not missing, bool [N]."""
    size = profiles.axes.cells
    own = profiles.row_of_cell() * size + profiles.cells
    return ~np.isin(own, filled.row * size + filled.cell, assume_unique=True)


def known_totals(profiles: Profiles, filled: Filled) -> NDArray[np.float64]:
    """Totals over known cells, [U, D]."""
    days, slots, channels = profiles.axes.shape
    key = profiles.row_of_cell() * days + profiles.cells // (slots * channels)
    sums = np.bincount(
        key, np.where(known_cells(profiles, filled), profiles.values, 0.0), len(profiles) * days
    )
    return sums.astype(np.float64).reshape(-1, days)


def _dates(profiles: Profiles, row: NDArray[np.int64], day: NDArray[np.int64]) -> pa.Array:
    """The date of each row's day."""
    starts = window_starts(profiles.users, profiles.axes)[row]
    return pa.array((starts + day).astype("datetime64[D]"), pa.date32())
