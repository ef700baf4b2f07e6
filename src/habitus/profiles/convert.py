"""Profiles to and from a long pandas table, and to events; for arrays see ``Profiles.dense`` and ``from_dense``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.events import SECONDS_PER_DAY, zone
from habitus.events.clock import OWN_CLOCK, clock_changes
from habitus.parts.shapes import Axes, IntArray
from habitus.profiles.sparse import USER, WINDOW, Profiles, checked_values, offsets

if TYPE_CHECKING:
    import pandas as pd

CELL_COLUMNS = ("day", "slot", "channel", "value")
MICROSECONDS = 1_000_000


def to_pandas(profiles: Profiles) -> pd.DataFrame:
    """A row per non-empty cell: ``user, window_start, (attributes), day, slot, channel, value``.

    ``window_start`` is a date, ``day`` and ``slot`` count from 0, ``channel`` is a category. A profile without
    events has no row.

    Raises:
        ValueError: if pandas is not installed.
    """
    _need_pandas()
    day, slot, channel = np.unravel_index(profiles.cells, profiles.axes.shape)
    table = _with_window(profiles).take(pa.array(profiles.row_of_cell()))
    names = pa.DictionaryArray.from_arrays(pa.array(channel.astype(np.int32)), pa.array(profiles.axes.channels))
    for name, column in zip(CELL_COLUMNS, (day, slot, names, profiles.values), strict=True):
        table = table.append_column(name, pa.array(column))
    return table.to_pandas()


def from_pandas(axes: Axes, frame: pd.DataFrame) -> Profiles:
    """The inverse of :func:`to_pandas`: a profile per user and, where there is one, ``window_start``.

    Profiles come in the order of their first rows. Columns other than those of cells describe users.

    Raises:
        ValueError: if a column is not there, a cell is not on the axes or comes twice, or a value cannot be one.
    """
    _need_pandas()
    absent = [name for name in (USER, *CELL_COLUMNS) if name not in frame.columns]
    if absent:
        raise ValueError(f"no column {absent[0]!r} in the table; it has {', '.join(map(str, frame.columns))}")
    keys = [name for name in (USER, WINDOW) if name in frame.columns]
    row = frame.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(row, return_index=True)[1]
    users = pa.Table.from_pandas(frame.iloc[first].drop(columns=list(CELL_COLUMNS)), preserve_index=False)
    kept = (frame["value"] != 0).to_numpy()
    cells, values = _cells(axes, frame)[kept], frame["value"].to_numpy()[kept]
    order = np.lexsort((cells, row[kept]))
    sorted_rows, cells = row[kept][order], cells[order]
    if ((np.diff(sorted_rows) == 0) & (np.diff(cells) == 0)).any():
        raise ValueError("a cell comes twice in the table; add up the values of equal user, day, slot and channel")
    checked = checked_values(values[order], axes.unit)
    return Profiles(axes, offsets(sorted_rows, len(first)), cells.astype(np.int32), checked, users)


def to_events(profiles: Profiles, seed: int) -> pa.Table:
    """Events that give these profiles: each count as that many events at random times within its slot.

    Slots are those of the wall clock of ``axes.timezone`` (of UTC where each event had its own offset). What lies
    in an hour that clocks skipped comes out an hour later; an hour that they repeat is taken the first time.

    Args:
        profiles: Counts, in windows that do not overlap.
        seed: Decides the times.

    Returns:
        ``user``, ``timestamp`` (UTC, microseconds) and ``channel``, in order of time.

    Raises:
        ValueError: for values that are not counts, or windows that overlap.
    """
    axes = profiles.axes
    if axes.unit != "count":
        raise ValueError(
            f"expected profiles of unit count, got {axes.unit}, which does not tell how many events there were; "
            "use profiles of a log, or a model that generates counts"
        )
    if axes.every is not None and axes.every < axes.days:
        raise ValueError("windows that overlap hold an event more than once; profile with windows that do not")
    counts = profiles.values.astype(np.int64)
    row, cell = (np.repeat(x, counts) for x in (profiles.row_of_cell(), profiles.cells.astype(np.int64)))
    slot, channel = np.divmod(cell, len(axes.channels))
    length = 60 * axes.slot_minutes * MICROSECONDS
    wall = _first_days(profiles)[row] * (SECONDS_PER_DAY * MICROSECONDS) + slot * length
    time = _instants(wall + np.random.default_rng(seed).integers(length, size=len(row)), axes.timezone)
    order = np.argsort(time, kind="stable")
    names = pa.DictionaryArray.from_arrays(pa.array(channel[order].astype(np.int32)), pa.array(axes.channels))
    return pa.table(
        {
            USER: profiles.users[USER].take(pa.array(row[order], pa.int64())),
            "timestamp": pa.array(time[order]).cast(pa.timestamp("us", "UTC")),
            "channel": names.cast(pa.string()),
        }
    )


def _need_pandas() -> None:
    try:
        import pandas as pd  # noqa: F401
    except ImportError:
        raise ValueError("this needs pandas, which is not installed; pip install 'habitus[pandas]'") from None


def _with_window(profiles: Profiles) -> pa.Table:
    """The users table with the first day of each profile's window in its second column."""
    users = profiles.users
    if WINDOW in users.column_names:
        return users
    return users.add_column(1, WINDOW, pa.array([profiles.axes.start] * len(profiles), pa.date32()))


def _first_days(profiles: Profiles) -> NDArray[np.int64]:
    """First day of each profile's window, in days since 1970."""
    days = _with_window(profiles)[WINDOW].cast(pa.date32()).cast(pa.int32())
    return days.to_numpy().astype(np.int64)


def _cells(axes: Axes, frame: pd.DataFrame) -> NDArray[np.int64]:
    """The number of each row's cell."""
    channel: Any = pa.array(frame["channel"].astype(str)).dictionary_encode()
    names = channel.dictionary.to_pylist()
    unknown = [name for name in names if name not in axes.channels]
    if unknown:
        raise ValueError(f"no channel {unknown[0]!r} on these axes; they have {', '.join(axes.channels)}")
    index = np.array([axes.channels.index(name) for name in names], np.int64)
    parts = (frame["day"].to_numpy(), frame["slot"].to_numpy(), index[channel.indices.to_numpy()])
    for name, part, size in zip(CELL_COLUMNS, parts, axes.shape, strict=False):
        if len(part) and not (part.min() >= 0 and part.max() < size):
            raise ValueError(f"expected {name} from 0 to {size - 1}, got {part.min()} to {part.max()}")
    return np.ravel_multi_index(tuple(part.astype(np.int64) for part in parts), axes.shape)


def _instants(wall: IntArray, timezone: str) -> IntArray:
    """When clocks on the wall showed the given times: microseconds since 1970, of the wall to of UTC."""
    if timezone in ("UTC", OWN_CLOCK) or not len(wall):
        return wall
    margin = 2 * SECONDS_PER_DAY
    first, last = (int(bound // MICROSECONDS) for bound in (wall.min(), wall.max()))
    changes = np.array(clock_changes(zone(timezone), first - margin, last + margin)) * MICROSECONDS
    until, offset = changes[:-1, 0], changes[:, 1]
    # A clock shows until[i] + offset[i] when its offset[i] ends: the first such end after a time tells its offset.
    at = np.searchsorted(until + offset[:-1], wall, side="right")
    begin = np.concatenate([[np.iinfo(np.int64).min], until])
    skipped = wall - offset[at] < begin[at]
    return wall - np.where(skipped, offset[np.maximum(at - 1, 0)], offset[at])
