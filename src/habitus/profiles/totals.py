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
    # Counts take the mean of the draws, since point forecasts minimise an error that gives large
    # counts less weight. Shares take the sum of the point forecasts, since the zero threshold has
    # removed small values from the draws.
    count = profiles.axes.unit == "count"
    expected = drawn.mean(0) if count else sums_of_runs(filled.mean, first)
    dates = (window_starts(profiles.users, profiles.axes)[row] + day).astype("datetime64[D]")
    who = profiles.users.select(
        [name for name in (USER, WINDOW) if name in profiles.users.column_names]
    )
    table = who.take(pa.array(row)).append_column("day", pa.array(day.astype(np.int32)))
    columns = {
        "date": pa.array(dates, pa.date32()),
        "known": pa.array(known),
        "mean": pa.array(known + expected),
    }
    columns |= {name: pa.array(values) for name, values in zip(QUANTILES, quantiles, strict=True)}
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


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
