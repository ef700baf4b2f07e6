"""Users' own gaps, from a file: when nothing was recorded, so that an empty cell says nothing.

Either a ``.npy`` array of bool, [D, S, C] for all or [U, D, S, C], true where a cell is missing; or
a table, ``.csv`` or ``.parquet``, one row per gap:

========  ========================================================================================
user      as in the profiles
from      when the gap began; without a zone, in that of the profiles
to        when it ended; every slot of which a part lies between is missing
channel   the channel concerned; without this column, or where it is empty, all of them
========  ========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from habitus.profiles.batches import Population
from habitus.profiles.sparse import USER, window_starts
from habitus.records import check_plain, first_line
from habitus.schema import Axes, BoolArray
from habitus.tables import is_text, read_table

COLUMNS = (USER, "from", "to")
MINUTE = 60_000_000  # microseconds


class MissingCells(Protocol):
    """Missing cells of each profile [U, D, S, C], of which some rows at a time are read."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: slice, /) -> BoolArray: ...


@dataclass(frozen=True)
class Gaps:
    """Gaps of every profile, as runs of slots; G of them.

    Attributes:
        axes: The profiles'.
        count: Profiles.
        row: The profile of each gap, ascending, [G].
        start: First slot since the window's start, [G].
        stop: The slot after the last, [G].
        channel: The channel, or -1 for all, [G].
    """

    axes: Axes
    count: int
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    channel: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(U, D, S, C)."""
        return (self.count, *self.axes.shape)

    def __getitem__(self, rows: slice, /) -> BoolArray:
        """Missing cells of some profiles, [B, D, S, C]."""
        first, last, _ = rows.indices(self.count)
        days, slots, channels = self.axes.shape
        out = np.zeros((last - first, days * slots, channels), bool)
        for gap in range(*np.searchsorted(self.row, [first, last]).tolist()):
            which = slice(None) if self.channel[gap] < 0 else self.channel[gap]
            out[self.row[gap] - first, self.start[gap] : self.stop[gap], which] = True
        return out.reshape(-1, days, slots, channels)


def read_missing(path: Path | str, profiles: Population) -> BoolArray | MissingCells:
    """Read the missing cells of profiles from a file, as the module describes.

    Raises:
        ValueError: for a file that is not as expected, or a user or channel that the profiles do
            not have.
    """
    path = Path(path)
    if path.suffix == ".npy":
        return _array(path, profiles)
    table = read_table(
        path, f"gaps, in the columns {', '.join(COLUMNS)}", as_text=(USER, "channel")
    )
    for name in COLUMNS:
        if name not in table.column_names:
            raise ValueError(
                f"{path}: expected the columns {', '.join(COLUMNS)}, got "
                f"{', '.join(table.column_names)}"
            )
    if not len(table):
        raise ValueError(f"{path}: there is no gap in it; expected one per row")
    return _gaps(path, table, profiles)


def _array(path: Path, profiles: Population) -> BoolArray:
    check_plain(path)
    try:
        missing = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError) as error:
        raise ValueError(f"{path} is not a readable .npy array: {first_line(error)}") from None
    if not isinstance(missing, np.ndarray):
        raise ValueError(f"{path} holds several arrays; expected a .npy file with one")
    if missing.dtype != np.bool_:
        raise ValueError(
            f"{path}: expected an array of bool, true where a cell is missing, got {missing.dtype}"
        )
    shapes = (profiles.axes.shape, (len(profiles), *profiles.axes.shape))
    if missing.shape not in shapes:
        raise ValueError(
            f"{path}: expected a mask of shape {shapes[0]} or {shapes[1]}, got {missing.shape}"
        )
    if not missing.any():
        raise ValueError(f"{path} hides no cell; there is nothing to fill")
    return missing


def _gaps(path: Path, table: pa.Table, profiles: Population) -> Gaps:
    """Convert gaps to runs of slots, one for each window of a gap's user that the gap overlaps."""
    axes = profiles.axes
    first, last = (_microseconds(path, table[name], axes.timezone) for name in ("from", "to"))
    if (last <= first).any():
        raise ValueError(f"{path}: row {int((last <= first).argmax())} ends before it begins")
    slot = axes.slot_minutes * MINUTE
    gap, row = _pairs(path, table[USER], profiles)
    begin = window_starts(profiles.users, axes).astype("datetime64[us]").astype(np.int64)[row]
    start = (first[gap] - begin) // slot
    stop = -((begin - last[gap]) // slot)
    most = axes.days * axes.slots
    inside = np.flatnonzero((stop > 0) & (start < most))
    if not len(inside):
        raise ValueError(
            f"{path}: no gap lies within a window of its user; the windows are {axes.days} days "
            "long"
        )
    inside = inside[np.argsort(row[inside], kind="stable")]
    channel = _channels(path, table, axes)[gap]
    cut = [np.clip(part, 0, most)[inside] for part in (start, stop)]
    return Gaps(axes, len(profiles), row[inside], cut[0], cut[1], channel[inside])


def _microseconds(path: Path, column: pa.ChunkedArray, zone: str) -> NDArray[np.int64]:
    """Local microseconds since 1970."""
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise ValueError(f"{path}: row {row} has no time; give both from and to")
    kind = column.type
    if is_text(kind):
        column = _parsed(path, column)
        kind = pa.timestamp("s")
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        raise ValueError(f"{path}: expected times in the columns from and to, got {kind}")
    elif kind.tz:
        column = pc.call_function("local_timestamp", [column.cast(pa.timestamp("us", zone))])
    return column.to_numpy().astype("datetime64[us]").astype(np.int64)


def _parsed(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string()).cast(pa.timestamp("s"))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


def _pairs(
    path: Path, users: pa.ChunkedArray, profiles: Population
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each gap with each profile of its user: row in the table and row in the profiles."""
    unnamed = [name is None or name == "" for name in users.to_pylist()]
    if any(unnamed):
        raise ValueError(
            f"{path}: row {unnamed.index(True)} has no user; name users as in the profiles"
        )
    try:
        users = users.cast(profiles.users[USER].type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        kinds = f"users are {users.type}, in the profiles {profiles.users[USER].type}"
        raise ValueError(f"{path}: {kinds}; name users as in the profiles") from None
    known = pa.table({USER: profiles.users[USER], "row": np.arange(len(profiles))})
    strange = pc.call_function(
        "invert", [pc.call_function("is_in", [users], pc.SetLookupOptions(known[USER]))]
    )
    if pc.call_function("any", [strange]).as_py():
        name = users.filter(strange)[0].as_py()
        raise ValueError(f"{path}: no profile of user {name!r}; name users as in the profiles")
    pairs = pa.table({USER: users, "gap": np.arange(len(users))}).join(known, USER)
    return pairs["gap"].to_numpy(), pairs["row"].to_numpy()


def _channels(path: Path, table: pa.Table, axes: Axes) -> NDArray[np.int64]:
    """Number of each gap's channel, -1 for all."""
    if "channel" not in table.column_names:
        return np.full(len(table), -1)
    names: list[str | None] = [
        name or None for name in table["channel"].cast(pa.string()).to_pylist()
    ]
    if strange := {name for name in names if name is not None} - set(axes.channels):
        raise ValueError(
            f"{path}: no channel {min(strange)!r}; the profiles have {', '.join(axes.channels)}"
        )
    return np.array([-1 if name is None else axes.channels.index(name) for name in names], np.int64)
