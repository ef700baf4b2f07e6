"""Profiles to and from a long pandas table; ``Profiles.dense`` and ``from_dense`` are of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.profiles.sparse import USER, WINDOW, Profiles, checked_values, offsets
from habitus.schema import Axes

if TYPE_CHECKING:
    import pandas as pd

CELL_COLUMNS = ("day", "slot", "channel", "value")


def to_pandas(profiles: Profiles) -> pd.DataFrame:
    """A row per non-empty cell: ``user, window_start, (attributes), day, slot, channel, value``.

    ``window_start`` is a date, ``day`` and ``slot`` count from 0, ``channel`` is a category. A
    profile without events has no row.

    Raises:
        ValueError: if pandas is not installed.
    """
    _need_pandas()
    day, slot, channel = np.unravel_index(profiles.cells, profiles.axes.shape)
    table = _with_window(profiles).take(pa.array(profiles.row_of_cell()))
    names = pa.DictionaryArray.from_arrays(
        pa.array(channel.astype(np.int32)), pa.array(profiles.axes.channels)
    )
    for name, column in zip(CELL_COLUMNS, (day, slot, names, profiles.values), strict=True):
        table = table.append_column(name, pa.array(column))
    return table.to_pandas()


def from_pandas(axes: Axes, frame: pd.DataFrame) -> Profiles:
    """Profiles from a long table, one per user and, where there is one, ``window_start``.

    Profiles come in the order of their first rows. Columns other than those of cells describe
    users.

    Raises:
        ValueError: if a column is not there, a cell is not on the axes or comes twice, or a value
            cannot be one.
    """
    _need_pandas()
    absent = [name for name in (USER, *CELL_COLUMNS) if name not in frame.columns]
    if absent:
        raise ValueError(
            f"no column {absent[0]!r} in the table; it has {', '.join(map(str, frame.columns))}"
        )
    keys = [name for name in (USER, WINDOW) if name in frame.columns]
    row = frame.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(row, return_index=True)[1]
    users = pa.Table.from_pandas(
        frame.iloc[first].drop(columns=list(CELL_COLUMNS)), preserve_index=False
    )
    kept = (frame["value"] != 0).to_numpy()
    cells = _cells(axes, frame)[kept]
    values = frame["value"].to_numpy()[kept]
    order = np.lexsort((cells, row[kept]))
    sorted_rows = row[kept][order]
    cells = cells[order]
    if ((np.diff(sorted_rows) == 0) & (np.diff(cells) == 0)).any():
        raise ValueError(
            "a cell comes twice in the table; add up the values of equal user, day, slot and "
            "channel"
        )
    checked = checked_values(values[order], axes.unit)
    return Profiles(axes, offsets(sorted_rows, len(first)), cells.astype(np.int32), checked, users)


def _need_pandas() -> None:
    try:
        import pandas as pd  # noqa: F401
    except ImportError:
        raise ValueError(
            "this needs pandas, which is not installed; pip install 'habitus[pandas]'"
        ) from None


def _with_window(profiles: Profiles) -> pa.Table:
    """The users table with the first day of each profile's window in its second column."""
    users = profiles.users
    if WINDOW in users.column_names:
        return users
    return users.add_column(1, WINDOW, pa.array([profiles.axes.start] * len(profiles), pa.date32()))


def _cells(axes: Axes, frame: pd.DataFrame) -> NDArray[np.int64]:
    """The number of each row's cell."""
    channel: Any = pa.array(frame["channel"].astype(str)).dictionary_encode()
    names = channel.dictionary.to_pylist()
    unknown = [name for name in names if name not in axes.channels]
    if unknown:
        raise ValueError(
            f"no channel {unknown[0]!r} on these axes; they have {', '.join(axes.channels)}"
        )
    index = np.array([axes.channels.index(name) for name in names], np.int64)
    parts = (frame["day"].to_numpy(), frame["slot"].to_numpy(), index[channel.indices.to_numpy()])
    for name, part, size in zip(CELL_COLUMNS, parts, axes.shape, strict=False):
        if len(part) and not (part.min() >= 0 and part.max() < size):
            raise ValueError(
                f"expected {name} from 0 to {size - 1}, got {part.min()} to {part.max()}"
            )
    return np.ravel_multi_index(tuple(part.astype(np.int64) for part in parts), axes.shape)
