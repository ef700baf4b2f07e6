"""Profiles on disk: a folder with one Parquet file and a small JSON.

``profiles.parquet`` has one row per profile:

==============  ===============================================================================
user            the user, as in the log (or a number for a generated one)
window_start    first day of the profile's window, where the log was tiled
(attributes)    whatever ``--attribute`` named
cells           list of int32: (day * slots + slot) * channels + channel, ascending
values          list of uint32 counts, or of float32 where the unit is not a count; never zero
==============  ===============================================================================

``habitus.json`` holds the axes and where the profiles came from. A row group holds CHUNK profiles, so a
population larger than memory is read chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from habitus.output import MARKER, read_json, replacing, write_json
from habitus.parts.shapes import Axes
from habitus.profiles.sparse import CHUNK, Profiles, concat, value_type

KIND, VERSION, TABLE = "profiles", 1, "profiles.parquet"


@dataclass(frozen=True)
class StoredProfiles:
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

    @classmethod
    def open(cls, path: Path | str) -> StoredProfiles:
        """Open a folder without reading its profiles.

        Raises:
            ValueError: if it is not a folder of profiles, or it is damaged.
        """
        path = Path(path)
        header = read_header(path, KIND, VERSION)
        metadata = _open_parquet(path / TABLE).metadata
        if metadata.num_rows != header["profiles"]:
            raise ValueError(
                f"{path} is damaged: expected {header['profiles']} profiles, found {metadata.num_rows}"
            )
        return cls(path, Axes.from_json(header["axes"]), header["about"], metadata.num_rows)

    def __len__(self) -> int:
        return self.count

    @property
    def users(self) -> pa.Table:
        """Who each profile is: every column but cells and values."""
        file = _open_parquet(self.path / TABLE)
        names = [name for name in file.schema_arrow.names if name not in ("cells", "values")]
        return file.read(columns=names)

    @property
    def groups(self) -> int:
        """Row groups in the file."""
        return _open_parquet(self.path / TABLE).num_row_groups

    def read_group(self, group: int) -> Profiles:
        """One row group's profiles.

        Raises:
            ValueError: if the file is damaged there.
        """
        try:
            return from_table(self.axes, _open_parquet(self.path / TABLE).read_row_group(group))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.path / TABLE} is damaged: {_first_line(error)}") from None

    def chunks(self) -> Iterator[Profiles]:
        """The population row group by row group."""
        for group in range(self.groups):
            yield self.read_group(group)

    def load(self) -> Profiles:
        """The whole population in memory."""
        return concat(list(self.chunks())) if len(self) else empty(self.axes)


def save(
    path: Path | str, chunks: Iterable[Profiles], axes: Axes, about: dict[str, Any] | None = None
) -> StoredProfiles:
    """Write a population that comes in pieces; the folder appears when it is complete.

    Raises:
        ValueError: if ``path`` is a folder that habitus did not write.
    """
    with replacing(path) as part:
        part.mkdir()
        with _writer(part, axes) as writer:
            count = sum(writer(chunk) for chunk in chunks)
        write_header(part, KIND, VERSION, axes=axes.to_json(), profiles=count, about=about or {})
    return StoredProfiles.open(path)


@contextmanager
def _writer(folder: Path, axes: Axes) -> Iterator[Any]:
    """Yield a function that appends profiles, cutting row groups of exactly CHUNK."""
    held: list[Profiles] = []
    file: pq.ParquetWriter | None = None

    def put(profiles: Profiles) -> None:
        nonlocal file
        table = profiles.counted()
        if file is None:
            file = pq.ParquetWriter(folder / TABLE, table.schema, compression="zstd", compression_level=1)
        file.write_table(table.cast(file.schema), row_group_size=CHUNK)

    def append(profiles: Profiles) -> int:
        held.append(profiles)
        waiting = sum(map(len, held))
        if waiting >= CHUNK:
            whole = concat(held)
            cut = waiting - waiting % CHUNK
            put(whole.slice(0, cut))
            held[:] = [whole.slice(cut, waiting)]
        return len(profiles)

    try:
        yield append
        put(concat(held) if held else empty(axes))
    finally:
        if file is not None:
            file.close()


def from_table(axes: Axes, table: pa.Table) -> Profiles:
    """The inverse of :meth:`Profiles.counted`, without copying a cell."""
    table = table.combine_chunks()
    lists = [_list(table, name) for name in ("cells", "values")]
    indptr = lists[0].offsets.to_numpy().astype(np.int64)
    cells, values = (x.values.to_numpy(zero_copy_only=False) for x in lists)
    return Profiles(axes, indptr, cells, values, table.drop_columns(["cells", "values"]))


def empty(axes: Axes) -> Profiles:
    """A population of nobody."""
    return Profiles.from_dense(axes, np.zeros((0, *axes.shape), value_type(axes.unit)))


def write_header(folder: Path, kind: str, version: int, **content: Any) -> None:
    """Write the JSON that marks a folder as habitus' own."""
    write_json(folder / MARKER, {"kind": kind, "version": version, **content})


def read_header(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """Read the JSON of a folder of the given kind.

    Raises:
        ValueError: if the folder is absent, of another kind, or of a newer version.
    """
    if not (folder / MARKER).is_file():
        raise ValueError(f"expected a folder of habitus {kind} at {folder}, but there is no {MARKER} in it")
    header = read_json(folder / MARKER)
    found = header.get("kind") if isinstance(header, dict) else None
    if found != kind:
        raise ValueError(f"expected a folder of habitus {kind} at {folder}, got one of {found or 'something else'}")
    if header["version"] > version:
        raise ValueError(f"{folder} was written by a newer habitus (format {header['version']}); update habitus")
    return header


def _list(table: pa.Table, name: str) -> pa.ListArray:
    column = table[name]
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.array([], column.type)


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is missing or damaged: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
