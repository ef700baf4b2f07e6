"""Profiles on disk: a folder with one Parquet file and a small JSON.

``profiles.parquet`` has one row per profile:

==============  ===============================================================================
user            the user, as in the log (or a number for a generated one)
window_start    first day of the profile's window, where the log was tiled
(attributes)    whatever ``--attribute`` named
cells           list of int32: (day * slots + slot) * channels + channel, ascending
values          list of uint32 counts, or of float32 where the unit is not a count; never zero
==============  ===============================================================================

``habitus.json`` holds the axes and where the profiles came from. A row group holds CHUNK profiles,
so a population larger than memory is read chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from habitus.events.format import LogRecord
from habitus.files import Mark, replacing
from habitus.profiles.calendar import CalendarRecord
from habitus.profiles.rare import ProtectionRecord
from habitus.profiles.sparse import CHUNK, USER, WINDOW, Profiles, ProfileSet, concat, value_type
from habitus.records import (
    ADVICE,
    Column,
    Header,
    Record,
    arrow_errors,
    check_columns,
    check_equal_lengths,
    check_values,
    open_parquet,
    read_header,
    write_header,
)
from habitus.schema import PEAK, Axes, BoolArray, IntArray
from habitus.tables import is_number, is_text

KIND = "profiles"
VERSION = 1
TABLE = "profiles.parquet"
LISTS = ("cells", "values")
# Differences of ascending cells pack well: smaller, and a quarter faster to write, than a
# dictionary of them.
CELLS = "cells.list.element"
PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "column_encoding": {CELLS: "DELTA_BINARY_PACKED"},
}


class ProfilesAbout(Record):
    """Provenance of profiles, as far as habitus reads it again."""

    log: LogRecord | None = None
    calendar: CalendarRecord | None = None
    protection: ProtectionRecord | None = None
    rows: dict[str, int | dict[str, int]] | None = None


class ProfilesHeader(Header):
    """The ``habitus.json`` of a folder of profiles."""

    axes: Axes
    profiles: Annotated[int, Field(ge=0)]
    about: ProfilesAbout


@dataclass(frozen=True)
class StoredProfiles(ProfileSet):
    """A population on disk, read chunk by chunk.

    Attributes:
        path: The folder.
        axes: What days, slots, channels and values are.
        about: Where the profiles came from (counts of rows used and left out, zero threshold, ...).
    """

    path: Path
    axes: Axes
    about: dict[str, Any]
    count: int

    record: ClassVar[type[ProfilesHeader]] = ProfilesHeader

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a folder without reading its profiles.

        Raises:
            ValueError: if it is not a folder of profiles, or it is damaged.
        """
        path = Path(path)
        header = read_header(path, KIND, VERSION, cls.record)
        _check_file(path / TABLE, header.axes, header.profiles)
        return cls(path, header.axes, header.content["about"], header.profiles)

    def __len__(self) -> int:
        return self.count

    @cached_property
    def users(self) -> pa.Table:
        """Users table, a row per profile: every column but cells and values."""
        file = open_parquet(self.path / TABLE)
        names = [name for name in file.schema_arrow.names if name not in LISTS]
        with arrow_errors(self.path / TABLE):
            users = file.read(columns=names).combine_chunks()
        check_values(self.path / TABLE, users, profile_columns(self.axes))
        if self.axes.unit == PEAK and PEAK in users.column_names and len(users):
            least = pc.call_function("min", [users[PEAK]]).as_py()
            if least <= 0:
                raise ValueError(
                    f"{self.path / TABLE} is damaged or foreign: expected peaks above zero, got "
                    f"{least}; {ADVICE}"
                )
        return users

    def read_group(self, group: int) -> Profiles:
        """Read the profiles of one row group.

        Raises:
            ValueError: if the file is damaged there.
        """
        path = self.path / TABLE
        file = open_parquet(path)
        with arrow_errors(path):
            table = file.read_row_group(group)
        check_values(path, table, profile_columns(self.axes))
        check_equal_lengths(path, table, LISTS)
        profiles = from_table(self.axes, table)
        check_cells(path, profiles)
        return profiles

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Profiles:
        """Read the given profiles, in the given order; a boolean mask selects.

        Raises:
            ValueError: if the file is damaged.
        """
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        wanted, place = np.unique(index, return_inverse=True)
        group_of = wanted // CHUNK
        parts = [
            self.read_group(group).take(wanted[group_of == group] - group * CHUNK)
            for group in np.unique(group_of).tolist()
        ]
        read = concat(parts or [empty(self.axes)]).take(place)
        users = self.users.take(pa.array(index, pa.int64()))
        return replace(read, users=users, about=self.about)

    def load(self) -> Profiles:
        """The whole population in memory."""
        return replace(
            concat(list(self.chunks())) if len(self) else empty(self.axes), about=self.about
        )


def save(
    path: Path | str,
    chunks: Iterable[Profiles],
    axes: Axes,
    about: dict[str, Any] | None = None,
    *,
    command: str = "save",
    overwrite: bool = False,
) -> StoredProfiles:
    """Write a population that comes in pieces; the folder appears when it is complete.

    Args:
        path: The folder.
        chunks: The pieces.
        axes: Axes of the profiles.
        about: Where they came from.
        command: What writes them; only its own earlier profiles are replaced.
        overwrite: Replace whatever folder stands there.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    with replacing(path, Mark(command, KIND), overwrite=overwrite) as part:
        part.mkdir()
        with profile_writer(part, axes) as append:
            count = sum(map(append, chunks))
        write_profiles(part, axes, count, about or {})
    return StoredProfiles.open(path)


def write_profiles(folder: Path, axes: Axes, count: int, about: dict[str, Any]) -> None:
    """Write the JSON that makes a folder with its table one of profiles."""
    write_header(folder, KIND, VERSION, axes=axes.to_json(), profiles=count, about=about)


@contextmanager
def profile_writer(folder: Path, axes: Axes) -> Iterator[Callable[[Profiles], int]]:
    """Yield a function that appends profiles, cutting row groups of exactly CHUNK.

    A thread writes, while the next profiles are made.
    """
    held: list[Profiles] = []
    written: Future[None] | None = None

    def append(profiles: Profiles) -> int:
        nonlocal written
        held.append(profiles)
        waiting = sum(map(len, held))
        if waiting >= CHUNK:
            whole = concat(held)
            cut = waiting - waiting % CHUNK
            held[:] = [whole.slice(cut, waiting)]
            if written is not None:
                written.result()
            written = pool.submit(file.write, whole.slice(0, cut))
        return len(profiles)

    with _File(folder / TABLE) as file, ThreadPoolExecutor(1) as pool:
        yield append
        if written is not None:
            written.result()
        file.write(concat(held) if held else empty(axes))


class _File:
    """A Parquet file of profiles, whose columns are those of the first ones written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, profiles: Profiles) -> None:
        """Write profiles in row groups of CHUNK."""
        if self.writer is None:
            schema = profiles.slice(0, 0).counted().schema
            others: Any = [name for name in schema.names if name not in LISTS] + [
                "values.list.element"
            ]
            self.writer = pq.ParquetWriter(self.path, schema, use_dictionary=others, **PARQUET)
        for group in profiles.chunks():
            self.writer.write_table(group.counted().cast(self.writer.schema))


def from_table(axes: Axes, table: pa.Table) -> Profiles:
    """The inverse of :meth:`Profiles.counted`, without copying a cell."""
    table = table.combine_chunks()
    lists = [list_column(table, name) for name in LISTS]
    indptr = lists[0].offsets.to_numpy().astype(np.int64)
    cells, values = (x.flatten().to_numpy(zero_copy_only=False) for x in lists)
    return Profiles(axes, indptr - indptr[0], cells, values, table.drop_columns(list(LISTS)))


def empty(axes: Axes) -> Profiles:
    """A population without profiles."""
    return Profiles.from_dense(axes, np.zeros((0, *axes.shape), value_type(axes.unit)))


def list_column(table: pa.Table, name: str) -> pa.ListArray:
    """A list column in one piece."""
    column = table[name]
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.array([], column.type)


def profile_columns(axes: Axes) -> tuple[Column, ...]:
    """The columns of ``profiles.parquet``."""
    # Of completed profiles in shares of their peak; elsewhere an attribute may be called so.
    peaks = [Column(PEAK, is_number, "numbers", required=False)] if axes.unit == PEAK else []
    return (
        Column(USER, _names_users, "numbers or texts"),
        Column(WINDOW, pa.types.is_temporal, "dates", required=False),
        Column("cells", pa.list_(pa.int32())),
        Column("values", pa.list_(pa.from_numpy_dtype(value_type(axes.unit)))),
        *peaks,
    )


def _names_users(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return is_number(kind) or is_text(kind)


def _check_file(path: Path, axes: Axes, count: int) -> None:
    """Refuse a table that is not the one :func:`save` wrote with these axes.

    Raises:
        ValueError: if columns, the number of profiles or the row groups are not as expected.
    """
    file = open_parquet(path)
    schema = file.schema_arrow
    columns = profile_columns(axes)
    check_columns(path, schema, columns)
    for field in schema:
        if field.name not in LISTS and pa.types.is_nested(field.type):
            raise ValueError(
                f"{path} is damaged or foreign: expected a number, a text or a date for each user "
                f"in the column {field.name!r}, got {field.type}; {ADVICE}"
            )
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    if sum(groups) != count:
        raise ValueError(f"{path} is damaged: expected {count} profiles, found {sum(groups)}")
    if any(size != CHUNK for size in groups[:-1]) or max(groups, default=0) > CHUNK:
        raise ValueError(
            f"{path} is foreign: expected {CHUNK} profiles in each row group; load and save it "
            "again"
        )


def check_cells(path: Path, profiles: Profiles) -> None:
    """Refuse profiles with cells beyond their axes or out of order, or values not above zero.

    Raises:
        ValueError: if there is one.
    """
    cells = profiles.cells
    falls = cells[1:] <= cells[:-1]
    starts = profiles.indptr[1:-1]
    falls[starts[(starts > 0) & (starts < len(cells))] - 1] = False
    wrong = None
    if len(cells) and (cells.min() < 0 or cells.max() >= profiles.axes.cells):
        wrong = f"cells from 0 to {profiles.axes.cells - 1}, got {cells.min()} to {cells.max()}"
    elif falls.any():
        wrong = "ascending cells in every profile, got others"
    elif not (profiles.values > 0).all():
        wrong = "values above zero, got others"
    if wrong is not None:
        raise ValueError(f"{path} is damaged or foreign: expected {wrong}; {ADVICE}")
